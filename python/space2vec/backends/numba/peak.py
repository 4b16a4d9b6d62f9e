"""The brightest pixel of a core near the candidate, as in ``cpp/kernel/peak.hpp``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.math import INFINITY, NAN
from space2vec.backends.numba.noise_plane import CORE_COLUMN, CORE_ROW, CORE_ROWS, CORE_STRIDE
from space2vec.backends.numba.team import jit

__all__ = ["Peak", "brightest_in_box", "find_peak"]

Values = NDArray[np.float32]


class Peak(NamedTuple):
    """The peak of a core: a pixel and its value; ``value`` is NaN if there is no peak."""

    row: int
    column: int
    value: np.float32


def _box() -> NDArray[np.bool_]:
    y, x = np.mgrid[:CORE_ROWS, :CORE_STRIDE]
    inside: NDArray[np.bool_] = (abs(y - CORE_ROW) <= 3) & (abs(x - CORE_COLUMN) <= 3)
    return inside


_BOX = _box()


@jit
def find_peak(core: Values, inside: NDArray[np.bool_]) -> Peak:
    """Return the largest pixel where ``inside`` holds, the first in rows where several are."""
    peak = Peak(CORE_ROW, CORE_COLUMN, -INFINITY)
    for row in range(CORE_ROWS):
        for column in range(CORE_STRIDE):
            x = core[row, column]
            if inside[row, column] and x > peak.value:
                peak = Peak(row, column, x)
    return peak if peak.value > -INFINITY else Peak(CORE_ROW, CORE_COLUMN, NAN)


@jit
def brightest_in_box(core: Values) -> Peak:
    """Return the brightest pixel p of the difference, in a box of 7x7."""
    return find_peak(core, _BOX)
