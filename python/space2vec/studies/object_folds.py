"""Five fixed folds of sky objects: which part of the real alerts a candidate belongs to, whoever asks and when.

The folds were fixed before any model was trained on them, and must never change: figures of different models are paired
over them. A fold depends on the object alone, so that an alert that is found later has its fold already.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.data.ids import text_array
from space2vec.training.folds import Fold

__all__ = ["CELL", "FOLDS", "SALT", "object_folds", "train_and_test_rows"]

#: The number of folds.
FOLDS = 5
#: The text before an object's name in the digest.
SALT = "space2vec five folds 1"
#: The side of a cell of the sky in degrees, which stands for the name of an object that has none: 36 arcsec.
CELL = 0.01


def object_folds(object_id: ArrayLike, ra: ArrayLike | None = None, dec: ArrayLike | None = None) -> NDArray[np.int8]:
    """Return the fold of each candidate, from 0 to 4.

    The fold is the first eight bytes of the SHA-256 digest of ``"space2vec five folds 1:NAME"``, read as a big-endian
    number, modulo five. NAME is the object's name or, where it is empty, ``"ROW/COLUMN"`` of a cell of the sky: of
    ``floor((dec + 90) / 0.01)`` and ``floor((ra mod 360) / 0.01)``.

    Parameters
    ----------
    object_id : array_like of str (n,)
        The name of each candidate's object; empty where it is unknown.
    ra, dec : array_like of float (n,), optional
        Its position in degrees, which is needed only where the name is empty.

    Raises
    ------
    ValueError
        If a candidate has neither a name nor a finite position, or lengths differ.

    Examples
    --------
    >>> from space2vec.studies.object_folds import object_folds
    >>> object_folds(["ZTF18abgkjhy", "ZTF18aawdnqe", "ZTF18abgkjhy"]).tolist()
    [4, 1, 4]
    """
    names = [str(name) for name in text_array(object_id).tolist()]
    if "" in names:
        sky = [np.asarray(np.nan if axis is None else axis, dtype=np.float64) for axis in (ra, dec)]
        for axis in sky:
            if axis.ndim and axis.shape != (len(names),):
                raise ValueError(f"ra and dec must have one value for each of {len(names)} candidates")
        east, north = (np.broadcast_to(axis, (len(names),)) for axis in sky)
        names = [name or _cell(east[row], north[row], row) for row, name in enumerate(names)]
    of_name = {name: _fold(name) for name in set(names)}
    return np.array([of_name[name] for name in names], dtype=np.int8)


def train_and_test_rows(object_id: ArrayLike, folds: ArrayLike = range(FOLDS)) -> Iterator[tuple[int, Fold]]:
    """Yield, for each of some folds, its number, and the rows to train on and to test on.

    Raises
    ------
    ValueError
        As :func:`object_folds`, or if a fold's number is not from 0 to 4.
    """
    own = object_folds(object_id)
    for number in np.asarray(folds).tolist():
        if not 0 <= number < FOLDS:
            raise ValueError(f"a fold must be from 0 to {FOLDS - 1}; given {number}")
        yield number, Fold(np.flatnonzero(own != number), np.flatnonzero(own == number))


def _fold(name: str) -> int:
    digest = hashlib.sha256(f"{SALT}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % FOLDS


def _cell(ra: float, dec: float, row: int) -> str:
    """Return the cell of the sky that a position lies in, as text."""
    if not (np.isfinite(ra) and np.isfinite(dec)):
        raise ValueError(f"candidate {row} has neither an object's name nor a position: it can be in no fold")
    return f"{int(np.floor((dec + 90.0) / CELL))}/{int(np.floor((ra % 360.0) / CELL))}"
