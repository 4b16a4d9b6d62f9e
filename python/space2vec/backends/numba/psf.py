"""The point spread function and likeness to it, as in ``cpp/kernel/psf.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.adaptive_moments import AdaptiveMoments, Moments, adaptive_moments, inverse, no_moments
from space2vec.backends.numba.math import INFINITY, ONE, exponential
from space2vec.backends.numba.noise_plane import CORE_COLUMN, CORE_ROW, MeasuredPlanes, cut_core
from space2vec.backends.numba.stamp import MIDDLE, SCIENCE, WINDOW
from space2vec.backends.numba.team import jit, lane_sum

__all__ = ["core_correlation", "gaussian_likeness", "star_moments"]

Values = NDArray[np.float32]

_APART, _INSIDE, _LIKENESS_REACH = 5, 6, 5
_BRIGHTEST = np.float32(5)
#: The box is held with this many columns a row, and one row more.
_SIDE, _STRIDE = 2 * _LIKENESS_REACH + 1, 16
_BOX = (_SIDE + 1) * _STRIDE


@jit
def star_moments(planes: MeasuredPlanes) -> AdaptiveMoments:
    """Return the moments of the brightest pixel that may be a star; not converged if there is none."""
    window, noise = planes.window[SCIENCE], planes.noise[SCIENCE]
    reach = MIDDLE - _INSIDE
    brightest, row, column = -INFINITY, 0, 0
    for r in range(_INSIDE, WINDOW - _INSIDE):
        for c in range(MIDDLE - reach, MIDDLE + reach + 1):
            x = window[r, c]
            near = (r - MIDDLE) ** 2 + (c - MIDDLE) ** 2 <= _APART * _APART
            if not near and not x >= planes.saturation and x > brightest:
                brightest, row, column = x, r, c
    if not (brightest - noise.median) / noise.sigma >= _BRIGHTEST:
        return no_moments()
    return adaptive_moments(cut_core(window, noise, ONE, row, column))


@jit
def gaussian_likeness(core: Values, x: float, y: float, m: Moments) -> float:
    """Return <D, P> / sqrt(<D, D> <P, P>), P the Gaussian of moments m at (x, y) from the candidate."""
    a = inverse(m)
    terms = np.zeros((3, _BOX))
    for r in range(_SIDE):
        for c in range(_SIDE):
            pixel = core[CORE_ROW - _LIKENESS_REACH + r, CORE_COLUMN - _LIKENESS_REACH + c]
            if pixel != pixel:
                continue
            dx, dy = c - _LIKENESS_REACH - x, r - _LIKENESS_REACH - y
            square = a.xx * dx * dx + (2.0 * a.xy * dx + a.yy * dy) * dy
            model, value = exponential(-0.5 * square), np.float64(pixel)
            i = r * _STRIDE + c
            terms[0, i], terms[1, i], terms[2, i] = value * model, value * value, model * model
    return lane_sum(terms[0]) / (np.sqrt(lane_sum(terms[1])) * np.sqrt(lane_sum(terms[2])))


@jit
def core_correlation(a: Values, b: Values) -> float:
    """Return Pearson's correlation coefficient of two cores over the box, where both are usable."""
    first, left = CORE_ROW - _LIKENESS_REACH, CORE_COLUMN - _LIKENESS_REACH
    there, x, y = np.zeros(_BOX), np.zeros(_BOX), np.zeros(_BOX)
    for r in range(_SIDE):
        for c in range(_SIDE):
            one, other = a[first + r, left + c], b[first + r, left + c]
            if one == one and other == other:
                i = r * _STRIDE + c
                there[i], x[i], y[i] = 1.0, np.float64(one), np.float64(other)
    n = lane_sum(there)
    mean_x, mean_y = lane_sum(x) / n, lane_sum(y) / n
    dx, dy = np.where(there > 0.0, x - mean_x, 0.0), np.where(there > 0.0, y - mean_y, 0.0)
    return lane_sum(dx * dy) / (np.sqrt(lane_sum(dx * dx)) * np.sqrt(lane_sum(dy * dy)))
