"""The bright and the dark pixels of the difference around the candidate, as in ``cpp/kernel/dipole_lobes.hpp``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.math import ONE
from space2vec.backends.numba.noise_plane import CORE_COLUMN, CORE_ROW
from space2vec.backends.numba.team import jit, lane_sum
from space2vec.backends.numba.windows import AT

__all__ = ["lobe_features"]

_REACH = 7
_THRESHOLD = np.float32(2)


class _Lobe(NamedTuple):
    """The pixels of one lobe: their sum, how many, and their centre of mass from the candidate."""

    flux: float
    pixels: float
    row: float
    column: float


@jit
def _sum_lobe(core: NDArray[np.float32], sign: np.float32) -> _Lobe:
    """Sum the pixels where ``sign`` times D is above the threshold, first along the columns."""
    side = 2 * _REACH + 1
    flux, moment = np.zeros(side), np.zeros(side)
    pixels = 0
    for y in range(-_REACH, _REACH + 1):
        for x in range(-_REACH, _REACH + 1):
            d = sign * core[CORE_ROW + y, CORE_COLUMN + x]
            if d > _THRESHOLD and y * y + x * x <= _REACH * _REACH:
                flux[x + _REACH] += np.float64(d)
                moment[x + _REACH] += np.float64(d) * y
                pixels += 1
    total = lane_sum(flux)
    return _Lobe(
        total, np.float64(pixels), lane_sum(moment) / total, lane_sum(flux * np.arange(-_REACH, _REACH + 1)) / total
    )


@jit
def _snr(lobe: _Lobe) -> float:
    return lobe.flux / np.sqrt(lobe.pixels) if lobe.pixels > 0.0 else 0.0


@jit
def lobe_features(core: NDArray[np.float32], value: NDArray[np.float64]) -> None:
    """Write the group lobes."""
    bright, dark = _sum_lobe(core, ONE), _sum_lobe(core, -ONE)
    value[AT.positive_snr] = _snr(bright)
    value[AT.negative_snr] = _snr(dark)
    value[AT.lobe_ratio] = dark.flux / (bright.flux + dark.flux)
    dy, dx = bright.row - dark.row, bright.column - dark.column
    value[AT.lobe_separation] = np.sqrt(dy * dy + dx * dx)
