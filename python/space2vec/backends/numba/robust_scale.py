"""The scales of a plane that need no rejection, as in ``cpp/kernel/robust_scale.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.order import MAD_TO_SIGMA, largest, smallest
from space2vec.backends.numba.quantile import Scaling, exact_median
from space2vec.backends.numba.team import jit, lane_sum

__all__ = ["l2_scaling", "median_mad_scaling", "min_max_scaling"]

Values = NDArray[np.float32]


@jit
def median_mad_scaling(x: Values) -> Scaling:
    """Return the median, and 1.4826 times the median absolute deviation from it."""
    kept = x[x == x]
    centre = exact_median(kept)
    most = np.float32(centre)
    rest = np.float32(centre - np.float64(most))
    return Scaling(centre, np.float64(MAD_TO_SIGMA) * exact_median(np.abs((kept - most) - rest)))


@jit
def min_max_scaling(x: Values) -> Scaling:
    """Return the smallest value and the range."""
    bottom = np.float64(smallest(x)) + 0.0
    return Scaling(bottom, np.float64(largest(x)) - bottom)


@jit
def l2_scaling(x: Values) -> Scaling:
    """Return 0 and the norm."""
    values = np.where(x == x, x.astype(np.float64), 0.0)
    return Scaling(0.0, np.sqrt(lane_sum(values * values)))
