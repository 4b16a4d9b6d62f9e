"""Cross-fitting: logits of labelled rows by networks that were fitted without them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.data.ids import text_array
from space2vec.training.loop import FitRows

if TYPE_CHECKING:
    from space2vec.data.labelled_stamps import LabelledStamps

__all__ = ["CrossFit", "cross_fit", "deal_folds"]


class CrossFit(NamedTuple):
    """Rows in the order of their folds, and their logits (n,) by networks that were fitted without them."""

    rows: FitRows
    logit: NDArray[np.float32]


def deal_folds(group: ArrayLike, label: ArrayLike, folds: int, seed: int = 0) -> NDArray[np.intp]:
    """Divide rows into folds that hold about as many objects of each class.

    Parameters
    ----------
    group : array_like (n,)
        The object of each row; all rows of an object fall into one fold.
    label : array_like (n,)
        1 for real, 0 for bogus. An object of which at least half the rows are real counts as real.
    folds : int
        The number of folds.
    seed : int, optional
        Seed of the order in which the objects of a class are dealt, one after the other, to the folds.

    Returns
    -------
    ndarray of intp (n,)
        The fold of each row, from 0.

    Raises
    ------
    ValueError
        If a class has a single object, or none: without its fold no row of the class would be left.

    Examples
    --------
    >>> from space2vec.training.cross_fit import deal_folds
    >>> fold = deal_folds(["a", "b", "c", "d"], [1, 1, 0, 0], 2)
    >>> sorted(fold[:2]) == sorted(fold[2:]) == [0, 1]
    True
    """
    names, row = np.unique(text_array(group), return_inverse=True)
    real = np.bincount(row, weights=np.asarray(label) == 1) >= 0.5 * np.bincount(row)
    fold = np.empty(len(names), dtype=np.intp)
    dealt = 0
    for kind, word in ((True, "real"), (False, "bogus")):
        objects = np.flatnonzero(real == kind)
        if len(objects) < 2:
            raise ValueError(
                f"two {word} objects are needed at least, one to learn from and one to test; given {len(objects)}"
            )
        digests = [hashlib.sha256(f"{seed}:{names[k]}".encode()).digest() for k in objects.tolist()]
        order = sorted(range(len(objects)), key=digests.__getitem__)
        # The second class goes on where the first has ended, so that folds differ by one object at most.
        fold[objects[order]] = (dealt + np.arange(len(objects))) % folds
        dealt += len(objects)
    return fold[row]


def cross_fit(
    rows: LabelledStamps,
    fold: NDArray[np.intp],
    prepare: Callable[[LabelledStamps], FitRows],
    score_by: Callable[[int, LabelledStamps], Callable[[FitRows], NDArray[np.float32]]],
) -> CrossFit:
    """Score each row by a network that was fitted to the other folds.

    Parameters
    ----------
    rows : LabelledStamps
        The labelled rows.
    fold : ndarray of intp (n,)
        The fold of each row.
    prepare : callable
        Turns labelled stamps into inputs, without those that cannot be scored.
    score_by : callable
        Takes the number of a fold and the rows of the others, fits a network to these, and returns a function that
        gives the logits of rows.
    """
    parts: list[FitRows] = []
    logit: list[NDArray[np.float32]] = []
    for number, learned, held in _parts(rows, fold):
        ready = prepare(held)
        if len(ready):
            parts.append(ready)
            logit.append(score_by(number, learned)(ready))
    inputs = tuple(np.concatenate(arrays) for arrays in zip(*(part.inputs for part in parts), strict=True))
    target, weight = (np.concatenate([getattr(part, name) for part in parts]) for name in ("target", "weight"))
    return CrossFit(FitRows(inputs, target, weight), np.concatenate(logit))


def _parts(rows: LabelledStamps, fold: NDArray[np.intp]) -> Iterator[tuple[int, LabelledStamps, LabelledStamps]]:
    """Yield, for each fold that has rows, its number, the rows of the others, and its own."""
    for number in np.unique(fold).tolist():
        yield number, rows[np.flatnonzero(fold != number)], rows[np.flatnonzero(fold == number)]
