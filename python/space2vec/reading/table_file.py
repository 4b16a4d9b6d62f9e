"""Read columns of tables in files, in parts, with the problems of damaged lines and cells."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec.data.ids import concatenate_ids
from space2vec.errors import ReadError
from space2vec.reading import astropy_table, csv_file, parquet
from space2vec.reading.batch import Problem
from space2vec.reading.cells import Kind, convert
from space2vec.reading.limits import Limits
from space2vec.reading.parquet_columns import shorten_texts, to_plain_column

if TYPE_CHECKING:
    import pyarrow

    from space2vec.data.types import AnyArray

__all__ = ["TABLE_SUFFIXES", "Part", "problems_in", "read_columns", "read_parts", "table_columns"]

TABLE_SUFFIXES = (".csv", ".parquet")

_ROWS = 1 << 16
#: The most bad cells of a block of which each is a problem; above, only the first of each row is.
_MANY_CELLS = 1000
_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive rows of a table.

    Attributes
    ----------
    columns : dict of str to ndarray (n,)
        The values by name, with the types of :class:`space2vec.reading.cells.Values`.
    size : int
        The number of rows n.
    broken : ndarray of bool (n,)
        The rows that are lines with too few or too many values; all their values are unknown.
    bad : ndarray of bool (n,)
        The rows with an invalid cell, whose value is unknown.
    problems : list of Problem
        The problems of these lines and cells, by row of the part.
    """

    columns: dict[str, AnyArray]
    size: int
    broken: NDArray[np.bool_]
    bad: NDArray[np.bool_]
    problems: list[Problem]


def table_columns(path: Path) -> list[str]:
    """Return the names of a table's columns.

    Raises
    ------
    ReadError
        If the table cannot be read.
    """
    if path.suffix in astropy_table.SUFFIXES:
        return list(astropy_table.read_table(path).column_names)
    return parquet.columns(path) if path.suffix == ".parquet" else csv_file.read_header(path).names


def read_parts(path: Path, kinds: Mapping[str, Kind], rows: int = _ROWS, limits: Limits = _LIMITS) -> Iterator[Part]:
    """Yield columns of a table in parts of consecutive rows.

    All values of a line with too few or too many values are unknown. The value of an invalid cell is unknown, and the
    rest of its row is read.

    Parameters
    ----------
    path : Path
        A CSV file, with any number of ``#`` lines before its header (ECSV has them), a Parquet file, or the first table
        of a FITS file (``.fits``) or VOTable (``.vot``).
    kinds : mapping of str to str
        The columns, at least one, and the kinds of their values.
    rows : int, optional
        The most rows of a part.
    limits : Limits, optional
        The limits on what the file may demand.

    Yields
    ------
    Part
        Consecutive rows.

    Raises
    ------
    ReadError
        If the file is damaged, a column occurs twice, or the type of a column does not suit its kind.
    """
    _require_unique([name for name in table_columns(path) if name in kinds])
    start = 0
    with parquet.damage_as_read_errors(path, "damaged"):
        for block in _blocks(path, kinds, rows, limits):
            part = _part(block, path, kinds, start)
            start += part.size
            yield from _split_part(part, rows)


def read_columns(
    path: Path, kinds: Mapping[str, Kind], problems: list[Problem] | None = None, limits: Limits = _LIMITS
) -> dict[str, AnyArray]:
    """Read some columns (n,) of a table; columns that the table lacks are absent from the result.

    Parameters
    ----------
    path, kinds
        As for :func:`read_parts`.
    problems : list, optional
        A list to which the problems of lines and cells are appended, by row of the table.
    limits : Limits, optional
        The limits on what the file may demand.

    Returns
    -------
    dict of str to ndarray (n,)
        The values by name.

    Raises
    ------
    ReadError
        As for :func:`read_parts`, or if no line has the right number of values.
    """
    names = [name for name in table_columns(path) if name in kinds]
    _require_unique(names)
    if not names:
        return {}
    wrong: list[Problem] = []
    parts, start, broken = [], 0, 0
    for part in read_parts(path, {name: kinds[name] for name in names}, limits=limits):
        parts.append(part.columns)
        wrong += [replace(problem, row=problem.row + start) for problem in part.problems]
        start, broken = start + part.size, broken + int(part.broken.sum())
    if start and broken == start:
        raise ReadError(wrong[0].message)
    if problems is not None:
        problems.extend(wrong)
    if not parts:
        return {name: np.empty(0, dtype=np.int64 if kinds[name] == "id" else np.float64) for name in names}
    return {
        name: (concatenate_ids if kinds[name] == "id" else np.concatenate)([columns[name] for columns in parts])
        for name in names
    }


def _require_unique(names: Sequence[str]) -> None:
    """Raise a ReadError if a column to read occurs in the table twice."""
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise ReadError(f"column {double} occurs more than once")


def _blocks(path: Path, kinds: Mapping[str, Kind], rows: int, limits: Limits) -> Iterator[csv_file.Block]:
    if path.suffix in astropy_table.SUFFIXES:
        table = astropy_table.read_table(path).combine_chunks()
        columns = {name: table[name].combine_chunks() for name in kinds}
        yield csv_file.Block(columns, len(table), range(len(table)), {})
        return
    if path.suffix != ".parquet":
        yield from csv_file.read_blocks(path, csv_file.read_header(path), kinds)
        return
    start = 0
    with parquet.open_parquet(path, texts=kinds) as file:
        for batch in parquet.bounded_batches(file, list(kinds), rows, path, limits, expanded=False):
            columns = {name: short_texts(batch.column(name), limits.id_bytes) for name in kinds}
            yield csv_file.Block(columns, len(batch), range(start, start + len(batch)), {})
            start += len(batch)


def _part(block: csv_file.Block, path: Path, kinds: Mapping[str, Kind], start: int) -> Part:
    """Convert the cells of a block, which `start` rows of the table precede."""
    columns: dict[str, AnyArray] = {}
    bad = np.zeros(block.size, dtype=np.bool_)
    broken = np.zeros(block.size, dtype=np.bool_)
    broken[list(block.broken)] = True
    where = "row" if path.suffix in (".parquet", *astropy_table.SUFFIXES) else "line"

    def problem(row: int, reason: str, message: str) -> Problem:
        whole = reason != "bad_cell"
        return Problem(str(path), reason, message, record=start + row, row=row, of_file=whole)

    problems = [problem(row, "damaged_file", message) for row, message in block.broken.items()]
    cells: dict[int, list[tuple[str, str]]] = {}
    for name, column in block.columns.items():
        values = convert(column, name, kinds[name], first=start == 0)
        columns[name] = values.values
        for row, text in values.bad.items():
            cells.setdefault(row, []).append((name, text))
    bad[list(cells)] = True
    # A block of invalid cells would make millions of problems: only the first cell of each row becomes one.
    many = sum(map(len, cells.values())) > _MANY_CELLS
    for row, held in cells.items():
        more = f", and so {len(held) - 1} further columns" if many and len(held) > 1 else ""
        for name, text in held[:1] if many else held:
            noun = _NOUNS[kinds[name]]
            message = f"{where} {block.lines[row]}: column {name} holds {_shorten(text)}, which is no {noun}{more}"
            problems.append(problem(row, "bad_cell", message))
    problems.sort(key=lambda problem: problem.row)
    return Part(columns, block.size, broken, bad, problems)


def short_texts(column: pyarrow.Array, most: int) -> pyarrow.Array:
    """Return a column of a Parquet file with long texts shortened to a length that is still above the limit of ids."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        return shorten_texts(to_plain_column(column), most)
    return pa.DictionaryArray.from_arrays(column.indices, shorten_texts(to_plain_column(column.dictionary), most))


def problems_in(problems: Sequence[Problem], rows: slice) -> Sequence[Problem]:
    """Return the problems of some rows; `problems` must be in the order of their rows."""
    first, end = (bisect.bisect_left(problems, row, key=lambda problem: problem.row) for row in (rows.start, rows.stop))
    return problems[first:end]


_NOUNS: dict[Kind, str] = {"feature": "number", "number": "number", "label": "label", "band": "filter"}


def _shorten(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}...")


def _split_part(part: Part, rows: int) -> Iterator[Part]:
    """Yield a part in pieces of at most `rows` rows."""
    if part.size <= rows:
        yield part
        return
    for start in range(0, part.size, rows):
        piece = slice(start, start + rows)
        inside = [replace(problem, row=problem.row - start) for problem in problems_in(part.problems, piece)]
        columns = {name: values[piece] for name, values in part.columns.items()}
        yield Part(columns, len(part.broken[piece]), part.broken[piece], part.bad[piece], inside)
