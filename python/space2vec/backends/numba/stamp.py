"""A stamp as the kernels see it, and the window that is cut from it, as in ``cpp/kernel/stamp.hpp``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.math import NAN, ZERO, absolute, is_finite
from space2vec.backends.numba.team import constants, jit
from space2vec.data.channels import CHANNELS
from space2vec.registry import FLAGS

if TYPE_CHECKING:
    from space2vec.data.stamps import Stamps

__all__ = [
    "DIFFERENCE",
    "FLAG",
    "MIDDLE",
    "REFUSED",
    "SCIENCE",
    "STRIDE",
    "TEMPLATE",
    "UNSCORABLE",
    "WINDOW",
    "Batch",
    "Plane",
    "Triplet",
    "batch_of",
    "cut_window",
    "is_masked",
    "is_saturated",
    "triplet_of",
]

Plane = NDArray[np.float32]

SCIENCE, TEMPLATE, DIFFERENCE = range(len(CHANNELS))
#: The bit of each flag, by name.
FLAG = constants({name: 1 << flag.bit for name, flag in FLAGS.items()})
#: The flags with which a row is not scored, and those with which it is not prepared.
UNSCORABLE = sum(1 << flag.bit for flag in FLAGS.values() if not flag.scored)
REFUSED = UNSCORABLE | FLAG.zero_scale

WINDOW = 51
MIDDLE = WINDOW // 2
#: Windows are held with this many columns, NaN beyond the window: the lane of a pixel is its column mod 32.
STRIDE = 64
_NULL = np.float32(1e-30)


class Batch(NamedTuple):
    """The stamps of some candidates as :class:`space2vec.Stamps` holds them, and the saturation level or NaN."""

    pixels: Plane
    offset: NDArray[np.int64]
    shape: NDArray[np.int32]
    centre: NDArray[np.int32]
    saturation: np.float32


def batch_of(stamps: Stamps) -> Batch:
    """Return stamps as the kernels take them; nothing is copied.

    Raises
    ------
    TypeError
        If an array of theirs is of another type.
    ValueError
        If their arrays differ in length.
    """
    level = np.float32(np.nan if stamps.saturation is None else stamps.saturation)
    batch = Batch(stamps.buffer, stamps.offset, stamps.shape, stamps.centre, level)
    arrays: tuple[NDArray[np.generic], ...] = batch[:4]
    for array, kind in zip(arrays, (np.float32, np.int64, np.int32, np.int32), strict=True):
        if array.dtype != kind or not array.flags.c_contiguous:
            raise TypeError(f"the arrays of stamps must be as space2vec.Stamps has them; given {array.dtype}")
    n = len(batch.offset)
    if batch.offset.shape != (n, 3) or batch.shape.shape != (n, 3, 2) or batch.centre.shape != (n, 2):
        raise ValueError("offset must have shape (n, 3), shape (n, 3, 2) and centre (n, 2)")
    return batch


class Triplet(NamedTuple):
    """The planes of one candidate (0x0 if missing), its pixel in them, and the saturation level or NaN."""

    plane: tuple[Plane, Plane, Plane]
    row: int
    column: int
    saturation: np.float32


@jit
def _plane(pixels: Plane, offset: int, height: int, width: int) -> Plane:
    if offset < 0:
        return pixels[:0].reshape(0, 0)
    return pixels[offset : offset + height * width].reshape(height, width)


@jit
def triplet_of(batch: Batch, row: int) -> Triplet:
    """Return the triplet of a row of a batch."""
    offset, shape = batch.offset, batch.shape
    planes = (
        _plane(batch.pixels, offset[row, 0], shape[row, 0, 0], shape[row, 0, 1]),
        _plane(batch.pixels, offset[row, 1], shape[row, 1, 0], shape[row, 1, 1]),
        _plane(batch.pixels, offset[row, 2], shape[row, 2, 0], shape[row, 2, 1]),
    )
    return Triplet(planes, int(batch.centre[row, 0]), int(batch.centre[row, 1]), batch.saturation)


@jit
def is_masked(x: np.float32) -> bool:
    """Return whether a pixel is not finite, or null."""
    return not is_finite(x) or absolute(x) == _NULL


@jit
def cut_window(plane: Plane, row: int, column: int) -> tuple[Plane, int]:
    """Return the window (WINDOW, STRIDE) around the candidate, NaN where not finite or outside, and its flags."""
    height, width = plane.shape
    top, left = row - MIDDLE, column - MIDDLE
    window = np.full((WINDOW, STRIDE), NAN, dtype=np.float32)
    flags = 0
    for r in range(max(0, -top), min(WINDOW, height - top)):
        for c in range(max(0, -left), min(WINDOW, width - left)):
            x = plane[top + r, left + c]
            if is_finite(x):
                window[r, c] = x + ZERO  # turns -0 into 0
            else:
                flags |= FLAG.nan_pixels
            if absolute(x) == _NULL:
                flags |= FLAG.masked_pixels
    if top < 0 or left < 0 or top + WINDOW > height or left + WINDOW > width:
        flags |= FLAG.padded
    return window, flags


@jit
def is_saturated(triplet: Triplet) -> bool:
    """Return whether the science plane reaches the saturation level inside the window."""
    plane = triplet.plane[SCIENCE]
    height, width = plane.shape
    for y in range(max(triplet.row - MIDDLE, 0), min(triplet.row + MIDDLE + 1, height)):
        for x in range(max(triplet.column - MIDDLE, 0), min(triplet.column + MIDDLE + 1, width)):
            if plane[y, x] >= triplet.saturation:
                return True
    return False
