"""Columns that are computed of other columns, as in ``cpp/kernel/derived_columns.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.asinh import log_scaled
from space2vec.backends.numba.math import NAN, ONE, ZERO, absolute, is_finite
from space2vec.backends.numba.team import jit

__all__ = ["add_derived_columns"]

#: The smallest normal number, and magnitudes in a unit of the natural logarithm.
_SMALLEST, _MAGNITUDES = np.float32(2.0**-126), np.float32(1.0857362)


@jit
def _magnitudes(ratio: np.float32) -> np.float32:
    """Return 2.5 log10 |ratio|; NaN where it is 0, subnormal or not finite."""
    a = absolute(ratio)
    if not (a >= _SMALLEST and is_finite(a)):
        return NAN
    return log_scaled(a, 0) * _MAGNITUDES


@jit
def _derived_value(number: int, a: np.float32, b: np.float32, c: np.float32) -> np.float32:
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
def add_derived_columns(x: NDArray[np.float32], places: NDArray[np.int64], row: NDArray[np.float32]) -> None:
    """Write the columns x (k,) and those derived from them to a row; derived values that are not finite become NaN."""
    k = len(x)
    row[:k] = x
    for j in range(len(places)):
        number, first, second, third = places[j]
        value = _derived_value(number, x[first], x[second], x[third] if third >= 0 else ZERO)
        row[k + j] = value if is_finite(value) else NAN
