"""AMP, SCALE, GAUSS: the least squares fit of a round Gaussian, step by step as in ``cpp/kernel/gaussian_fit.hpp``.

That header explains the search.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.fit_moments import (
    FitPoint,
    fit_least_norm,
    fit_moments,
    fit_profile,
    fit_span,
    sum_columns,
)
from space2vec.backends.numba.math import NAN, ONE, ZERO, is_finite
from space2vec.backends.numba.stamp import MIDDLE, STRIDE, WINDOW
from space2vec.backends.numba.team import jit, lane_sum

__all__ = ["GaussianFit", "fit_gaussian"]

Values = NDArray[np.float32]
Sums = NDArray[np.float64]
Vector = tuple[float, float, float]

_BOX = 0.5
_NARROWEST, _WIDEST = 0.2, 500.0
_REACH = 0.25
_ROUNDS = 60
_FEWEST = 5
_NARROW, _NARROW_BANDS = (0.3, 0.5, 0.75, 1.1), (0, 0, 1, 1)
_WIDE, _WIDE_BANDS = (1.7, 3.0, 6.0, 15.0, 60.0), (1, 1, 2, 2, 2)
_BANDS = 3
_WORTH = 0.5


class GaussianFit(NamedTuple):
    """A fitted Gaussian; ``residual`` is the sum of squares."""

    amplitude: np.float32
    scale: np.float32
    residual: np.float32
    converged: bool


class FitSums(NamedTuple):
    """The sums that a step of the fit needs; see the C++ structure of the same name."""

    gain: float
    amplitude: float
    norm: float
    slope: Vector
    gauss: Vector
    curvature: tuple[float, float, float, float, float, float]


@jit
def _fit_sums(filled: Values, usable: Values, whole: bool, at: FitPoint) -> FitSums:
    m = fit_moments(filled, usable, whole, at)
    norm = m.s00
    a = m.b / norm if norm > fit_least_norm(at.s) else 0.0
    if a == 0.0:
        return FitSums(0.0, 0.0, 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    rr = m.s20 + m.s02
    xrr = m.s30 + m.s12
    yrr = m.s21 + m.s03
    rrrr = m.s40 + 2.0 * m.s22 + m.s04
    slope = (m.bx - a * m.s10, m.by - a * m.s01, m.bxx + m.byy - a * rr)
    gauss = (m.s20 - m.s10 * m.s10 / norm, m.s02 - m.s01 * m.s01 / norm, rrrr - rr * rr / norm)
    s2 = at.s * at.s
    with_a = (m.s10 - slope[0] / a, m.s01 - slope[1] / a, rr - slope[2] / a)
    curvature = (
        m.s20 - (m.bxx - a * m.s20) / a - with_a[0] * with_a[0] / norm,
        m.s11 - (m.bxy - a * m.s11) / a - with_a[0] * with_a[1] / norm,
        xrr - (m.bxrr - a * xrr - 2.0 * s2 * slope[0]) / a - with_a[0] * with_a[2] / norm,
        m.s02 - (m.byy - a * m.s02) / a - with_a[1] * with_a[1] / norm,
        yrr - (m.byrr - a * yrr - 2.0 * s2 * slope[1]) / a - with_a[1] * with_a[2] / norm,
        rrrr - (m.brrrr - a * rrrr - 3.0 * s2 * slope[2]) / a - with_a[2] * with_a[2] / norm,
    )
    return FitSums(m.b * a, a, norm, slope, gauss, curvature)


@jit
def _solve_step(sums: FitSums, damping: float, free: tuple[bool, bool, bool]) -> tuple[bool, Vector]:
    c = sums.curvature
    m = np.array([[c[0], c[1], c[2]], [c[1], c[3], c[4]], [c[2], c[4], c[5]]])
    v = np.array(sums.slope)
    for i in range(3):
        m[i, i] += damping * sums.gauss[i]
    for i in range(3):
        if not free[i]:
            m[i, :] = 0.0
            m[:, i] = 0.0
            m[i, i] = 1.0
            v[i] = 0.0
    for i in range(3):
        if not m[i, i] > 0.0:
            return False, (0.0, 0.0, 0.0)
        for j in range(i + 1, 3):
            f = m[j, i] / m[i, i]
            for k in range(i, 3):
                m[j, k] -= f * m[i, k]
            v[j] -= f * v[i]
    third = v[2] / m[2, 2]
    second = (v[1] - m[1, 2] * third) / m[1, 1]
    first = (v[0] - m[0, 1] * second - m[0, 2] * third) / m[0, 0]
    return True, (first, second, third)


@jit
def _largest(a: float, b: float, c: float) -> float:
    ab = a if a > b else b
    return ab if ab > c else c


@jit
def _clamp(x: float, low: float, high: float) -> float:
    return low if x < low else high if x > high else x


@jit
def _is_free(x: float, low: float, high: float, slope: float, gauss: float, least: float) -> bool:
    return gauss > least and not (x <= low and slope < 0.0) and not (x >= high and slope > 0.0)


@jit
def _fit_from(filled: Values, usable: Values, whole: bool, at: FitPoint) -> tuple[FitPoint, FitSums]:
    low, high = MIDDLE - _BOX, MIDDLE + _BOX
    sums = _fit_sums(filled, usable, whole, at)
    damping = 1e-3
    for _ in range(_ROUNDS):
        if not (damping < 1e6 and sums.gain > 0.0):
            break
        per_offset = at.s * at.s / sums.amplitude
        per_width = at.s * per_offset
        least = 1e-9 * sums.norm * at.s * at.s
        free = (
            _is_free(at.x0, low, high, sums.slope[0] * per_offset, sums.gauss[0], least),
            _is_free(at.y0, low, high, sums.slope[1] * per_offset, sums.gauss[1], least),
            _is_free(at.s, _NARROWEST, _WIDEST, sums.slope[2] * per_width, sums.gauss[2], least * at.s * at.s),
        )
        solved, step = _solve_step(sums, damping, free)
        if not solved:
            damping = damping * 10.0
            continue
        dx = step[0] * per_offset
        dy = step[1] * per_offset
        ds = step[2] * per_width
        reach = _largest(abs(dx) / _REACH, abs(dy) / _REACH, abs(ds) / (_REACH * at.s))
        part = 1.0 / reach if reach > 1.0 else 1.0
        following = FitPoint(
            _clamp(at.x0 + part * dx, low, high),
            _clamp(at.y0 + part * dy, low, high),
            _clamp(at.s + part * ds, _NARROWEST, _WIDEST),
        )
        tolerance = 1e-3 * at.s
        last = (
            damping < 1.0
            and abs(following.x0 - at.x0) < tolerance
            and abs(following.y0 - at.y0) < tolerance
            and abs(following.s - at.s) < tolerance
        )
        then = _fit_sums(filled, usable, whole, following)
        if then.gain > sums.gain:
            at, sums = following, then
            damping = damping * 0.1
        else:
            damping = damping * 10.0
        if last:
            break
    return at, sums


@jit
def _gain(along: float, norm: float, s: float) -> float:
    return along * along / norm if norm > fit_least_norm(s) else 0.0


@jit
def _try_narrow(filled: Values, usable: Values, whole: bool, s: float) -> tuple[float, FitPoint]:
    profile = np.zeros((3, STRIDE), dtype=np.float32)
    begin, end = fit_span(s)
    for k in range(3):
        middle = np.float32(MIDDLE + (k - 1) * _BOX)
        for i in range(begin, end):
            profile[k, i] = fit_profile(np.float32(i) - middle, s)
    data, weight, y = sum_columns(filled, usable, whole, s, profile, profile * profile)
    g = profile[:, begin:end].astype(np.float64)
    best = 0.0
    at = FitPoint(0.0, 0.0, 0.0)
    for k in range(9):
        gx = g[k % 3]
        along = lane_sum(gx * data[k // 3, begin:end].astype(np.float64))
        norm = y[k % 3] * y[k // 3] if whole else lane_sum(gx * gx * weight[k // 3, begin:end].astype(np.float64))
        gain = _gain(along, norm, s)
        if gain > best:
            best = gain
            at = FitPoint(MIDDLE + (k % 3 - 1) * _BOX, MIDDLE + (k // 3 - 1) * _BOX, s)
    return best, at


@jit
def _try_wide(filled: Values, usable: Values, whole: bool) -> Sums:
    terms = len(_WIDE)
    profile = np.zeros((terms, STRIDE), dtype=np.float32)
    for k in range(terms):
        for i in range(WINDOW):
            profile[k, i] = fit_profile(np.float32(i) - np.float32(MIDDLE), _WIDE[k])
    square = profile * profile
    data, weight, y = sum_columns(filled, usable, whole, _WIDE[-1], profile, square)
    gain = np.empty(terms)
    for k in range(terms):
        along = lane_sum(profile[k].astype(np.float64) * data[k].astype(np.float64))
        norm = y[k] * y[k] if whole else lane_sum(square[k].astype(np.float64) * weight[k].astype(np.float64))
        gain[k] = _gain(along, norm, _WIDE[k])
    return gain


@jit
def _fit_from_best_starts(filled: Values, usable: Values, whole: bool) -> tuple[FitPoint, FitSums]:
    """Search the surface from the best start of each band of widths, the best first."""
    at = FitPoint(0.0, 0.0, 0.0)
    start = [at, at, at]
    gain = np.zeros(_BANDS)
    for i in range(len(_NARROW)):
        found, point = _try_narrow(filled, usable, whole, _NARROW[i])
        if found > gain[_NARROW_BANDS[i]]:
            gain[_NARROW_BANDS[i]] = found
            start[_NARROW_BANDS[i]] = point
    wide = _try_wide(filled, usable, whole)
    for i in range(len(_WIDE)):
        if wide[i] > gain[_WIDE_BANDS[i]]:
            gain[_WIDE_BANDS[i]] = wide[i]
            start[_WIDE_BANDS[i]] = FitPoint(float(MIDDLE), float(MIDDLE), _WIDE[i])
    best = FitSums(0.0, 0.0, 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    for _ in range(_BANDS):
        top = 0
        for i in range(1, _BANDS):
            top = i if gain[i] > gain[top] else top
        if not gain[top] > _WORTH * best.gain:
            break
        point, sums = _fit_from(filled, usable, whole, start[top])
        if sums.gain > best.gain:
            at, best = point, sums
        gain[top] = 0.0
    return at, best


@jit
def _squares_left(b: Values, a: np.float32, at: FitPoint) -> np.float32:
    gx = np.empty(STRIDE, dtype=np.float32)
    gy = np.empty(STRIDE, dtype=np.float32)
    for i in range(STRIDE):
        gx[i] = fit_profile(np.float32(i) - np.float32(at.x0), at.s)
        gy[i] = fit_profile(np.float32(i) - np.float32(at.y0), at.s)
    squares = np.zeros(b.size)
    for r in range(WINDOW):
        for c in range(WINDOW):
            if b[r, c] == b[r, c]:
                left = np.float64(b[r, c] - a * (gy[r] * gx[c]))
                squares[r * STRIDE + c] = left * left
    return np.float32(lane_sum(squares))


@jit
def fit_gaussian(b: Values, valid: int) -> GaussianFit:
    """Fit a round Gaussian to a plane B, whose masked pixels are NaN and of which ``valid`` pixels are not masked."""
    if valid < _FEWEST:
        return GaussianFit(NAN, NAN, NAN, False)
    filled = np.where(b == b, b, ZERO)
    usable = np.where(b == b, ONE, ZERO)
    at, best = _fit_from_best_starts(filled, usable, valid == WINDOW * WINDOW)
    if not best.gain > 0.0:
        return GaussianFit(NAN, NAN, NAN, False)
    a = np.float32(best.amplitude)
    residual = _squares_left(b, a, at)
    return GaussianFit(a, np.float32(at.s), residual, is_finite(a) and is_finite(residual))
