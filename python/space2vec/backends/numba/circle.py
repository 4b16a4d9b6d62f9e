"""Sums in circles around a pixel of a core, as in ``cpp/kernel/circle.hpp``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.aperture import subpixels_inside
from space2vec.backends.numba.noise_plane import CORE_COLUMN, CORE_ROW, CORE_STRIDE
from space2vec.backends.numba.team import jit, lane_sum
from space2vec.backends.numba.windows import AT

__all__ = ["Circles", "circle_features", "sum_circle_3", "sum_circles"]

Values = NDArray[np.float32]
Shares = NDArray[np.float64]


class CircleSum(NamedTuple):
    """The sum of a core in a circle, and the area that was summed; masked pixels count as nothing."""

    flux: float
    area: float


class Circles(NamedTuple):
    """The circles at the candidate in one plane."""

    of_2: CircleSum
    of_3: CircleSum
    of_5: CircleSum
    of_8: CircleSum


_SHARES_2, _SHARES_3, _SHARES_5, _SHARES_8 = (subpixels_inside(radius).astype(np.float64) for radius in (2, 3, 5, 8))


@jit
def _sum_circle(core: Values, shares: Shares, row: int, column: int) -> CircleSum:
    box = shares.shape[0]
    flux, area = np.zeros((box, CORE_STRIDE)), np.zeros((box, CORE_STRIDE))
    top, left = row - box // 2, column - box // 2
    for y in range(box):
        for x in range(box):
            pixel = core[top + y, left + x]
            if pixel == pixel:
                area[y, left + x] = shares[y, x]
                flux[y, left + x] = shares[y, x] * np.float64(pixel)
    return CircleSum(lane_sum(flux.ravel()) / 25.0, lane_sum(area.ravel()) / 25.0)


@jit
def sum_circle_3(core: Values, row: int, column: int) -> CircleSum:
    """Sum a circle of 3 px around a pixel."""
    return _sum_circle(core, _SHARES_3, row, column)


@jit
def sum_circles(core: Values) -> Circles:
    """Sum the circles at the candidate."""
    return Circles(
        _sum_circle(core, _SHARES_2, CORE_ROW, CORE_COLUMN),
        _sum_circle(core, _SHARES_3, CORE_ROW, CORE_COLUMN),
        _sum_circle(core, _SHARES_5, CORE_ROW, CORE_COLUMN),
        _sum_circle(core, _SHARES_8, CORE_ROW, CORE_COLUMN),
    )


@jit
def _ring_mean(inner: CircleSum, outer: CircleSum) -> float:
    mean: float = (outer.flux - inner.flux) / (outer.area - inner.area)
    return mean


@jit
def circle_features(circles: Circles, value: NDArray[np.float64]) -> None:
    """Write the groups aperture (but for polarity and the peak) and profile, from the circles in the difference."""
    value[AT.snr_2] = circles.of_2.flux / np.sqrt(circles.of_2.area)
    value[AT.snr_3] = circles.of_3.flux / np.sqrt(circles.of_3.area)
    value[AT.snr_5] = circles.of_5.flux / np.sqrt(circles.of_5.area)
    value[AT.snr_8] = circles.of_8.flux / np.sqrt(circles.of_8.area)
    value[AT.concentration] = circles.of_2.flux / circles.of_5.flux
    inner = circles.of_2.flux / circles.of_2.area
    value[AT.profile_3] = _ring_mean(circles.of_2, circles.of_3) / inner
    value[AT.profile_5] = _ring_mean(circles.of_3, circles.of_5) / inner
    value[AT.profile_8] = _ring_mean(circles.of_5, circles.of_8) / inner
