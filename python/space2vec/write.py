"""Tables of results to files: Parquet or CSV, written aside and renamed once they are whole."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from space2vec.errors import Space2vecError

if TYPE_CHECKING:
    from typing import Self

    import pyarrow

__all__ = ["SUFFIXES", "TableWriter"]

SUFFIXES = (".parquet", ".csv")


class TableWriter:
    """Write tables one after another into one file.

    Use it in a ``with`` block: the file appears under its name at the end of the block, and not at all if the block
    raises.

    Parameters
    ----------
    path : str or path
        The file, .parquet or .csv. In CSV the flags of a row are joined by ``|``.
    about : mapping, optional
        What to say of the table in the Parquet metadata, under ``space2vec``, as JSON.

    Raises
    ------
    ValueError
        If the suffix is another one.
    OSError
        If the file cannot be written there.
    """

    def __init__(self, path: str | os.PathLike[str], about: Mapping[str, Any] | None = None) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in SUFFIXES:
            raise ValueError(f"cannot write {self.path}: the suffix must be one of {', '.join(SUFFIXES)}")
        if self.path.is_dir():
            raise IsADirectoryError(f"cannot write {self.path}: it is a folder")
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"cannot write {self.path}: there is no folder {self.path.parent}")
        self._about = {"space2vec": json.dumps(dict(about))} if about else None
        self._aside = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        self._writer: Any = None
        self._schema: pyarrow.Schema = None

    def __enter__(self) -> Self:
        # An unwritable place must show before hours of work, not after them.
        try:
            self._aside.touch()
        except OSError as error:
            raise type(error)(f"cannot write {self.path}: {error.strerror}") from error
        return self

    def write(self, table: pyarrow.Table) -> None:
        """Append the rows of a table; every table must have the columns of the first.

        Raises
        ------
        Space2vecError
            If the columns or their types do not fit the first table's.
        OSError
            If the disk is full or the file cannot be written.
        """
        import pyarrow as pa

        plain = table if self.path.suffix.lower() == ".parquet" else _without_lists(table)
        if self._writer is None:
            self._open(plain.schema.with_metadata(self._about))
        try:
            fitting = plain.cast(self._schema)
        except (pa.ArrowInvalid, ValueError) as error:
            reason = f"the inputs do not fit into one table ({error}); take them apart"
            raise Space2vecError(f"{self.path}: {reason}") from error
        self._guarded(self._writer.write_table, fitting)

    def _open(self, schema: pyarrow.Schema) -> None:
        import pyarrow.csv
        import pyarrow.parquet

        kind = pyarrow.parquet.ParquetWriter if self.path.suffix.lower() == ".parquet" else pyarrow.csv.CSVWriter
        self._writer = self._guarded(kind, str(self._aside), schema)
        self._schema = schema

    def _guarded(self, call: Any, *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise OSError(error.errno, f"cannot write {self.path}: {reason}") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._writer is not None:
                if kind is None:
                    self._guarded(self._writer.close)
                else:
                    _close_broken(self._writer)
            if kind is None and self._writer is not None:
                self._aside.replace(self.path)
        finally:
            self._aside.unlink(missing_ok=True)


def _close_broken(writer: Any) -> None:
    """Close a writer whose file is thrown away; that the disk is full is known already."""
    try:
        writer.close()
    except OSError:
        return


def _without_lists(table: pyarrow.Table) -> pyarrow.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    for index, column in enumerate(table.schema):
        if pa.types.is_list(column.type):
            table = table.set_column(index, column.name, pc.binary_join(table[column.name], "|"))
    return table
