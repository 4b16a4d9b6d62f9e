"""An image of any kind, from an array to an Exposure of Rubin's stack, as a frame."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from space2vec.data.frame import Frame
from space2vec.errors import ReadError

if TYPE_CHECKING:
    from space2vec.data.types import Cell, LibraryArray, Untyped

__all__ = ["as_frame"]

#: The planes of Rubin's masks that make a pixel bad, and the one that marks saturated pixels.
_BAD_PLANES = ("BAD", "CR", "NO_DATA", "UNMASKEDNAN")
_SATURATED = "SAT"


class _FrameParts(TypedDict, total=False):
    """The mask and variance of an image, as arguments of :class:`Frame`."""

    mask: NDArray[np.generic]
    bad_bits: int
    saturated_bits: int
    variance: NDArray[np.generic]


def as_frame(image: LibraryArray, name: str = "image") -> Frame:
    """Return an image of any kind as a :class:`Frame`; see :func:`space2vec.from_images`.

    Raises
    ------
    TypeError
        If it is not an image.
    ReadError
        If its file cannot be read.
    """
    if isinstance(image, Frame):
        return image
    if isinstance(image, (str, os.PathLike)):
        return _read_file(os.fspath(image), name)
    if hasattr(image, "getImage") and hasattr(image, "getMask"):
        return _frame_of_exposure(image)
    if isinstance(image, (list, tuple)) and any(hasattr(unit, "header") for unit in image):
        return _frame_of_units(image, name)
    if hasattr(image, "data") and (hasattr(image, "uncertainty") or hasattr(image, "wcs")):
        return _frame_of_nddata(image)
    if hasattr(image, "data") and hasattr(image, "header"):
        return _frame_of_units([image], name)
    array = np.asanyarray(image)
    if array.dtype.kind in "OSU":
        kind = type(image).__name__
        raise TypeError(f"{name} is {kind}; accepted are arrays, FITS files, Astropy's and Rubin's images")
    return Frame(array)


def _read_file(path: str, name: str) -> Frame:
    from astropy.io import fits

    try:
        with fits.open(path, memmap=False) as units:
            return _frame_of_units(units, name)
    except ReadError:
        raise
    except Exception as error:  # Astropy raises errors of many kinds on damaged files.
        raise ReadError(f"{path} cannot be read as an image ({error})") from None


def _frame_of_units(units: Untyped, name: str) -> Frame:
    """Return the first image among the units of a FITS file, with its units MASK and VARIANCE."""
    from astropy.wcs import WCS

    images = [unit for unit in units if isinstance(unit.data, np.ndarray) and unit.data.dtype.names is None]
    images = [unit for unit in images if unit.data.ndim >= 2]
    beside = {unit.name.upper(): unit for unit in images if unit.name.upper() in ("MASK", "VARIANCE")}
    image = next((unit for unit in images if unit.name.upper() not in beside), None)
    if image is None:
        raise ReadError(f"{name}: the FITS file has no image of two axes")
    pixels = _plane(image.data)
    keys: _FrameParts = {}
    if "MASK" in beside and np.shape(_plane(beside["MASK"].data)) == pixels.shape:
        keys = _mask_bits(_plane(beside["MASK"].data), beside["MASK"].header)
    if "VARIANCE" in beside and np.shape(_plane(beside["VARIANCE"].data)) == pixels.shape:
        keys["variance"] = _plane(beside["VARIANCE"].data)
    wcs = WCS(image.header, naxis=2) if "CTYPE1" in image.header else None
    return Frame(pixels, wcs=wcs, **keys)


def _mask_bits(mask: NDArray[np.generic], header: Mapping[str, Cell]) -> _FrameParts:
    """Return a mask with its bad and saturated bits by its header (MP_SAT = 1); if it names none, all but 0 is bad."""
    planes = {name: 1 << int(header[f"MP_{name}"]) for name in (*_BAD_PLANES, _SATURATED) if f"MP_{name}" in header}
    if not planes or mask.dtype.kind not in "iu":
        return {"mask": mask != 0}
    saturated = planes.pop(_SATURATED, 0)
    return {"mask": mask, "bad_bits": sum(planes.values()), "saturated_bits": saturated}


def _plane(data: Untyped) -> NDArray[np.generic]:
    """Return the image of a unit without further axes of one pixel."""
    array = np.asarray(data)
    while array.ndim > 2 and 1 in array.shape[:-2]:
        array = array.squeeze(array.shape.index(1))
    return array


def _frame_of_nddata(image: Untyped) -> Frame:
    """Return the frame of an NDData, CCDData or Cutout2D."""
    mask = getattr(image, "mask", None)
    keys: _FrameParts = {} if mask is None else {"mask": np.broadcast_to(np.asarray(mask) != 0, np.shape(image.data))}
    uncertainty = getattr(image, "uncertainty", None)
    kind = getattr(uncertainty, "uncertainty_type", "")
    if uncertainty is not None and uncertainty.array is not None and kind in ("std", "var", "ivar"):
        values = np.asarray(uncertainty.array, dtype=np.float64)
        with np.errstate(divide="ignore"):
            keys["variance"] = {"std": lambda: values**2, "var": lambda: values, "ivar": lambda: 1.0 / values}[kind]()
    return Frame(np.asarray(image.data), wcs=getattr(image, "wcs", None), **keys)


def _frame_of_exposure(exposure: Untyped) -> Frame:
    """Return the frame of an Exposure or MaskedImage of Rubin's stack, or of an object with its methods."""
    keys: _FrameParts = {}
    mask = exposure.getMask()
    if mask is not None:
        numbers = mask.getMaskPlaneDict()
        planes = {name: 1 << int(numbers[name]) for name in (*_BAD_PLANES, _SATURATED) if name in numbers}
        keys["saturated_bits"] = planes.pop(_SATURATED, 0)
        keys |= {"mask": _array_of(mask), "bad_bits": sum(planes.values())}
    if hasattr(exposure, "getVariance") and exposure.getVariance() is not None:
        keys["variance"] = _array_of(exposure.getVariance())
    wcs = exposure.getWcs() if hasattr(exposure, "getWcs") else None
    origin = (exposure.getX0(), exposure.getY0()) if hasattr(exposure, "getX0") else (0.0, 0.0)
    return Frame(_array_of(exposure.getImage()), origin=origin, wcs=wcs, **keys)


def _array_of(image: Untyped) -> NDArray[np.generic]:
    array = getattr(image, "array", None)
    return np.asarray(image.getArray() if array is None else array)
