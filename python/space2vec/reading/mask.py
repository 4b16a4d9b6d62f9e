"""Masks beside the planes of a FITS file: which pixels are to be left out."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from space2vec.errors import ReadError
from space2vec.reading.fits import EMPTY_UNIT, decode_named

__all__ = ["MASK", "left_out", "read_mask"]

#: The EXTNAME of the unit.
MASK = "MASK"
#: The bits of a mask whose header names them (MP_CR = 3, as LSST writes) that spoil a pixel; others tell of detections.
_SPOILING = ("BAD", "CR", "NO_DATA", "SAT", "UNMASKEDNAN")


def read_mask(data: bytes) -> NDArray[np.bool_] | None:
    """Return which pixels (height, width) the unit MASK of a file leaves out, ``None`` if it has no such unit.

    The file is unpacked; it may begin with an extension. A damaged unit raises a ReadError.
    """
    try:
        if decode_named(data, [MASK]) is None:
            return None
    except ReadError as error:
        if b"EXTNAME = 'MASK" in data:
            raise ReadError(f"the unit MASK cannot be read ({error})") from None
        return None  # damage behind the planes does not cost them
    from astropy.io import fits

    try:
        with fits.open(io.BytesIO(EMPTY_UNIT + data if data.startswith(b"XTENSION") else data)) as units:
            return np.squeeze(left_out(units[MASK].data, units[MASK].header))
    except Exception as error:  # Astropy raises errors of many kinds on damaged files.
        raise ReadError(f"the unit MASK cannot be read ({error})") from None


def left_out(mask: Any, header: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Return which pixels a mask leaves out: all that are not 0, or spoilt ones if its header names their bits."""
    values = np.asarray(mask)
    bits = {name: int(header[f"MP_{name}"]) for name in _SPOILING if f"MP_{name}" in header}
    if bits and values.dtype.kind in "iu":
        return np.asarray((values & sum(1 << bit for bit in bits.values())) != 0)
    return np.asarray(values != 0)
