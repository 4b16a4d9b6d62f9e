"""The form in which pixels are copied from the host to a device: as float32, or in 16 bits, which the device widens."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec.backends import kernels

if TYPE_CHECKING:
    from space2vec.data.stamps import Stamps

__all__ = ["UNPACKED", "VARIABLE", "Packing", "gather", "packings"]

#: The environment variable that chooses the form in which pixels are copied, and its values that mean float32.
VARIABLE, UNPACKED = "SPACE2VEC_DEVICE_PIXELS", ("", "float32")


@dataclass(frozen=True, slots=True)
class Packing:
    """A form of pixels in 16 bits.

    Attributes
    ----------
    integers : bool
        Whether pixels are integers, with the value ``zero + scale * integer``; otherwise they are in half precision.
    scale, zero : float
        The scale and the zero of integers.
    exact : bool
        Whether pixels are packed only if all of them can be restored to the bit.
    """

    integers: bool
    scale: float = 1.0
    zero: float = 0.0
    exact: bool = False

    def pack(self, pixels: NDArray[np.float32], packed: NDArray[np.uint16]) -> bool:
        """Pack pixels (n,) into an array (n,); return False if they are not packed because some would change."""
        same = kernels.require_extension("packing pixels for a device").pack_pixels(
            pixels, packed, self.integers, self.scale, self.zero, self.exact, 0
        )
        return same or not self.exact


#: First for whole numbers from -32766 to 32767, then for numbers that half precision represents.
_EXACT = (Packing(integers=True, exact=True), Packing(integers=False, exact=True))


def packings() -> tuple[Packing, ...]:
    """Return the forms in which pixels are packed, as the environment variable ``SPACE2VEC_DEVICE_PIXELS`` says.

    With ``float32``, the default, pixels are not packed. With ``exact``, those batches are packed whose pixels can all
    be restored to the bit. ``float16`` keeps 11 bits of each pixel, up to 65504. ``int16``, ``int16:SCALE`` and
    ``int16:SCALE:ZERO`` round pixels to integers from -32766 to 32767, times a scale (1) plus a zero (0). The last two
    forms change the bits of results.

    Returns
    -------
    tuple of Packing
        The forms, in the order in which they are tried; empty for ``float32``.

    Raises
    ------
    ValueError
        If the variable has another value.
    """
    text = os.environ.get(VARIABLE, "")
    if text in UNPACKED:
        return ()
    if text == "exact":
        return _EXACT
    if text == "float16":
        return (Packing(integers=False),)
    match = re.fullmatch(r"int16(?::([^:]+))?(?::([^:]+))?", text)
    if match is not None:
        try:
            scale, zero = (float(np.float32(number)) for number in (match[1] or "1", match[2] or "0"))
        except ValueError:
            scale = zero = math.nan
        if 0 < scale < math.inf and math.isfinite(zero):
            return (Packing(integers=True, scale=scale, zero=zero),)
    raise ValueError(
        f"{VARIABLE} is {text!r}; accepted are float32, exact, float16, int16, int16:SCALE and "
        "int16:SCALE:ZERO, with a finite scale above 0"
    )


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
