"""COLMEDS, the largest of the medians of the columns, as in ``cpp/kernel/column_medians.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.math import INFINITY
from space2vec.backends.numba.order import count_valid, median
from space2vec.backends.numba.stamp import WINDOW
from space2vec.backends.numba.team import jit

__all__ = ["largest_column_median"]


@jit
def largest_column_median(plane: NDArray[np.float32]) -> np.float32:
    """Return the maximum over columns of the median of the pixels that are not NaN."""
    best = -INFINITY
    for c in range(WINDOW):
        column = plane[:, c].copy()
        if count_valid(column) > 0:
            best = max(best, median(column))
    return best
