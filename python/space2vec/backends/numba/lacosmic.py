"""LACOSMIC: how much the brightest pixel stands out of the fine structure, as in ``cpp/kernel/lacosmic.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.math import ZERO
from space2vec.backends.numba.stamp import WINDOW
from space2vec.backends.numba.team import jit

__all__ = ["largest_fine_structure"]

Values = NDArray[np.float32]


@jit
def _reflect(i: int, n: int) -> int:
    """SciPy's ``reflect``: the edge pixel is mirrored too."""
    return -1 - i if i < 0 else 2 * n - 1 - i if i >= n else i


@jit
def _pad_by_reflection(plane: Values, margin: int) -> Values:
    side = WINDOW + 2 * margin
    padded = np.empty((side, side), dtype=np.float32)
    for y in range(side):
        for x in range(side):
            padded[y, x] = plane[_reflect(y - margin, WINDOW), _reflect(x - margin, WINDOW)]
    return padded


@jit
def _order_pair(a: np.float32, b: np.float32) -> tuple[np.float32, np.float32]:
    return (b, a) if b < a else (a, b)


@jit
def _median_of_9(box: Values) -> np.float32:
    """Median of 3x3 by the 19 exchanges of Paeth 1990 (Graphics Gems, p. 171)."""
    b, c = _order_pair(box[0, 1], box[0, 2])
    e, f = _order_pair(box[1, 1], box[1, 2])
    h, i = _order_pair(box[2, 1], box[2, 2])
    a, b = _order_pair(box[0, 0], b)
    d, e = _order_pair(box[1, 0], e)
    g, h = _order_pair(box[2, 0], h)
    b, c = _order_pair(b, c)
    e, f = _order_pair(e, f)
    h, i = _order_pair(h, i)
    g = max(g, max(a, d))
    c = min(c, min(f, i))
    e, h = _order_pair(e, h)
    e = min(max(b, e), h)
    e, c = _order_pair(e, c)
    return min(c, max(e, g))


@jit
def _smooth_by_9(plane: Values) -> Values:
    padded = _pad_by_reflection(plane, 1)
    smooth = np.empty((WINDOW, WINDOW), dtype=np.float32)
    for y in range(WINDOW):
        for x in range(WINDOW):
            smooth[y, x] = _median_of_9(padded[y : y + 3, x : x + 3])
    return smooth


@jit
def _median_of_49(padded: Values, y: int, x: int) -> np.float32:
    return np.partition(padded[y : y + 7, x : x + 7].copy().ravel(), 24)[24]


@jit
def _lower_bounds(padded: Values, quantile: np.float32, lowest: np.float32) -> Values:
    """Return a lower bound of the 7x7 median: the quantile with at most 24 of the 49 values below it."""
    below = (padded < quantile).astype(np.int64)
    rows = np.zeros((WINDOW, WINDOW + 6), dtype=np.int64)
    for y in range(WINDOW):
        for dy in range(7):
            rows[y] += below[y + dy]
    bounds = np.full((WINDOW, WINDOW), lowest, dtype=np.float32)
    for y in range(WINDOW):
        for x in range(WINDOW):
            if rows[y, x : x + 7].sum() <= 24:
                bounds[y, x] = quantile
    return bounds


@jit
def largest_fine_structure(b: Values) -> np.float32:
    """Return max F, F = med3(b) - med7(med3(b)); NaN in b enters the filters as 0.

    Exact 7x7 medians are found only where the bound leaves a chance to beat the best so far, as in C++.
    """
    filled = b[:, :WINDOW].copy()
    for y in range(WINDOW):
        for x in range(WINDOW):
            filled[y, x] = b[y, x] if b[y, x] == b[y, x] else ZERO
    smooth = _smooth_by_9(filled)
    padded = _pad_by_reflection(smooth, 3)
    ordered = np.partition(smooth.ravel(), smooth.size // 4)
    bounds = _lower_bounds(padded, ordered[smooth.size // 4], smooth.min())
    y, x = divmod(int(smooth.argmax()), WINDOW)
    best = smooth[y, x] - _median_of_49(padded, y, x)
    for y in range(WINDOW):
        for x in range(WINDOW):
            if smooth[y, x] - bounds[y, x] > best:
                best = max(best, smooth[y, x] - _median_of_49(padded, y, x))
    return best
