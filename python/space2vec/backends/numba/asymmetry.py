"""The asymmetry of the difference under half a turn about its peak, as in ``cpp/kernel/asymmetry.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.noise_plane import CORE_STRIDE
from space2vec.backends.numba.peak import Peak
from space2vec.backends.numba.team import jit, lane_sum

__all__ = ["asymmetry"]

_REACH = 7


@jit
def asymmetry(core: NDArray[np.float32], peak: Peak) -> float:
    """Return sum |D(p + x) - D(p - x)| / sum |D(p + x)| in a box of 15x15, each pair once."""
    unlike, size = np.zeros((_REACH + 1, CORE_STRIDE)), np.zeros((_REACH + 1, CORE_STRIDE))
    for dy in range(_REACH + 1):
        for dx in range(-_REACH, _REACH + 1):
            if dy == 0 and dx <= 0:
                continue
            x = np.float64(core[peak.row - dy, peak.column - dx])
            y = np.float64(core[peak.row + dy, peak.column + dx])
            if x == x and y == y:
                unlike[_REACH - dy, peak.column - dx] = np.abs(x - y)
                size[_REACH - dy, peak.column - dx] = np.abs(x) + np.abs(y)
    ratio: float = 2.0 * lane_sum(unlike.ravel()) / (lane_sum(size.ravel()) + np.float64(np.abs(peak.value)))
    return ratio
