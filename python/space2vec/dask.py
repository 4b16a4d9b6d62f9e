"""For users of Dask and LSDB: scores of alerts in a DataFrame or a catalogue, a partition at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from space2vec.errors.packages import need
from space2vec.models.workers import BatchScorer, ModelSource

if TYPE_CHECKING:
    import pandas
    import pyarrow

__all__ = ["meta", "score", "score_partition"]

#: A Dask DataFrame or an LSDB catalogue.
Frame: TypeAlias = Any  # neither has types, nor needs to be installed where types are checked


def score(frame: Frame, model: ModelSource = "default", passthrough: Sequence[str] = (), *, threads: int = 1) -> Frame:
    """Score the alerts of a Dask DataFrame or an LSDB catalogue: one row for each alert, damaged or not.

    Parameters
    ----------
    frame : dask.dataframe.DataFrame or lsdb.catalog.Catalog
        Columns of cutouts and ids under the names that brokers give them; see :func:`space2vec.read_arrow`. Read it
        with ``dtype_backend="pyarrow"``: cutouts in columns of objects are converted at twenty times the cost.
    model : str, path, or Forest or Network
        A packaged name, or a path that the workers can read; each loads it once. A model itself is sent to them.
    passthrough : sequence of str, optional
        Columns that go along into the result; those of the position of an LSDB catalogue always do.
    threads : int, optional
        Threads of one task; one by default, as Dask runs a task a core.

    Returns
    -------
    dask.dataframe.DataFrame or lsdb.catalog.Catalog
        With the index and the partitions of `frame`: object_id, candidate_id, score (NaN where a row cannot be
        scored), flags (a list of names), model, and the columns that go along.

    Raises
    ------
    ModelError
        If there is no packaged model of this name.
    ReadError
        If no column holds cutouts.
    ValueError
        If a column that is to go along is not there, or has the name of one of the result's own.
    """
    passthrough = [*([passthrough] if isinstance(passthrough, str) else passthrough), *_position(frame)]
    empty = meta(frame, model, passthrough)
    return frame.map_partitions(score_partition, model=model, passthrough=passthrough, threads=threads, meta=empty)


def meta(frame: Frame, model: ModelSource = "default", passthrough: Sequence[str] = ()) -> pandas.DataFrame:
    """Return the empty frame that tells Dask the columns and types of the scores.

    Parameters
    ----------
    frame : DataFrame of Dask or pandas, or lsdb.catalog.Catalog
        What is to be scored.
    model, passthrough
        As for :func:`score`.
    """
    empty: Frame = frame.meta if _is_catalogue(frame) else getattr(frame, "_meta", frame)
    return score_partition(empty.iloc[:0], model, passthrough)


def _is_catalogue(frame: Frame) -> bool:
    """Return whether it is a catalogue of LSDB."""
    return hasattr(frame, "hc_structure")


def _position(frame: Frame) -> tuple[str, ...]:
    """Return the columns of right ascension and declination, without which LSDB takes no result for a catalogue."""
    if not _is_catalogue(frame):
        return ()
    info = frame.hc_structure.catalog_info
    return info.ra_column, info.dec_column


def score_partition(
    frame: pandas.DataFrame, model: ModelSource = "default", passthrough: Sequence[str] = (), *, threads: int = 1
) -> pandas.DataFrame:
    """Score the alerts of one partition, for ``map_partitions``.

    Parameters
    ----------
    frame : pandas.DataFrame
        The partition; it may be empty.
    model, passthrough, threads
        As for :func:`score`.

    Returns
    -------
    pandas.DataFrame
        With the index of `frame`. The types are those of Arrow (``pandas.ArrowDtype``); columns that go along keep
        theirs. They do not depend on what is in the partition: the ids of candidates are text where the type of their
        column is, or is ``object``.
    """
    need("pandas", "scores in Dask need pandas")
    import pandas as pd
    import pyarrow as pa

    scorer = BatchScorer(model, passthrough, threads)
    scorer.check(map(str, frame.columns))
    schema = _schema(frame)
    columns = scorer.columns(schema)
    names = dict.fromkeys(steps[0] for steps in columns.steps)
    table = pa.table({name: pa.array(frame[name], from_pandas=True) for name in names})
    batch = scorer.score(table, text_ids=columns.text_ids)
    result = batch.to_pandas(types_mapper=pd.ArrowDtype)
    result.index = frame.index
    for name in scorer.passthrough:
        result[name] = frame[name]
    return result


def _schema(frame: pandas.DataFrame) -> pyarrow.Schema:
    """Return the types of columns, as far as their dtypes determine them.

    Objects count as bytes, or as records where the first is one; foreign types are left out.
    """
    import pyarrow as pa

    fields = []
    for name in map(str, frame.columns):
        if frame[name].dtype == object:
            fields.append((name, _record_type(frame[name]) or pa.binary()))
            continue
        try:
            fields.append((name, pa.array(frame[name].iloc[:0], from_pandas=True).type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
            continue
    return pa.schema(fields)


def _record_type(column: pandas.Series) -> pyarrow.DataType | None:
    """Return the type of a column of objects that are records, by the first of them."""
    import pyarrow as pa

    first = next((cell for cell in column if cell is not None), None)
    return pa.infer_type([first]) if isinstance(first, dict) else None
