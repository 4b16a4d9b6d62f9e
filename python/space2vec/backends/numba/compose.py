"""Recipes that are chains of steps on a square around the candidate, as in ``cpp/kernel/compose.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.math import NAN, ZERO, is_finite
from space2vec.backends.numba.stamp import FLAG, Plane, Triplet, is_masked
from space2vec.backends.numba.steps import apply_chain, has_one_value
from space2vec.backends.numba.team import jit

__all__ = ["prepare_square"]


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
def prepare_square(
    triplet: Triplet, channel: int, kinds: NDArray[np.int64], parameters: NDArray[np.float64], out: Plane
) -> tuple[int, int]:
    """Write the square of one plane, normalised by a chain; return its flags and those that refuse the row."""
    flags = _cut_square(triplet.plane[channel], triplet.row, triplet.column, out)
    x = out.reshape(out.size)
    refused = FLAG.constant if has_one_value(x) else apply_chain(kinds, parameters, x, ZERO)
    return flags, refused
