"""autoScan's B: the pixels of a window relative to the brightest, as in ``cpp/kernel/brightness.hpp``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.math import HALF, NAN, ONE, ZERO, absolute
from space2vec.backends.numba.order import count_valid, largest, median, smallest
from space2vec.backends.numba.stamp import STRIDE, WINDOW, is_masked
from space2vec.backends.numba.team import jit

__all__ = ["BrightnessScale", "normalise_b"]

Values = NDArray[np.float32]

_HUGE = np.float32(1e38)


class BrightnessScale(NamedTuple):
    """The scale of the plane B: usable pixels, whether they are equal or none, their median and max |I|."""

    valid: int
    constant: bool
    median: np.float32
    largest: np.float32


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
