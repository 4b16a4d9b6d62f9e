"""Batches of rows from readers, with their problems and the position of the next batch."""

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
from space2vec.data.vectors import Vectors
from space2vec.errors import ReadError
from space2vec.errors.text import NAME, one_line
from space2vec.plans.features import FeaturePlan

__all__ = [
    "AnyBatch",
    "Batch",
    "BatchRows",
    "Origin",
    "PacketFields",
    "Position",
    "Problem",
    "UnreadableError",
    "collect_rows",
    "damaged_file",
    "failed_features",
    "failed_rows",
    "failed_stamps",
    "short_names",
    "stem",
]


#: The rows of a batch.
BatchRows: TypeAlias = "Stamps | Features | Scores | Vectors"
#: The type of the rows of a batch.
RowsT_co = TypeVar("RowsT_co", bound="Stamps | Features | Scores | Vectors", covariant=True)


class Position(NamedTuple):
    """The position in the input at which a batch begins, and from which a run can resume.

    Attributes
    ----------
    source : int
        The number of the file.
    block : int
        The position of a block, in bytes of the unpacked file.
    row : int
        The number of rows before the position in that block, or in a file without blocks.
    """

    source: int = 0
    block: int = 0
    row: int = 0


_BEGINNING = Position()


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault of a file or of one of its records.

    Attributes
    ----------
    path : str
        The file; for a member of an archive, the archive and the member.
    reason : str
        A name of :data:`space2vec.registry.FAULTS`.
    message : str
        The description: one line of printable characters.
    record : int or None
        The number of the record in the file, from 0; ``None`` for the file itself.
    offset : int or None
        Where in the unpacked file the record begins, or the packed block that holds it, in bytes.
    row : int
        The row of the batch.
    object_id : str or None
        The object, if it is known.
    candidate_id : int, str or None
        The candidate, if it is known.
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
    """The files and records from which the rows of a batch come.

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
class PacketFields:
    """Which of the requested columns the packets have.

    Attributes
    ----------
    missing : tuple of str
        The columns that none of a batch's schemas has.
    available : tuple of str
        The paths of all fields of the schemas, if a column is missing; empty otherwise.
    """

    missing: tuple[str, ...]
    available: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch(Generic[RowsT_co]):
    """Consecutive rows of the input.

    Attributes
    ----------
    rows : Stamps, Features, Scores or Vectors
        The rows: Features of a feature table or if features are measured while reading, Scores if alerts are scored
        while reading, otherwise Stamps.
    problems : tuple of Problem
        The faults of the files and records of these rows, in order of the rows.
    files_done, files_total : int
        How many of the input's files have been read to their end, and how many there are.
    position : Position
        Where the next batch begins.
    origin : Origin or None
        Where the rows come from, if they are alerts.
    packet_fields : PacketFields or None
        Which of the requested columns the packets have; ``None`` if none are requested or it is not known.
    """

    rows: RowsT_co
    problems: tuple[Problem, ...] = ()
    files_done: int = 0
    files_total: int = 0
    position: Position = _BEGINNING
    origin: Origin | None = None
    packet_fields: PacketFields | None = None


#: A batch with rows of any type.
AnyBatch: TypeAlias = Batch[BatchRows]


def collect_rows(batches: Iterable[AnyBatch], problems: list[Problem] | None) -> list[BatchRows]:
    """Collect the rows of all batches; `problems` gets their problems, with rows counted over all batches."""
    parts: list[BatchRows] = []
    first = 0
    for batch in batches:
        parts.append(batch.rows)
        if problems is not None:
            problems.extend(replace(problem, row=first + problem.row) for problem in batch.problems)
        first += len(batch.rows)
    return parts


class UnreadableError(ReadError):
    """A file that cannot be opened: no permission, or a link that leads nowhere."""


def damaged_file(path: object, what: ReadError | str, *, record: int | None = None, row: int = 0) -> Problem:
    """Make the problem of a damaged file."""
    reason = "unreadable_file" if isinstance(what, UnreadableError) else "damaged_file"
    return Problem(printable(str(path)), reason, str(what), record, row=row)


def failed_stamps(path: object) -> Stamps:
    """Make the row without planes that represents an unreadable file, or the unreadable rest of one."""
    return Stamps([(None, None, None)], object_id=[stem(str(path))], candidate_id=[NO_ID], flags=[bits("bad_stamp")])


def failed_features(object_id: str, names: Sequence[str]) -> Features:
    """Make the row of NaN that represents an unreadable feature table, or the unreadable rest of one."""
    return Features(
        np.full((1, len(names)), np.nan, dtype=np.float32),
        tuple(names),
        np.array([bits("bad_stamp")], dtype=np.uint32),
        np.array([object_id], dtype=object),
        np.array([NO_ID]),
    )


def failed_rows(path: str, measure: FeaturePlan | None) -> Stamps | Features:
    """Make the row that represents an unreadable file of alerts: Features if these are measured, else Stamps."""
    return failed_stamps(path) if measure is None else failed_features(stem(path), measure.names)


def short_names(paths: Iterable[PurePath]) -> dict[PurePath, str]:
    """Shorten paths to names, with only as many parent folders as are needed to distinguish them."""
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
    """Return the name of a file without folder and suffix, which names the row of an unreadable file."""
    base = printable(os.path.basename(name))
    for suffix in (".gz", ".fz", ".avro", ".parquet", ".tgz", ".tar", ".npy", ".npz", ".fits", ".fit"):
        base = base.removesuffix(suffix)
    return base
