"""Read alerts from Arrow tables in memory, whose cutouts are columns of bytes, as those of Spark, Dask and Ray."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from space2vec.backends import kernels
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Scores
from space2vec.reading import packet_columns
from space2vec.reading.alert_columns import AlertColumns
from space2vec.reading.batch import AnyBatch, Problem, collect_rows
from space2vec.reading.concatenated_rows import as_scores, no_scores
from space2vec.reading.limits import Limits, refuse_long_ids
from space2vec.reading.options import ReadOptions, plan_reader_work
from space2vec.reading.parquet_columns import Table

if TYPE_CHECKING:
    import pyarrow

    from space2vec.reading.concatenated_rows import ScoringModel

__all__ = ["ArrowSource", "alert_columns", "as_table", "read_arrow", "score_arrow"]


class ArrowStream(Protocol):
    """An object that exports its rows as an Arrow stream: tables of Polars, DuckDB and pandas, and batch readers."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return a capsule with an ``ArrowArrayStream``."""


#: The objects that are accepted as a table.
ArrowSource: TypeAlias = "pyarrow.Table | pyarrow.RecordBatch | ArrowStream"

#: The name of the table in problems.
_NAME = "table"
#: The number of rows whose ids and fields are converted together.
_ROWS = 8192


def read_arrow(
    table: ArrowSource,
    *,
    columns: Sequence[str] | None = None,
    threads: int | None = None,
    problems: list[Problem] | None = None,
    limits: Limits | None = None,
) -> Stamps:
    """Read alerts from an Arrow table, with one row for each of its rows, damaged or not.

    Parameters
    ----------
    table : pyarrow.Table, pyarrow.RecordBatch, or an object with ``__arrow_c_stream__``
        Columns of cutouts and ids under the names that brokers give them: ``cutoutScience.stampData`` as a record, as
        in Fink's tables, ``cutoutScience``, ``b:cutoutScience_stampData`` and the like; ``candid``, ``objectId``,
        ``i:candid``, ``diaSourceId``. Cutouts are FITS files, gzip'd or plain, in columns of ``binary``,
        ``large_binary`` or ``binary_view``, also as dictionaries, or lists of rows of pixels. They are decoded
        without a copy, from slices and tables of several chunks too.
    columns : sequence of str, optional
        Columns to keep in the result, as for :func:`space2vec.read`.
    threads : int, optional
        Number of decoding threads; one for each usable core by default.
    problems : list, optional
        A list to which one :class:`~space2vec.reading.Problem` is appended for each faulty cutout; its path is
        ``table``, and its record is the row number.
    limits : Limits, optional
        Limits on the bytes of an id, and on the bytes to which all cutouts unpack.

    Returns
    -------
    Stamps
        A row for each row of the table, in order. A row with a damaged cutout has the flag ``bad_stamp``, a row without
        a cutout the flag ``missing``.

    Raises
    ------
    TypeError
        If `table` is not an Arrow table.
    ReadError
        If no column has cutouts, if they are of a type that cannot be read, if the table lacks one of the `columns`,
        or if the cutouts unpack to more than the limits allow.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from pathlib import Path
    >>> import fastavro
    >>> file = sorted(Path("demo/alerts").glob("*.avro"))[0]
    >>> table = pa.Table.from_pylist([alert for alert in fastavro.reader(file.open("rb"))])
    >>> len(s2v.read_arrow(table)) == table.num_rows
    True
    """
    held = as_table(table)
    options = ReadOptions(
        _ROWS,
        kernels.thread_count(threads),
        columns=packet_columns.check_paths(columns),
        limits=limits or Limits(),
    )
    parts = collect_rows(_batches(held, AlertColumns(Table(held.schema), options, _NAME), options), problems)
    stamps = Stamps.concatenate(part for part in parts if isinstance(part, Stamps))
    if not parts:
        stamps.columns = {name: np.empty(0) for name in options.columns}
    return stamps


def score_arrow(
    table: ArrowSource,
    model: ScoringModel,
    *,
    threads: int | None = None,
    device: str = "cpu",
    problems: list[Problem] | None = None,
    text_ids: bool | None = None,
) -> pyarrow.RecordBatch:
    """Score the alerts of an Arrow table, with one row for each of its rows; see ``score_arrow`` of a model.

    `text_ids` says whether candidate ids are text; by default the schema decides.
    """
    held = as_table(table)
    model.check_gives_scores()
    measured, scoring, _ = plan_reader_work(model, device)
    options = ReadOptions(_ROWS, kernels.thread_count(threads), measured, model=scoring)
    reader = AlertColumns(Table(held.schema), options, _NAME)
    parts: list[Scores] = []
    first = 0
    for batch in _batches(held, reader, options, bounded=False):
        parts.append(as_scores(batch.rows, model, threads=threads, device=device))
        if problems is not None:
            problems.extend(replace(problem, row=first + problem.row) for problem in batch.problems)
        first += len(batch.rows)
    scores = Scores.concatenate(parts) if parts else no_scores(model)
    return scores.to_batch(text_ids=reader.text_ids if text_ids is None else text_ids)


def alert_columns(schema: pyarrow.Schema, model: ScoringModel) -> AlertColumns:
    """Return the columns that a model needs from tables with a schema.

    Raises
    ------
    ReadError
        If no column has cutouts.
    """
    measured, scoring, _ = plan_reader_work(model)
    return AlertColumns(Table(schema), ReadOptions(_ROWS, 1, measured, model=scoring), _NAME)


def as_table(source: ArrowSource) -> pyarrow.Table:
    """Return an object as a table, without copying its columns; raise TypeError if it is not an Arrow table."""
    import pyarrow as pa

    if isinstance(source, pa.RecordBatch):
        return pa.Table.from_batches([source])
    if isinstance(source, pa.Table):
        return source
    if hasattr(source, "__arrow_c_stream__") or hasattr(source, "__arrow_c_array__"):
        return pa.table(source)
    raise TypeError(
        f"accepted are a pyarrow.Table, a pyarrow.RecordBatch and what has __arrow_c_stream__; "
        f"given {type(source).__name__}"
    )


def _batches(
    table: pyarrow.Table, reader: AlertColumns, options: ReadOptions, *, bounded: bool = True
) -> Iterator[AnyBatch]:
    """Yield the alerts of a table; `bounded` limits the sum of their bytes, for callers that keep all of them."""
    if reader.packet_fields is not None:
        packet_columns.check_fields(reader.packet_fields)
    first = unpacked = 0
    size = table.nbytes
    for part in table.to_batches(max_chunksize=_ROWS):
        reader.check(part)
        unpacked += reader.unpacked(part)
        if bounded and unpacked > options.limits.unpacked_bytes(size):
            options.limits.refuse(unpacked, size, "cutouts of the table")
        for batch in reader.batches(part, first):
            yield refuse_long_ids(batch, options.limits, _NAME)
        first += len(part)
