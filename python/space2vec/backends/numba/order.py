"""Order statistics. Their bits do not depend on the algorithm, so that they are computed by a partition here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.math import HALF, INFINITY
from space2vec.backends.numba.team import jit

__all__ = ["MAD_TO_SIGMA", "count_valid", "deviations", "largest", "median", "smallest"]

Values = NDArray[np.float32]

#: From a median absolute deviation to the sigma of normal noise.
MAD_TO_SIGMA = np.float32(1.4826)


@jit
def count_valid(values: Values) -> int:
    """Count the values that are not NaN."""
    total = 0
    for x in values.flat:
        total += x == x
    return total


@jit
def largest(values: Values) -> np.float32:
    """Return the largest value that is not NaN; -inf if there is none."""
    best = -INFINITY
    for x in values.flat:
        best = max(best, x) if x == x else best
    return best


@jit
def smallest(values: Values) -> np.float32:
    """Return the smallest value that is not NaN; inf if there is none."""
    best = INFINITY
    for x in values.flat:
        best = min(best, x) if x == x else best
    return best


@jit
def median(values: Values) -> np.float32:
    """Return the median of the values that are not NaN, at least one; the mean of the middle two if even."""
    flat = values.ravel()
    kept = flat[flat == flat]
    middle = (kept.size - 1) // 2
    ordered = np.partition(kept, middle)
    lower = ordered[middle]
    if kept.size % 2 == 1:
        return lower
    upper = smallest(ordered[middle + 1 :])
    return lower if upper == lower else lower * HALF + upper * HALF


@jit
def deviations(values: Values, centre: np.float32) -> Values:
    """Return |values - centre|."""
    return np.abs(values - centre)
