"""Cut stamps around detections in whole images."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.backends import kernels
from space2vec.data.channels import CHANNELS
from space2vec.data.flags import bits
from space2vec.data.frame import Frame
from space2vec.data.stamps import Stamps
from space2vec.errors import ReadError

if TYPE_CHECKING:
    from space2vec.data.types import Cell, LibraryArray, Untyped

__all__ = ["as_frame", "from_images"]

#: The planes of Rubin's masks that make a pixel bad, and the one that marks saturated pixels.
_BAD_PLANES = ("BAD", "CR", "NO_DATA", "UNMASKEDNAN")
_SATURATED = "SAT"
#: By how many pixels the offset between two frames may vary over a field.
_SAME_GRID = 1.0


class _FrameParts(TypedDict, total=False):
    """The mask and variance of an image, as arguments of :class:`Frame`."""

    mask: NDArray[np.generic]
    bad_bits: int
    saturated_bits: int
    variance: NDArray[np.generic]


PixelPositions = tuple[NDArray[np.float64], NDArray[np.float64]]


def from_images(
    science: LibraryArray = None,
    template: LibraryArray = None,
    difference: LibraryArray = None,
    *,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    sky: Untyped = None,
    wcs: Untyped = None,
    side: int = 63,
    saturation: float | None = None,
    object_id: Sequence[str] | NDArray[np.generic] | None = None,
    candidate_id: Sequence[int] | Sequence[str] | NDArray[np.generic] | None = None,
    catalogue: Mapping[str, ArrayLike] | None = None,
    columns: Mapping[str, ArrayLike] | None = None,
) -> Stamps:
    """Cut the stamps of detections out of whole images.

    Parameters
    ----------
    science, template, difference : Frame, array_like, path, or an image of Astropy's or Rubin's, optional
        The images of a field on one pixel grid; at least one. Each is a :class:`Frame`; an array (height, width) of any
        real dtype; the path of a FITS file, of which the first image is used, compressed in tiles or not, with the
        units MASK and VARIANCE if there are any; an HDU or HDUList; CCDData, NDData or Cutout2D with mask, uncertainty
        and WCS; or Rubin's Exposure or MaskedImage (any object with ``getImage`` and ``getMask``), whose mask planes
        BAD, CR, NO_DATA and UNMASKEDNAN mark bad pixels and SAT saturated ones.
    x, y : array_like of float (n,), optional
        Positions in pixels. Whole numbers are the centres of pixels; the first pixel is at 0, or at the ``origin`` of
        the frames (Rubin's XY0). FITS counts from 1, so subtract 1 from FITS positions.
    sky : SkyCoord, or a pair of array_like of float (n,), optional
        Positions in the sky instead, right ascension and declination in degrees (ICRS). They are converted to pixels by
        the WCS of each image; an image without a WCS is taken to have the pixel grid of one with a WCS.
    wcs : object, optional
        The WCS of images that have none.
    side : int, optional
        Pixels a side of the stamps, 1 to 4096. 63 is enough for all recipes and features.
    saturation : float, optional
        The pixel value from which pixels of the science image are saturated, unless its frame has one.
    object_id, candidate_id, catalogue, columns : optional
        As for :class:`Stamps`; by default the ids are row numbers.

    Returns
    -------
    Stamps
        A row for each position, in their order. A stamp is centred on the pixel nearest to the position. Bad pixels
        are NaN and raise ``masked_pixels``. Stamps end at the edges of the images. If images end in different places,
        pixels outside one of them are NaN in its plane and ``padded`` is raised; a plane without any pixel is missing
        in that row. A position that is not finite has no stamp.

    Raises
    ------
    TypeError
        If an image is of another type, or its pixels are not real numbers.
    ValueError
        If no image is given, both kinds of positions or none are given, their lengths differ, no image has a WCS, or
        the images are not on one pixel grid.
    ReadError
        If a file cannot be read.
    BackendError
        If this installation has no compiled extension.
    """
    given = {"science": science, "template": template, "difference": difference}
    frames = {name: as_frame(image, name) for name, image in given.items() if image is not None}
    if not frames:
        raise ValueError("from_images needs at least one image: science, template or difference")
    if isinstance(side, bool) or not isinstance(side, (int, np.integer)) or not 1 <= side <= 4096:
        raise ValueError(f"side must be a whole number from 1 to 4096; given {side!r}")
    if (sky is None) == (x is None and y is None) or (x is None) != (y is None):
        raise ValueError("positions are x and y, in pixels, or sky, with a WCS: one of these is needed")
    if saturation is not None and "science" in frames and frames["science"].saturation is None:
        frames["science"] = copy.copy(frames["science"])
        frames["science"].saturation = float(saturation)
    if sky is None:
        places = dict.fromkeys(frames, (_positions(x, "x"), _positions(y, "y")))
    else:
        places = _from_sky(frames, sky, wcs)
    lengths = {len(position) for place in places.values() for position in place}
    if len(lengths) != 1:
        raise ValueError(f"x and y must have the same length; given {sorted(lengths)}")
    n = lengths.pop()
    known = Stamps(
        np.zeros((n, 1, 1, 1), dtype=np.float32),
        channels=("difference",),
        object_id=object_id,
        candidate_id=candidate_id,
        catalogue=catalogue,
        columns=columns,
    )
    buffer, offset, shape, centre, raised = _cut_stamps(frames, places, n, int(side))
    stamps = Stamps.of_buffer(
        buffer,
        offset,
        shape,
        centre,
        object_id=known.object_id,
        candidate_id=known.candidate_id,
        catalogue=known.catalogue,
        flags=raised,
        columns=known.columns,
    )
    stamps.saturation = frames["science"].saturation if "science" in frames else None
    return stamps


def as_frame(image: LibraryArray, name: str = "image") -> Frame:
    """Return an image of any kind as a :class:`Frame`; see :func:`from_images`.

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


def _positions(values: ArrayLike | None, what: str) -> NDArray[np.float64]:
    array = np.ma.filled(np.ma.asanyarray(values, dtype=np.float64), np.nan)
    if array.ndim != 1:
        raise ValueError(f"{what} must have shape (n,); given {array.shape}")
    return np.ascontiguousarray(array)


def _from_sky(frames: Mapping[str, Frame], sky: Untyped, wcs: Untyped) -> dict[str, PixelPositions]:
    """Return the pixel positions of sky positions in each frame, by its own WCS or that of another frame."""
    from astropy.coordinates import SkyCoord

    if not isinstance(sky, SkyCoord):
        lon, lat = sky
        sky = SkyCoord(_positions(lon, "right ascension"), _positions(lat, "declination"), unit="deg")
    sky = sky.reshape(-1) if sky.isscalar else sky
    own: dict[str, PixelPositions] = {}
    for name, frame in frames.items():
        if (by := frame.wcs if frame.wcs is not None else wcs) is not None:
            own[name] = _to_pixels(by, sky, frame)
    if not own:
        raise ValueError("positions in the sky need a WCS: none of the images has one, and wcs is not given")
    first = next(iter(own.values()))
    for name, place in own.items():
        for mine, its in zip(place, first, strict=True):
            apart = (mine - its)[np.isfinite(mine - its)]
            if len(apart) and np.ptp(apart) > _SAME_GRID:
                raise ValueError(
                    f"the {name} image is not on the pixel grid of the {next(iter(own))} image: their WCS differ by "
                    "more than an offset; resample one of them"
                )
    return {name: own.get(name, first) for name in frames}


def _to_pixels(wcs: Untyped, sky: Untyped, frame: Frame) -> PixelPositions:
    if hasattr(wcs, "skyToPixelArray"):  # Rubin's SkyWcs, whose pixels include the origin of the frame
        x, y = wcs.skyToPixelArray(sky.icrs.ra.deg, sky.icrs.dec.deg, degrees=True)
    elif hasattr(wcs, "all_world2pix"):
        from astropy.wcs.utils import wcs_to_celestial_frame

        where = sky.transform_to(wcs_to_celestial_frame(wcs)).spherical
        x, y = wcs.celestial.all_world2pix(where.lon.deg, where.lat.deg, 0, quiet=True)
        x, y = np.asarray(x) + frame.x0, np.asarray(y) + frame.y0
    else:  # any other WCS with Astropy's shared interface
        x, y = wcs.world_to_pixel(sky)
        x, y = np.asarray(x) + frame.x0, np.asarray(y) + frame.y0
    return _positions(x, "x"), _positions(y, "y")


def _cut_stamps(
    frames: Mapping[str, Frame], places: Mapping[str, PixelPositions], n: int, side: int
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], NDArray[np.uint32]]:
    """Return a buffer of the stamps, the offset, shape and centre of each plane, and the flags that were raised."""
    compiled = kernels.require_extension("cutting stamps")
    pixels = np.empty((n, len(frames), side, side), dtype=np.float32)
    offset = np.full((n, 3), -1, dtype=np.int64)
    shape = np.zeros((n, 3, 2), dtype=np.int32)
    reach = np.zeros((n, len(frames), 4), dtype=np.int64)
    raised = np.zeros(n, dtype=np.uint32)
    flags, out = np.empty(n, dtype=np.uint32), np.empty((n, side, side), dtype=np.float32)
    told = np.uint32(bits("masked_pixels") | (bits("saturated")))
    for k, (name, frame) in enumerate(frames.items()):
        x, y = places[name]
        compiled.cut(frame, x, y, side, out, flags)
        pixels[:, k] = out
        raised |= flags & (told if name == "science" else np.uint32(bits("masked_pixels")))
        reach[:, k] = _reach(frame, x, y, side)
    channels = [CHANNELS.index(name) for name in frames]
    there = (reach[:, :, 1] > reach[:, :, 0]) & (reach[:, :, 3] > reach[:, :, 2])
    starts = np.arange(n * len(frames), dtype=np.int64).reshape(n, len(frames)) * (side * side)
    offset[:, channels] = np.where(there, starts, -1)
    whole = np.array([0, side, 0, side])
    shape[:, channels] = side
    centre = np.full((n, 2), side // 2, dtype=np.int32)
    for row in np.flatnonzero((reach != whole).any(axis=(1, 2))):  # stamps at the edges, which are few
        _trim(pixels[row], reach[row], there[row], shape[row], centre[row], channels)
        if (reach[row][there[row]] != reach[row][there[row]][:1]).any():
            raised[row] |= np.uint32(bits("padded"))
    return pixels.reshape(-1), offset, shape, centre, raised


def _reach(frame: Frame, x: NDArray[np.float64], y: NDArray[np.float64], side: int) -> NDArray[np.int64]:
    """Return the part of each square (n, 4) that is inside a frame: top, bottom, left, right."""
    height, width = frame.shape
    out = []
    for position, first, length in ((y, frame.y0, height), (x, frame.x0, width)):
        with np.errstate(invalid="ignore"):
            nearest = np.floor(position - first + 0.5)
            start = np.where(np.abs(nearest) < 1 << 40, nearest, 1 << 40).astype(np.int64) - side // 2
        out += [np.clip(-start, 0, side), np.clip(length - start, 0, side)]
    return np.stack(out, axis=1)


def _trim(
    planes: NDArray[np.float32],
    reach: NDArray[np.int64],
    there: NDArray[np.bool_],
    shape: NDArray[np.int32],
    centre: NDArray[np.int32],
    channels: Sequence[int],
) -> None:
    """Crop the squares of one candidate, in place, to the part that is inside at least one of its frames."""
    if not there.any():
        shape[:], centre[:] = 0, 0
        return
    top, left = reach[there][:, (0, 2)].min(axis=0)
    bottom, right = reach[there][:, (1, 3)].max(axis=0)
    size = (bottom - top) * (right - left)
    for plane in planes:
        plane.reshape(-1)[:size] = plane[top:bottom, left:right].ravel()
    for k, channel in enumerate(channels):
        shape[channel] = (bottom - top, right - left) if there[k] else 0
    centre -= (top, left)
