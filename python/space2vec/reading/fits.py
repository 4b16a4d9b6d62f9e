"""A cutout's bytes to pixels."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from space2vec import backend
from space2vec.errors import ReadError
from space2vec.registry import FAULTS

__all__ = ["LIMIT", "decode"]

#: No cutout unpacks to more bytes than this.
LIMIT = 16 << 20


def decode(data: bytes, unit: str | None = None) -> tuple[NDArray[np.float32], tuple[float, float]]:
    """Read an image out of a FITS file.

    Parameters
    ----------
    data : bytes
        The file, gzip'd or plain.
    unit : str, optional
        The EXTNAME of the unit to read, in any case; ``"PRIMARY"`` is the first unit. By default it is the first one
        with a two-dimensional image.

    Returns
    -------
    pixels : ndarray of float32, (height, width)
        BSCALE and BZERO are applied; BLANK is NaN.
    reference : tuple of float
        Row and column of the reference pixel, CRPIX2 and CRPIX1, from 1; NaN where the header has none.

    Raises
    ------
    ReadError
        If the bytes are not FITS, damaged, or without such an image; the message ends with the fault's name and where
        it was noticed, in the gzip stream or in the FITS file that came out of it.
    BackendError
        If this installation has no compiled extension.
    """
    pixels, first, second = backend.compiled("reading FITS").fits_image(data, unit or "")
    if pixels is None:
        raise ReadError(f"{FAULTS[first]} ({first}, byte {second})")
    return cast("tuple[NDArray[np.float32], Any]", (pixels, (first, second)))
