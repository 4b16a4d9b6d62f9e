"""Choose which candidates to label next: those that stand for the most others, by features and score."""

from __future__ import annotations

import heapq
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from space2vec.data.tables import Features
from space2vec.registry import feature_set

__all__ = ["SET", "measured_already", "most_useful"]

#: The set of features in which candidates are compared.
SET: Literal["s2v"] = "s2v"

#: The most candidates that are weighed against each other, in memory of 64 MB. Of a larger night these are drawn.
_WEIGHED = 4000


def measured_already(columns: Features) -> NDArray[np.float32] | None:
    """Return those columns (n, k) of a model that are features of the set; None if they are less than half of it.

    The candidates need not be measured again for the choice, then. Of 600 simulated candidates (Rubin), the 100 that
    are chosen by the 41 features that ``stampnet`` looks at have 60 in common with those chosen by all 49. The mean
    distance from a candidate to the nearest chosen one is 1.207 instead of 1.192; it is 1.328 for random ones.
    """
    wanted = feature_set(SET)
    names = tuple(name for name in wanted if name in columns.names)
    return columns.select(names) if 2 * len(names) >= len(wanted) else None


def most_useful(score: NDArray[np.float32], values: NDArray[np.float32], most: int = 500) -> NDArray[np.intp]:
    """Order candidates by how much a label of them is worth to training.

    Each next candidate is the one that most shortens the way of all candidates to the nearest chosen one, summed
    (greedy facility location). The first ones stand for the largest groups, and further ones for smaller groups.
    Distances are those between the ranks of the features, because features have tails of any length, and between the
    scores, which count as much as all features together.

    Doubtful scores are not preferred. On a survey that the model has not seen, candidates chosen by doubt made worse
    training sets than random ones (``benchmarks/accuracy/review_labels.py``): the model is wrong where it is certain
    too, and the doubtful are alike.

    Parameters
    ----------
    score : ndarray of float32 (n,)
        P(real); candidates without a score (NaN) are not chosen.
    values : ndarray of float32 (n, k)
        Features or vectors of the candidates. NaN counts as the middle rank.
    most : int
        The most candidates to choose. Of a night of more than 4,000 candidates, 4,000 are drawn to choose from.

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
    >>> score = np.float32([0.1, 0.1, 0.1, 0.9, 0.9])
    >>> most_useful(score, np.float32([[0], [1], [2], [8], [9]]), 2).tolist()
    [2, 3]
    """
    if values.ndim != 2 or len(values) != len(score):
        raise ValueError(f"values must have shape ({len(score)}, k); given {values.shape}")
    rows = np.flatnonzero(~np.isnan(score))
    places = _ranks(values[rows])
    if len(rows) > _WEIGHED:
        drawn = np.sort(np.random.default_rng(0).permutation(len(rows))[:_WEIGHED])
        rows, places = rows[drawn], places[drawn]
    of_scores = np.sqrt(np.float32(max(places.shape[1], 1))) * score[rows]
    return rows[_stand_for_others(np.column_stack([places, of_scores]).astype(np.float32), most)]


def _stand_for_others(places: NDArray[np.float32], most: int) -> NDArray[np.intp]:
    """Choose places (n, k), each of which most shortens the sum of all distances to the nearest chosen place."""
    if not len(places):
        return np.zeros(0, dtype=np.intp)
    square = np.square(places).sum(axis=1)
    distance = np.empty((len(places), len(places)), dtype=np.float32)
    for row in range(len(places)):
        distance[row] = np.sqrt(np.maximum(square[row] + square - 2 * (places @ places[row]), 0))
    nearest = np.full(len(places), distance.max(), dtype=np.float32)

    def gain(row: int) -> float:
        return float(np.maximum(nearest - distance[row], 0).sum(dtype=np.float64))

    # A gain never grows when others are chosen: what is best by its old gain and has the same now is the best of all.
    waiting = [(-gain(row), row) for row in range(len(places))]
    heapq.heapify(waiting)
    chosen: list[int] = []
    while waiting and len(chosen) < most:
        row = heapq.heappop(waiting)[1]
        now = -gain(row)
        if waiting and (now, row) > waiting[0]:
            heapq.heappush(waiting, (now, row))
            continue
        chosen.append(row)
        nearest = np.minimum(nearest, distance[row])
    return np.array(chosen, dtype=np.intp)


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
