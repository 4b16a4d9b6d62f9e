"""A cutout's bytes to pixels, with Astropy."""

from __future__ import annotations

import io
import warnings
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from space2vec.errors import ReadError
from space2vec.stamps import LARGEST_SIDE

if TYPE_CHECKING:
    from astropy.io.fits import Header

__all__ = ["LIMIT", "decode", "inflate"]

#: No cutout unpacks to more bytes than this: 1024 x 1024 pixels of float32.
LIMIT = 4 << 20


def inflate(data: bytes, limit: int = LIMIT) -> bytes:
    """Return the bytes unpacked if they are gzip'd, else as they are; never more than `limit`.

    Raises
    ------
    ReadError
        If the stream is damaged, ends early, or unpacks to more than `limit` bytes.
    """
    if data[:2] != b"\x1f\x8b":
        return data
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        plain = stream.decompress(data, limit + 1)
    except zlib.error as error:
        raise ReadError(f"damaged gzip stream ({error})") from None
    if len(plain) > limit:
        raise ReadError(f"gzip stream unpacks to more than {limit} bytes")
    if not stream.eof:
        raise ReadError("gzip stream ends early")
    return plain


def decode(data: bytes) -> tuple[NDArray[np.float32], Header]:
    """Return the pixels (height, width) and the header of the first 2-D image of a FITS file, gzip'd or plain.

    BSCALE, BZERO and BLANK are applied.

    Raises
    ------
    ReadError
        If the bytes are not FITS, are cut short, or hold no 2-D image.
    """
    from astropy.io import fits

    plain = inflate(data)
    if plain[:6] != b"SIMPLE":
        raise ReadError("not a FITS file")
    with warnings.catch_warnings():
        # ZTF writes its SIMPLE card in free format, which Astropy reports for each cutout.
        warnings.simplefilter("ignore")
        try:
            # Only where the first unit is no image is the whole list opened: that takes half as long again.
            first = fits.PrimaryHDU.fromstring(plain)
            if first.header.get("NAXIS") == 2:
                if not first.header["NAXIS1"] * first.header["NAXIS2"]:
                    raise ReadError("the FITS image has no pixels")
                return _pixels(first.data), first.header
            with fits.open(io.BytesIO(plain), memmap=False) as units:
                for unit in units:
                    if unit.is_image and unit.data is not None and unit.data.ndim == 2 and unit.data.size:
                        return _pixels(unit.data), unit.header
        except ReadError:
            raise
        except Exception as error:  # Astropy raises errors of many kinds on damaged files.
            raise ReadError(f"damaged FITS file ({error})") from None
    raise ReadError("the FITS file holds no 2-D image")


def _pixels(data: Any) -> NDArray[np.float32]:
    if max(data.shape) > LARGEST_SIDE:
        raise ReadError(f"the FITS image has a side of more than {LARGEST_SIDE} pixels: {data.shape}")
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(data, dtype=np.float32)
