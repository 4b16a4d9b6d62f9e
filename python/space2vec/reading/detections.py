"""Locate detections in whole images, and cut stamps around them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.backends import kernels
from space2vec.data.channels import CHANNELS
from space2vec.data.detections import Detections, Positions, nearest_pixels
from space2vec.data.flags import bits
from space2vec.data.frame import Frame
from space2vec.data.stamps import Stamps
from space2vec.reading.frames import as_frame

if TYPE_CHECKING:
    from space2vec.data.types import LibraryArray, Untyped

__all__ = ["cut", "from_images", "locate"]

#: By how many pixels the offset between two frames may vary over a field.
_SAME_GRID = 1.0
#: Squares that are cut together, so that they are copied to their place out of the cache.
_TOGETHER = 64


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
    _check_side(side)
    located = locate(
        science,
        template,
        difference,
        x=x,
        y=y,
        sky=sky,
        wcs=wcs,
        saturation=saturation,
        object_id=object_id,
        candidate_id=candidate_id,
        catalogue=catalogue,
        columns=columns,
    )
    return cut(located, side=side)


def cut(detections: Detections, *, side: int = 63) -> Stamps:
    """Cut the stamps of detections.

    Parameters
    ----------
    detections : Detections
        What :func:`locate` returned, or some rows of it.
    side : int, optional
        Pixels a side of the stamps, 1 to 4096. 63 is enough for all recipes and features.

    Returns
    -------
    Stamps
        As :func:`from_images` returns them.

    Raises
    ------
    TypeError
        If they are not Detections.
    ValueError
        If the side is out of range.
    BackendError
        If this installation has no compiled extension.
    """
    if not isinstance(detections, Detections):
        raise TypeError(f"cut takes the detections that locate returns; given {type(detections).__name__}")
    _check_side(side)
    squares = _cut_squares(detections, int(side))
    stamps = Stamps.of_buffer(
        squares.pixels,
        squares.offset,
        squares.shape,
        squares.centre,
        object_id=detections.object_id,
        candidate_id=detections.candidate_id,
        catalogue=detections.catalogue,
        flags=squares.raised,
        columns=detections.columns,
    )
    stamps.saturation = detections.frames["science"].saturation if "science" in detections.frames else None
    return stamps


def _check_side(side: int) -> None:
    if isinstance(side, bool) or not isinstance(side, (int, np.integer)) or not 1 <= side <= 4096:
        raise ValueError(f"side must be a whole number from 1 to 4096; given {side!r}")


def locate(
    science: LibraryArray = None,
    template: LibraryArray = None,
    difference: LibraryArray = None,
    *,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    sky: Untyped = None,
    wcs: Untyped = None,
    saturation: float | None = None,
    object_id: Sequence[str] | NDArray[np.generic] | None = None,
    candidate_id: Sequence[int] | Sequence[str] | NDArray[np.generic] | None = None,
    catalogue: Mapping[str, ArrayLike] | None = None,
    columns: Mapping[str, ArrayLike] | None = None,
) -> Detections:
    """Locate detections in whole images, for models and features that take their pixels there; no stamp is cut.

    The parameters are those of :func:`from_images`, which cuts stamps, and so are the errors.

    Returns
    -------
    Detections
        A row for each position, in their order. ``model.score`` and ``space2vec.features`` take them on the host. Their
        scores and features are those of the stamps that :func:`cut` gives, to the bit; the flag ``masked_pixels`` is
        raised by a bad pixel that the model or the features look at, not by any in the stamp.

    Examples
    --------
    >>> field = [np.random.default_rng(k).normal(100.0, 5.0, (400, 500)) for k in range(3)]
    >>> detections = s2v.locate(*field, x=[120.3, 250.0], y=[80.9, 399.0])
    >>> s2v.features(detections, set="stamp").values.shape
    (2, 67)
    """
    given = {"science": science, "template": template, "difference": difference}
    frames = {name: as_frame(image, name) for name, image in given.items() if image is not None}
    if not frames:
        raise ValueError("at least one image is needed: science, template or difference")
    if (sky is None) == (x is None and y is None) or (x is None) != (y is None):
        raise ValueError("positions are x and y, in pixels, or sky, with a WCS: one of these is needed")
    if saturation is not None and "science" in frames and frames["science"].saturation is None:
        frames["science"] = copy.copy(frames["science"])
        frames["science"].saturation = float(saturation)
    if sky is None:
        positions = dict.fromkeys(frames, Positions(_positions(x, "x"), _positions(y, "y")))
    else:
        positions = _from_sky(frames, sky, wcs)
    lengths = {len(axis) for at in positions.values() for axis in (at.x, at.y)}
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
    return Detections(frames, positions, known.object_id, known.candidate_id, dict(known.catalogue), known.columns)


def _positions(values: ArrayLike | None, what: str) -> NDArray[np.float64]:
    array = np.ma.filled(np.ma.asanyarray(values, dtype=np.float64), np.nan)
    if array.ndim != 1:
        raise ValueError(f"{what} must have shape (n,); given {array.shape}")
    return np.ascontiguousarray(array)


def _from_sky(frames: Mapping[str, Frame], sky: Untyped, wcs: Untyped) -> dict[str, Positions]:
    """Return the pixel positions of sky positions in each frame, by its own WCS or that of another frame."""
    from astropy.coordinates import SkyCoord

    if not isinstance(sky, SkyCoord):
        lon, lat = sky
        sky = SkyCoord(_positions(lon, "right ascension"), _positions(lat, "declination"), unit="deg")
    sky = sky.reshape(-1) if sky.isscalar else sky
    own: dict[str, Positions] = {}
    for name, frame in frames.items():
        if (by := frame.wcs if frame.wcs is not None else wcs) is not None:
            own[name] = _to_pixels(by, sky, frame)
    if not own:
        raise ValueError("positions in the sky need a WCS: none of the images has one, and wcs is not given")
    first = next(iter(own.values()))
    for name, at in own.items():
        for mine, its in ((at.x, first.x), (at.y, first.y)):
            apart = (mine - its)[np.isfinite(mine - its)]
            if len(apart) and np.ptp(apart) > _SAME_GRID:
                raise ValueError(
                    f"the {name} image is not on the pixel grid of the {next(iter(own))} image: their WCS differ by "
                    "more than an offset; resample one of them"
                )
    return {name: own.get(name, first) for name in frames}


def _to_pixels(wcs: Untyped, sky: Untyped, frame: Frame) -> Positions:
    if hasattr(wcs, "skyToPixelArray"):  # Rubin's SkyWcs, which counts as the frame's origin does
        x, y = wcs.skyToPixelArray(sky.icrs.ra.deg, sky.icrs.dec.deg, degrees=True)
    elif hasattr(wcs, "all_world2pix"):
        from astropy.wcs.utils import wcs_to_celestial_frame

        where = sky.transform_to(wcs_to_celestial_frame(wcs)).spherical
        x, y = wcs.celestial.all_world2pix(where.lon.deg, where.lat.deg, 0, quiet=True)
        x, y = np.asarray(x) + frame.x0, np.asarray(y) + frame.y0
    else:  # any other that Astropy's shared interface describes
        x, y = wcs.world_to_pixel(sky)
        x, y = np.asarray(x) + frame.x0, np.asarray(y) + frame.y0
    return Positions(_positions(x, "x"), _positions(y, "y"))


class _Squares(NamedTuple):
    """Squares around n candidates, trimmed to what the images have; the arrays are those of Stamps.of_buffer."""

    pixels: NDArray[np.float32]
    offset: NDArray[np.int64]
    shape: NDArray[np.int32]
    centre: NDArray[np.int32]
    raised: NDArray[np.uint32]


def _cut_squares(detections: Detections, side: int) -> _Squares:
    """Cut squares of a side around the candidates."""
    compiled = kernels.require_extension("cutting stamps")
    frames, n = detections.frames, len(detections)
    pixels = np.empty((n, len(frames), side, side), dtype=np.float32)
    offset = np.full((n, 3), -1, dtype=np.int64)
    shape = np.zeros((n, 3, 2), dtype=np.int32)
    reach = np.zeros((n, len(frames), 4), dtype=np.int64)
    raised = np.zeros(n, dtype=np.uint32)
    of_science = np.uint32(bits("masked_pixels") | bits("saturated"))
    for k, (name, frame) in enumerate(frames.items()):
        at = detections.positions[name]
        for begin in range(0, n, _TOGETHER):
            rows = slice(begin, begin + _TOGETHER)
            out = np.empty((len(raised[rows]), side, side), dtype=np.float32)
            flags = np.empty(len(out), dtype=np.uint32)
            compiled.cut(frame, at.x[rows], at.y[rows], side, out, flags)
            pixels[rows, k] = out
            raised[rows] |= flags & (of_science if name == "science" else np.uint32(bits("masked_pixels")))
        reach[:, k] = _reach(frame, at, side)
    channels = [CHANNELS.index(name) for name in frames]
    inside = (reach[:, :, 1] > reach[:, :, 0]) & (reach[:, :, 3] > reach[:, :, 2])
    starts = np.arange(n * len(frames), dtype=np.int64).reshape(n, len(frames)) * (side * side)
    offset[:, channels] = np.where(inside, starts, -1)
    whole = np.array([0, side, 0, side])
    shape[:, channels] = side
    centre = np.full((n, 2), side // 2, dtype=np.int32)
    for row in np.flatnonzero((reach != whole).any(axis=(1, 2))):  # few: those at the edges
        _trim(pixels[row], reach[row], inside[row], shape[row], centre[row], channels)
        if (reach[row][inside[row]] != reach[row][inside[row]][:1]).any():
            raised[row] |= np.uint32(bits("padded"))
    return _Squares(pixels.reshape(-1), offset, shape, centre, raised)


def _reach(frame: Frame, at: Positions, side: int) -> NDArray[np.int64]:
    """Return the part of each square (n, 4) that is inside a frame: top, bottom, left, right."""
    out = []
    for nearest, length in zip(nearest_pixels(frame, at).T, frame.shape, strict=True):
        start = nearest - side // 2
        out += [np.clip(-start, 0, side), np.clip(length - start, 0, side)]
    return np.stack(out, axis=1)


def _trim(
    planes: NDArray[np.float32],
    reach: NDArray[np.int64],
    inside: NDArray[np.bool_],
    shape: NDArray[np.int32],
    centre: NDArray[np.int32],
    channels: Sequence[int],
) -> None:
    """Crop the squares of one candidate, in place, to the part that is inside at least one of its frames."""
    if not inside.any():
        shape[:], centre[:] = 0, 0
        return
    top, left = reach[inside][:, (0, 2)].min(axis=0)
    bottom, right = reach[inside][:, (1, 3)].max(axis=0)
    size = (bottom - top) * (right - left)
    for plane in planes:
        plane.reshape(-1)[:size] = plane[top:bottom, left:right].ravel()
    for k, channel in enumerate(channels):
        shape[channel] = (bottom - top, right - left) if inside[k] else 0
    centre -= (top, left)
