"""The table that accompanies a NumPy file: same stem, with ids and catalogue columns of its stamps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.data.flags import bits
from space2vec.data.ids import as_ids
from space2vec.data.row_pairs import Side, pair_rows
from space2vec.errors import ReadError
from space2vec.reading.batch import Problem
from space2vec.reading.feature_table import column_kind, find_ids, id_kinds
from space2vec.reading.limits import Limits, size_faults_as_read_errors, unopenable_as_read_errors
from space2vec.reading.results import is_output
from space2vec.reading.table_file import TABLE_SUFFIXES, problems_in, read_columns, table_columns
from space2vec.registry import CATALOGUE

__all__ = ["SideTable", "find_side_table", "read_side_table"]


class RowProblems(NamedTuple):
    """The problems of some rows, numbered within these, and the flags (n,) of the rows."""

    problems: tuple[Problem, ...]
    flags: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class SideTable:
    """The contents of an accompanying table, by row of the stamps.

    Attributes
    ----------
    columns : dict of str to ndarray (n,)
        The catalogue columns, ``object_id`` and ``candidate_id`` that the table has.
    problems : list of Problem
        The damaged lines and cells, in order of the rows.
    """

    columns: dict[str, NDArray[np.generic]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def problems_in(self, rows: slice) -> RowProblems:
        """Return the problems of some rows, numbered within these, and the flags of the rows."""
        inside = [replace(one, row=one.row - rows.start) for one in problems_in(self.problems, rows)]
        flags = np.zeros(rows.stop - rows.start, dtype=np.uint32)
        for problem in inside:
            flags[problem.row] |= bits("bad_cell")
        return RowProblems(tuple(inside), flags)


def find_side_table(path: Path) -> Path | None:
    """Return the table that accompanies a NumPy file, ``None`` if there is none; results of runs do not count."""
    tables = (path.with_suffix(suffix) for suffix in TABLE_SUFFIXES)
    return next((table for table in tables if table.is_file() and not is_output(table)), None)


def read_side_table(path: Path, size: int, ids: ArrayLike | None, limits: Limits) -> SideTable:
    """Read the table that accompanies a NumPy file.

    Parameters
    ----------
    path : Path
        The NumPy file.
    size : int
        The number of its stamps.
    ids : array_like (size,) or None
        The candidate ids in the NumPy file. If the table has ids too, rows are matched by id, otherwise by order.
    limits : Limits
        The limits on what the table may demand.

    Raises
    ------
    ReadError
        If the table cannot be read, or does not have one row a stamp.
    """
    table = find_side_table(path)
    if table is None:
        return SideTable()
    wrong: list[Problem] = []
    try:
        with size_faults_as_read_errors(), unopenable_as_read_errors():
            kinds = {**{name: column_kind(name) for name in CATALOGUE}, **id_kinds(table_columns(table))}
            columns = read_columns(table, kinds, wrong, limits)
    except ReadError as error:
        raise ReadError(f"the table {table.name} of the stamps: {error}") from None
    for name, values in zip(("object_id", "candidate_id"), find_ids(columns), strict=True):
        if values is not None:
            columns[name] = values
    length = len(next(iter(columns.values()))) if columns else size
    if length != size:
        raise ReadError(f"{size} stamps, but the table {table.name} of these stamps has {length} rows")
    if ids is None or "candidate_id" not in columns:
        return SideTable(columns, wrong)
    return _sort_by_id(SideTable(columns, wrong), as_ids(ids), path.name, table.name)


def _sort_by_id(table: SideTable, ids: NDArray[np.generic], stamps: str, name: str) -> SideTable:
    """Return a table with its rows in the order of the stamps' ids."""
    pairs = pair_rows(Side(ids, stamps), Side(table.columns["candidate_id"], name))
    order = np.full(len(ids), -1, dtype=np.intp)
    order[pairs.left] = pairs.right
    # Rows whose id is unknown on both sides, such as damaged lines, keep their place.
    left = np.flatnonzero(order < 0)
    rest = np.setdiff1d(np.arange(len(ids)), pairs.right)
    if not np.array_equal(left, rest):
        shown = ", ".join(str(key) for key in ids[left[:3]].tolist())
        raise ReadError(f"the table {name} of the stamps has no rows of {len(left)} of their candidates: {shown}")
    order[left] = left
    place = np.argsort(order)
    columns = {column: values[order] for column, values in table.columns.items()}
    moved = [replace(one, row=int(place[one.row])) for one in table.problems]
    return SideTable(columns, sorted(moved, key=lambda one: one.row))
