"""Decode the bytes of a FITS file to the pixels of an image."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.backends import kernels
from space2vec.errors import ReadError
from space2vec.registry import FAULTS

__all__ = ["EMPTY_UNIT", "LARGEST_CUTOUT", "Image", "decode", "decode_named", "decode_tiles"]

#: The most bytes to which a cutout may unpack.
LARGEST_CUTOUT = 16 << 20

_CARDS = ("SIMPLE  =                    T", "BITPIX  = 8", "NAXIS   = 0", "EXTEND  = T", "END")
#: A first unit without pixels, which FITS requires before an extension.
EMPTY_UNIT = "".join(card.ljust(80) for card in _CARDS).ljust(2880).encode()


class Image(NamedTuple):
    """An image of a FITS file.

    Attributes
    ----------
    pixels : ndarray of float32 (height, width)
        BSCALE and BZERO are applied; BLANK is NaN.
    reference : tuple of float
        Row and column of the reference pixel, CRPIX2 and CRPIX1, from 1; NaN if the header has none.
    """

    pixels: NDArray[np.float32]
    reference: tuple[float, float]


def decode(data: bytes, unit: str | None = None) -> Image:
    """Read an image out of a FITS file.

    Parameters
    ----------
    data : bytes
        The file, gzip'd (in one member or several) or plain; it may begin with an extension.
    unit : str, optional
        The EXTNAME of the unit to read, in any case; ``"PRIMARY"`` is the first unit. By default it is the first one
        with a two-dimensional image; axes of one pixel beyond two do not count. An image in tiles is decoded by
        Astropy.

    Raises
    ------
    ReadError
        If the bytes are not FITS, damaged, or without such an image. The message ends with the name of the fault and
        the byte at which it was noticed, in the gzip stream or in the unpacked FITS file.
    BackendError
        If this installation lacks the compiled extension.
    """
    found = _decode(data, unit or "")
    if isinstance(found, str):
        raise ReadError(found)
    return found


def decode_named(data: bytes, names: Iterable[str]) -> NDArray[np.float32] | None:
    """Read the image (height, width) of the first unit that has one of some EXTNAMEs; ``None`` if there is none.

    It raises as :func:`decode` does.
    """
    return next((found[0] for name in names if not isinstance(found := _decode(data, name), str)), None)


def _decode(data: bytes, unit: str) -> Image | str:
    """Return the image, or the message of the error if the file has no such image."""
    pixels, first, second = kernels.require_extension("reading FITS").fits_image(data, unit)
    if pixels is not None:
        return Image(pixels, (first, second))
    if first == "compressed_image":
        try:
            return _decode_with_astropy(_gunzip(data)[second:])
        except Exception as error:  # Astropy raises errors of many kinds on damaged files.
            raise ReadError(f"{FAULTS['damaged_fits']}: {error} (damaged_fits, byte {second})") from None
    message = f"{FAULTS[first]} ({first}, byte {second})"
    if first == "no_image":
        return message
    raise ReadError(message)


def decode_tiles(unit: bytes) -> NDArray[np.float32]:
    """Decode an image (height, width) that is compressed in tiles, by Astropy, as :func:`decode` returns it.

    `unit` is the extension with the image, from its header on. A damaged unit raises an error of any type.
    """
    return _decode_with_astropy(unit)[0]


def _decode_with_astropy(unit: bytes) -> Image:
    from astropy.io import fits

    with fits.open(io.BytesIO(EMPTY_UNIT + unit), memmap=False) as units:
        # Astropy removes the cards of the scaling from the header when it reads the pixels.
        header = units[1].header.copy()
        with np.errstate(over="ignore", invalid="ignore"):
            image = np.array(units[1].data, dtype=np.float32)
    blank = header.get("BLANK")
    if header["BITPIX"] > 0 and isinstance(blank, int):
        # Astropy does not blank the pixels of unsigned integers, nor those whose BLANK is 0.
        with fits.open(io.BytesIO(EMPTY_UNIT + unit), memmap=False, do_not_scale_image_data=True) as units:
            image[units[1].data == blank] = np.nan
    shape = list(image.shape)
    for size in image.shape:
        if len(shape) > 2 and size == 1:
            shape.remove(1)
    reference = (_as_float(header.get("CRPIX2")), _as_float(header.get("CRPIX1")))
    return Image(np.ascontiguousarray(image.reshape(shape)), reference)


def _as_float(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else np.nan


def _gunzip(data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    with gzip.open(io.BytesIO(data)) as file:
        return file.read(LARGEST_CUTOUT + 1)
