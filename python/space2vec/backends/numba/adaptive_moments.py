"""Adaptive second moments, as in ``cpp/kernel/adaptive_moments.hpp``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.math import exponential
from space2vec.backends.numba.noise_plane import CORE_COLUMN, CORE_ROW, CORE_ROWS, CORE_STRIDE
from space2vec.backends.numba.team import jit, lane_sum

__all__ = ["AdaptiveMoments", "MomentState", "Moments", "adaptive_moments", "inverse", "moment_axes"]
__all__ += ["moments_kurtosis", "moments_sigma", "no_moments"]

Values = NDArray[np.float32]
Sums = NDArray[np.float64]

_FIRST, _SMALLEST, _LARGEST, _FARTHEST = 4.0, 0.09, 100.0, 6.0
_TOLERANCE, _BOLDEST_STEP, _BOLDEST_GROWTH, _LINEAR = 1e-7, 0.25, 16.0, 1.0
_WEIGHT_REACH, _REACH, _ROUNDS = 6.0, 12, 30


class Moments(NamedTuple):
    """Second moments, in square pixels."""

    xx: float
    xy: float
    yy: float


class MomentState(NamedTuple):
    """A weight: its centre, in columns and rows from the candidate's pixel, and its second moments."""

    x: float
    y: float
    m: Moments


class AdaptiveMoments(NamedTuple):
    """The fixed point."""

    converged: bool
    at: MomentState


@jit
def no_moments() -> AdaptiveMoments:
    """Return the moments of a plane that was not measured or has no source."""
    return AdaptiveMoments(False, MomentState(0.0, 0.0, Moments(0.0, 0.0, 0.0)))


class _Step(NamedTuple):
    next: MomentState
    residual: float
    trusted: bool


class _History(NamedTuple):
    """The last states and steps, as differences from each to the next, the latest first."""

    differences: int
    known: bool
    step: MomentState
    next: MomentState
    step_change: tuple[MomentState, MomentState]
    next_change: tuple[MomentState, MomentState]


@jit
def _determinant(m: Moments) -> float:
    return m.xx * m.yy - m.xy * m.xy


@jit
def inverse(m: Moments) -> Moments:
    """Return the inverse."""
    d = _determinant(m)
    return Moments(m.yy / d, -m.xy / d, m.xx / d)


@jit
def _is_positive(m: Moments) -> bool:
    return m.xx > 0.0 and _determinant(m) > 0.0


@jit
def moments_sigma(m: Moments) -> float:
    """Return sqrt(a b) of the ellipse."""
    return np.sqrt(np.sqrt(_determinant(m)))


@jit
def moment_axes(m: Moments) -> tuple[float, float]:
    """Return the squares of the semi-axes, the larger first."""
    skew = 0.5 * (m.xx - m.yy)
    major = 0.5 * (m.xx + m.yy) + np.sqrt(skew * skew + m.xy * m.xy)
    minor = _determinant(m) / major
    return major, minor if minor < major else major


@jit
def _in_bounds(state: MomentState) -> bool:
    major, minor = moment_axes(state.m)
    near = state.x * state.x + state.y * state.y <= _FARTHEST * _FARTHEST
    return near and major <= _LARGEST and minor >= _SMALLEST


@jit
def _sum_weighted_columns(core: Values, state: MomentState, powers: int) -> tuple[Sums, float]:
    """Return sums down the columns times powers of the distance from a middle row, which is how far from the centre."""
    i = inverse(state.m)
    x0, y0 = CORE_COLUMN + state.x, CORE_ROW + state.y
    middle = int(y0 + 0.5)
    offset = middle - y0
    change, half_change = exponential(-i.yy), exponential(-0.5 * i.yy)
    reach = int(_WEIGHT_REACH * np.sqrt(state.m.yy)) + 1
    rows = min(reach, max(middle, CORE_ROWS - 1 - middle))
    total = np.zeros((powers, CORE_STRIDE))
    for c in range(CORE_COLUMN - _REACH, CORE_COLUMN + _REACH + 1):
        dx = c - x0
        slope = i.xy * dx + i.yy * offset
        square = i.xx * dx * dx + (i.xy * dx + slope) * offset
        factor = exponential(-slope)
        low = exponential(-0.5 * square)
        high = low
        to_lower, to_higher = factor * half_change, half_change / factor
        total[0, c] = low * _pixel(core, middle, c)
        for k in range(1, rows + 1):
            low *= to_lower
            high *= to_higher
            to_lower *= change
            to_higher *= change
            lower, higher = low * _pixel(core, middle + k, c), high * _pixel(core, middle - k, c)
            even, odd = lower + higher, lower - higher
            power = 1.0
            for n in range(powers):
                total[n, c] += (odd if n % 2 else even) * power
                power *= np.float64(k)
    return total, offset


@jit
def _pixel(core: Values, r: int, c: int) -> float:
    if r < 0 or r >= CORE_ROWS or core[r, c] != core[r, c]:
        return 0.0
    return np.float64(core[r, c])


@jit
def _weighted_sums(core: Values, state: MomentState) -> tuple[float, float, float, float, float, float]:
    """Return the sums of w I times 1, x, y, xx, xy, yy."""
    column, offset = _sum_weighted_columns(core, state, 3)
    dx = np.arange(CORE_STRIDE) - (CORE_COLUMN + state.x)
    along = column[0] * dx
    flux, x, xx = lane_sum(column[0]), lane_sum(along), lane_sum(along * dx)
    below, below_x, below_yy = lane_sum(column[1]), lane_sum(column[1] * dx), lane_sum(column[2])
    y = below + offset * flux
    return flux, x, y, xx, below_x + offset * x, below_yy + offset * (below + y)


@jit
def _bounded(x: float, bound: float) -> float:
    return bound if x > bound else -bound if x < -bound else x


@jit
def _moment_step(state: MomentState, sums: tuple[float, float, float, float, float, float]) -> _Step:
    """Return the Gaussian that would give these sums, or a short step towards the fixed point."""
    m = state.m
    size = m.xx + m.yy
    flux, sum_x, sum_y, sum_xx, sum_xy, sum_yy = sums
    x, y = sum_x / flux, sum_y / flux
    measured = Moments(sum_xx / flux, sum_xy / flux, sum_yy / flux)
    rise = Moments(2.0 * measured.xx - m.xx, 2.0 * measured.xy - m.xy, 2.0 * measured.yy - m.yy)
    residual = np.sqrt((x * x + y * y) / size) + (np.abs(rise.xx) + np.abs(rise.xy) + np.abs(rise.yy)) / size
    product = Moments(measured.xx - x * x, measured.xy - x * y, measured.yy - y * y)
    a, b = inverse(product), inverse(m)
    rest = Moments(a.xx - b.xx, a.xy - b.xy, a.yy - b.yy)
    source = inverse(rest)
    pull_x, pull_y = a.xx * x + a.xy * y, a.xy * x + a.yy * y
    shift_x, shift_y = source.xx * pull_x + source.xy * pull_y, source.xy * pull_x + source.yy * pull_y
    growth = _determinant(source) / _determinant(m)
    bold = growth < _BOLDEST_GROWTH and growth * _BOLDEST_GROWTH > 1.0 and shift_x * shift_x + shift_y * shift_y < size
    if _is_positive(product) and _is_positive(rest) and bold:
        return _Step(MomentState(state.x + shift_x, state.y + shift_y, source), residual, True)
    minor = moment_axes(m)[1]
    bound, bound_of_shift = _BOLDEST_STEP * minor, _BOLDEST_STEP * np.sqrt(minor)
    moved = Moments(
        m.xx + _bounded(2.0 * rise.xx, bound),
        m.xy + _bounded(2.0 * rise.xy, bound),
        m.yy + _bounded(2.0 * rise.yy, bound),
    )
    after_x, after_y = state.x + _bounded(2.0 * x, bound_of_shift), state.y + _bounded(2.0 * y, bound_of_shift)
    return _Step(MomentState(after_x, after_y, moved), residual, False)


@jit
def _dot(a: MomentState, b: MomentState) -> float:
    return (a.x * b.x + a.y * b.y) + ((a.m.xx * b.m.xx + a.m.yy * b.m.yy) + a.m.xy * b.m.xy)


@jit
def _subtract(a: MomentState, factor: float, b: MomentState) -> MomentState:
    """Return a - factor * b."""
    m = Moments(a.m.xx - factor * b.m.xx, a.m.xy - factor * b.m.xy, a.m.yy - factor * b.m.yy)
    return MomentState(a.x - factor * b.x, a.y - factor * b.y, m)


@jit
def _extrapolate(history: _History) -> MomentState:
    """Return the state at which the steps so far would vanish, were they linear."""
    last, first = history.step_change
    a, p = _dot(last, last), _dot(last, history.step)
    if history.differences > 1:
        b, c, q = _dot(last, first), _dot(first, first), _dot(first, history.step)
        d = a * c - b * b
        if d > 1e-12 * (a * c):
            nearer = _subtract(history.next, (p * c - q * b) / d, history.next_change[0])
            return _subtract(nearer, (a * q - b * p) / d, history.next_change[1])
    return _subtract(history.next, p / a, history.next_change[0])


@jit
def _no_history() -> _History:
    none = MomentState(0.0, 0.0, Moments(0.0, 0.0, 0.0))
    return _History(0, False, none, none, (none, none), (none, none))


@jit
def _next_moments(state: MomentState, step: _Step, history: _History) -> tuple[MomentState, _History]:
    """Return the state of the next round, and the history with this one."""
    if not step.trusted:
        return step.next, _no_history()
    own = _subtract(step.next, 1.0, state)
    differences, step_change, next_change = history.differences, history.step_change, history.next_change
    if history.known:
        step_change = (_subtract(own, 1.0, history.step), step_change[0])
        next_change = (_subtract(step.next, 1.0, history.next), next_change[0])
        differences = min(differences + 1, 2)
    longer = _History(differences, True, own, step.next, step_change, next_change)
    if differences == 0 or not step.residual < _LINEAR:
        return step.next, longer
    far = _extrapolate(longer)
    leap = _subtract(far, 1.0, step.next)
    growth = _determinant(far.m) / _determinant(state.m)
    short = leap.x * leap.x + leap.y * leap.y < state.m.xx + state.m.yy
    if _in_bounds(far) and 0.25 < growth < 4.0 and short:
        return far, longer
    return step.next, _History(0, True, own, step.next, step_change, next_change)


@jit
def adaptive_moments(core: Values) -> AdaptiveMoments:
    """Return the adaptive moments of the source in the middle of a core; masked pixels count nowhere."""
    state = MomentState(0.0, 0.0, Moments(_FIRST, 0.0, _FIRST))
    history = _no_history()
    for _ in range(_ROUNDS):
        sums = _weighted_sums(core, state)
        if not sums[0] > 0.0:
            break
        step = _moment_step(state, sums)
        state, history = _next_moments(state, step, history)
        if not _in_bounds(state):
            break
        if step.residual < _TOLERANCE:
            return AdaptiveMoments(True, state)
    return AdaptiveMoments(False, state)


@jit
def moments_kurtosis(core: Values, state: MomentState) -> float:
    """Return <rho^4 w> / <w>; 2 for a Gaussian."""
    column, offset = _sum_weighted_columns(core, state, 5)
    i = inverse(state.m)
    fourth = np.zeros(CORE_STRIDE)
    for c in range(CORE_STRIDE):
        dx = c - (CORE_COLUMN + state.x)
        slope = i.xy * dx + i.yy * offset
        at = i.xx * dx * dx + (i.xy * dx + slope) * offset
        rise = 2.0 * slope
        fourth[c] = (
            (at * at * column[0, c] + 2.0 * at * rise * column[1, c])
            + ((rise * rise + 2.0 * at * i.yy) * column[2, c] + 2.0 * rise * i.yy * column[3, c])
            + i.yy * i.yy * column[4, c]
        )
    return lane_sum(fourth) / lane_sum(column[0])
