"""The median and the standard deviation after sigma clipping, as in ``cpp/kernel/sigma_clip.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.math import INFINITY
from space2vec.backends.numba.quantile import Scaling, exact_median
from space2vec.backends.numba.team import jit, lane_sum

__all__ = ["sigma_clip_scaling"]

Values = NDArray[np.float32]


@jit
def _first_from(bound: float) -> np.float32:
    """Return the smallest float32 that is not below a double."""
    near = np.float32(bound)
    return np.nextafter(near, INFINITY) if np.float64(near) < bound else near


@jit
def sigma_clip_scaling(x: Values, sigma: float, rounds: int) -> Scaling:
    """Return the median and the standard deviation of the pixels that sigma clipping keeps."""
    low, high = -INFINITY, INFINITY
    count = np.sum(x == x)
    last = False
    iteration = 0
    while True:
        inside = (x >= low) & (x <= high)
        centre = exact_median(x[inside])
        away = np.where(inside, x.astype(np.float64) - centre, 0.0)
        mean = lane_sum(away) / count
        variance = lane_sum(away * away) / count - mean * mean
        deviation = np.sqrt(variance if variance > 0.0 else 0.0)
        if last:
            return Scaling(centre, deviation)
        lower = _first_from(centre - sigma * deviation)
        upper = -_first_from(-(centre + sigma * deviation))
        low, high = max(low, lower), min(high, upper)
        left = np.sum((x >= low) & (x <= high))
        iteration += 1
        if left == count or left == 0 or iteration >= rounds:
            low, high = lower, upper
            within = np.sum((x >= lower) & (x <= upper))
            if within == 0 or (left == count and within == count):
                return Scaling(centre, deviation)
            count = within
            last = True
        else:
            count = left
