"""How pixels of the host come over the link to a device: as they are, or in 16 bits, which are widened there."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from space2vec.backends import kernels

__all__ = ["UNPACKED", "VARIABLE", "Packing", "packings"]

#: The variable of the environment that says how pixels come over the link, and its values that leave them as they are.
VARIABLE, UNPACKED = "SPACE2VEC_DEVICE_PIXELS", ("", "float32")


@dataclass(frozen=True, slots=True)
class Packing:
    """Pixels in 16 bits.

    Attributes
    ----------
    integers : bool
        Whether a pixel is ``zero + scale * integer``; otherwise it is half precision.
    scale, zero : float
        Of the integers.
    exact : bool
        Whether only pixels are packed that all come back bit for bit.
    """

    integers: bool
    scale: float = 1.0
    zero: float = 0.0
    exact: bool = False

    def pack(self, pixels: NDArray[np.float32], packed: NDArray[np.uint16]) -> bool:
        """Pack pixels (n,) into an array (n,); return False where they are not packed, since some would change."""
        same = kernels.compiled("packing pixels for a device").pack_pixels(
            pixels, packed, self.integers, self.scale, self.zero, self.exact, 0
        )
        return same or not self.exact


#: Whole numbers from -32766 to 32767, then all that half precision can hold.
_EXACT = (Packing(integers=True, exact=True), Packing(integers=False, exact=True))


def packings() -> tuple[Packing, ...]:
    """Return in which ways pixels of the host are packed for the link, as ``SPACE2VEC_DEVICE_PIXELS`` says.

    ``float32``, what holds without it, is none. ``exact`` packs batches whose pixels all come back bit for bit, and no
    others. ``float16`` keeps 11 bits of each pixel, up to 65504; ``int16``, ``int16:SCALE`` and ``int16:SCALE:ZERO``
    round pixels to integers times a scale (1) plus a zero (0), within -32766 and 32767. These two change bits.

    Returns
    -------
    tuple of Packing
        In the order in which they are tried.

    Raises
    ------
    ValueError
        If the variable says something else.
    """
    text = os.environ.get(VARIABLE, "")
    if text in UNPACKED:
        return ()
    if text == "exact":
        return _EXACT
    if text == "float16":
        return (Packing(integers=False),)
    found = re.fullmatch(r"int16(?::([^:]+))?(?::([^:]+))?", text)
    if found is not None:
        try:
            scale, zero = (float(np.float32(given)) for given in (found[1] or "1", found[2] or "0"))
        except ValueError:
            scale = zero = math.nan
        if 0 < scale < math.inf and math.isfinite(zero):
            return (Packing(integers=True, scale=scale, zero=zero),)
    raise ValueError(
        f"{VARIABLE} is {text!r}; accepted are float32, exact, float16, int16, int16:SCALE and "
        "int16:SCALE:ZERO, with a finite scale above 0"
    )
