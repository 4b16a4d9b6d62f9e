"""How well vectors lay like candidates together: the nearest of each candidate, and their kinds and objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from space2vec.data.types import AnyArray

__all__ = ["KindShares", "found_again", "nearest_rows", "same_kind_share"]

#: Rows that are compared with all others at a time.
_BLOCK = 1024


class KindShares(NamedTuple):
    """The share of the nearest candidates that are of the same kind: the mean over kinds, and that of each kind."""

    mean: float
    by_kind: dict[str, float]


def nearest_rows(vectors: ArrayLike, nearest: int = 10) -> NDArray[np.intp]:
    """Return the rows (n, nearest) whose vectors have the largest cosine with that of each row, the most alike first.

    A row is not among its own. Of vectors that are equally near those of the first rows count as nearer.

    Raises
    ------
    ValueError
        If the vectors are not (n, k), or there are not more than `nearest` of them.
    """
    unit: AnyArray = np.array(vectors, dtype=np.float32)
    if unit.ndim != 2 or not 1 <= nearest < len(unit):
        raise ValueError(f"vectors must be (n, k) with more rows than nearest, {nearest}; given {unit.shape}")
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    found = np.empty((len(unit), nearest), dtype=np.intp)
    for start in range(0, len(unit), _BLOCK):
        cosine = unit[start : start + _BLOCK] @ unit.T
        rows = np.arange(len(cosine))
        cosine[rows, start + rows] = -np.inf
        found[start : start + _BLOCK] = np.argsort(-cosine, axis=1, kind="stable")[:, :nearest]
    return found


def same_kind_share(vectors: ArrayLike, kinds: ArrayLike, nearest: int = 10, only: str | None = None) -> KindShares:
    """Measure the share of the nearest candidates that are of the same kind.

    Parameters
    ----------
    vectors : array_like (n, k)
        The vectors of candidates; zeros for those without one, which then are near to nobody.
    kinds : array_like of str (n,)
        The kind of each candidate.
    nearest : int, optional
        How many of the nearest are looked at, by cosine.
    only : str, optional
        Look at candidates of this kind alone, among all.

    Returns
    -------
    KindShares
        The mean over kinds, in which each counts the same, and the share of each kind.

    Raises
    ------
    ValueError
        If there is not one kind for each vector, no candidate is of the kind `only`, or as for :func:`nearest_rows`.

    Examples
    --------
    >>> from space2vec.evaluation import same_kind_share
    >>> same_kind_share([[1, 0], [2, 0], [0, 1], [1, 9]], ["star", "star", "streak", "streak"], nearest=1).mean
    1.0
    """
    names = np.asarray(kinds, dtype=np.str_)
    found = nearest_rows(vectors, nearest)
    if names.shape != (len(found),):
        raise ValueError(f"there must be one kind for each of {len(found)} vectors; given {names.shape}")
    same = (names[found] == names[:, None]).mean(axis=1)
    looked_at = np.unique(names).tolist() if only is None else [only]
    if only is not None and only not in names:
        raise ValueError(f"no candidate is of the kind {only!r}")
    by_kind = {kind: float(same[names == kind].mean()) for kind in looked_at}
    return KindShares(float(np.mean(list(by_kind.values()))), by_kind)


def found_again(vectors: ArrayLike, objects: ArrayLike, nearest: int = 10) -> float:
    """Return the share of alerts with a sibling, an alert of the same object, that have one among their nearest.

    Parameters
    ----------
    vectors : array_like (n, k)
        The vectors of alerts.
    objects : array_like (n,)
        The object of each alert.
    nearest : int, optional
        How many of the nearest are looked at, by cosine.

    Raises
    ------
    ValueError
        If there is not one object for each vector, no object has two alerts, or as for :func:`nearest_rows`.
    """
    found, (number, counts) = (
        nearest_rows(vectors, nearest),
        np.unique(objects, return_inverse=True, return_counts=True)[1:],
    )
    if number.shape != (len(found),):
        raise ValueError(f"there must be one object for each of {len(found)} vectors; given {number.shape}")
    repeated = counts[number] > 1
    if not repeated.any():
        raise ValueError("no object has two alerts")
    return float((number[found] == number[:, None]).any(axis=1)[repeated].mean())
