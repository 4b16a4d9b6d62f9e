"""The point spread function and likeness to it, as in ``cpp/kernel/psf.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.fallback.adaptive_moments import AdaptiveMoments, Moments, adaptive_moments, exponent, gaussian
from space2vec.fallback.math import INFINITY, ONE, exp_nonpositive
from space2vec.fallback.noise_plane import CORE_COLUMN, CORE_ROW, CORE_STRIDE, MeasuredPlanes, cut_core
from space2vec.fallback.stamp import MIDDLE, SCIENCE, WINDOW
from space2vec.fallback.team import jit, lane_sum

__all__ = ["core_correlation", "gaussian_likeness", "star_moments"]

Values = NDArray[np.float32]

_APART, _INSIDE, _LIKENESS_REACH = 5, 6, 5
_BRIGHTEST = np.float32(5)


@jit
def star_moments(planes: MeasuredPlanes) -> AdaptiveMoments:
    """Return the moments of the brightest pixel that may be a star; not converged where there is none."""
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
        return AdaptiveMoments(False, 0.0, 0.0, Moments(0.0, 0.0, 0.0))
    return adaptive_moments(cut_core(window, noise, ONE, row, column))


@jit
def gaussian_likeness(core: Values, x: float, y: float, m: Moments) -> float:
    """Return <D, P> / sqrt(<D, D> <P, P>), P the Gaussian of moments m at (x, y) from the candidate."""
    g = gaussian(x, y, m)
    side = 2 * _LIKENESS_REACH + 1
    terms = np.zeros((3, side * CORE_STRIDE))
    for r in range(side):
        for c in range(CORE_COLUMN - _LIKENESS_REACH, CORE_COLUMN + _LIKENESS_REACH + 1):
            row = CORE_ROW - _LIKENESS_REACH + r
            pixel = core[row, c]
            if pixel != pixel:
                continue
            model = np.float64(exp_nonpositive(exponent(g, np.float32(c) - g.x, np.float32(row) - g.y)))
            value = np.float64(pixel)
            i = r * CORE_STRIDE + c
            terms[0, i], terms[1, i], terms[2, i] = value * model, value * value, model * model
    return lane_sum(terms[0]) / (np.sqrt(lane_sum(terms[1])) * np.sqrt(lane_sum(terms[2])))


@jit
def core_correlation(a: Values, b: Values) -> float:
    """Return Pearson's correlation coefficient of two cores over the box, where both are usable."""
    side = 2 * _LIKENESS_REACH + 1
    first, left = CORE_ROW - _LIKENESS_REACH, CORE_COLUMN - _LIKENESS_REACH
    there, x, y = np.zeros(side * CORE_STRIDE), np.zeros(side * CORE_STRIDE), np.zeros(side * CORE_STRIDE)
    for r in range(side):
        for c in range(left, left + side):
            if a[first + r, c] == a[first + r, c] and b[first + r, c] == b[first + r, c]:
                i = r * CORE_STRIDE + c
                there[i], x[i], y[i] = 1.0, np.float64(a[first + r, c]), np.float64(b[first + r, c])
    n = lane_sum(there)
    mean_x, mean_y = lane_sum(x) / n, lane_sum(y) / n
    dx, dy = np.where(there > 0.0, x - mean_x, 0.0), np.where(there > 0.0, y - mean_y, 0.0)
    return lane_sum(dx * dy) / (np.sqrt(lane_sum(dx * dx)) * np.sqrt(lane_sum(dy * dy)))
