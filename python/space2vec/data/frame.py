"""A whole image of a field with its mask, variance and position in the sky."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from space2vec.data.types import AnyArray, Untyped

__all__ = ["Frame"]

_EVERY_BIT = (1 << 32) - 1
#: The dtypes of pixels and of masks that the library reads without a conversion.
_PIXELS = ("f4", "f8", "i2", "u2")
_MASKS = ("b1", "u1", "i1", "i2", "u2", "i4", "u4")


class Frame:
    """A whole image of a field, such as a science exposure, with its mask and its position in the sky.

    Parameters
    ----------
    pixels : array_like (height, width)
        The image. An image of float32, float64, int16 or uint16, in either byte order, is not copied if the pixels of a
        row are contiguous; other real dtypes become float64. Masked pixels of a masked array are bad.
    mask : array_like (height, width), optional
        Booleans, ``True`` where a pixel is bad, or bits in whole numbers of up to 32 bits.
    bad_bits : int, optional
        The bits of the mask that make a pixel bad; by default all except `saturated_bits`. A bad pixel counts as NaN.
    saturated_bits : int, optional
        The bits of the science frame's mask that mark a saturated pixel; none by default. Such a pixel is not bad
        unless ``bad_bits`` has its bit too.
    variance : array_like (height, width), optional
        The variance of each pixel. A pixel is bad if its variance is not positive and finite.
    saturation : float, optional
        The smallest value of a saturated pixel in the science frame. Pixels that the mask marks as saturated are raised
        to this value.
    origin : tuple of float, optional
        Column and row of the first pixel in the coordinates in which positions are given; (0, 0) by default. (XY0 of
        Rubin's images.)
    wcs : object, optional
        Converts sky positions to pixels: an Astropy WCS, which counts from the first pixel of this image, or Rubin's
        SkyWcs, which counts as ``origin`` does.

    Raises
    ------
    TypeError
        If the pixels or the variance are not real numbers, or the mask has neither booleans nor whole numbers.
    ValueError
        If shapes differ, or a bit is beyond 32.

    Examples
    --------
    >>> frame = s2v.Frame(np.zeros((200, 300), np.float32), mask=np.zeros((200, 300), bool))
    >>> frame.shape
    (200, 300)
    """

    def __init__(
        self,
        pixels: ArrayLike,
        *,
        mask: ArrayLike | None = None,
        bad_bits: int | None = None,
        saturated_bits: int = 0,
        variance: ArrayLike | None = None,
        saturation: float | None = None,
        origin: tuple[float, float] = (0.0, 0.0),
        wcs: Untyped = None,
    ) -> None:
        image = np.asanyarray(pixels)
        if image.ndim != 2 or not image.size:
            raise ValueError(f"a frame must have shape (height, width); given {image.shape}")
        masked = np.ma.getmaskarray(image) if np.ma.is_masked(image) else None
        self.pixels: AnyArray = _as_numbers(np.asarray(np.ma.getdata(image)), "pixels")
        for name, bits in (("bad_bits", bad_bits), ("saturated_bits", saturated_bits)):
            if bits is not None and not 0 <= bits <= _EVERY_BIT:
                raise ValueError(f"{name} must be a number of 32 bits; given {bits}")
        self.bad_bits, self.saturated_bits = (
            _EVERY_BIT & ~saturated_bits if bad_bits is None else bad_bits,
            saturated_bits,
        )
        self.mask: AnyArray | None = None if mask is None else self._check_shape(_as_bits(np.asarray(mask)), "mask")
        if masked is not None:
            self._add_to_mask(masked)
        if self.mask is None:
            self.bad_bits = self.saturated_bits = 0
        self.variance: AnyArray | None = None
        if variance is not None:
            array = _as_numbers(np.asarray(variance), "variance", _PIXELS[:2])
            self.variance = self._check_shape(array, "variance")
        self.saturation = None if saturation is None else float(saturation)
        self.x0, self.y0 = (float(coordinate) for coordinate in origin)
        self.wcs = wcs

    def _check_shape(self, array: NDArray[np.generic], what: str) -> AnyArray:
        """Return an array that has the shape of the pixels; ValueError for any other."""
        if array.shape != self.pixels.shape:
            raise ValueError(f"{what} must have the shape of the pixels, {self.pixels.shape}; given {array.shape}")
        return array

    def _add_to_mask(self, masked: NDArray[np.bool_]) -> None:
        """Make the masked pixels of a masked array bad, in addition to those of the mask."""
        if self.mask is None:
            self.mask, self.bad_bits, self.saturated_bits = masked, 1, 0
            return
        wide = self.mask.astype(np.uint32)
        bad, saturated = (wide & np.uint32(self.bad_bits)) != 0, (wide & np.uint32(self.saturated_bits)) != 0
        self.mask = (bad | masked).astype(np.uint8) | (saturated.astype(np.uint8) << 1)
        self.bad_bits, self.saturated_bits = 1, 2

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.pixels.shape
        return height, width

    def __repr__(self) -> str:
        height, width = self.shape
        return f"Frame({height}x{width} {self.pixels.dtype}, origin=({self.x0:g}, {self.y0:g}))"


def _with_contiguous_rows(array: NDArray[np.generic]) -> AnyArray:
    """Return an array whose rows are contiguous: this one, or a copy."""
    size = array.itemsize
    fits = array.strides[1] == size and array.strides[0] % size == 0 and abs(array.strides[0]) >= size * array.shape[1]
    return array if fits else np.ascontiguousarray(array)


def _as_numbers(array: NDArray[np.generic], what: str, accepted: tuple[str, ...] = _PIXELS) -> AnyArray:
    """Check an image of numbers, and convert it to float64 if its dtype is not accepted."""
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{what} of a frame has dtype {array.dtype}; accepted are real numbers")
    if array.ndim != 2:
        raise ValueError(f"{what} of a frame must have shape (height, width); given {array.shape}")
    if array.dtype.str[1:] not in accepted:
        array = array.astype(np.float64)
    return _with_contiguous_rows(array)


def _as_bits(array: NDArray[np.generic]) -> AnyArray:
    """Check a mask of booleans or of bits, and convert it to uint32 if its dtype is not accepted."""
    if array.dtype.kind not in "biu":
        raise TypeError(f"the mask of a frame has dtype {array.dtype}; accepted are booleans and whole numbers")
    if array.ndim != 2:
        raise ValueError(f"the mask of a frame must have shape (height, width); given {array.shape}")
    if array.dtype.str[1:] not in _MASKS:
        if array.size and (int(array.min()) < 0 or int(array.max()) > _EVERY_BIT):
            raise ValueError("the mask of a frame has bits beyond 32; accepted are those of 32")
        array = array.astype(np.uint32)
    return _with_contiguous_rows(array)
