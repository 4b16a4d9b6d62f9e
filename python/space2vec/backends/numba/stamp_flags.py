"""The flags of a stamp as it came, whatever is computed of it, as in ``cpp/kernel/stamp_flags.hpp``."""

from __future__ import annotations

import numpy as np

from space2vec.backends.numba.math import INFINITY, is_finite
from space2vec.backends.numba.stamp import DIFFERENCE, FLAG, SCIENCE, TEMPLATE, Plane, Triplet, is_masked, is_saturated
from space2vec.backends.numba.team import jit, lane_sum

__all__ = ["covers_flags", "flag_stamp"]

_CORE_SIDE = 3
_UNIT_TOLERANCE = 1e-3
#: By so many pixels most planes of another scale are told.
_FIRST = 256


def covers_flags(measured: int, prepared: int) -> bool:
    """Return whether the planes ``measured`` (bits) raise every flag of a stamp that the planes ``prepared`` raise.

    They do if all of these are looked at, and the same plane is compared with the others.
    """
    return not prepared & ~measured and not (measured ^ prepared) >> DIFFERENCE & 1


@jit
def _is_core_masked(plane: Plane, row: int, column: int) -> bool:
    """Return whether more of the core is masked, or outside the plane, than one line of its pixels."""
    height, width = plane.shape
    masked = 0
    for y in range(row - _CORE_SIDE // 2, row + _CORE_SIDE // 2 + 1):
        for x in range(column - _CORE_SIDE // 2, column + _CORE_SIDE // 2 + 1):
            if not (0 <= y < height and 0 <= x < width) or is_masked(plane[y, x]):
                masked += 1
    return masked > _CORE_SIDE


@jit
def _has_range(plane: Plane, low: np.float32, high: np.float32) -> bool:
    """Return whether the pixels of a plane have exactly this lowest and highest value, NaN aside."""
    with_low = with_high = False
    for x in plane.flat:
        if x < low or x > high:
            return False
        with_low = with_low or x == low
        with_high = with_high or x == high
    return with_low and with_high


@jit
def _sum_of_squares(plane: Plane, n: int) -> float:
    """Return the sum of the squares of the first n pixels that are finite."""
    squares = np.zeros(n)
    x = plane.ravel()
    for i in range(n):
        if is_finite(x[i]):
            squares[i] = np.float64(x[i]) * np.float64(x[i])
    return lane_sum(squares)


@jit
def _is_of_unit_scale(plane: Plane) -> bool:
    """Return whether the usable pixels of a plane have the mean square 1, or the sum of squares 1."""
    usable = 0
    for x in plane.flat:
        if is_finite(x):
            usable += 1
    total = _sum_of_squares(plane, plane.size)
    for target in (1.0, np.float64(usable)):
        if target * (1.0 - _UNIT_TOLERANCE) <= total <= target * (1.0 + _UNIT_TOLERANCE):
            return usable > 0
    return False


@jit
def _lacks_flux_scale(triplet: Triplet, planes: int) -> bool:
    """Return whether the last plane and another were normalised, each on its own."""
    with_difference = planes >> DIFFERENCE & 1 and triplet.plane[DIFFERENCE].size > 0
    last = DIFFERENCE if with_difference else TEMPLATE
    if not planes >> last & 1:
        return False
    plane = triplet.plane[last]
    low, high = INFINITY, -INFINITY
    for x in plane.flat:
        low = x if x < low else low
        high = x if x > high else high
    if not low < high or not is_finite(low) or not is_finite(high):
        return False
    for channel in range(last):
        if planes >> channel & 1 and _has_range(triplet.plane[channel], low, high):
            return True
    # Where one value has a larger square than all would have, or some have, the sum is not needed.
    most = plane.size * (1.0 + _UNIT_TOLERANCE)
    largest = np.float64(max(high, -low))
    if largest * largest > most or _sum_of_squares(plane, min(plane.size, _FIRST)) > most:
        return False
    found = False
    for channel in range(last):
        found = found or (planes >> channel & 1 != 0 and _is_of_unit_scale(triplet.plane[channel]))
    return found and _is_of_unit_scale(plane)


@jit
def flag_stamp(triplet: Triplet, planes: int) -> int:
    """Return the flags of a stamp of which only some planes are used (bits)."""
    flags = FLAG.saturated if is_saturated(triplet) else 0
    for channel in (SCIENCE, DIFFERENCE):
        plane = triplet.plane[channel]
        if planes >> channel & 1 and plane.size > 0 and _is_core_masked(plane, triplet.row, triplet.column):
            flags |= FLAG.masked_core
    if _lacks_flux_scale(triplet, planes):
        flags |= FLAG.no_flux_scale
    return flags
