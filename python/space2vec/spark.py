"""For users of Spark: scores of alerts in a DataFrame, as Fink's tables hold them. Install ``pyspark``, and Java."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from space2vec.errors.packages import need
from space2vec.models.workers import BatchScorer, ModelSource

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

__all__ = ["ddl", "real_bogus", "score"]

_TYPES = {"string": "string", "int64": "bigint", "float": "float", "list<item: string>": "array<string>"}


def score(
    frame: DataFrame, model: ModelSource = "default", passthrough: Sequence[str] = (), *, threads: int = 1
) -> DataFrame:
    """Score the alerts of a Spark DataFrame: one row for each alert, damaged or not.

    Parameters
    ----------
    frame : pyspark.sql.DataFrame
        Columns of cutouts and ids under the names that brokers give them; see :func:`space2vec.read_arrow`. Workers in
        Python get only those that the model looks at.
    model : str, path, or Forest or Network
        A packaged name, or a path that the workers can read; each loads it once. A model itself is sent to them.
    passthrough : sequence of str, optional
        Columns that go along into the result.
    threads : int, optional
        Threads of one task; one by default, as Spark runs a task a core.

    Returns
    -------
    pyspark.sql.DataFrame
        object_id, candidate_id, score (NaN where a row cannot be scored), flags (an array of names), model, and the
        columns that go along; see :meth:`space2vec.Scores.arrow_schema`.

    Raises
    ------
    ImportError
        If PySpark is not installed.
    ModelError
        If there is no packaged model of this name.
    ReadError
        If no column holds cutouts.
    ValueError
        If a column that is to go along is not there, or has the name of one of the result's own.

    Notes
    -----
    Spark cuts a partition into batches of 10,000 rows, half a gigabyte of cutouts. Set
    ``spark.sql.execution.arrow.maxRecordsPerBatch`` to 512.
    """
    need("pyspark", "scores in Spark need PySpark")
    from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema
    from pyspark.sql.types import StructType

    scorer = BatchScorer(model, passthrough, threads)
    scorer.check(frame.columns)
    columns = scorer.columns(to_arrow_schema(frame.schema))
    own = from_arrow_schema(BatchScorer.schema(text_ids=columns.text_ids))
    result = StructType([*own.fields, *(frame.schema[name] for name in scorer.passthrough)])
    return frame.select(*_columns(scorer.passthrough, columns.steps)).mapInArrow(scorer.batches, result)


def _columns(passthrough: Sequence[str], wanted: Iterable[tuple[str, ...]]) -> list[Column]:
    """Return the columns that the workers get: those that the model needs, and of records the fields that it needs."""
    from pyspark.sql import functions

    fields: dict[str, list[str] | None] = dict.fromkeys(passthrough)
    for steps in wanted:
        if len(steps) != 2 or fields.get(steps[0], ()) is None:
            fields[steps[0]] = None
        else:
            inner = fields.setdefault(steps[0], [])
            assert inner is not None
            inner.append(steps[1])
    return [
        functions.col(_quoted(name))
        if inner is None
        else functions.struct(*(functions.col(_quoted(name, one)).alias(one) for one in inner)).alias(name)
        for name, inner in fields.items()
    ]


def _quoted(*names: str) -> str:
    return ".".join(f"`{name.replace('`', '``')}`" for name in names)


def real_bogus(
    science: Column | str, template: Column | str, difference: Column | str, model: ModelSource = "default"
) -> Column:
    """Return the score of each row as a column of float, by a ``pandas_udf`` as Fink's science modules are.

    Parameters
    ----------
    science, template, difference : pyspark.sql.Column or str
        The cutouts: bytes, or records with bytes in ``stampData``.
    model : str, path, or Forest or Network
        A model that looks at pixels alone, such as ``default``; as for :func:`score`.

    Returns
    -------
    pyspark.sql.Column
        P(real), NaN where a row cannot be scored. Without ids, flags and what packets say beside the cutouts: a
        candidate is looked for in the middle of its cutout, where :func:`score` asks a cutout at the edge of a
        detector where its candidate lies.

    Raises
    ------
    ImportError
        If PySpark is not installed.
    ModelError
        If there is no packaged model of this name.

    Examples
    --------
    ``frame.withColumn("rb", real_bogus("cutoutScience", "cutoutTemplate", "cutoutDifference"))``
    """
    need("pyspark", "scores in Spark need PySpark")
    import pandas as pd
    from pyspark.sql.functions import pandas_udf

    scorer = BatchScorer(model)

    def real_bogus(science: pd.Series, template: pd.Series, difference: pd.Series) -> pd.Series:
        import pandas as pd
        import pyarrow as pa

        cells = {"cutoutScience": science, "cutoutTemplate": template, "cutoutDifference": difference}
        held = {name: pa.array(given if given.ndim == 1 else given["stampData"]) for name, given in cells.items()}
        return pd.Series(scorer.score(pa.table(held))["score"].to_numpy(zero_copy_only=False))

    # PySpark looks for what kind of function this is in its annotations, which must be types, not their names.
    real_bogus.__annotations__ = dict.fromkeys(("science", "template", "difference", "return"), pd.Series)
    column: Column = pandas_udf(real_bogus, "float")(science, template, difference)
    return column


def ddl(*, text_ids: bool = False) -> str:
    """Return the schema of the scores as Spark's DDL, for code that calls ``mapInArrow`` with ``model.score_arrow``.

    Parameters
    ----------
    text_ids : bool, optional
        Whether the ids of candidates are text.
    """
    return ", ".join(f"{field.name} {_TYPES[str(field.type)]}" for field in BatchScorer.schema(text_ids=text_ids))
