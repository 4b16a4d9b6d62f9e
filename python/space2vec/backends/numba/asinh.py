"""asinh from + - * sqrt and bits, as in ``cpp/kernel/asinh.hpp``."""

from __future__ import annotations

import numpy as np

from space2vec.backends.numba.math import HALF, ONE
from space2vec.backends.numba.team import jit

__all__ = ["asinh", "log_scaled"]

_SIGN = np.uint32(0x80000000)
_LARGE, _NEAR = np.float32(8192), np.float32(0.75)
_N0, _N1, _N2 = np.float32(4.6925996e-3), np.float32(1.5357734e-2), np.float32(2.8161213e-2)
_N3, _N4, _N5 = np.float32(4.4264500e-2), np.float32(7.4969485e-2), np.float32(1.6666584e-1)
_L0, _L1, _L2 = np.float32(7.0376836292e-2), np.float32(1.1514610310e-1), np.float32(1.1676998740e-1)
_L3, _L4, _L5 = np.float32(1.2420140846e-1), np.float32(1.4249322787e-1), np.float32(1.6668057665e-1)
_L6, _L7, _L8 = np.float32(2.0000714765e-1), np.float32(2.4999993993e-1), np.float32(3.3333331174e-1)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)


@jit
def _asinh_near_zero(a: np.float32) -> np.float32:
    """Return asinh(a) for 0 <= a < 0.75."""
    z = a * a
    p = _N0
    p = p * z - _N1
    p = p * z + _N2
    p = p * z - _N3
    p = p * z + _N4
    p = p * z - _N5
    return a + a * (z * p)


@jit
def log_scaled(t: np.float32, shift: int) -> np.float32:
    """Return log(t 2^shift) for a normal t > 0."""
    bits = np.int64(np.float32(t).view(np.uint32)) + 0x004AFB0D
    k = (bits >> 23) - 127
    r = np.uint32((bits & 0x007FFFFF) + 0x3F3504F3).view(np.float32) - ONE
    z = r * r
    p = _L0
    p = p * r - _L1
    p = p * r + _L2
    p = p * r - _L3
    p = p * r + _L4
    p = p * r - _L5
    p = p * r + _L6
    p = p * r - _L7
    p = p * r + _L8
    kf = np.float32(k + shift)
    return ((r * (z * p) + kf * _LN2_LOW) - HALF * z + r) + kf * _LN2_HIGH


@jit
def asinh(x: np.float32) -> np.float32:
    """Return asinh of a finite x; -0 stays."""
    bits = np.float32(x).view(np.uint32)
    sign = bits & _SIGN
    a = np.uint32(bits ^ sign).view(np.float32)
    if a < _NEAR:
        y = _asinh_near_zero(a)
    elif a > _LARGE:
        y = log_scaled(a, 1)
    else:
        y = log_scaled(a + np.sqrt(a * a + ONE), 0)
    return np.uint32(np.float32(y).view(np.uint32) | sign).view(np.float32)
