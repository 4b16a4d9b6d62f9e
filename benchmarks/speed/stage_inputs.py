"""What the peers of stages are given, and how their rounds go over it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.speed.rounds import Run

#: Triplets of one round of what is slow: a multiple of the kinds of scene, so that rounds are alike.
FEW = 20
#: Stamps that are worth handing over together: what is made of them stays in the cache.
TOGETHER = 16
#: Where the candidate is in a window, and in a core.
MIDDLE = 25
CORE_ROW, CORE_COLUMN = 12, 16

Images = NDArray[np.float32]


def one_by_one(function: Callable[[Any], Any], items: Any, most: int | None = None) -> Run:
    """Return a round that calls a function for each item, or for the next ``most``."""

    def run(turn: int) -> int:
        count = most or len(items)
        for k in range(turn * count, (turn + 1) * count):
            function(items[k % len(items)])
        return count

    return run


def together(function: Callable[[Any], Any], items: Any, size: int = TOGETHER) -> Run:
    """Return a round that calls a function for blocks of items."""

    def run(turn: int) -> int:
        for begin in range(0, len(items), size):
            function(items[begin : begin + size])
        return len(items)

    return run


def compiled(function: Callable[[Any], Any], items: Images) -> Run:
    """Return a round of a loop that Numba compiles over a function that it compiled and that returns a number."""
    import numba

    @numba.njit
    def loop(items):  # type: ignore[no-untyped-def]
        total = 0.0
        for k in range(len(items)):
            total += function(items[k])
        return total

    def run(turn: int) -> int:
        loop(items)
        return len(items)

    return run


def brightness(planes: Images) -> Images:
    """Return B of the differences; 51x51 and without masked pixels."""
    windows = planes[:, 2].astype(np.float64)
    flat = windows.reshape(len(windows), -1)
    middle, largest = np.median(flat, axis=1), np.abs(flat).max(axis=1)
    return ((windows - middle[:, None, None]) / largest[:, None, None]).astype(np.float32)


def cores(planes: Images) -> Images:
    """Return 25x32 pixels of the differences in units of their noise, turned positive; the candidate is at (12, 16)."""
    windows = planes[:, 2].astype(np.float64)
    windows -= np.median(windows, axis=(1, 2), keepdims=True)
    windows /= 1.4826 * np.median(np.abs(windows), axis=(1, 2), keepdims=True)
    middle = windows[:, MIDDLE - 2 : MIDDLE + 3, MIDDLE - 2 : MIDDLE + 3]
    windows *= np.where(middle.sum(axis=(1, 2), keepdims=True) < 0, -1, 1)
    top, left = MIDDLE - CORE_ROW, MIDDLE - CORE_COLUMN
    return np.ascontiguousarray(windows[:, top : top + 25, left : left + 32], dtype=np.float32)


def boxes(planes: Images) -> Images:
    """Return the 25x25 pixels of the cores that moments are measured on, the candidate at (12, 12)."""
    return np.ascontiguousarray(cores(planes)[:, :, CORE_COLUMN - CORE_ROW : CORE_COLUMN + CORE_ROW + 1])


def padded(images: Images) -> Images:
    """Return windows of 51x51 as the kernels and the Numba twin hold them: 64 columns, NaN beyond the window."""
    return np.pad(images, ((0, 0), (0, 0), (0, 13)), constant_values=np.nan)
