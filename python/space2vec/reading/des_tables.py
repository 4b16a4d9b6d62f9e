"""Join tables with an ID column to DES stamps; a table in the folder of a stamp precedes one farther away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from space2vec.data.ids import id_keys, printable
from space2vec.errors import ReadError
from space2vec.reading.batch import Problem, damaged_file
from space2vec.reading.feature_table import column_kind
from space2vec.reading.limits import Limits, size_faults_as_read_errors, unopenable_as_read_errors
from space2vec.reading.table_file import read_columns, table_columns
from space2vec.registry import CATALOGUE

__all__ = ["CandidateColumns", "DesTables"]

#: The distance, larger than any other, of a table that is in no folder above the stamp.
_ELSEWHERE = 1 << 20
_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class CandidateColumns:
    """The catalogue columns (n,) of some candidates, NaN where no table has a value, and the problems of the tables."""

    columns: dict[str, NDArray[np.float32]]
    problems: list[Problem]


class DesTables:
    """Tables with an ID column, joined to candidates that are given by folder and number.

    A row belongs to the candidate with its number; if several folders have that number, to the one nearest below the
    folder of the table. Numbers are compared as text, and by value (``007`` and 7) if that leaves one on each side. A
    table that cannot be read becomes a problem. If two tables of one folder contradict each other, the value is NaN
    and the candidate gets a problem.

    Raises
    ------
    ReadError
        If a table has no column ID, or has a candidate twice; or if its row may be that of two candidates: a join
        that is not one to one is refused.
    """

    def __init__(
        self, tables: Sequence[Path], candidates: Sequence[tuple[PurePath, str]], limits: Limits = _LIMITS
    ) -> None:
        numbers = {number for _, number in candidates}
        values = {_without_zeros(number) for number in numbers}
        #: For each candidate (distance, table, row) of the rows that belong to it, the nearest first.
        self._claims: dict[tuple[PurePath, str], list[tuple[int, _Table, int]]] = {}
        self._lost: list[Problem] = []
        self._names: dict[str, None] = {}
        alike = Counter((folder, _without_zeros(number)) for folder, number in candidates)
        for path in tables:
            try:
                with size_faults_as_read_errors(), unopenable_as_read_errors():
                    table = _Table(path, numbers, values, limits)
            except _RefusedError as refused:
                raise ReadError(str(refused)) from None
            except ReadError as error:
                lost = damaged_file(path, f"the table of the stamps cannot be used: {error}")
                self._lost.append(replace(lost, object_id=printable(path.stem)))
                continue
            self._names |= dict.fromkeys(table.columns)
            self._lost += table.lost
            for (distance, one), row in _claim_rows(table, candidates, alike).items():
                self._claims.setdefault(one, []).append((distance, table, row))
        for claims in self._claims.values():
            claims.sort(key=lambda claim: claim[0])

    def look_up(self, candidates: Sequence[tuple[PurePath, str]]) -> CandidateColumns:
        """Return the catalogue columns of some candidates; the first call also returns the problems of whole tables."""
        columns = {name: np.full(len(candidates), np.nan, dtype=np.float32) for name in self._names}
        problems, self._lost = self._lost, []
        for place, candidate in enumerate(candidates):
            values_so_far: dict[str, tuple[int, Path, float]] = {}
            against: set[str] = set()
            for distance, table, row in self._claims.get(candidate, ()):
                problems += [replace(problem, row=place) for problem in table.problems.get(row, ())]
                for name, values in table.columns.items():
                    if np.isnan(values[row]):
                        continue
                    if name not in values_so_far:
                        columns[name][place] = values[row]
                        values_so_far[name] = distance, table.path, values[row]
                        continue
                    nearest, first, value = values_so_far[name]
                    if distance == nearest and value != values[row] and name not in against:
                        against.add(name)
                        columns[name][place] = np.nan
                        problems.append(_contradiction(table.path, first, name, candidate[1], place))
        return CandidateColumns(columns, problems)


def _contradiction(one: Path, other: Path, name: str, number: str, row: int) -> Problem:
    message = f"the tables {other.name} and {one.name} of the stamps contradict each other on {name} of ID {number}"
    return Problem(printable(str(one)), "bad_cell", message, row=row, object_id=number, of_file=False)


class _RefusedError(ReadError):
    """The join with a table is refused, and reading ends."""


class _Table:
    """A table, with the rows of the wanted candidates."""

    def __init__(self, path: Path, numbers: set[str], values: set[str], limits: Limits) -> None:
        self.path = path
        wrong: list[Problem] = []
        columns = read_columns(path, {"ID": "id", **{name: column_kind(name) for name in CATALOGUE}}, wrong, limits)
        ids = columns.pop("ID", np.empty(0, dtype=np.int64))
        if "ID" not in table_columns(path):
            raise _RefusedError(f"the table {path.name} of the stamps has no rows with an ID")
        if not len(ids):
            raise ReadError("it has no rows")
        self.columns: dict[str, NDArray[np.generic]] = columns
        self.problems: dict[int, list[Problem]] = {}
        self.lost = []
        for problem in wrong:
            if problem.of_file:
                self.lost.append(replace(problem, row=0, object_id=path.stem))
            else:
                self.problems.setdefault(problem.row, []).append(problem)
        self._exact: dict[str, int] = {}
        self._loose: dict[str, int | None] = {}
        for row, key in enumerate(id_keys(ids)):
            if key is None or _without_zeros(key) not in values:
                continue
            if key in self._exact and key in numbers:
                raise _RefusedError(f"the table {path.name} of the stamps: ID {key} occurs more than once")
            self._exact[key] = row
            self._loose[_without_zeros(key)] = None if _without_zeros(key) in self._loose else row

    def row(self, number: str, alone: bool) -> int | None:
        """Return the row of a number; it is compared by value only if no other candidate has that value (`alone`)."""
        return self._exact.get(number, self._loose.get(_without_zeros(number)) if alone else None)


def _without_zeros(number: str) -> str:
    """Return a number without leading zeros, and other text unchanged."""
    return (number.lstrip("0") or "0") if number.isdecimal() else number


def _claim_rows(
    table: _Table, candidates: Iterable[tuple[PurePath, str]], alike: Counter[tuple[PurePath, str]]
) -> dict[tuple[int, tuple[PurePath, str]], int]:
    """Return the row of each candidate that a table has, by distance and candidate."""
    claims: dict[int, list[tuple[int, tuple[PurePath, str]]]] = {}
    for folder, number in candidates:
        row = table.row(number, alike[folder, _without_zeros(number)] == 1)
        if row is not None:
            claims.setdefault(row, []).append((_distance(table.path.parent, folder), (folder, number)))
    own = {}
    for row, claimants in claims.items():
        nearest = min(distance for distance, _ in claimants)
        first, *others = [claim for claim in claimants if claim[0] == nearest]
        if others:
            (_, (folder, number)), (_, (other, _)) = first, others[0]
            raise ReadError(
                f"the table {table.path.name} of the stamps has one row of ID {number}, which is a candidate of "
                f"{folder} and of {other}: put a table into each folder, or read them one by one"
            )
        own[first] = row
    return own


def _distance(table: PurePath, folder: PurePath) -> int:
    """Return how many folders a table is above a folder with stamps."""
    if table == folder:
        return 0
    return folder.parents.index(table) + 1 if table in folder.parents else _ELSEWHERE
