"""Choose which candidates to label next: those whose scores are doubtful, and unlike each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["most_useful"]


def most_useful(score: NDArray[np.float32], values: NDArray[np.float32], most: int = 500) -> NDArray[np.intp]:
    """Order candidates by how much a label of them is worth to training.

    The first is the most doubtful one. Each further one has the largest product of its doubt, ``1 - |2 score - 1|``,
    and its distance from the nearest of those chosen before (farthest-first traversal, Gonzalez 1985, weighted by
    doubt), in the space of the ranks of its features: ranks, because features have tails of any length.

    Parameters
    ----------
    score : ndarray of float32 (n,)
        P(real); candidates without a score (NaN) are not chosen.
    values : ndarray of float32 (n, k)
        Features or vectors of the candidates. NaN counts as the middle rank.
    most : int
        The most candidates to choose.

    Returns
    -------
    ndarray of int (m,)
        Row numbers, the most useful first.

    Raises
    ------
    ValueError
        If the numbers of rows differ.

    Examples
    --------
    >>> from space2vec.report.selection import most_useful
    >>> most_useful(np.float32([0.5, 0.5, 0.99]), np.float32([[0], [0.1], [7]])).tolist()
    [0, 1, 2]
    """
    if values.ndim != 2 or len(values) != len(score):
        raise ValueError(f"values must have shape ({len(score)}, k); given {values.shape}")
    rows = np.flatnonzero(~np.isnan(score))
    doubt = 1 - np.abs(2 * score[rows].astype(np.float64) - 1)
    places = _ranks(values[rows])
    chosen: list[int] = []
    distance = np.full(len(rows), np.inf)
    left = np.ones(len(rows), dtype=np.bool_)
    for _ in range(min(most, len(rows))):
        # Before anything is chosen, and among equals of what is, doubt alone decides.
        worth = np.where(np.isinf(distance), 1.0, distance) * doubt + 1e-9 * doubt
        best = int(np.argmax(np.where(left, worth, -1.0)))
        chosen.append(best)
        left[best] = False
        distance = np.minimum(distance, np.sqrt(np.square(places - places[best]).mean(axis=1)))
    return rows[chosen]


def _ranks(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rank of each value (n, k) in its column from 0 to 1, 0.5 for NaN; equal values share a rank."""
    ranks = np.full(values.shape, 0.5, dtype=np.float32)
    for column in range(values.shape[1]):
        known = ~np.isnan(values[:, column])
        _, inverse, counts = np.unique(values[known, column], return_inverse=True, return_counts=True)
        if len(counts) > 1:
            middle = np.cumsum(counts) - (counts + 1) / 2
            ranks[known, column] = middle[inverse] / (known.sum() - 1)
    return ranks
