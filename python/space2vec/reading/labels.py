"""Read labels and scores from tables, with the ids of the rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.data.ids import printable
from space2vec.errors import ReadError
from space2vec.reading import astropy_table
from space2vec.reading.batch import Problem
from space2vec.reading.cells import Kind
from space2vec.reading.feature_table import find_ids, id_kinds
from space2vec.reading.limits import Limits, describe_excess, id_size, long_ids
from space2vec.reading.table_file import read_columns, table_columns

if TYPE_CHECKING:
    from space2vec.data.types import AnyArray

__all__ = ["Labels", "ScoreColumn", "read_column", "read_file_names", "read_labels", "read_scores"]

_LABELS = ("label", "OBJECT_TYPE")
#: Columns that name the file of a row.
_FILES = ("path", "file", "filename")
_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of a table's rows (n,), with their ids; ids are ``None`` if the table has none."""

    object_id: AnyArray | None
    candidate_id: AnyArray | None
    #: 1 for real, 0 for bogus, NaN without a label.
    real: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ScoreColumn:
    """The scores of a table's rows (n,), with their ids; ids are ``None`` if the table has none."""

    object_id: AnyArray | None
    candidate_id: AnyArray | None
    #: P(real), NaN without a score.
    score: NDArray[np.float64]


def read_labels(
    path: str | os.PathLike[str], *, problems: list[Problem] | None = None, limits: Limits = _LIMITS
) -> Labels:
    """Read the labels of a table: ``label`` (1 or real, 0 or bogus) or ``OBJECT_TYPE`` (DES: 0 real, 1 artifact).

    Parameters
    ----------
    path : path
        CSV or Parquet.
    problems : list, optional
        A list to which the problems of lines and cells are appended. A line with too few or too many values, or with an
        id that is too long, is then a row without id and label; without the list it raises. A cell that holds no label
        becomes NaN in either case.
    limits : Limits, optional
        The limits on what the file may demand: bytes of an id, rows, bytes unpacked.

    Returns
    -------
    Labels
        The labels and ids, row by row.

    Raises
    ------
    ReadError
        If the table cannot be read, has neither column, has both with contradicting values, contains a label other than
        0 and 1, or contains no label at all.
    """
    column = _read_numbers(path, _LABELS, problems, limits)
    values = column.values
    wrong = ~np.isnan(values) & ~np.isin(values, (0.0, 1.0))
    if wrong.any():
        raise ReadError(f"{path}: column {column.name} must hold 0 or 1; it holds {values[wrong][0]:g}")
    real = values.astype(np.float32)
    if column.name == "OBJECT_TYPE":
        return Labels(column.object_id, column.candidate_id, 1 - real)
    _check_other_column(Path(path), real, limits)
    return Labels(column.object_id, column.candidate_id, real)


def _check_other_column(path: Path, real: NDArray[np.float32], limits: Limits) -> None:
    """Raise a ReadError if a table has both columns of labels and they contradict each other."""
    if "OBJECT_TYPE" not in table_columns(path):
        return
    artifact = read_column(path, "OBJECT_TYPE", "label", [], limits)["OBJECT_TYPE"]
    against = ~np.isnan(real) & ~np.isnan(artifact) & (real == artifact)
    if against.any():
        row = int(np.argmax(against))
        raise ReadError(
            f"{path}: label (1 real) and OBJECT_TYPE (0 real) contradict each other in {np.count_nonzero(against)} of "
            f"{len(real)} rows, first in row {row}: both are {real[row]:g}"
        )


def read_file_names(path: str | os.PathLike[str], limits: Limits = _LIMITS) -> list[str | None] | None:
    """Read the column ``path``, ``file`` or ``filename`` (n,) of a table of labels; None if it has no such column."""
    place = Path(path)
    name = next((name for name in _FILES if name in table_columns(place)), None)
    return None if name is None else read_columns(place, {name: "text"}, [], limits)[name].tolist()


def read_scores(
    path: str | os.PathLike[str], *, problems: list[Problem] | None = None, limits: Limits = _LIMITS
) -> ScoreColumn:
    """Read the column ``score`` of a table.

    Parameters
    ----------
    path, problems, limits
        As for :func:`read_labels`.

    Raises
    ------
    ReadError
        If the table cannot be read, or the column is absent or holds no numbers.
    """
    column = _read_numbers(path, ("score",), problems, limits)
    return ScoreColumn(column.object_id, column.candidate_id, column.values)


class _NumberColumn(NamedTuple):
    """A column of numbers (n,) by name, with the ids of its rows; ids are ``None`` if the table has none."""

    name: str
    object_id: AnyArray | None
    candidate_id: AnyArray | None
    values: NDArray[np.float64]


def _read_numbers(
    path: str | os.PathLike[str], accepted: Sequence[str], problems: list[Problem] | None, limits: Limits
) -> _NumberColumn:
    """Read the first of the accepted columns that the table has, with the ids of its rows."""
    place = Path(path)
    if not place.is_file():
        raise ReadError(f"{place}: no such file")
    try:
        names = table_columns(place)
        name = next((name for name in accepted if name in names), None)
        if name is None:
            raise ReadError(f"no column {' or '.join(accepted)}; it has {', '.join(names)}")
        columns = read_column(place, name, "label" if name == "label" else "number", problems, limits)
    except ReadError as error:
        raise ReadError(f"{place}: {error}") from None
    return _NumberColumn(name, *find_ids(columns), columns[name])


def _long_id_problem(path: Path, row: int, length: int) -> Problem:
    return Problem(printable(str(path)), "too_large", describe_excess(f"an id of {length} bytes"), row, row=row)


def read_column(
    path: Path, name: str, kind: Kind, problems: list[Problem] | None = None, limits: Limits = _LIMITS
) -> dict[str, AnyArray]:
    """Read a column of numbers and the columns of ids, as :func:`space2vec.reading.table_file.read_columns` does.

    A row whose id is too long loses that id and its number. A column without any number raises a ReadError too.
    """
    wrong: list[Problem] = []
    kinds = id_kinds(table_columns(path))
    columns = read_columns(path, {**kinds, name: kind}, wrong, limits)
    # Our FITS and VOTable files write a byte that is not ASCII as four characters (``\xfc``).
    most = limits.id_bytes * (4 if path.suffix in astropy_table.SUFFIXES else 1)
    for row in sorted({row for ids in kinds for row in long_ids(columns[ids], most)}):
        wrong.append(_long_id_problem(path, row, max(id_size(columns[ids][row]) for ids in kinds)))
        columns[name][row] = np.nan
        for ids in kinds:
            if id_size(columns[ids][row]) > most:
                columns[ids][row] = None
    cells = [problem for problem in wrong if not problem.of_file]
    if cells and np.isnan(columns[name]).all():
        raise ReadError(f"column {name} is not numeric: {cells[0].message}")
    if problems is not None:
        problems.extend(wrong)
    elif lost := next((problem for problem in wrong if problem.of_file), None):
        raise ReadError(lost.message)
    return columns
