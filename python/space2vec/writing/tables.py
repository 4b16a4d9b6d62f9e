"""Convert parts of a table to Parquet bytes and back, and concatenate the parts to one table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from space2vec.data import arrow
from space2vec.errors import OutputError

if TYPE_CHECKING:
    import pyarrow

__all__ = [
    "ConcatenatedTable",
    "check_columns",
    "concatenate_tables",
    "join_lists",
    "table_from_bytes",
    "table_to_bytes",
]


def table_to_bytes(table: pyarrow.Table) -> bytes:
    """Return a table as the bytes of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def table_from_bytes(data: bytes) -> pyarrow.Table:
    """Return the table that the bytes of a Parquet file hold."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(pa.BufferReader(data)) as file:  # read_table would import pyarrow.dataset
        return file.read(use_threads=False)


@dataclass(frozen=True, slots=True)
class ConcatenatedTable:
    """Several tables with the same columns, as one.

    The type of a column is its type in the tables where it has a known value, or text if these types differ. It does
    not depend on how the rows are divided into tables.
    """

    schema: pyarrow.Schema
    rows: int
    #: The flags that occur.
    flags: frozenset[str]
    #: The columns whose values are all unknown.
    unknown: tuple[str, ...]
    _tables: Callable[[], Iterable[pyarrow.Table]]

    def __iter__(self) -> Iterator[pyarrow.Table]:
        """Yield the tables, with the columns and types of the schema."""
        for table in self._tables():
            yield _cast_columns(table, self.schema)


def concatenate_tables(
    tables: Callable[[], Iterable[pyarrow.Table]],
    *,
    optional: Collection[str] = (),
    like: pyarrow.Schema | None = None,
) -> ConcatenatedTable:
    """Concatenate tables, in two passes, without holding all of them in memory.

    `tables` returns the same tables, at least one, at each call. `optional` columns are omitted if all their values are
    unknown. Columns that are text in `like` become text.
    """
    import pyarrow as pa

    first: pyarrow.Schema | None = None
    known: dict[str, dict[pyarrow.DataType, None]] = {}
    flags: set[str] = set()
    rows = 0
    for table in tables():
        if first is None:
            first = table.schema.remove_metadata()
        check_columns(table, first.names)
        rows += len(table)
        for name, column in zip(table.column_names, table.columns, strict=True):
            if column.null_count < len(column):
                known.setdefault(name, {})[column.type] = None
        if "flags" in first.names and pa.types.is_list(table.schema.field("flags").type):
            for chunk in table["flags"].chunks:
                flags.update(arrow.flatten_texts(chunk))
    assert first is not None
    fields = []
    for field in first:
        types = list(known.get(field.name, {field.type: None}))
        if len(types) > 1 or (
            like is not None and field.name in like.names and like.field(field.name).type == pa.string()
        ):
            types = [pa.string()]
        if field.name in known or field.name not in optional:
            fields.append(field.with_type(types[0]))
    unknown = tuple(field.name for field in fields if field.name not in known)
    return ConcatenatedTable(pa.schema(fields), rows, frozenset(flags), unknown, tables)


def check_columns(table: pyarrow.Table, names: Sequence[str]) -> None:
    """Check that a table has these columns; an OutputError names the differing ones."""
    if table.column_names != names:
        differing = sorted(set(table.column_names) ^ set(names)) or table.column_names
        raise OutputError(f"the inputs do not fit into one table: {', '.join(differing)} are not columns of all")


def join_lists(table: pyarrow.Table) -> pyarrow.Table:
    """Return a table in which lists of names are text, joined by ``|``, and vectors too, by blanks."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for index, column in enumerate(table.schema):
        if pa.types.is_list(column.type):
            table = table.set_column(index, column.name, pc.binary_join(table[column.name], "|"))
        elif pa.types.is_fixed_size_list(column.type):
            numbers = table[column.name].cast(pa.list_(pa.string()))
            table = table.set_column(index, column.name, pc.binary_join(numbers, " "))
    return table


def _cast_columns(table: pyarrow.Table, schema: pyarrow.Schema) -> pyarrow.Table:
    import pyarrow as pa

    columns = []
    for field in schema:
        column = table[field.name]
        if column.type != field.type:
            if column.null_count == len(column):
                column = pa.chunked_array([pa.nulls(len(column), field.type)])
            else:
                column = arrow.texts(column.to_pylist())  # numbers as Python writes them
        columns.append(column)
    return pa.table(columns, schema=schema)
