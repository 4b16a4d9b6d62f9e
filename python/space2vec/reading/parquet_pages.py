"""The pages of a Parquet file: what they unpack to, as their headers say, before any of them is unpacked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

__all__ = ["PageSizes", "page_sizes"]

_DICTIONARY_PAGE = 2
_NUMBER = 8
#: Bytes of a page's header: what is read at first, and what it has at most.
_HEADER, _LONGEST_HEADER = 1 << 12, 1 << 24
#: Types of Thrift's compact protocol.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)


@dataclass(slots=True)
class PageSizes:
    """Bytes to which the pages of some columns unpack.

    Attributes
    ----------
    total : int
        All of them.
    largest : int
        What is held at once: the largest page of each column, its dictionary too.
    dictionaries : int
        The largest dictionary of each column, any value of which a row may name.
    values : int
        All numbers, in lists or not, once they lie one after another.
    """

    total: int = 0
    largest: int = 0
    dictionaries: int = 0
    values: int = 0


def page_sizes(file: BinaryIO, metadata: Any, columns: Iterable[str]) -> PageSizes:
    """Return what the headers of the pages of some columns say.

    Parameters
    ----------
    file : binary file
        The Parquet file, which is moved about in.
    metadata : pyarrow.parquet.FileMetaData
        Its footer.
    columns : iterable of str
        The dotted paths of the columns, or of records that hold them.

    Notes
    -----
    Of a chunk with a damaged header nothing is known from there on: its reader stops there too, and says so.
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
                continue  # what is asked for has another name
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


def _pages(file: BinaryIO, chunk: Any) -> Iterator[tuple[int, int]]:
    """Yield the kind of each page of a column chunk, and the bytes to which it unpacks."""
    begin = chunk.data_page_offset
    if chunk.dictionary_page_offset:
        begin = min(begin, chunk.dictionary_page_offset)
    end = begin + chunk.total_compressed_size
    while begin < end:
        header = _header(file, begin)
        if header is None:
            return
        kind, unpacked, packed, length = header
        if min(unpacked, packed) < 0:
            return
        yield kind, unpacked
        begin += length + packed


def _header(file: BinaryIO, at: int) -> tuple[int, int, int, int] | None:
    """Return of a page the kind, the bytes unpacked and packed, and those of its header, ``None`` if it is damaged."""
    size = _HEADER
    while True:
        file.seek(at)
        data = file.read(size)
        try:
            fields, length = _Thrift(data).page()
            return fields[1], fields[2], fields[3], length
        except IndexError:
            if len(data) < size or size >= _LONGEST_HEADER:
                return None
            size *= 16
        except (KeyError, RecursionError):
            return None


class _Thrift:
    """Reads a struct of Thrift's compact protocol; raises IndexError at the bytes' end, and KeyError for no struct."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def page(self) -> tuple[dict[int, int], int]:
        """Return the whole numbers of the struct by field, and its length."""
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
