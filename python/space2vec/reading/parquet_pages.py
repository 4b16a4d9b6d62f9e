"""Read from the headers of a Parquet file's pages to how many bytes they unpack, before any is unpacked."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple, TypeAlias

from space2vec.data.types import Untyped
from space2vec.errors import ReadError

__all__ = ["PageSizes", "page_sizes"]

_DICTIONARY_PAGE = 2
_BYTE_ARRAY = 6
_NUMBER = 8
#: The length of the footer, and what ends the file.
_FOOTER_END = 8
#: The bytes of a page's header that are read first, and the most that a header may have.
_HEADER, _LONGEST_HEADER = 1 << 12, 1 << 24
#: Types of Thrift's compact protocol.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)

#: The fields that are read of a struct, by number, and of the structs in them; nothing is read of a number or of bytes.
_Wanted: TypeAlias = "Mapping[int, _Wanted]"
#: Kind of the page, bytes unpacked, bytes packed.
_PAGE: _Wanted = {1: {}, 2: {}, 3: {}}
#: Row groups, their columns, the metadata of each: type, path, values, bytes, offsets of data and dictionary.
_FOOTER: _Wanted = {4: {1: {3: {1: {}, 3: {}, 5: {}, 7: {}, 9: {}, 11: {}}}}}


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


def page_sizes(file: BinaryIO, columns: Iterable[str]) -> PageSizes:
    """Read the sizes of the pages of some columns from the headers of the pages.

    Parameters
    ----------
    file : binary file
        The Parquet file; its position changes.
    columns : iterable of str
        The dotted paths of the columns, or of the records that hold them.

    Raises
    ------
    ReadError
        If the footer of the file is damaged.

    Notes
    -----
    The pages of a chunk after a damaged header are not counted: Arrow stops at that header too, with an error.

    The footer is parsed here: pyarrow's own access to the chunks of a column, ``FileMetaData.row_group(i).column(j)``,
    ends the process where the sizes in a damaged footer contradict each other.
    """
    wanted = tuple(columns)
    sizes = PageSizes()
    largest: dict[str, tuple[int, int]] = {}
    for chunk in _chunks(file):
        if not any(chunk.name == column or chunk.name.startswith(f"{column}.") for column in wanted):
            continue
        sizes.values += 0 if chunk.kind == _BYTE_ARRAY else _NUMBER * chunk.values
        page, dictionary = largest.get(chunk.name, (0, 0))
        for kind, size in _pages(file, chunk):
            sizes.total += size
            if kind == _DICTIONARY_PAGE:
                dictionary = max(dictionary, size)
            else:
                page = max(page, size)
        largest[chunk.name] = page, dictionary
    sizes.largest = sum(page + dictionary for page, dictionary in largest.values())
    sizes.dictionaries = sum(dictionary for _, dictionary in largest.values())
    return sizes


class _Chunk(NamedTuple):
    """What the footer says of the part of a column in one row group.

    The dotted path of the column, its physical type, its values, its bytes as they are in the file, and where its
    data and its dictionary begin; the last is 0 if there is none.
    """

    name: str
    kind: int
    values: int
    packed: int
    data: int
    dictionary: int


def _chunks(file: BinaryIO) -> list[_Chunk]:
    """Return the chunks of all columns in the order of the footer, without those whose names are no text."""
    end = file.seek(-_FOOTER_END, os.SEEK_END)
    length = int.from_bytes(file.read(4), "little")
    file.seek(max(end - length, 0))
    found = []
    try:
        for group in _Thrift(file.read(length)).struct(_FOOTER)[4]:
            for column in group[1]:
                chunk = column[3]
                with contextlib.suppress(UnicodeDecodeError):  # no requested column has such a name
                    name = b".".join(chunk[3]).decode()
                    found.append(_Chunk(name, chunk[1], chunk[5], chunk[7], chunk[9], chunk.get(11, 0)))
    except (IndexError, KeyError, RecursionError, TypeError):
        raise ReadError("the footer of the Parquet file is damaged") from None
    return found


def _pages(file: BinaryIO, chunk: _Chunk) -> Iterator[tuple[int, int]]:
    """Yield the kind of each page of a column chunk, and the bytes to which it unpacks."""
    begin = min(chunk.data, chunk.dictionary) if chunk.dictionary else chunk.data
    end = min(begin + chunk.packed, file.seek(0, os.SEEK_END))
    while 0 <= begin < end:
        header = _header(file, begin)
        if header is None or min(header.unpacked, header.packed) < 0:
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
            thrift = _Thrift(data)
            fields = thrift.struct(_PAGE)
            return _PageHeader(fields[1], fields[2], fields[3], thrift.length)
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

    @property
    def length(self) -> int:
        """The bytes read so far."""
        return self._at

    def struct(self, wanted: _Wanted) -> dict[int, Untyped]:
        """Return those fields of the struct that are wanted, by number.

        They are integers, bytes, dictionaries of fields and lists of these; what has another type is skipped.
        """
        fields: dict[int, Untyped] = {}
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._zigzag()
            if field in wanted:
                fields[field] = self._value(head & 15, wanted[field])
            else:
                self._skip(head & 15)
        return fields

    def _value(self, kind: int, wanted: _Wanted) -> Untyped:
        if kind in (_I16, _I32, _I64):
            return self._zigzag()
        if kind == _BINARY:
            length = self._varint()
            self._pass(length)
            return self._data[self._at - length : self._at]
        if kind == _STRUCT:
            return self.struct(wanted)
        if kind == _LIST:
            count, inner = self._list()
            return [self._value(inner, wanted) for _ in range(count)]
        raise KeyError

    def _list(self) -> tuple[int, int]:
        """Return how many values a list or set has, and their type."""
        head = self._byte()
        return self._varint() if head >> 4 == 15 else head >> 4, head & 15

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

    def _pass(self, size: int) -> None:
        self._at += size
        if self._at > len(self._data):
            raise IndexError

    def _skip(self, kind: int, *, element: bool = False) -> None:
        """Pass a value by; a truth value is in the head of a field, and a byte where it is an element."""
        if kind in (_TRUE, _FALSE):
            self._pass(1 if element else 0)
        elif kind in (_I16, _I32, _I64):
            self._varint()
        elif kind in (_BYTE, _DOUBLE):
            self._pass(1 if kind == _BYTE else 8)
        elif kind == _BINARY:
            self._pass(self._varint())
        elif kind == _STRUCT:
            while head := self._byte():
                if not head >> 4:
                    self._varint()
                self._skip(head & 15)
        elif kind in (_LIST, _SET):
            count, inner = self._list()
            for _ in range(count):
                self._skip(inner, element=True)
        elif kind == _MAP:
            count = self._varint()
            kinds = self._byte() if count else 0
            for _ in range(count):
                self._skip(kinds >> 4, element=True)
                self._skip(kinds & 15, element=True)
        else:
            raise KeyError
