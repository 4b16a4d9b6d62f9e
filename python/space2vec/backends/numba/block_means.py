"""autoScan's R: block means of a window in units of their noise, as in ``cpp/kernel/block_means.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.math import NAN, ZERO
from space2vec.backends.numba.order import MAD_TO_SIGMA, count_valid, deviations, median
from space2vec.backends.numba.stamp import WINDOW
from space2vec.backends.numba.team import jit

__all__ = ["BLOCKS", "normalise_r"]

Values = NDArray[np.float32]

BLOCKS = WINDOW // 2
_DARKEST = 1e-29


@jit
def _block_means(window: Values, pedestal: float) -> Values:
    means = np.empty((BLOCKS, BLOCKS), dtype=np.float32)
    for y in range(BLOCKS):
        for x in range(BLOCKS):
            upper = np.float64(window[2 * y, 2 * x]) + np.float64(window[2 * y, 2 * x + 1])
            lower = np.float64(window[2 * y + 1, 2 * x]) + np.float64(window[2 * y + 1, 2 * x + 1])
            mean = (upper + lower) * 0.25
            means[y, x] = NAN if abs(mean) < _DARKEST else np.float32(mean - pedestal) + ZERO
    return means


@jit
def normalise_r(window: Values) -> tuple[Values, bool]:
    """Return R (BLOCKS, BLOCKS), NaN where masked, and whether it is defined."""
    means = _block_means(window, 0.0)
    if count_valid(means) == 0:
        return means, False
    means = _block_means(window, np.float64(median(means)))
    centre = median(means)
    scale = MAD_TO_SIGMA * median(deviations(means, centre))
    if not scale > ZERO:
        return means, False
    return (means - centre) / scale, True
