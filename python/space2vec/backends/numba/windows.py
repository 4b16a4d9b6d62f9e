"""The windows of one candidate, as in ``cpp/kernel/windows.hpp``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.stamp import Plane, Triplet, cut_window
from space2vec.backends.numba.team import constants, jit
from space2vec.registry import STAMP_SETS, stamp_columns

__all__ = ["AT", "Windows", "cut_windows"]

#: The place of each stamp feature among all of them, by name.
AT = constants({name: column for column, name in enumerate(stamp_columns(sum(STAMP_SETS.values())))})


class Windows(NamedTuple):
    """The windows of the planes, and which planes exist and were requested; the others are NaN throughout."""

    plane: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
    there: tuple[bool, bool, bool]


@jit
def _cut(plane: Plane, row: int, column: int, wanted: bool) -> tuple[Plane, bool, int]:
    present = wanted and plane.size > 0
    window, met = cut_window(plane if present else plane[:0], row, column)
    return window, present, met if present else 0


@jit
def cut_windows(triplet: Triplet, planes: int) -> tuple[Windows, int]:
    """Return the windows of the planes whose bits are in ``planes``, and the flags."""
    row, column = triplet.row, triplet.column
    science, with_science, met0 = _cut(triplet.plane[0], row, column, planes & 1 != 0)
    template, with_template, met1 = _cut(triplet.plane[1], row, column, planes & 2 != 0)
    difference, with_difference, met2 = _cut(triplet.plane[2], row, column, planes & 4 != 0)
    there = (with_science, with_template, with_difference)
    return Windows((science, template, difference), there), met0 | met1 | met2
