"""Limits on the memory and rows that a file may demand, because a small harmful file may unpack to gigabytes."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from space2vec.data.flags import bits
from space2vec.data.tables import Features, Scores
from space2vec.data.vectors import Vectors
from space2vec.errors import ReadError
from space2vec.reading.batch import AnyBatch, Problem, UnreadableError, stem

__all__ = [
    "FAULTS_OF_SIZE",
    "Limits",
    "describe_excess",
    "describe_size_fault",
    "id_size",
    "long_ids",
    "refuse_long_ids",
    "refuse_long_texts",
    "size_faults_as_read_errors",
    "unopenable_as_read_errors",
]

#: The most bytes to which a byte of a file may unpack: if it is read in pieces, and if all of it is held at once.
_SHARE, _SHARE_HELD = 1024, 16
#: The fewest bytes of a packed file for each of its rows.
_BYTES_OF_ROW = 4
#: The errors that harmful files cause: no memory left, endless nesting, numbers too large for any type.
FAULTS_OF_SIZE = (MemoryError, RecursionError, OverflowError)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on what one file may demand; a row, or the rest of a file, that exceeds one is refused.

    Attributes
    ----------
    id_bytes : int
        The most bytes of an id, in UTF-8.
    batch_bytes : int
        The most bytes of the pixels of a batch, approximately; a batch gets fewer rows if needed, but at least one.
    free_rows : int
        The rows that any file may have; more are allowed at one for each four bytes of the file.
    free_bytes : int
        The bytes to which any file may unpack; more are allowed at 1,024 for each byte of the file, or 16 if all of it
        must be held at once (arrays of .npz, gzip'd FITS cubes, pages of Parquet).

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
        """Return the limits in the order of the compiled readers."""
        return self.id_bytes, self.batch_bytes, self.free_rows, self.free_bytes

    def bytes_at_once(self, size: int) -> int:
        """Return the bytes to which a file of `size` bytes may unpack if all of it is held at once."""
        return self.free_bytes + _SHARE_HELD * size

    def check_bytes_at_once(self, asked: int, size: int, what: str) -> None:
        """Check that the bytes to hold of a file or an archive member are in proportion to its size.

        Raises
        ------
        ReadError
            If it does not.
        """
        if asked > self.bytes_at_once(size):
            self.refuse(asked, size, what)

    def refuse(self, asked: int, size: int, what: str) -> NoReturn:
        """Raise the ReadError of something that demands too many bytes."""
        raise ReadError(f"{what} asks for {asked} bytes or more, and has {size}; {_how_to_raise('free_bytes')}")

    def unpacked_bytes(self, size: int) -> int:
        """Return the bytes to which a file of `size` bytes may unpack if it is read in pieces."""
        return self.free_bytes + _SHARE * size

    def check_rows(self, rows: int, size: int) -> None:
        """Check that the rows of a file are in proportion to its size in bytes.

        Raises
        ------
        ReadError
            If they do not.
        """
        if rows > self.free_rows + size // _BYTES_OF_ROW:
            raise ReadError(f"{rows} rows in {size} bytes; {_how_to_raise('free_rows')}")

    def rows(self, pixel_bytes: int, most: int) -> int:
        """Return the rows of a batch, at most `most`, given the bytes of the pixels of one row."""
        return max(1, min(most, self.batch_bytes // max(pixel_bytes, 1)))


def _how_to_raise(name: str) -> str:
    """Return the advice on how to raise a limit."""
    return f"--limit {name}=N (limits=Limits({name}=N) in Python) allows more"


@contextlib.contextmanager
def size_faults_as_read_errors() -> Iterator[None]:
    """Turn the errors that harmful files cause in a reader into ReadError.

    Raises
    ------
    ReadError
        For lack of memory, endless nesting, and numbers too large for any type.
    """
    try:
        yield
    except FAULTS_OF_SIZE as error:
        raise ReadError(describe_size_fault(error)) from None


def describe_size_fault(error: BaseException) -> str:
    """Return the message for one of :data:`FAULTS_OF_SIZE`."""
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return f"a number in it is too large ({error})"


#: Errors that concern one file and not a whole disk: no permission, or a link that leads nowhere.
_OF_FILE = frozenset({errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO})


@contextlib.contextmanager
def unopenable_as_read_errors() -> Iterator[None]:
    """Turn the errors of a file that cannot be opened into ReadError; errors of a whole disk stay OSError.

    Raises
    ------
    UnreadableError
        For a file without read permission, and for a link that leads nowhere.
    OSError
        For all other errors of the machine.
    """
    try:
        yield
    except OSError as error:
        gone = error.errno == errno.ENOENT and error.filename is not None and os.path.islink(error.filename)
        if not gone and error.errno not in _OF_FILE:
            raise
        raise UnreadableError(error.strerror or str(error)) from None


def refuse_long_ids(batch: AnyBatch, limits: Limits, path: str) -> AnyBatch:
    """Refuse rows with an id above the limit: such a row loses that id and its result.

    Parameters
    ----------
    batch : Batch
        The rows.
    limits : Limits
        The limits; only the one on ids is used.
    path : str
        The name of the file, for rows without an origin.
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
            Problem(
                name,
                "too_large",
                describe_excess(f"an id of {length} bytes"),
                record,
                row=row,
                object_id=object_id[row],
            )
        )
    return _refuse_rows(batch, problems, object_id, candidate_id)


def refuse_long_texts(batch: AnyBatch, long: Mapping[int, int]) -> AnyBatch:
    """Refuse alerts with an extra column of text that is too long; `long` has its bytes by row."""
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
    return _refuse_rows(batch, problems, rows.object_id, rows.candidate_id)


def describe_excess(detail: str) -> str:
    """Return the message for a demand above a limit, with the advice on how to raise the limit."""
    name = {"an id": "id_bytes", "more rows": "free_rows"}.get(" ".join(detail.split()[:2]))
    return detail if name is None else f"{detail}; {_how_to_raise(name)}"


def long_ids(ids: NDArray[np.generic], most: int) -> list[int]:
    """Return the rows whose id is text of more than `most` bytes."""
    if ids.dtype.kind != "O":
        return []
    return [
        row
        for row, one in enumerate(ids.tolist())
        if isinstance(one, str) and 4 * len(one) > most and id_size(one) > most
    ]


def id_size(text: object) -> int:
    """Return the length of an id in bytes of UTF-8; 0 for a number or an unknown id."""
    return len(text.encode(errors="backslashreplace")) if isinstance(text, str) else 0


def _refuse_rows(
    batch: AnyBatch, problems: list[Problem], object_id: NDArray[np.generic], candidate_id: NDArray[np.generic]
) -> AnyBatch:
    """Return a batch with these ids, and without results in the rows of the new problems."""
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
        if rows.vectors is not None:
            rows.vectors = _without_vectors(rows.vectors, refused, object_id, candidate_id)
    elif isinstance(rows, Vectors):
        rows = _without_vectors(rows, refused, object_id, candidate_id)
    every = sorted((*batch.problems, *problems), key=lambda problem: problem.row)
    return replace(batch, rows=rows, problems=tuple(every))


def _without_vectors(
    vectors: Vectors, refused: NDArray[np.intp], object_id: NDArray[np.generic], candidate_id: NDArray[np.generic]
) -> Vectors:
    """Return vectors with these ids, and zeros with the flag ``bad_stamp`` in the rows that are refused."""
    kept, flags = vectors.vector.copy(), vectors.flags.copy()
    kept[refused] = 0
    flags[refused] |= np.uint32(bits("bad_stamp"))
    return Vectors(kept, flags, object_id, candidate_id, vectors.model, columns=vectors.columns)
