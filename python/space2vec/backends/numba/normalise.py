"""autoScan's two normalisations, R and B, as in ``cpp/kernel/normalise.hpp``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.math import HALF, NAN, ONE, ZERO, absolute
from space2vec.backends.numba.order import count_valid, largest, median, smallest
from space2vec.backends.numba.stamp import STRIDE, WINDOW, is_masked
from space2vec.backends.numba.team import jit

__all__ = ["BLOCKS", "MAD_TO_SIGMA", "BrightnessScale", "deviations", "normalise_b", "normalise_r"]

Values = NDArray[np.float32]

BLOCKS = WINDOW // 2
MAD_TO_SIGMA = np.float32(1.4826)
_DARKEST = 1e-29
_HUGE = np.float32(1e38)


class BrightnessScale(NamedTuple):
    """What B was made with: usable pixels, whether they have one value or are none, their median and max |I|."""

    valid: int
    constant: bool
    median: np.float32
    largest: np.float32


@jit
def deviations(values: Values, centre: np.float32) -> Values:
    """Return |values - centre|."""
    return np.abs(values - centre)


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


@jit
def normalise_b(window: Values) -> tuple[Values, BrightnessScale]:
    """Return B (WINDOW, STRIDE), NaN where masked, and its scale; the masked window where that is constant."""
    b = np.empty((WINDOW, STRIDE), dtype=np.float32)
    for r in range(WINDOW):
        for c in range(STRIDE):
            b[r, c] = NAN if is_masked(window[r, c]) else window[r, c]
    valid = count_valid(b)
    high, low = largest(b), smallest(b)
    if valid == 0 or high == low:
        return b, BrightnessScale(valid, True, ZERO, ZERO)
    centre = median(b)
    brightest = max(absolute(high), absolute(low))
    by = HALF if brightest > _HUGE else ONE
    return (b * by - centre * by) / (brightest * by) + ZERO, BrightnessScale(valid, False, centre, brightest)
