"""What the readers hand on: batches of rows, what was wrong with them, and where the next one begins."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Generic, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from space2vec.data.flags import bits
from space2vec.data.ids import NO_ID, printable
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features, Scores
from space2vec.errors import ReadError
from space2vec.errors.text import NAME, one_line
from space2vec.plans.features import Measure

__all__ = [
    "AnyBatch",
    "Batch",
    "Offer",
    "Origin",
    "Position",
    "Problem",
    "UnreadableError",
    "damaged",
    "failed_features",
    "failed_rows",
    "failed_stamps",
    "gathered",
    "short_names",
    "stem",
]


#: What the rows of a batch are.
RowsT_co = TypeVar("RowsT_co", bound="Stamps | Features | Scores", covariant=True)


class Position(NamedTuple):
    """Where a batch begins: a place that an unfinished run can go on from.

    Attributes
    ----------
    source : int
        The number of the file.
    block : int
        Where in the file a block begins, in bytes of the unpacked file.
    row : int
        Rows of that block, or of a file without blocks, that lie before.
    """

    source: int = 0
    block: int = 0
    row: int = 0


_BEGINNING = Position()


@dataclass(frozen=True, slots=True)
class Problem:
    """What was wrong with a file or with one record of it.

    Attributes
    ----------
    path : str
        The file; a member of an archive is named after it.
    reason : str
        A name of :data:`space2vec.registry.FAULTS`.
    message : str
        What was wrong, in words: one line of printable characters.
    record : int or None
        The number of the record in the file, from 0; ``None`` where the file itself is meant.
    offset : int or None
        Where in the unpacked file the record begins, or the packed block that holds it, in bytes.
    row : int
        The row of the batch.
    object_id : str or None
        The object, where it is known.
    candidate_id : int, str or None
        The candidate, where it is known.
    of_file : bool
        Whether a file, a record or the rest of one is lost, and not a cutout alone.
    """

    path: str
    reason: str
    message: str
    record: int | None = None
    offset: int | None = None
    row: int = 0
    object_id: str | None = None
    candidate_id: int | str | None = None
    of_file: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", one_line(self.message))

    def __str__(self) -> str:
        # The path is data, by which the file is found.
        path = one_line(self.path, NAME)
        return f"{path if self.record is None else f'{path}, record {self.record}'}: {self.message}"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the rows of a batch come from.

    Attributes
    ----------
    paths : sequence of str (n,)
        Their files.
    record : ndarray of int64 (n,)
        Their numbers in the file, or in a member of an archive, from 0.
    offset : ndarray of uint64 (n,), or None
        Where in the unpacked file the record begins, or the packed block that holds it, in bytes.
    """

    paths: Sequence[str]
    record: NDArray[np.int64]
    offset: NDArray[np.uint64] | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What packets have of the columns that are asked for.

    Attributes
    ----------
    lacking : tuple of str
        The columns that none of a batch's schemas has.
    paths : tuple of str
        Where any are lacking, the paths that the schemas have.
    """

    lacking: tuple[str, ...]
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch(Generic[RowsT_co]):
    """Consecutive rows of the input.

    Attributes
    ----------
    rows : Stamps, Features or Scores
        The rows. A feature table, or what is measured while reading, gives Features; what is scored while reading gives
        Scores.
    problems : tuple of Problem
        What was wrong with files and records that these rows come from, by row.
    files_done, files_total : int
        How many of the input's files have been read to their end, and how many there are.
    position : Position
        Where the next batch begins.
    origin : Origin or None
        Where the rows come from, if they are alerts.
    offer : Offer or None
        What their packets have of the columns that are asked for; ``None`` where none are, or nothing is known of it.
    """

    rows: RowsT_co
    problems: tuple[Problem, ...] = ()
    files_done: int = 0
    files_total: int = 0
    position: Position = _BEGINNING
    origin: Origin | None = None
    offer: Offer | None = None


#: A batch of whatever rows.
AnyBatch: TypeAlias = Batch[Stamps | Features | Scores]


def gathered(batches: Iterable[AnyBatch], problems: list[Problem] | None) -> list[Stamps | Features | Scores]:
    """Return the rows of all batches; `problems` takes up theirs, with the row of the whole."""
    parts: list[Stamps | Features | Scores] = []
    first = 0
    for batch in batches:
        parts.append(batch.rows)
        if problems is not None:
            problems.extend(replace(problem, row=first + problem.row) for problem in batch.problems)
        first += len(batch.rows)
    return parts


class UnreadableError(ReadError):
    """A file that cannot be opened: no permission, or a link that leads nowhere."""


def damaged(path: object, what: ReadError | str, *, record: int | None = None, row: int = 0) -> Problem:
    """Return the problem of a file whose reader says in words what is wrong with it."""
    reason = "unreadable_file" if isinstance(what, UnreadableError) else "damaged_file"
    return Problem(printable(str(path)), reason, str(what), record, row=row)


def failed_stamps(path: object) -> Stamps:
    """Return the row that stands for a file, or the rest of one, that cannot be read."""
    return Stamps([(None, None, None)], object_id=[stem(str(path))], candidate_id=[NO_ID], flags=[bits("bad_stamp")])


def failed_features(object_id: str, names: Sequence[str]) -> Features:
    """Return the one-row table that stands for a feature table, or the rest of one, that cannot be read."""
    return Features(
        np.full((1, len(names)), np.nan, dtype=np.float32),
        tuple(names),
        np.array([bits("bad_stamp")], dtype=np.uint32),
        np.array([object_id], dtype=object),
        np.array([NO_ID]),
    )


def failed_rows(path: str, measure: Measure | None) -> Stamps | Features:
    """Return the row that stands for a file of alerts, or the rest of one: Features where these are measured."""
    return failed_stamps(path) if measure is None else failed_features(stem(path), measure.names)


def short_names(paths: Iterable[PurePath]) -> dict[PurePath, str]:
    """Return names of files or folders: without the folders that they are in, but for as much as tells them apart."""
    whole = list(paths)
    names = {path: path.name for path in whole}
    depth = 1
    while len(counts := Counter(names.values())) < len(names):
        depth += 1
        for path in whole:
            if counts[names[path]] > 1:
                names[path] = "/".join(path.parts[-depth:]) if depth <= len(path.parts) else str(path)
    return names


def stem(name: str) -> str:
    """Return what names the row of a file that cannot be read: its name without folder and suffix."""
    base = printable(os.path.basename(name))
    for suffix in (".gz", ".fz", ".avro", ".parquet", ".tgz", ".tar", ".npy", ".npz", ".fits", ".fit"):
        base = base.removesuffix(suffix)
    return base
