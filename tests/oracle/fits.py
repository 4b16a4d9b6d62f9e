"""FITS images by Astropy: what ``space2vec.reading.fits`` must give, to the bit."""

import gzip
import io
import warnings

import numpy as np
from astropy.io import fits

__all__ = ["decode"]


def decode(data, unit=None):
    """Return the pixels (height, width) as float32 and (CRPIX2, CRPIX1) of the first 2-D image, or of a named unit.

    Astropy raises errors of many kinds on damaged files; so does this, and LookupError where there is no such image.
    """
    plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    first = 0
    if plain.startswith(b"XTENSION"):
        # Astropy wants a primary unit before it.
        plain, first = _EMPTY + plain, 1
    with warnings.catch_warnings():
        # ZTF writes its SIMPLE card in free format, which Astropy reports for each cutout.
        warnings.simplefilter("ignore")
        with fits.open(io.BytesIO(plain), memmap=False) as units:
            index = _find(units) if unit is None else first if unit.upper() == "PRIMARY" else units.index_of(unit)
            chosen = units[index]
            if not _is_image(chosen):
                raise LookupError("no 2-D image")
            # Astropy takes the cards of scaling away once the pixels are read.
            header = chosen.header.copy()
            with np.errstate(over="ignore", invalid="ignore"):
                pixels = np.array(chosen.data, dtype=np.float32)
        _mark_blanks(plain, index, header, pixels)
    keys = ("CRPIX2", "CRPIX1") if _axes(header) == [1, 2] else ("", "")
    return pixels.reshape(_squeezed(pixels.shape)), tuple(_number(header.get(key)) for key in keys)


_EMPTY = fits.PrimaryHDU().header.tostring().encode()


def _squeezed(shape):
    """Return a shape without its first axes of one pixel, as far as two axes remain."""
    shape = list(shape)
    while len(shape) > 2 and 1 in shape:
        shape.remove(1)
    return shape


def _axes(header):
    """Return the numbers of the axes that count."""
    axes = list(range(1, header["NAXIS"] + 1))
    while len(axes) > 2 and any(header[f"NAXIS{axis}"] == 1 for axis in axes):
        axes.remove(max(axis for axis in axes if header[f"NAXIS{axis}"] == 1))
    return axes


def _is_image(unit):
    return (
        isinstance(unit, (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU))
        and not isinstance(unit, fits.GroupsHDU)
        and len(axes := _axes(unit.header)) == 2
        and all(unit.header[f"NAXIS{axis}"] > 0 for axis in axes)
    )


def _find(units):
    for index, unit in enumerate(units):
        if _is_image(unit):
            return index
    raise LookupError("no 2-D image")


def _mark_blanks(plain, index, header, pixels):
    """Make blank pixels NaN where Astropy leaves them: with BLANK = 0, and with unsigned integers."""
    blank = header.get("BLANK")
    if header["BITPIX"] > 0 and isinstance(blank, int) and not isinstance(blank, bool):
        with fits.open(io.BytesIO(plain), memmap=False, do_not_scale_image_data=True) as units:
            pixels[units[index].data == blank] = np.nan


def _number(value):
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else np.nan
