"""Read from the headers of a Parquet file's pages to how many bytes they unpack, before any is unpacked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    import pyarrow.parquet

__all__ = ["PageSizes", "page_sizes"]

_DICTIONARY_PAGE = 2
_NUMBER = 8
#: The bytes of a page's header that are read first, and the most that a header may have.
_HEADER, _LONGEST_HEADER = 1 << 12, 1 << 24
#: Types of Thrift's compact protocol.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)


@dataclass(slots=True)
class PageSizes:
    """The bytes to which the pages of some columns unpack.

    Attributes
    ----------
    total : int
        The bytes of all pages.
    largest : int
        The bytes that are in memory at once: the largest page and the largest dictionary of each column.
    dictionaries : int
        The bytes of the largest dictionary of each column; a row may contain any of its values.
    values : int
        The bytes of all numbers, in lists or not, as contiguous arrays.
    """

    total: int = 0
    largest: int = 0
    dictionaries: int = 0
    values: int = 0


def page_sizes(file: BinaryIO, metadata: pyarrow.parquet.FileMetaData, columns: Iterable[str]) -> PageSizes:
    """Read the sizes of the pages of some columns from the headers of the pages.

    Parameters
    ----------
    file : binary file
        The Parquet file; its position changes.
    metadata : pyarrow.parquet.FileMetaData
        The footer of the file.
    columns : iterable of str
        The dotted paths of the columns, or of the records that hold them.

    Notes
    -----
    The pages of a chunk after a damaged header are not counted: Arrow stops at that header too, with an error.
    """
    wanted = tuple(columns)
    sizes = PageSizes()
    largest: dict[str, tuple[int, int]] = {}
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for number in range(row_group.num_columns):
            chunk = row_group.column(number)
            try:
                name = chunk.path_in_schema
            except UnicodeDecodeError:
                continue  # no requested column has such a name
            if not any(name == column or name.startswith(f"{column}.") for column in wanted):
                continue
            sizes.values += 0 if chunk.physical_type == "BYTE_ARRAY" else _NUMBER * chunk.num_values
            page, dictionary = largest.get(name, (0, 0))
            for kind, size in _pages(file, chunk):
                sizes.total += size
                if kind == _DICTIONARY_PAGE:
                    dictionary = max(dictionary, size)
                else:
                    page = max(page, size)
            largest[name] = page, dictionary
    sizes.largest = sum(page + dictionary for page, dictionary in largest.values())
    sizes.dictionaries = sum(dictionary for _, dictionary in largest.values())
    return sizes


def _pages(file: BinaryIO, chunk: pyarrow.parquet.ColumnChunkMetaData) -> Iterator[tuple[int, int]]:
    """Yield the kind of each page of a column chunk, and the bytes to which it unpacks."""
    begin = chunk.data_page_offset
    if chunk.dictionary_page_offset:
        begin = min(begin, chunk.dictionary_page_offset)
    end = begin + chunk.total_compressed_size
    while begin < end:
        header = _header(file, begin)
        if header is None:
            return
        if min(header.unpacked, header.packed) < 0:
            return
        yield header.kind, header.unpacked
        begin += header.length + header.packed


class _PageHeader(NamedTuple):
    """The kind of a page, the bytes of it unpacked and packed, and the bytes of the header itself."""

    kind: int
    unpacked: int
    packed: int
    length: int


def _header(file: BinaryIO, at: int) -> _PageHeader | None:
    """Read the header of a page at an offset; ``None`` if it is damaged."""
    size = _HEADER
    while True:
        file.seek(at)
        data = file.read(size)
        try:
            fields, length = _Thrift(data).page()
            return _PageHeader(fields[1], fields[2], fields[3], length)
        except IndexError:
            if len(data) < size or size >= _LONGEST_HEADER:
                return None
            size *= 16
        except (KeyError, RecursionError):
            return None


class _Thrift:
    """Read a struct of Thrift's compact protocol; raise IndexError if bytes are lacking, KeyError if it is invalid."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def page(self) -> tuple[dict[int, int], int]:
        """Return the integers of the struct by field, and its length in bytes."""
        numbers: dict[int, int] = {}
        field = 0
        while kind := self._byte():
            field = field + (kind >> 4) if kind >> 4 else self._zigzag()
            if kind & 15 in (_I16, _I32, _I64):
                numbers[field] = self._zigzag()
            else:
                self._skip(kind & 15)
        return numbers, self._at

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise KeyError

    def _zigzag(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)

    def _skip(self, kind: int) -> None:
        if kind in (_TRUE, _FALSE):
            return
        if kind in (_I16, _I32, _I64):
            self._varint()
        elif kind in (_BYTE, _DOUBLE):
            self._at += 1 if kind == _BYTE else 8
        elif kind == _BINARY:
            length = self._varint()
            self._at += length
        elif kind == _STRUCT:
            while inner := self._byte():
                if not inner >> 4:
                    self._varint()
                self._skip(inner & 15)
        else:
            raise KeyError  # no header of a page has lists or maps
        if self._at > len(self._data):
            raise IndexError
