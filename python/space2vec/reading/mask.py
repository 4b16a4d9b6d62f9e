"""The unit MASK of a FITS file, which marks pixels of the planes to exclude."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.errors import ReadError
from space2vec.reading.fits import EMPTY_UNIT, decode_named

if TYPE_CHECKING:
    from space2vec.data.types import Cell

__all__ = ["MASK", "excluded_pixels", "read_mask"]

#: The EXTNAME of the unit.
MASK = "MASK"
#: The bits that exclude a pixel, if the header names the bits (MP_CR = 3, as LSST does); the others mark detections.
_BAD_BITS = ("BAD", "CR", "NO_DATA", "SAT", "UNMASKEDNAN")


def read_mask(data: bytes) -> NDArray[np.bool_] | None:
    """Return the excluded pixels (height, width) by the unit MASK of a FITS file, ``None`` if there is no such unit.

    `data` is the unpacked file, which may begin with an extension. A damaged unit raises a ReadError.
    """
    try:
        if decode_named(data, [MASK]) is None:
            return None
    except ReadError as error:
        if b"EXTNAME = 'MASK" in data:
            raise ReadError(f"the unit MASK cannot be read ({error})") from None
        return None  # damage after the planes does not make them unreadable
    from astropy.io import fits

    try:
        with fits.open(io.BytesIO(EMPTY_UNIT + data if data.startswith(b"XTENSION") else data)) as units:
            return np.squeeze(excluded_pixels(units[MASK].data, units[MASK].header))
    except Exception as error:  # Astropy raises errors of many kinds on damaged files.
        raise ReadError(f"the unit MASK cannot be read ({error})") from None


def excluded_pixels(mask: ArrayLike, header: Mapping[str, Cell]) -> NDArray[np.bool_]:
    """Return the pixels that a mask excludes: all that are not 0, or, if the header names the bits, the bad ones."""
    values = np.asarray(mask)
    bits = {name: int(header[f"MP_{name}"]) for name in _BAD_BITS if f"MP_{name}" in header}
    if bits and values.dtype.kind in "iu":
        return np.asarray((values & sum(1 << bit for bit in bits.values())) != 0)
    return np.asarray(values != 0)
