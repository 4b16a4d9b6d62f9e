"""Tables as bytes and as files: Parquet for a part, Parquet or CSV for the whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from space2vec.errors import OutputError

if TYPE_CHECKING:
    from typing import Self

    import pyarrow

    from space2vec.writing.aside import Aside

__all__ = ["SUFFIXES", "TableFile", "decode", "encode", "fitted", "note_of", "values_of", "widened"]

SUFFIXES = (".parquet", ".csv")

#: Rows of a group in a Parquet file, however the parts fell.
_GROUP = 1 << 16
#: The key of what a table says of itself.
_NOTE = "space2vec"


def encode(table: pyarrow.Table) -> bytes:
    """Return a table as the bytes of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def decode(data: bytes) -> pyarrow.Table:
    """Return the table of such bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.read_table(pa.BufferReader(data), use_threads=False)


def fitted(table: pyarrow.Table, schema: pyarrow.Schema) -> pyarrow.Table:
    """Return a table with the columns and types of a schema.

    Raises
    ------
    OutputError
        If its own do not fit.
    """
    import pyarrow as pa

    try:
        return table.cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise OutputError(f"the inputs do not fit into one table ({error}); take them apart") from error


def widened(schema: pyarrow.Schema, others: Iterable[pyarrow.Schema]) -> pyarrow.Schema:
    """Return a schema whose integers are text where they are text in another: ids of which one is no integer."""
    import pyarrow as pa

    for other in others:
        for index, field in enumerate(schema):
            place = other.get_field_index(field.name)
            if pa.types.is_integer(field.type) and place >= 0 and pa.types.is_string(other.field(place).type):
                schema = schema.set(index, field.with_type(pa.string()))
    return schema


def note_of(path: Path) -> dict[str, Any] | None:
    """Return what a file of ours says of itself; ``None`` if it is another's, or CSV, which cannot say."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix.lower() != ".parquet":
        return None
    try:
        note = (pq.read_schema(path).metadata or {}).get(_NOTE.encode())
        return None if note is None else dict(json.loads(note))
    except (pa.ArrowInvalid, ValueError):
        return None


def values_of(path: Path, name: str) -> Iterator[str]:
    """Yield one column, of texts, of a file of ours.

    Raises
    ------
    OutputError
        If it cannot be had.
    """
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    try:
        if path.suffix.lower() == ".parquet":
            with pq.ParquetFile(path) as file:
                for part in file.iter_batches(columns=[name]):
                    yield from part.column(name).to_pylist()
            return
        convert = pa.csv.ConvertOptions(include_columns=[name], column_types={name: pa.string()})
        parse = pa.csv.ParseOptions(newlines_in_values=True)
        with pa.csv.open_csv(path, pa.csv.ReadOptions(use_threads=False), parse, convert) as file:
            for part in file:
                yield from part.column(name).to_pylist()
    except (pa.ArrowInvalid, KeyError) as error:
        raise OutputError(f"{path} is damaged ({error}); --restart writes it anew") from None


class TableFile:
    """Write tables of one schema, one after another, into one file, in a ``with`` block.

    The bytes depend on the rows alone, not on how they come. In CSV the flags of a row are joined by ``|``.

    Parameters
    ----------
    file : Aside
        Where to write; its suffix is one of :data:`SUFFIXES`.
    schema : pyarrow.Schema
        That of every table.
    note : mapping
        What to say of the table in the Parquet metadata, under ``space2vec``, as JSON.
    """

    def __init__(self, file: Aside, schema: pyarrow.Schema, note: Mapping[str, Any]) -> None:
        import pyarrow.csv
        import pyarrow.parquet

        self._parquet = file.path.suffix.lower() == ".parquet"
        self._rest = (schema if self._parquet else _without_lists(schema.empty_table()).schema).empty_table()
        kind = pyarrow.parquet.ParquetWriter if self._parquet else pyarrow.csv.CSVWriter
        self._writer: Any = kind(file, self._rest.schema.with_metadata({_NOTE: json.dumps(dict(note))}))

    def write(self, table: pyarrow.Table) -> None:
        """Append the rows of a table."""
        if not self._parquet:
            self._writer.write_table(_without_lists(table))
            return
        import pyarrow as pa

        rows = pa.concat_tables([self._rest, table.cast(self._rest.schema)])
        whole = len(rows) - len(rows) % _GROUP
        for start in range(0, whole, _GROUP):
            self._writer.write_table(rows.slice(start, _GROUP).combine_chunks())
        self._rest = rows.slice(whole)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            if len(self._rest):
                self._writer.write_table(self._rest.combine_chunks())
            self._writer.close()
        else:
            with suppress(OSError):  # the file is thrown away; what is wrong is known already
                self._writer.close()


def _without_lists(table: pyarrow.Table) -> pyarrow.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    for index, column in enumerate(table.schema):
        if pa.types.is_list(column.type):
            table = table.set_column(index, column.name, pc.binary_join(table[column.name], "|"))
    return table
