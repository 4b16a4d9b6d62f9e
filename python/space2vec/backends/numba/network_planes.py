"""The planes of a network: their bytes, convolutions and means, as in ``cpp/kernel/network_planes.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.math import HALF
from space2vec.backends.numba.team import jit
from space2vec.model_files.integer_network import MOST, RING

__all__ = ["ZERO_BYTE", "average_rings", "convolve", "quantise_planes", "shift_rounded", "within"]

#: The byte of a pixel that is 0, and how far bytes reach on either side of it.
ZERO_BYTE, _REACH = 128, np.float32(127)
_MIDDLE = np.float32(ZERO_BYTE) + HALF


@jit
def shift_rounded(x: np.int64, shift: int) -> np.int64:
    """Return x / 2^shift, rounded half up."""
    return x if shift == 0 else (x + (1 << (shift - 1))) >> shift


@jit
def within(x: np.int64, low: int, high: int) -> np.int64 | int:
    """Return x, or the bound that it lies beyond."""
    return low if x < low else high if x > high else x


@jit
def quantise_planes(planes: NDArray[np.float32], scale: NDArray[np.float32], out: NDArray[np.int64]) -> None:
    """Write the bytes of the planes (channel, side, side) of a candidate."""
    channels, side, _ = planes.shape
    for c in range(channels):
        for y in range(side):
            for x in range(side):
                t = planes[c, y, x] * scale[c]
                t = _REACH if t > _REACH else -_REACH if t < -_REACH else t
                out[c, y, x] = ZERO_BYTE if np.isnan(t) else int(t + _MIDDLE)


@jit
def convolve(
    maps: NDArray[np.int64],
    zero: int,
    weight: NDArray[np.int8],
    bias: NDArray[np.int32],
    shift: NDArray[np.uint8],
    multiplier: NDArray[np.int16],
    out: NDArray[np.int64],
) -> None:
    """Write the requantised convolution of maps (channel, side, side), with a border of `zero`."""
    channels, side, _ = maps.shape
    filters, half, _ = out.shape
    # Even and odd columns apart, so that the innermost loop takes neighbours.
    framed = np.full((channels, side + 2, 2, half + 1), zero, dtype=np.int32)
    for c in range(channels):
        for y in range(side):
            for x in range(side):
                framed[c, y + 1, (x + 1) & 1, (x + 1) >> 1] = maps[c, y, x]
    total = np.empty((half, half), dtype=np.int32)
    for o in range(filters):
        total[:] = bias[o]
        for c in range(channels):
            for dy in range(3):
                for dx in range(3):
                    factor = np.int32(weight[o, c, dy, dx])
                    for y in range(half):
                        pixels = framed[c, 2 * y + dy, dx & 1, dx >> 1 :]
                        for x in range(half):
                            total[y, x] += factor * pixels[x]
        for y in range(half):
            for x in range(half):
                t = within(np.int64(total[y, x]) >> np.int64(shift[o]), -32768, 32767)
                out[o, y, x] = within(shift_rounded((t * np.int64(multiplier[o]) + 16384) >> 15, 6), 0, MOST)


@jit
def average_rings(
    maps: NDArray[np.int64], ring: NDArray[np.int64], sizes: NDArray[np.int64], out: NDArray[np.int64]
) -> None:
    """Write eight times the means of the rings (channel * rings,) of maps (channel, side, side)."""
    channels, side, _ = maps.shape
    rings = len(sizes)
    for c in range(channels):
        for k in range(rings):
            out[c * rings + k] = 0
        for y in range(side):
            for x in range(side):
                out[c * rings + ring[y, x]] += maps[c, y, x]
        for k in range(rings):
            out[c * rings + k] *= RING // sizes[k]
