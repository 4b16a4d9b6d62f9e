"""What an input of others may ask for: a small file may stand for gigabytes, or for hours, and costs its rows then."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from space2vec.data.flags import bits
from space2vec.data.tables import Features, Scores
from space2vec.errors import ReadError
from space2vec.reading.batch import AnyBatch, Problem, UnreadableError, stem

__all__ = [
    "FAULTS_OF_SIZE",
    "Limits",
    "asking",
    "id_size",
    "long_ids",
    "told_apart",
    "unreadable",
    "with_short_ids",
    "with_short_texts",
    "words_of",
]

#: Bytes that each byte of a file may become: where a piece of it is held at a time, and where all of it is.
_SHARE, _SHARE_HELD = 1024, 16
#: Bytes of a file for each of its rows, packed as it is.
_BYTES_OF_ROW = 4
#: What harmful files make of a reader: memory that there is not, nesting without an end, numbers that nothing can hold.
FAULTS_OF_SIZE = (MemoryError, RecursionError, OverflowError)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file of an input may ask for; a row, or the rest of a file, that asks for more cannot be read.

    Attributes
    ----------
    id_bytes : int
        Bytes of an id, in UTF-8.
    batch_bytes : int
        Bytes of the pixels of a batch, about; a batch has fewer rows then. One row is given always.
    free_rows : int
        Rows that any file may have; beyond, one for each four bytes of it.
    free_bytes : int
        Bytes to which any file may unpack; beyond, 1,024 for each byte of it, or 16 where all of it must be held at
        once (arrays of .npz, FITS cubes that are gzip'd, pages of Parquet).

    Raises
    ------
    ValueError
        If one is below 1.
    """

    id_bytes: int = 1024
    batch_bytes: int = 128 << 20
    free_rows: int = 20_000
    free_bytes: int = 256 << 20

    def __post_init__(self) -> None:
        for entry in fields(self):
            if getattr(self, entry.name) < 1:
                raise ValueError(f"the limit {entry.name} must be at least 1; given {getattr(self, entry.name)}")

    def native(self) -> tuple[int, int, int, int]:
        """Return them as the library takes them."""
        return self.id_bytes, self.batch_bytes, self.free_rows, self.free_bytes

    def held(self, size: int) -> int:
        """Return the bytes that a file of so many may become where all of it is held at once."""
        return self.free_bytes + _SHARE_HELD * size

    def check_held(self, wanted: int, size: int, what: str) -> None:
        """See that what is to be held of a file, or of a member, stands in proportion to its bytes.

        Raises
        ------
        ReadError
            If it does not.
        """
        if wanted > self.held(size):
            self.refuse(wanted, size, what)

    def refuse(self, wanted: int, size: int, what: str) -> NoReturn:
        """Raise for something that asks for more bytes than it may."""
        raise ReadError(f"{what} asks for {wanted} bytes or more, and has {size}; {_how('free_bytes')}")

    def unpacked(self, size: int) -> int:
        """Return the bytes to which a file of so many may unpack, piece by piece."""
        return self.free_bytes + _SHARE * size

    def check_rows(self, rows: int, size: int) -> None:
        """See that the rows of a file stand in proportion to its bytes.

        Raises
        ------
        ReadError
            If they do not.
        """
        if rows > self.free_rows + size // _BYTES_OF_ROW:
            raise ReadError(f"{rows} rows in {size} bytes; {_how('free_rows')}")

    def rows(self, pixel_bytes: int, most: int) -> int:
        """Return how many rows a batch takes, at most so many, given the bytes of the pixels of one."""
        return max(1, min(most, self.batch_bytes // max(pixel_bytes, 1)))


def _how(name: str) -> str:
    """Say how a limit is raised."""
    return f"--limit {name}=N (limits=Limits({name}=N) in Python) allows more"


@contextlib.contextmanager
def told_apart() -> Iterator[None]:
    """Raise what harmful files make of a reader as ReadError.

    Raises
    ------
    ReadError
        For memory that there is not, nesting without an end, and numbers that nothing can hold.
    """
    try:
        yield
    except FAULTS_OF_SIZE as error:
        raise ReadError(words_of(error)) from None


def words_of(error: BaseException) -> str:
    """Return what to say of a file at which one of :data:`FAULTS_OF_SIZE` was raised."""
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    if isinstance(error, RecursionError):
        return "it is nested beyond all use"
    return f"a number in it is beyond all use ({error})"


#: Why a file cannot be opened though the machine is well: no permission, or a link that leads nowhere.
_OF_FILE = frozenset({errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO})


@contextlib.contextmanager
def unreadable() -> Iterator[None]:
    """Raise as ReadError that a file cannot be opened, where nothing says that a whole disk is lost.

    Raises
    ------
    UnreadableError
        For a file without permission, and a link that leads nowhere.
    OSError
        For whatever else the machine cannot read.
    """
    try:
        yield
    except OSError as error:
        gone = error.errno == errno.ENOENT and error.filename is not None and os.path.islink(error.filename)
        if not gone and error.errno not in _OF_FILE:
            raise
        raise UnreadableError(error.strerror or str(error)) from None


def with_short_ids(batch: AnyBatch, limits: Limits, path: str) -> AnyBatch:
    """Return a batch whose ids are within the limit: a row of which one is not has neither that id nor a result.

    Parameters
    ----------
    batch : Batch
        The rows.
    limits : Limits
        With the bytes of an id.
    path : str
        The file, where nothing tells of which file a row is.
    """
    rows = batch.rows
    long = {row for ids in (rows.object_id, rows.candidate_id) for row in long_ids(ids, limits.id_bytes)}
    if not long:
        return batch
    problems = []
    object_id, candidate_id = rows.object_id.copy(), rows.candidate_id.copy()
    for row in sorted(long):
        name = path if batch.origin is None else batch.origin.paths[row]
        length = max(id_size(ids[row]) for ids in (object_id, candidate_id))
        if id_size(object_id[row]) > limits.id_bytes:
            object_id[row] = stem(name)
        if id_size(candidate_id[row]) > limits.id_bytes:
            candidate_id[row] = None
        record = None if batch.origin is None else int(batch.origin.record[row])
        problems.append(
            Problem(name, "too_large", asking(f"an id of {length} bytes"), record, row=row, object_id=object_id[row])
        )
    return _refusing(batch, problems, object_id, candidate_id)


def with_short_texts(batch: AnyBatch, long: Mapping[int, int]) -> AnyBatch:
    """Return a batch of alerts without a result where a text that goes along is too long, by row with its bytes."""
    if not long:
        return batch
    rows, origin = batch.rows, batch.origin
    assert origin is not None
    problems = [
        Problem(
            origin.paths[row], "too_large", f"a text of {length} bytes", int(origin.record[row]), row=row,
            object_id=rows.object_id[row],
        )
        for row, length in long.items()
    ]  # fmt: skip
    return _refusing(batch, problems, rows.object_id, rows.candidate_id)


def asking(detail: str) -> str:
    """Return what to say where something asks for more than it may, with how to allow that."""
    name = {"an id": "id_bytes", "more rows": "free_rows"}.get(" ".join(detail.split()[:2]))
    return detail if name is None else f"{detail}; {_how(name)}"


def long_ids(ids: NDArray[Any], most: int) -> list[int]:
    """Return the rows whose id has more bytes than that, as far as it is text."""
    if ids.dtype.kind != "O":
        return []
    return [
        row
        for row, one in enumerate(ids.tolist())
        if isinstance(one, str) and 4 * len(one) > most and id_size(one) > most
    ]


def id_size(text: Any) -> int:
    """Return the bytes of an id, in UTF-8; 0 for a number and an unknown one."""
    return len(text.encode(errors="backslashreplace")) if isinstance(text, str) else 0


def _refusing(
    batch: AnyBatch, problems: list[Problem], object_id: NDArray[Any], candidate_id: NDArray[Any]
) -> AnyBatch:
    """Return a batch with these ids, and without a result in the rows of further problems."""
    rows, refused = batch.rows, np.array([problem.row for problem in problems])
    rows.object_id, rows.candidate_id = object_id, candidate_id
    flags = rows.flags.copy()
    flags[refused] |= np.uint32(bits("bad_stamp"))
    rows.flags = flags
    if isinstance(rows, Features):
        values = np.array(rows.values)
        values[refused] = np.nan
        rows.values = values
    elif isinstance(rows, Scores):
        score = np.array(rows.score)
        score[refused] = np.nan
        rows.score = score
    every = sorted((*batch.problems, *problems), key=lambda problem: problem.row)
    return replace(batch, rows=rows, problems=tuple(every))
