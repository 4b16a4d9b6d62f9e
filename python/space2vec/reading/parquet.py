"""Read alerts from Parquet files, such as those of Fink."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from space2vec.errors import ReadError, Space2vecError
from space2vec.reading.alert_columns import AlertColumns, has_cutouts
from space2vec.reading.alerts import CUTOUTS
from space2vec.reading.batch import AnyBatch
from space2vec.reading.limits import Limits, size_faults_as_read_errors
from space2vec.reading.options import ReadOptions
from space2vec.reading.parquet_columns import Table
from space2vec.reading.parquet_pages import PageSizes, page_sizes

if TYPE_CHECKING:
    import pyarrow

__all__ = ["MAGIC", "bounded_batches", "columns", "damage_as_read_errors", "open_parquet", "read_alerts"]

MAGIC = b"PAR1"


def open_parquet(path: Path | BinaryIO, texts: Collection[str] = ()) -> pyarrow.parquet.ParquetFile:
    """Open a Parquet file.

    Parameters
    ----------
    path : Path or binary file
        The file.
    texts : collection of str, optional
        Text columns to read as dictionaries, so that a repeated text is stored once.

    Raises
    ------
    ReadError
        If it is not a Parquet file, or is truncated (its schema is at its end).
    OSError
        If the machine cannot read it.
    """
    from pyarrow import parquet

    with damage_as_read_errors(path, "not a Parquet file, or cut short"):
        file = parquet.ParquetFile(path)
        textual = [field.name for field in file.schema_arrow if field.name in texts and _is_text(field.type)]
        if not textual:
            return file
        file.close()
        return parquet.ParquetFile(path, read_dictionary=textual)


def _is_text(kind: pyarrow.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))


def bounded_batches(
    file: pyarrow.parquet.ParquetFile,
    columns: Sequence[str],
    rows: int,
    source: Path | BinaryIO,
    limits: Limits,
    *,
    expanded: bool = True,
) -> Iterator[pyarrow.RecordBatch]:
    """Yield consecutive rows of some columns, after checking that the file stays within the limits.

    Parameters
    ----------
    file : pyarrow.parquet.ParquetFile
        The file.
    columns : sequence of str
        The dotted paths of the columns.
    rows : int
        The most rows at a time; fewer if rows are large.
    source : Path or binary file
        The same file, to read its page headers.
    limits : Limits
        The limits on its rows and bytes.
    expanded : bool, optional
        Whether the caller will expand dictionaries, so that the bytes of each row count in full.

    Raises
    ------
    ReadError
        If it has more rows, or unpacks to more bytes, than its size allows.
    """
    import pyarrow as pa

    size, sizes = _size_and_pages(source, columns)
    limits.check_rows(file.metadata.num_rows, size)
    limits.check_bytes_at_once(sizes.largest, size, "pages of the file")
    if sizes.values > limits.unpacked_bytes(size):
        limits.refuse(sizes.values, size, "lists of the file")
    # Any row may refer to the longest value of a dictionary.
    few = limits.rows(sizes.dictionaries + sizes.values // max(file.metadata.num_rows, 1), rows)
    held: list[pa.RecordBatch] = []
    count = nbytes = given = 0
    for part in file.iter_batches(batch_size=few, columns=list(columns)):
        held.append(part)
        taken = sum(map(_expanded_bytes, part.columns)) if expanded else part.nbytes
        count, nbytes, given = count + len(part), nbytes + taken, given + taken
        if given > limits.unpacked_bytes(size):
            limits.refuse(given, size, "the file")
        if count + few > rows or nbytes >= limits.batch_bytes:
            yield _join_batches(held)
            held, count, nbytes = [], 0, 0
    if held:
        yield _join_batches(held)


def _expanded_bytes(column: pyarrow.Array) -> int:
    """Return the bytes of a column after its dictionaries are expanded."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_struct(column.type):
        return sum(_expanded_bytes(column.field(k)) for k in range(column.type.num_fields))
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    kind = column.type.value_type
    if not (pa.types.is_string(kind) or pa.types.is_binary(kind)):
        return 8 * len(column)
    lengths = pc.binary_length(column.dictionary)
    return int(pc.sum(lengths.take(column.indices).cast(pa.int64())).as_py() or 0)


def _size_and_pages(source: Path | BinaryIO, columns: Sequence[str]) -> tuple[int, PageSizes]:
    """Return the size of a file in bytes, and the sizes in the headers of its pages."""
    with _opened(source) as file:
        return file.seek(0, os.SEEK_END), page_sizes(file, columns)


def _opened(source: Path | BinaryIO) -> contextlib.AbstractContextManager[BinaryIO]:
    return source.open("rb") if isinstance(source, Path) else contextlib.nullcontext(source)


def _join_batches(parts: list[pyarrow.RecordBatch]) -> pyarrow.RecordBatch:
    import pyarrow as pa

    if len(parts) == 1:
        return parts[0]
    table = pa.Table.from_batches(parts).combine_chunks()
    return pa.RecordBatch.from_arrays(
        [column.chunk(0) if column.num_chunks else pa.nulls(0, column.type) for column in table.columns],
        schema=table.schema,
    )


@contextlib.contextmanager
def damage_as_read_errors(path: Path | BinaryIO, damage: str) -> Iterator[None]:
    """Turn the many kinds of errors that Arrow raises for a damaged file into ReadError; errors of the machine stay."""
    try:
        with size_faults_as_read_errors():
            yield
    except Space2vecError:
        raise
    except Exception as error:
        # Arrow gives an errno only for faults of the machine, and does not always name the file.
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise ReadError(f"{damage} ({error})") from None


def columns(path: Path) -> list[str]:
    """Return the names of a Parquet file's columns."""
    with open_parquet(path) as file:
        return list(file.schema_arrow.names)


def read_alerts(path: Path | BinaryIO, options: ReadOptions, source_name: str | None = None) -> Iterator[AnyBatch]:
    """Yield the alerts of one Parquet file, in order.

    Parameters
    ----------
    path : Path or binary file
        The file.
    options : ReadOptions
        How to read it.
    source_name : str, optional
        The name of the file in problems; by default its path.

    Raises
    ------
    ReadError
        If the file is not a Parquet file of alerts, or, after the alerts before the damage, if it is damaged.
    """
    with open_parquet(path) as file:
        with damage_as_read_errors(path, "not a Parquet file of alerts"):
            schema = file.schema_arrow
            names = schema.names
        if not has_cutouts(names):
            shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
            raise ReadError(f"no alerts: the table has none of {', '.join(CUTOUTS)}; its columns are {shown or 'none'}")
        reader = AlertColumns(Table(schema), options, str(path) if source_name is None else source_name)
        batches = _batches(file, reader, path, options)
        done = 0
        while True:
            with damage_as_read_errors(
                path, f"damaged after record {done - 1}" if done else "damaged among its first records"
            ):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch
            done += len(batch.rows)


def _batches(
    file: pyarrow.parquet.ParquetFile, reader: AlertColumns, path: Path | BinaryIO, options: ReadOptions
) -> Iterator[AnyBatch]:
    """Yield the alerts of an open file, after checking that their cutouts stay within the limits."""
    with _opened(path) as source:
        size = source.seek(0, os.SEEK_END)
    first = spent = 0
    for part in bounded_batches(file, reader.paths_to_read, options.size, path, options.limits):
        spent += reader.unpacked(part)
        if spent > options.limits.unpacked_bytes(size):
            options.limits.refuse(spent, size, "cutouts of the file")
        yield from reader.batches(part, first)
        first += len(part)
