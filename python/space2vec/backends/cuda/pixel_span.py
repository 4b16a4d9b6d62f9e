"""The pixels of stamps in a buffer on the host: their range, their bytes on a device, and a copy without gaps."""

from __future__ import annotations

import math
import os
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.cuda.packed_pixels import UNPACKED, VARIABLE
from space2vec.data.stamps import Stamps

__all__ = ["Span", "gather", "pixel_bytes", "span_of"]


class Span(NamedTuple):
    """The range of a buffer that contains the pixels of stamps, and the number of these pixels."""

    begin: int
    end: int
    pixels: int

    @property
    def scattered(self) -> bool:
        """Whether it is better to gather the pixels than to copy the whole range."""
        return self.end - self.begin > 2 * self.pixels


def span_of(stamps: Stamps) -> Span:
    """Return the range of the buffer that contains the pixels of stamps."""
    present = stamps.offset >= 0
    if not present.any():
        return Span(0, 0, 0)
    area = stamps.shape.astype(np.int64).prod(axis=2)
    begin, end = int(stamps.offset[present].min()), int((stamps.offset + area)[present].max())
    return Span(begin, end, int(area[present].sum()))


def pixel_bytes(stamps: Stamps) -> int:
    """Return the bytes of device memory that a copy of the pixels of stamps takes; 0 if they are on a device."""
    if stamps.device_pixels is not None:
        return 0
    span = span_of(stamps)
    each = 4 if os.environ.get(VARIABLE, "") in UNPACKED else 6  # 2 for the packed and 4 for the widened pixel
    return each * (span.pixels if span.scattered else span.end - span.begin)


def gather(stamps: Stamps, count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the pixels (count,) of stamps without gaps, and the index of the first pixel of each plane (n, 3)."""
    pixels = np.empty(count, np.float32)
    offset = np.full_like(stamps.offset, -1)
    end = 0
    for row, channel in zip(*np.nonzero(stamps.offset >= 0), strict=True):
        begin, size = int(stamps.offset[row, channel]), math.prod(stamps.shape[row, channel].tolist())
        pixels[end : end + size] = stamps.buffer[begin : begin + size]
        offset[row, channel] = end
        end += size
    return pixels, offset
