"""Adaptive second moments, as in ``cpp/kernel/adaptive_moments.hpp``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.fallback.math import ZERO, exp_nonpositive
from space2vec.fallback.noise_plane import CORE_COLUMN, CORE_ROW, CORE_ROWS, CORE_STRIDE
from space2vec.fallback.team import jit, lane_sum

__all__ = ["AdaptiveMoments", "Moments", "adaptive_moments", "exponent", "gaussian", "moments_kurtosis"]
__all__ += ["determinant", "moments_sigma"]

Values = NDArray[np.float32]

_START, _NARROWEST, _WIDEST, _FARTHEST = 2.0, 0.3, 10.0, 6.0
_REACH, _TOLERANCE, _ROUNDS = 5.5, 1e-6, 50


class Moments(NamedTuple):
    """Second moments, in square pixels."""

    xx: float
    xy: float
    yy: float


class AdaptiveMoments(NamedTuple):
    """The fixed point, and its centroid in columns and rows from the candidate's pixel."""

    converged: bool
    x: float
    y: float
    m: Moments


class EllipticalGaussian(NamedTuple):
    """An elliptical Gaussian on the pixels of a core: centre, and the terms of -M^-1 / 2."""

    x: np.float32
    y: np.float32
    xx: np.float32
    xy: np.float32
    yy: np.float32


@jit
def determinant(m: Moments) -> float:
    """Return the determinant."""
    return m.xx * m.yy - m.xy * m.xy


@jit
def _is_positive(m: Moments) -> bool:
    return m.xx > 0.0 and m.yy > 0.0 and determinant(m) > 0.0


@jit
def moments_sigma(m: Moments) -> float:
    """Return sqrt(a b) of the ellipse."""
    return np.sqrt(np.sqrt(determinant(m)))


@jit
def _inverse(m: Moments) -> Moments:
    d = determinant(m)
    return Moments(m.yy / d, -m.xy / d, m.xx / d)


@jit
def gaussian(x: float, y: float, m: Moments) -> EllipticalGaussian:
    """Return the Gaussian of moments m at (x, y) from the candidate."""
    i = _inverse(m)
    return EllipticalGaussian(
        np.float32(x + CORE_COLUMN),
        np.float32(y + CORE_ROW),
        np.float32(-0.5 * i.xx),
        np.float32(-i.xy),
        np.float32(-0.5 * i.yy),
    )


@jit
def exponent(g: EllipticalGaussian, dx: np.float32, dy: np.float32) -> np.float32:
    """Return -rho^2 / 2, rho the distance in units of the ellipse."""
    return (g.xx * dx + g.xy * dy) * dx + g.yy * dy * dy


@jit
def _reached_rows(y: float, m: Moments) -> tuple[int, int]:
    reach = _REACH * np.sqrt(m.yy) + 1.0
    begin, end = int(CORE_ROW + y - reach), int(CORE_ROW + y + reach) + 1
    return max(begin, 0), min(end, CORE_ROWS)


@jit
def _weighted_sums(core: Values, at: AdaptiveMoments) -> NDArray[np.float64]:
    """Return the sums of w I times 1, x, y, xx, xy, yy."""
    g = gaussian(at.x, at.y, at.m)
    begin, end = _reached_rows(at.y, at.m)
    terms = np.zeros((6, (end - begin) * CORE_STRIDE))
    for r in range(begin, end):
        for c in range(CORE_STRIDE):
            dx, dy = np.float32(c) - g.x, np.float32(r) - g.y
            pixel = core[r, c] if core[r, c] == core[r, c] else ZERO
            x, y = np.float64(dx), np.float64(dy)
            value = np.float64(exp_nonpositive(exponent(g, dx, dy)) * pixel)
            value_x, value_y = value * x, value * y
            i = (r - begin) * CORE_STRIDE + c
            terms[0, i], terms[1, i], terms[2, i] = value, value_x, value_y
            terms[3, i], terms[4, i], terms[5, i] = value_x * x, value_x * y, value_y * y
    total = np.empty(6)
    for k in range(6):
        total[k] = lane_sum(terms[k])
    return total


@jit
def _next_moments(measured: Moments, weight: Moments) -> Moments:
    doubled = Moments(2.0 * measured.xx, 2.0 * measured.xy, 2.0 * measured.yy)
    if not _is_positive(measured):
        return doubled
    a, b = _inverse(measured), _inverse(weight)
    rest = Moments(a.xx - b.xx, a.xy - b.xy, a.yy - b.yy)
    if not _is_positive(rest):
        return doubled
    after = _inverse(rest)
    growth = determinant(after) / determinant(weight)
    return after if 1.0 / 16.0 < growth < 16.0 else doubled


@jit
def adaptive_moments(core: Values) -> AdaptiveMoments:
    """Return the adaptive moments of the source in the middle of a core; masked pixels count nowhere."""
    start = _START * _START
    at = AdaptiveMoments(False, 0.0, 0.0, Moments(start, 0.0, start))
    for _ in range(_ROUNDS):
        total = _weighted_sums(core, at)
        if not total[0] > 0.0:
            return at
        x, y = total[1] / total[0], total[2] / total[0]
        measured = Moments(total[3] / total[0] - x * x, total[4] / total[0] - x * y, total[5] / total[0] - y * y)
        m = _next_moments(measured, at.m)
        if not _is_positive(m):
            return at
        sigma = moments_sigma(m)
        if not _NARROWEST < sigma < _WIDEST:
            return at
        x0, y0 = at.x + 2.0 * x, at.y + 2.0 * y
        if not x0 * x0 + y0 * y0 < _FARTHEST * _FARTHEST:
            return at
        size, area = _TOLERANCE * sigma, _TOLERANCE * (m.xx + m.yy)
        near = np.abs(x0 - at.x) < size and np.abs(y0 - at.y) < size and np.abs(m.xx - at.m.xx) < area
        converged = near and np.abs(m.xy - at.m.xy) < area and np.abs(m.yy - at.m.yy) < area
        at = AdaptiveMoments(converged, x0, y0, m)
        if converged:
            return at
    return at


@jit
def moments_kurtosis(core: Values, at: AdaptiveMoments) -> float:
    """Return <rho^4 w> / <w>; 2 for a Gaussian."""
    g = gaussian(at.x, at.y, at.m)
    begin, end = _reached_rows(at.y, at.m)
    terms = np.zeros((2, (end - begin) * CORE_STRIDE))
    for r in range(begin, end):
        for c in range(CORE_STRIDE):
            e = exponent(g, np.float32(c) - g.x, np.float32(r) - g.y)
            value = np.float64(exp_nonpositive(e) * (core[r, c] if core[r, c] == core[r, c] else ZERO))
            rho2 = -2.0 * np.float64(e)
            i = (r - begin) * CORE_STRIDE + c
            terms[0, i], terms[1, i] = value, value * rho2 * rho2
    return lane_sum(terms[1]) / lane_sum(terms[0])
