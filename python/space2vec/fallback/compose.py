"""Recipes that are chains of steps on a square around the candidate, as in ``cpp/kernel/compose.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.fallback.math import NAN, ZERO, is_finite
from space2vec.fallback.stamp import FLAG, Plane, Triplet, is_masked, is_saturated, triplet_of
from space2vec.fallback.steps import apply_chain, has_one_value
from space2vec.fallback.team import jit

__all__ = ["compose_rows"]


@jit
def _cut_square(plane: Plane, row: int, column: int, out: Plane) -> int:
    """Cut a square around the candidate, NaN where a pixel is not usable; return flags."""
    height, width = plane.shape
    side = out.shape[0]
    top, left = row - side // 2, column - side // 2
    out[:] = NAN
    flags = 0
    for r in range(max(0, -top), min(side, height - top)):
        for c in range(max(0, -left), min(side, width - left)):
            x = plane[top + r, left + c]
            if not is_masked(x):
                out[r, c] = x + ZERO
            elif is_finite(x):
                flags |= FLAG.masked_pixels
            else:
                flags |= FLAG.nan_pixels
    if top < 0 or left < 0 or top + side > height or left + side > width:
        flags |= FLAG.padded
    return flags


@jit
def _compose(
    triplet: Triplet,
    channels: NDArray[np.int64],
    kinds: NDArray[np.int64],
    parameters: NDArray[np.float64],
    out: Plane,
) -> int:
    flags = FLAG.saturated if is_saturated(triplet) else 0
    for k in range(channels.size):
        if triplet.plane[channels[k]].size == 0:
            flags |= FLAG.missing
    refused = flags & FLAG.missing
    if not refused:
        for k in range(channels.size):
            flags |= _cut_square(triplet.plane[channels[k]], triplet.row, triplet.column, out[k])
            x = out[k].reshape(out[k].size)
            refused |= FLAG.constant if has_one_value(x) else apply_chain(kinds, parameters, x, ZERO)
    if refused:
        out[:] = NAN
    return flags | refused


@jit
def compose_rows(
    pixels: Plane,
    offset: NDArray[np.int64],
    shape: NDArray[np.int32],
    centre: NDArray[np.int32],
    saturation: np.float32,
    channels: NDArray[np.int64],
    kinds: NDArray[np.int64],
    parameters: NDArray[np.float64],
    planes: Plane,
    flags: NDArray[np.uint32],
    begin: int,
    end: int,
) -> None:
    """Prepare rows begin to end of a batch."""
    for row in range(begin, end):
        triplet = triplet_of(pixels, offset, shape, centre, saturation, row)
        flags[row] = _compose(triplet, channels, kinds, parameters, planes[row])
