"""The columns of a network as integers, as in ``cpp/kernel/network_columns.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.asinh import asinh, log_scaled
from space2vec.backends.numba.math import HALF, NAN, ONE, ZERO, absolute, is_finite
from space2vec.backends.numba.team import jit

__all__ = ["columns_to_integers", "derive"]

_FAR, _BOUND = np.float32(1e30), np.float32(10)
_VALUE, _MARK, _STEP = np.float32(3276), 3276, np.float32(4095)
#: The smallest normal number, and magnitudes in a unit of the natural logarithm.
_SMALLEST, _MAGNITUDES = np.float32(2.0**-126), np.float32(1.0857362)


@jit
def _floor(x: np.float32) -> int:
    """Return the integer below x."""
    whole = int(x)
    return whole - 1 if np.float32(whole) > x else whole


@jit
def _magnitudes(ratio: np.float32) -> np.float32:
    """Return 2.5 log10 |ratio|; NaN where it is 0, subnormal or not finite."""
    a = absolute(ratio)
    if not (a >= _SMALLEST and is_finite(a)):
        return NAN
    return log_scaled(a, 0) * _MAGNITUDES


@jit
def _rule(number: int, a: np.float32, b: np.float32, c: np.float32) -> np.float32:
    """Return a derived column, by a rule of :data:`space2vec.plans.derived_columns.DERIVED`."""
    if number == 0 or 16 <= number <= 18:
        return a - b
    if number == 1:
        return a * b
    if number in (2, 4, 5, 13, 14, 15):
        return a / b
    if number in (3, 6):
        return a / np.sqrt(b * c)
    if number == 7:
        return a + _magnitudes(b)
    if number in (8, 19):
        return a + b
    if number == 9:
        return a + _magnitudes(b * c)
    if number == 10:
        return (a - b) - _magnitudes(c)
    if number == 11:
        return _magnitudes(ONE + a) - (b - c)
    return (a * b) * b


@jit
def derive(x: NDArray[np.float32], places: NDArray[np.int64], row: NDArray[np.float32]) -> None:
    """Write the columns x (k,) and those derived from them to a row; derived values that are not finite become NaN."""
    k = len(x)
    row[:k] = x
    for j in range(len(places)):
        number, first, second, third = places[j]
        value = _rule(number, x[first], x[second], x[third] if third >= 0 else ZERO)
        row[k + j] = value if is_finite(value) else NAN


@jit
def columns_to_integers(
    x: NDArray[np.float32],
    median: NDArray[np.float32],
    spread: NDArray[np.float32],
    mean: NDArray[np.float32],
    deviation: NDArray[np.float32],
    lacking: NDArray[np.float32],
    low: NDArray[np.float32],
    size: NDArray[np.float32],
    out: NDArray[np.int64],
) -> None:
    """Write the values, marks and encodings of the columns x (k,) into out (k (2 + bins),)."""
    k, bins = low.shape
    for i in range(k):
        z = ZERO
        if np.isnan(x[i]):
            out[k + i] = _MARK if lacking[i] != ZERO else 0
        else:
            y = (x[i] - median[i]) / spread[i]
            y = _FAR if y > _FAR else -_FAR if y < -_FAR else y
            z = (asinh(y) - mean[i]) / deviation[i]
            z = _BOUND if z > _BOUND else -_BOUND if z < -_BOUND else z
            out[k + i] = 0
        out[i] = _floor(z * _VALUE + HALF)
        for j in range(bins):
            e = (z - low[i, j]) / size[i, j]
            e = ONE if e > ONE else ZERO if e < ZERO else e
            out[2 * k + i * bins + j] = _floor(e * _STEP + HALF)
