"""A plane in units of its noise, and its core, as in ``cpp/kernel/noise_plane.hpp``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.math import NAN, ZERO, is_finite
from space2vec.backends.numba.order import MAD_TO_SIGMA, count_valid, deviations, largest, median, smallest
from space2vec.backends.numba.stamp import WINDOW
from space2vec.backends.numba.team import jit

__all__ = ["CORE_COLUMN", "CORE_ROW", "CORE_ROWS", "CORE_STRIDE", "MeasuredPlanes", "PlaneNoise", "cut_core"]
__all__ += ["measure_noise"]

Values = NDArray[np.float32]

#: A core has the candidate at (CORE_ROW, CORE_COLUMN); the lane of a pixel is its column.
CORE_ROWS, CORE_STRIDE = 25, 32
CORE_ROW, CORE_COLUMN = CORE_ROWS // 2, CORE_STRIDE // 2


class PlaneNoise(NamedTuple):
    """The level and the noise of a window; sigma is 0 if there is no noise."""

    valid: int
    constant: bool
    median: np.float32
    sigma: np.float32


class MeasuredPlanes(NamedTuple):
    """The planes on which the features of the set s2v are measured, in the order of channels.

    Windows are as delivered and cores are (I - median) / sigma, both NaN where masked; the core of the difference is
    times the polarity. A plane without noise, or that is missing, has sigma 0.
    """

    noise: tuple[PlaneNoise, PlaneNoise, PlaneNoise]
    window: tuple[Values, Values, Values]
    core: tuple[Values, Values, Values]
    polarity: np.float32
    saturation: np.float32


@jit
def measure_noise(window: Values) -> PlaneNoise:
    """Return the noise of a window whose masked pixels are NaN."""
    valid = count_valid(window)
    if not largest(window) > smallest(window):
        return PlaneNoise(valid, True, ZERO, ZERO)
    centre = median(window)
    sigma = MAD_TO_SIGMA * median(deviations(window, centre))
    return PlaneNoise(valid, False, centre, sigma if is_finite(sigma) else ZERO)


@jit
def cut_core(window: Values, noise: PlaneNoise, sign: np.float32, row: int, column: int) -> Values:
    """Return the core of a window around (row, column), times ``sign``; NaN where masked or outside the window."""
    core = np.full((CORE_ROWS, CORE_STRIDE), NAN, dtype=np.float32)
    top, left = row - CORE_ROW, column - CORE_COLUMN
    divisor = noise.sigma * sign
    for r in range(max(0, -top), min(CORE_ROWS, WINDOW - top)):
        for c in range(max(0, -left), min(CORE_STRIDE, WINDOW - left)):
            x = (window[top + r, left + c] - noise.median) / divisor + ZERO
            if is_finite(x):
                core[r, c] = x
    return core
