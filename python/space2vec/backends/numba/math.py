"""Elementary functions, as in ``cpp/kernel/math.hpp``.

Constants are float32 by name: a plain Python number would make Numba compute in float64.
"""

from __future__ import annotations

import numpy as np

from space2vec.backends.numba.team import jit

__all__ = ["DEGREES", "FLOAT_MAX", "HALF", "INFINITY", "NAN", "ONE", "ZERO", "absolute", "arctangent"]
__all__ += ["exp_nonpositive", "exponential", "is_finite"]

ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)
INFINITY = np.float32(np.inf)
FLOAT_MAX = np.finfo(np.float32).max
NAN = np.float32(np.nan)
#: In a radian.
DEGREES = 180.0 / np.pi

_LOWEST = np.float32(-87)
_LOG2_E = np.float32(1.44269504)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_P0, _P1, _P2 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3), np.float32(8.3334519073e-3)
_P3, _P4, _P5 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(5.0000001201e-1)
#: 2^k for k from -126 to 0, which C++ makes from the bits.
_POWERS_OF_2 = np.ldexp(np.float32(1), np.arange(-126, 1)).astype(np.float32)
#: 1.5 * 2^52: a number that is added to it is rounded to an integer.
_ROUND = 6755399441055744.0
_DOUBLE_POWERS_OF_2 = np.ldexp(1.0, np.arange(-1022, 1024))


@jit
def is_finite(x: np.float32) -> bool:
    """Return whether x is neither infinite nor NaN."""
    return x - x == ZERO


@jit
def absolute(x: np.float32) -> np.float32:
    """Return |x|; -0 stays."""
    return -x if x < ZERO else x


@jit
def exp_nonpositive(x: np.float32) -> np.float32:
    """Return exp(x) for x <= 0, exp(-87) below that."""
    clipped = x if x > _LOWEST else _LOWEST
    k = int(clipped * _LOG2_E - HALF)
    kf = np.float32(k)
    r = (clipped - kf * _LN2_HIGH) - kf * _LN2_LOW
    p = _P0
    p = p * r + _P1
    p = p * r + _P2
    p = p * r + _P3
    p = p * r + _P4
    p = p * r + _P5
    p = (p * (r * r) + r) + ONE
    return p * _POWERS_OF_2[k + 126]


@jit
def exponential(x: float) -> float:
    """Return exp(x) for x <= 700; 0 below -600."""
    if x < -600.0:
        return 0.0
    k = (x * 1.4426950408889634 + _ROUND) - _ROUND
    r = x - k * 0.6931471805599453
    p = 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return p * _DOUBLE_POWERS_OF_2[int(k) + 1022]


@jit
def _arctangent_of_share(x: float) -> float:
    """Return atan(x) for 0 <= x <= 1."""
    for _ in range(3):
        x = x / (1.0 + np.sqrt(1.0 + x * x))
    x2 = x * x
    total = 1.0 / 15.0
    for k in range(13, 0, -2):
        total = 1.0 / k - x2 * total
    return 8.0 * (x * total)


@jit
def arctangent(y: float, x: float) -> float:
    """Return the angle of the point (x, y), in (-pi, pi]; 0 at the origin."""
    ax, ay = np.abs(x), np.abs(y)
    if not ax > 0.0 and not ay > 0.0:
        return 0.0
    angle = 0.5 * np.pi - _arctangent_of_share(ax / ay) if ay > ax else _arctangent_of_share(ay / ax)
    angle = np.pi - angle if x < 0.0 else angle
    return -angle if y < 0.0 else angle
