"""Models in the workers of an engine (Spark, Dask, Ray): loaded once a process, they score Arrow batches."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from space2vec.data.tables import Scores
from space2vec.models.load import load
from space2vec.models.model import Model
from space2vec.reading.arrow_table import alert_columns, as_table, score_arrow

if TYPE_CHECKING:
    import pyarrow

    from space2vec.reading.alert_columns import AlertColumns
    from space2vec.reading.arrow_table import ArrowSource

__all__ = ["BatchScorer", "ModelSource"]

#: A packaged name, the path of a model file, or a model.
ModelSource: TypeAlias = "str | os.PathLike[str] | Model"

#: The models of this process: by name, by path and what the file was, or by digest.
_LOADED: dict[tuple[str | int, ...], Model] = {}


class BatchScorer:
    """Scores Arrow batches, in the process that it was pickled to.

    A model that is named is loaded by each worker, from its own installation or from a path that it can read; a model
    that is given goes along, half a megabyte. Either is held once a process.

    Parameters
    ----------
    model : str, path, or Forest or Network
        A packaged name, the path of a model file, or the model.
    passthrough : sequence of str, optional
        Columns of the batches that go along into the result.
    threads : int, optional
        Threads of one worker; one by default, for engines run a worker a core.

    Raises
    ------
    ModelError
        If there is no packaged model of this name, or the model gives vectors.
    ValueError
        If a column that goes along has the name of one of the result's own.
    """

    def __init__(self, model: ModelSource = "default", passthrough: Sequence[str] = (), threads: int = 1) -> None:
        names = [passthrough] if isinstance(passthrough, str) else list(passthrough)
        if taken := sorted(set(names) & set(Scores.arrow_schema().names)):
            raise ValueError(f"the result has columns {', '.join(taken)} of its own; rename those that go along")
        self.passthrough = tuple(dict.fromkeys(names))
        self.threads = threads
        self._source: str | Model = model if isinstance(model, Model) else os.fspath(model)
        self._digest = model.digest if isinstance(model, Model) else ""
        if not isinstance(model, Model) and not Path(model).suffix and os.sep not in os.fspath(model):
            load(model).check_gives_scores()  # a name that no installation knows is found here, not by a worker
        if isinstance(model, Model):
            model.check_gives_scores()

    @property
    def model(self) -> Model:
        """The model, as this process holds it."""
        if isinstance(self._source, Model):
            return _LOADED.setdefault(("model", self._digest), self._source)
        key: tuple[str | int, ...] = ("file", self._source)
        if os.path.exists(self._source):
            state = os.stat(self._source)
            key = (*key, state.st_mtime_ns, state.st_size)
        if key not in _LOADED:
            _LOADED[key] = load(self._source)
        return _LOADED[key]

    def columns(self, schema: pyarrow.Schema) -> AlertColumns:
        """Return the columns of a schema that the model needs; raise if there are no cutouts among them."""
        return alert_columns(schema, self.model)

    def check(self, names: Iterable[str]) -> None:
        """Raise a ValueError if a column to pass through does not exist."""
        known = list(names)
        if lacking := [name for name in self.passthrough if name not in known]:
            raise ValueError(f"no column {', '.join(map(repr, lacking))} to go along; there are {', '.join(known)}")

    @staticmethod
    def schema(*, text_ids: bool) -> pyarrow.Schema:
        """Return the schema of the results of :meth:`score`; see :meth:`space2vec.Scores.arrow_schema`."""
        return Scores.arrow_schema(text_ids=text_ids)

    def score(self, batch: ArrowSource, *, text_ids: bool | None = None) -> pyarrow.RecordBatch:
        """Return the scores of one batch; `text_ids` says whether candidate ids are text, instead of its schema."""
        return score_arrow(batch, self.model, threads=self.threads, text_ids=text_ids)

    def __call__(self, batch: ArrowSource) -> pyarrow.Table:
        """Return a row for each row of a batch: the scores, and the columns that go along.

        Raises
        ------
        ReadError
            If no column holds cutouts, or they are of a type that cannot be read.
        ValueError
            If a column that is to go along is not there.
        """
        import pyarrow as pa

        table = as_table(batch)
        self.check(table.column_names)
        whole = pa.Table.from_batches([self.score(table)])
        for name in self.passthrough:
            place = table.column_names.index(name)
            whole = whole.append_column(table.schema.field(place), table.column(place))
        return whole

    def batches(self, batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        """Yield the result of each batch, as one batch."""
        for batch in batches:
            table = self(batch).combine_chunks()
            yield from table.to_batches() or [_no_rows(table.schema)]


def _no_rows(schema: pyarrow.Schema) -> pyarrow.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)
