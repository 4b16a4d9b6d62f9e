"""The moments of B and of a Gaussian that a step of the fit needs, as in ``cpp/kernel/fit_moments.hpp``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.math import exp_nonpositive
from space2vec.backends.numba.stamp import MIDDLE, STRIDE, WINDOW
from space2vec.backends.numba.team import LANES, jit, lane_sum

__all__ = ["FitMoments", "FitPoint", "fit_least_norm", "fit_moments", "fit_profile", "fit_span", "sum_columns"]

Values = NDArray[np.float32]
Sums = NDArray[np.float64]

_TERMS = 5


class FitPoint(NamedTuple):
    """The position and the width of the Gaussian."""

    x0: float
    y0: float
    s: float


class FitMoments(NamedTuple):
    """<g dx^i, g dy^j> for i + j up to 4, and the like with B."""

    b: float
    bx: float
    by: float
    bxx: float
    bxy: float
    byy: float
    bxrr: float
    byrr: float
    brrrr: float
    s00: float
    s10: float
    s01: float
    s20: float
    s11: float
    s02: float
    s30: float
    s21: float
    s12: float
    s03: float
    s40: float
    s22: float
    s04: float


@jit
def fit_least_norm(s: float) -> float:
    """Return the <g, g> below which a model has its core masked."""
    return 1e-10 * s * s


@jit
def fit_profile(distance: np.float32, s: float) -> np.float32:
    """Return the Gaussian of width s at a distance along one axis."""
    return exp_nonpositive(distance * distance * np.float32(-0.5 / (s * s)))


@jit
def _fit_reach(s: float) -> int:
    return min(int(6.0 * s) + 2, MIDDLE)


@jit
def fit_span(s: float) -> tuple[int, int]:
    """Return the columns, from the first to before the last, over which sums for a width s are taken."""
    narrow = _fit_reach(s) < LANES // 2
    return (MIDDLE - LANES // 2, MIDDLE + LANES // 2) if narrow else (0, STRIDE)


@jit
def sum_columns(
    filled: Values, usable: Values, whole: bool, s: float, row_data: Values, row_weight: Values
) -> tuple[Values, Values, Sums]:
    """Sum down the columns, over the rows that a width s reaches, for each term (k, row).

    Returns the sums (k, column) of B times row_data, and of row_weight where pixels are usable. Where all are
    (``whole``), the latter are the same for every column and come as ``total`` (k,), summed in float64.
    """
    terms = len(row_data)
    reach = _fit_reach(s)
    begin, end = fit_span(s)
    data = np.zeros((terms, STRIDE), dtype=np.float32)
    weight = np.zeros((terms, STRIDE), dtype=np.float32)
    total = np.zeros(terms)
    for r in range(MIDDLE - reach, MIDDLE + reach + 1):
        for k in range(terms):
            factor = row_data[k, r]
            for c in range(begin, end):
                data[k, c] += filled[r, c] * factor
            if not whole:
                for c in range(begin, end):
                    weight[k, c] += usable[r, c] * row_weight[k, r]
    if whole:
        for k in range(terms):
            total[k] = lane_sum(row_weight[k, begin:end].astype(np.float64))
    return data, weight, total


@jit
def _moments_with_b(g0: Sums, dx: Sums, data: Values) -> Sums:
    d0, d1, d2 = data[0].astype(np.float64), data[1].astype(np.float64), data[2].astype(np.float64)
    g1 = g0 * dx
    g2 = g1 * dx
    t = np.empty(9)
    t[0] = lane_sum(g0 * d0)
    t[1] = lane_sum(g1 * d0)
    t[2] = lane_sum(g0 * d1)
    t[3] = lane_sum(g2 * d0)
    t[4] = lane_sum(g1 * d1)
    t[5] = lane_sum(g0 * d2)
    t[6] = lane_sum(g2 * dx * d0 + g1 * d2)
    t[7] = lane_sum(g2 * d1 + g0 * data[3].astype(np.float64))
    t[8] = lane_sum(g2 * (dx * dx * d0 + 2.0 * d2) + g0 * data[4].astype(np.float64))
    return t


@jit
def _moments_of_whole(g: Sums, dx: Sums, y: Sums) -> Sums:
    """Return the moments of a plane without masked pixels, in which sums over x and over y separate."""
    x = np.empty(_TERMS)
    v = g * g
    for k in range(_TERMS):
        x[k] = lane_sum(v)
        v = v * dx
    s = np.empty(13)
    s[0] = x[0] * y[0]
    s[1] = x[1] * y[0]
    s[2] = x[0] * y[1]
    s[3] = x[2] * y[0]
    s[4] = x[1] * y[1]
    s[5] = x[0] * y[2]
    s[6] = x[3] * y[0]
    s[7] = x[2] * y[1]
    s[8] = x[1] * y[2]
    s[9] = x[0] * y[3]
    s[10] = x[4] * y[0]
    s[11] = x[2] * y[2]
    s[12] = x[0] * y[4]
    return s


@jit
def _moments_of_masked(g: Sums, dx: Sums, weight: Values) -> Sums:
    w0, w1, w2 = weight[0].astype(np.float64), weight[1].astype(np.float64), weight[2].astype(np.float64)
    v0 = g * g
    v1 = v0 * dx
    v2 = v1 * dx
    v3 = v2 * dx
    s = np.empty(13)
    s[0] = lane_sum(v0 * w0)
    s[1] = lane_sum(v1 * w0)
    s[2] = lane_sum(v0 * w1)
    s[3] = lane_sum(v2 * w0)
    s[4] = lane_sum(v1 * w1)
    s[5] = lane_sum(v0 * w2)
    s[6] = lane_sum(v3 * w0)
    s[7] = lane_sum(v2 * w1)
    s[8] = lane_sum(v1 * w2)
    s[9] = lane_sum(v0 * weight[3].astype(np.float64))
    s[10] = lane_sum(v3 * dx * w0)
    s[11] = lane_sum(v2 * w2)
    s[12] = lane_sum(v0 * weight[4].astype(np.float64))
    return s


@jit
def fit_moments(filled: Values, usable: Values, whole: bool, at: FitPoint) -> FitMoments:
    """Return the moments at a point."""
    x0, y0 = np.float32(at.x0), np.float32(at.y0)
    gx = np.zeros(STRIDE)
    dx = np.empty(STRIDE)
    row_data = np.zeros((_TERMS, STRIDE), dtype=np.float32)
    row_weight = np.zeros((_TERMS, STRIDE), dtype=np.float32)
    for i in range(STRIDE):
        dx[i] = np.float32(i) - x0
    for i in range(WINDOW):
        gx[i] = fit_profile(np.float32(i) - x0, at.s)
        dy = np.float32(i) - y0
        g = fit_profile(dy, at.s)
        w = g * g
        for k in range(_TERMS):
            row_data[k, i] = g
            row_weight[k, i] = w
            g = g * dy
            w = w * dy
    data, weight, y = sum_columns(filled, usable, whole, at.s, row_data, row_weight)
    begin, end = fit_span(at.s)
    profile, distance = gx[begin:end], dx[begin:end]
    t = _moments_with_b(profile, distance, data[:, begin:end])
    if whole:
        s = _moments_of_whole(profile, distance, y)
    else:
        s = _moments_of_masked(profile, distance, weight[:, begin:end])
    return FitMoments(
        t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8],
        s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12],
    )  # fmt: skip
