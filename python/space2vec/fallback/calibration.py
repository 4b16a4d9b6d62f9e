"""Calibration in Numba: the arithmetic of ``cpp/kernel/calibration.hpp`` in the same order, for the same bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.fallback.math import NAN
from space2vec.fallback.team import jit

__all__ = ["calibrate"]


@jit
def calibrate(x: NDArray[np.float32], y: NDArray[np.float32], score: NDArray[np.float32]) -> None:
    """Turn scores (n,) into probabilities, in place, by a table of knots."""
    knots = len(x)
    for row in range(len(score)):
        given = score[row]
        if given != given:
            score[row] = NAN
            continue
        knot, end = 0, knots
        while end - knot > 1:
            middle = knot + (end - knot) // 2
            if x[middle] <= given:
                knot = middle
            else:
                end = middle
        begin_y = np.float64(y[knot])
        if given <= x[knot] or end == knots:
            score[row] = np.float32(begin_y + 0.0)
            continue
        begin, end_y = np.float64(x[knot]), np.float64(y[end])
        along = (np.float64(given) - begin) * (end_y - begin_y)
        value = begin_y + along / (np.float64(x[end]) - begin)
        score[row] = np.float32((value if value < end_y else end_y) + 0.0)
