"""Read CSV files in blocks of whole lines: with Arrow if a block is valid, otherwise line by line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from space2vec.errors import ReadError
from space2vec.reading.cells import NULLS, Kind

if TYPE_CHECKING:
    import pyarrow

__all__ = ["Block", "Header", "read_blocks", "read_header"]

_BOM = b"\xef\xbb\xbf"
#: The bytes of a block, approximately, and the most bytes of comments and header; the most bytes of a line.
_BLOCK, _LONGEST = 1 << 20, 1 << 26
#: The number of lines with too few or too many values that is always accepted; a larger number must be below half.
_MOST_BROKEN = 10_000
_NO_TABLE = "no table: of its first {} lines more than half have too few or too many values"
#: The separators of values; the first that the header contains is used.
_SEPARATORS = (",", "\t", ";")


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a CSV file: everything before its rows.

    Attributes
    ----------
    names : list of str
        The names of the columns, without surrounding blanks and quotes.
    separator : str
        The separator of values: a comma, or a tabulator or semicolon if the header has no comma.
    newline : bytes
        The end of a line.
    end : int
        The byte at which the rows begin.
    lines : int
        The number of lines before the rows.
    """

    names: list[str]
    separator: str
    newline: bytes
    end: int
    lines: int


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive rows of a table, before their cells are converted.

    Attributes
    ----------
    columns : dict of str to pyarrow.Array (n,)
        Numbers or text, by name.
    size : int
        The number of rows n.
    lines : sequence of int (n,)
        The line of each row in the file, from 1.
    broken : dict of int to str
        By row, the description of lines with too few or too many values; the cells of such a row are null.
    """

    columns: dict[str, pyarrow.Array]
    size: int
    lines: range | list[int]
    broken: dict[int, str]


def read_header(path: Path) -> Header:
    """Read the names of the columns, after any number of empty lines and of comment lines that begin with ``#``.

    If numbers follow the comments directly, the last comment contains the names, as ``numpy.savetxt`` writes them.

    Raises
    ------
    ReadError
        If the file has no header.
    """
    with path.open("rb") as file:
        head = file.read(_BLOCK)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ReadError("the table is in UTF-16; accepted is UTF-8")
    newline = b"\n" if b"\n" in head or b"\r" not in head else b"\r"
    end = len(_BOM) if head.startswith(_BOM) else 0
    comment = b""
    for number, line in enumerate(head[end:].split(newline)):
        if line.startswith(b"#"):
            comment = line.lstrip(b"#")
        elif b"\0" in line:
            raise ReadError("no table: its header is not text in UTF-8")
        elif line.strip():
            names, separator = _names(line)
            above, mark = _names(comment)
            if len(above) == len(names) and all(map(_is_number, names)):
                return Header(above, mark, newline, end, number)
            return Header(names, separator, newline, min(end + len(line) + len(newline), len(head)), number + 1)
        end += len(line) + len(newline)
    raise ReadError("the table is empty" if len(head) < _BLOCK else "the table has no header in its first MB")


def _names(line: bytes) -> tuple[list[str], str]:
    """Return the names in a header, and their separator."""
    # A name that is not UTF-8 must not make the other columns unreadable.
    text = line.decode(errors="replace").strip()
    separator = next((mark for mark in _SEPARATORS if mark in text), ",")
    try:
        cells = next(csv.reader([text], delimiter=separator, skipinitialspace=True), [])
    except csv.Error as error:
        raise ReadError(f"no table: its header cannot be read ({error})") from None
    return [cell.strip() for cell in cells], separator


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell == ""
    return True


def read_blocks(path: Path, header: Header, kinds: Mapping[str, Kind]) -> Iterator[Block]:
    """Yield the rows of some columns of a CSV file, about 1 MB of the file at a time.

    Parameters
    ----------
    path : Path
        The file.
    header : Header
        Its header.
    kinds : mapping of str to str
        The columns to read, and the kinds of their values.

    Raises
    ------
    ReadError
        If a line is longer than 64 MB, or if more than 10,000 lines, and more than half of all, have too few or too
        many values.
    """
    line = header.lines + 1
    rows = broken = 0
    for data in _whole_lines(path, header):
        block = _read_block(data, header, kinds, line) or _read_lines(data, header, kinds, line)
        rows, broken = rows + block.size, broken + len(block.broken)
        if broken > _MOST_BROKEN and 2 * broken > rows:
            raise ReadError(_NO_TABLE.format(rows))
        if block.size:
            yield block
        line += data.count(header.newline)


def _whole_lines(path: Path, header: Header) -> Iterator[bytes]:
    """Yield the rows as bytes, in pieces that end with a whole line."""
    rest = b""
    with path.open("rb") as file:
        file.seek(header.end)
        while data := file.read(_BLOCK):
            cut = data.rfind(header.newline) + 1
            if not cut:
                rest += data
                if len(rest) > _LONGEST:
                    raise ReadError(f"a line of more than {_LONGEST >> 20} MB: not a CSV file, or damaged")
                continue
            yield rest + data[:cut]
            rest = data[cut:]
    if rest:
        yield rest


def _read_block(data: bytes, header: Header, kinds: Mapping[str, Kind], line: int) -> Block | None:
    """Read a block with Arrow; ``None`` if a line or a cell is invalid, so that each line must be read separately."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv as arrow

    types = {"feature": pa.float32(), "number": pa.float64(), "label": pa.float64()}
    # Columns that are not read may share a name.
    names = [name if name in kinds else f"{place} {name}" for place, name in enumerate(header.names)]
    try:
        table = arrow.read_csv(
            pa.BufferReader(data),
            arrow.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
            arrow.ParseOptions(delimiter=header.separator),
            arrow.ConvertOptions(
                include_columns=list(kinds),
                column_types={name: types.get(kind, pa.string()) for name, kind in kinds.items()},
                null_values=list(NULLS),
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV file" in str(error):
            return Block({}, 0, [], {})
        return None
    columns = {name: table.column(name).combine_chunks() for name in kinds}
    for column in columns.values():
        # Arrow keeps the quotes of a text that follows a blank.
        if pa.types.is_string(column.type) and pc.any(pc.match_substring_regex(column, r'^\s+"')).as_py():
            return None
    size = len(table)
    count = data.count(header.newline) + (not data.endswith(header.newline))
    lines = range(line, line + size) if count == size else [number for number, _ in _numbered_lines(data, header, line)]
    return Block(columns, size, lines, {})


def _numbered_lines(data: bytes, header: Header, line: int) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the bytes of each line that is not empty."""
    for number, text in enumerate(data.split(header.newline), line):
        if text.rstrip(b"\r"):
            yield number, text.rstrip(b"\r")


def _read_lines(data: bytes, header: Header, kinds: Mapping[str, Kind], line: int) -> Block:
    """Read a block line by line, every cell as text."""
    import pyarrow as pa

    places = [header.names.index(name) for name in kinds]
    cells: list[list[str | None]] = [[] for _ in places]
    lines: list[int] = []
    broken: dict[int, str] = {}
    for number, raw in _numbered_lines(data, header, line):
        text = raw.decode(errors="backslashreplace")
        try:
            values = next(csv.reader([text], delimiter=header.separator, skipinitialspace=True))
        except (csv.Error, StopIteration):
            values = []
        if len(values) != len(header.names):
            broken[len(lines)] = f"line {number} has {len(values)} values, not {len(header.names)}"
            if len(broken) > _MOST_BROKEN and 2 * len(broken) > len(lines) + 1:
                raise ReadError(_NO_TABLE.format(len(lines) + 1))
        for column, place in zip(cells, places, strict=True):
            column.append(None if len(lines) in broken else values[place])
        lines.append(number)
    columns = {name: pa.array(column, type=pa.string()) for name, column in zip(kinds, cells, strict=True)}
    return Block(columns, len(lines), lines, broken)
