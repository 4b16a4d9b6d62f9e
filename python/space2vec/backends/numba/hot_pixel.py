"""The likeness of the peak of the difference to a single pixel, as in ``cpp/kernel/hot_pixel.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.noise_plane import CORE_STRIDE
from space2vec.backends.numba.peak import Peak
from space2vec.backends.numba.team import jit, lane_sum
from space2vec.backends.numba.windows import AT

__all__ = ["hot_pixel_features"]

_REACH = 3


@jit
def hot_pixel_features(core: NDArray[np.float32], peak: Peak, value: NDArray[np.float64]) -> None:
    """Write the group hot_pixel."""
    squares, near = np.zeros((2 * _REACH + 1, CORE_STRIDE)), np.zeros((2 * _REACH + 1, CORE_STRIDE))
    count = 0
    for dy in range(-_REACH, _REACH + 1):
        for dx in range(-_REACH, _REACH + 1):
            pixel = core[peak.row + dy, peak.column + dx]
            if pixel == pixel:
                x = np.float64(pixel)
                squares[dy + _REACH, peak.column + dx] = x * x
                if 0 < dx * dx + dy * dy < 3:
                    near[dy + _REACH, peak.column + dx] = x
                    count += 1
    height = np.float64(peak.value)
    value[AT.hot_pixel_likeness] = height / np.sqrt(lane_sum(squares.ravel()))
    value[AT.neighbour_ratio] = lane_sum(near.ravel()) / np.float64(count) / height
