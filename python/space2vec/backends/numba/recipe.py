"""Prepare the planes of a triplet for a model, as in ``cpp/kernel/recipe.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.block_means import normalise_r
from space2vec.backends.numba.brightness import normalise_b
from space2vec.backends.numba.math import FLOAT_MAX, INFINITY, NAN, ZERO, is_finite
from space2vec.backends.numba.order import MAD_TO_SIGMA, count_valid, deviations, largest, median, smallest
from space2vec.backends.numba.stamp import (
    DIFFERENCE,
    FLAG,
    MIDDLE,
    REFUSED,
    WINDOW,
    Batch,
    Plane,
    Triplet,
    cut_window,
    is_masked,
    triplet_of,
)
from space2vec.backends.numba.stamp_flags import flag_stamp
from space2vec.backends.numba.team import constants, jit, lane_sum
from space2vec.registry import RECIPES

__all__ = ["RECIPE", "prepare_rows"]

_LARGEST_SIDE = 63
_ALERCE_SIDE = 21
_BRAAI_FILL = np.float32(1e-9)
#: The number of each recipe, by name.
RECIPE = constants({name.replace("-", "_"): number for number, name in enumerate(RECIPES)})


@jit
def _crop(centre: int, length: int, wanted: int) -> tuple[int, int]:
    """Return begin and end of the part of an axis that is used."""
    last = length - wanted
    start = min(max(centre - wanted // 2, 0), max(last, 0))
    return start, min(start + wanted, length)


@jit
def _is_constant(values: Plane) -> bool:
    return not largest(values) > smallest(values)


@jit
def _rectangle_flags(part: Plane) -> int:
    flags = 0
    finite = part.copy()
    for y in range(part.shape[0]):
        for x in range(part.shape[1]):
            if not is_finite(part[y, x]):
                finite[y, x] = NAN
                flags |= FLAG.nan_pixels
    return flags | FLAG.constant if _is_constant(finite) else flags


@jit
def _without_bad(x: np.float32) -> np.float32:
    """NaN -> 0, +-inf -> +-float32 max."""
    if x != x:
        return ZERO
    return FLOAT_MAX if x > FLOAT_MAX else -FLOAT_MAX if x < -FLOAT_MAX else x


@jit
def _has_finite_median(plane: Plane) -> bool:
    n = count_valid(plane)
    low = high = 0
    for x in plane.flat:
        low += x == -INFINITY
        high += x == INFINITY
    return n == 0 or ((n - 1) // 2 >= low and n // 2 < n - high)


@jit
def _scale_by_norm(part: Plane, down: int, right: int, fill: np.float32, out: Plane) -> None:
    height, width = part.shape
    squares = np.empty(part.size)
    for i in range(part.size):
        value = np.float64(_without_bad(part[i // width, i % width]))
        squares[i] = value * value
    norm = np.sqrt(lane_sum(squares))
    # The norm of large pixels may exceed float32: both are shrunk by a power of two then, which costs no bits.
    shrink = 2.0**-8 if norm > 3e38 else 1.0
    by, divisor = np.float32(shrink), np.float32(norm * shrink)
    out[:] = fill
    for y in range(height):
        for x in range(width):
            out[down + y, right + x] = _without_bad(part[y, x]) * by / divisor


@jit
def _prepare_by_norm(triplet: Triplet, recipe: int, plane: Plane, out: Plane) -> int:
    top, bottom = _crop(triplet.row, plane.shape[0], _LARGEST_SIDE)
    left, right = _crop(triplet.column, plane.shape[1], _LARGEST_SIDE)
    part = plane[top:bottom, left:right]
    height, width = part.shape
    flags = _rectangle_flags(part)
    if part.size < plane.size:
        flags |= FLAG.cropped
    if flags & REFUSED:
        return flags
    if height < _LARGEST_SIDE or width < _LARGEST_SIDE:
        flags |= FLAG.padded
    if recipe == RECIPE.btsbot and not _has_finite_median(plane):
        flags |= FLAG.bad_stamp
    if recipe == RECIPE.boom:
        _scale_by_norm(part, (_LARGEST_SIDE - height + 1) // 2, (_LARGEST_SIDE - width + 1) // 2, ZERO, out)
    else:
        _scale_by_norm(part, 0, 0, _BRAAI_FILL, out)
    return flags


@jit
def _prepare_by_range(plane: Plane, out: Plane) -> int:
    if plane.shape[0] != _LARGEST_SIDE or plane.shape[1] != _LARGEST_SIDE:
        return FLAG.off_shape
    start = (_LARGEST_SIDE - _ALERCE_SIDE) // 2
    part = plane[start : start + _ALERCE_SIDE, start : start + _ALERCE_SIDE]
    flags = _rectangle_flags(part)
    if flags & REFUSED:
        return flags
    high, low = -INFINITY, INFINITY
    for pixel in part.flat:
        if is_finite(pixel):
            high, low = max(high, pixel), min(low, pixel)
    lowest = np.float64(low) + 0.0
    span = np.float64(high) - lowest
    for y in range(_ALERCE_SIDE):
        for x in range(_ALERCE_SIDE):
            value = np.float64(part[y, x])
            out[y, x] = np.float32((value - lowest) / span) if is_finite(part[y, x]) else ZERO
    return flags


@jit
def _saturate(x: float) -> np.float32:
    """Round to float32; values that overflow become the largest float32 numbers."""
    return FLOAT_MAX if x > FLOAT_MAX else -FLOAT_MAX if x < -FLOAT_MAX else np.float32(x)


@jit
def _write_window(values: Plane, out: Plane) -> None:
    """Write values, cropped to the size of ``out``, with 0 in place of NaN."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            out[y, x] = _saturate(np.float64(values[y, x])) if values[y, x] == values[y, x] else ZERO


@jit
def _cut_masked(triplet: Triplet, plane: Plane) -> tuple[Plane, int]:
    window, flags = cut_window(plane, triplet.row, triplet.column)
    top, left = triplet.row - MIDDLE, triplet.column - MIDDLE
    if top > 0 or left > 0 or top + WINDOW < plane.shape[0] or left + WINDOW < plane.shape[1]:
        flags |= FLAG.cropped  # the stamp is meant to be used whole
    for r in range(WINDOW):
        for c in range(WINDOW):
            if is_masked(window[r, c]):
                window[r, c] = NAN
    return window, flags | FLAG.constant if _is_constant(window) else flags


@jit
def _prepare_by_3sigma(triplet: Triplet, plane: Plane, is_difference: bool, out: Plane) -> int:
    window, flags = _cut_masked(triplet, plane)
    if flags & REFUSED:
        return flags
    valid = count_valid(window)
    terms = window.ravel().astype(np.float64)
    usable = terms == terms
    mean = lane_sum(np.where(usable, terms, 0.0)) / valid
    away = np.where(usable, terms - mean, 0.0)
    sigma = np.sqrt(lane_sum(away * away) / valid)
    if not sigma > 0.0:
        return flags | FLAG.zero_scale
    offset = mean if is_difference else mean - 3.0 * sigma
    divisor = sigma if is_difference else 6.0 * sigma
    for r in range(WINDOW):
        for c in range(WINDOW):
            x = window[r, c]
            out[r, c] = _saturate((np.float64(x) - offset) / divisor) if x == x else ZERO
    return flags


@jit
def _prepare_as_is(triplet: Triplet, plane: Plane, out: Plane) -> int:
    window, flags = cut_window(plane, triplet.row, triplet.column)
    flags &= ~FLAG.masked_pixels  # the null value of DES is a number like any other here
    if _is_constant(window):
        return flags | FLAG.constant
    top, left = triplet.row - MIDDLE, triplet.column - MIDDLE
    out[:] = ZERO
    for r in range(max(0, -top), min(WINDOW, plane.shape[0] - top)):
        for c in range(max(0, -left), min(WINDOW, plane.shape[1] - left)):
            out[r, c] = _without_bad(plane[top + r, left + c])
    return flags


@jit
def _prepare_by_autoscan(triplet: Triplet, plane: Plane, blocks: bool, out: Plane) -> int:
    window, flags = cut_window(plane, triplet.row, triplet.column)
    b, scale = normalise_b(window)
    if scale.constant:
        return flags | FLAG.constant
    if not blocks:
        _write_window(b, out)
        return flags
    r, defined = normalise_r(window)
    if not defined:
        return flags | FLAG.zero_scale
    _write_window(r, out)
    return flags


@jit
def _difference_scale(triplet: Triplet) -> tuple[np.float32, int]:
    """Return 1.4826 MAD of the difference, by which a recipe divides all planes, and flags."""
    window, flags = _cut_masked(triplet, triplet.plane[DIFFERENCE])
    if flags & FLAG.constant:
        return ZERO, flags
    return MAD_TO_SIGMA * median(deviations(window, median(window))), flags


@jit
def _prepare_scaled(triplet: Triplet, plane: Plane, scale: np.float32, out: Plane) -> int:
    window, flags = _cut_masked(triplet, plane)
    if scale > ZERO:
        _write_window(window / scale, out)
    return flags


@jit
def _prepare_channel(triplet: Triplet, recipe: int, channel: int, scale: np.float32, out: Plane) -> int:
    plane = triplet.plane[channel]
    if recipe == RECIPE.braai or recipe == RECIPE.boom or recipe == RECIPE.btsbot:
        return _prepare_by_norm(triplet, recipe, plane, out)
    if recipe == RECIPE.alerce_stamp:
        return _prepare_by_range(plane, out)
    if recipe == RECIPE.transinet:
        return _prepare_as_is(triplet, plane, out)
    if recipe == RECIPE.ayyar:
        return _prepare_scaled(triplet, plane, scale, out)
    if recipe == RECIPE.acero_3sigma:
        return _prepare_by_3sigma(triplet, plane, channel == DIFFERENCE, out)
    return _prepare_by_autoscan(triplet, plane, recipe == RECIPE.autoscan_r, out)


@jit
def _prepare(triplet: Triplet, recipe: int, channels: tuple[int, int, int], flags_measured: bool, out: Plane) -> int:
    """Write every plane of a recipe, NaN throughout where the row is refused; return the flags."""
    flags = 0 if flags_measured else flag_stamp(triplet, 1 << channels[0] | 1 << channels[1] | 1 << channels[2])
    for plane in triplet.plane:
        if plane.size == 0:
            flags |= FLAG.missing
    if not flags & FLAG.missing:
        scale = ZERO
        if recipe == RECIPE.ayyar:
            scale, met = _difference_scale(triplet)
            flags |= met
        for k in range(len(channels)):
            flags |= _prepare_channel(triplet, recipe, channels[k], scale, out[k])
        if recipe == RECIPE.ayyar and not flags & FLAG.constant and not scale > ZERO:
            flags |= FLAG.zero_scale
    if flags & REFUSED:
        out[:] = NAN
    return flags


@jit
def prepare_rows(
    batch: Batch,
    recipe: int,
    channels: tuple[int, int, int],
    flags_measured: bool,
    planes: Plane,
    flags: NDArray[np.uint32],
    begin: int,
    end: int,
) -> None:
    """Prepare rows begin to end of a batch; ``flags_measured`` as in :class:`ModelNeeds`."""
    for row in range(begin, end):
        flags[row] = _prepare(triplet_of(batch, row), recipe, channels, flags_measured, planes[row])
