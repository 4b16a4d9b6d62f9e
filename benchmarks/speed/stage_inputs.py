"""The inputs of the peers of stages, and the rounds that go over them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.speed.rounds import Run

#: Triplets in a round of a slow peer: a multiple of the kinds of scene, so that rounds are alike.
FEW = 20
#: Stamps of a block: what a peer computes from them stays in the cache.
BLOCK = 16
#: The pixel of the candidate in a window, and in a core.
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


def by_blocks(function: Callable[[Any], Any], items: Any, size: int = BLOCK) -> Run:
    """Return a round that calls a function for blocks of items."""

    def run(turn: int) -> int:
        for begin in range(0, len(items), size):
            function(items[begin : begin + size])
        return len(items)

    return run


def compile_loop(function: Callable[[Any], Any], items: Images) -> Run:
    """Return a round that calls a function compiled by Numba, which returns a number, in a loop that Numba compiles."""
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
    """Return the planes B of the differences (n, 51, 51) float32; no pixel is masked."""
    windows = planes[:, 2].astype(np.float64)
    flat = windows.reshape(len(windows), -1)
    middle, largest = np.median(flat, axis=1), np.abs(flat).max(axis=1)
    return ((windows - middle[:, None, None]) / largest[:, None, None]).astype(np.float32)


def cores(planes: Images) -> Images:
    """Return cores (n, 25, 32) of the differences in units of noise, turned positive; candidates at (12, 16)."""
    windows = planes[:, 2].astype(np.float64)
    windows -= np.median(windows, axis=(1, 2), keepdims=True)
    windows /= 1.4826 * np.median(np.abs(windows), axis=(1, 2), keepdims=True)
    middle = windows[:, MIDDLE - 2 : MIDDLE + 3, MIDDLE - 2 : MIDDLE + 3]
    windows *= np.where(middle.sum(axis=(1, 2), keepdims=True) < 0, -1, 1)
    top, left = MIDDLE - CORE_ROW, MIDDLE - CORE_COLUMN
    return np.ascontiguousarray(windows[:, top : top + 25, left : left + 32], dtype=np.float32)


def boxes(planes: Images) -> Images:
    """Return the pixels (n, 25, 25) of the cores that moments are measured on; the candidate is at (12, 12)."""
    return np.ascontiguousarray(cores(planes)[:, :, CORE_COLUMN - CORE_ROW : CORE_COLUMN + CORE_ROW + 1])


def pad_windows(images: Images) -> Images:
    """Return windows (n, 51, 64) as kernels and Numba twin hold them: NaN in the columns beyond the 51."""
    return np.pad(images, ((0, 0), (0, 0), (0, 13)), constant_values=np.nan)
