"""The features that count or sum R in the boxes at the centre, as in ``cpp/kernel/counts.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.block_means import BLOCKS
from space2vec.backends.numba.team import jit, lane_sum

__all__ = ["box_sum", "count_above", "count_below"]

Values = NDArray[np.float32]


@jit
def _box_pixels(r: Values, side: int) -> Values:
    first = BLOCKS // 2 - side // 2
    return r[first : first + side, first : first + side].copy()


@jit
def count_below(r: Values, side: int, k: float, strict: bool) -> int:
    """Count R <= -k, or R < -k where ``strict``, in the box of ``side`` x ``side`` blocks."""
    box = _box_pixels(r, side)
    return int(np.sum(box < -k if strict else box <= -k))


@jit
def count_above(r: Values, side: int, k: float) -> int:
    """Count R >= k."""
    return int(np.sum(_box_pixels(r, side) >= k))


@jit
def box_sum(r: Values, side: int) -> float:
    """Sum R; masked blocks are left out."""
    box = _box_pixels(r, side).ravel().astype(np.float64)
    return lane_sum(np.where(box == box, box, 0.0))
