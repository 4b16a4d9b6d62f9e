"""A whole image with what belongs to it: mask, variance, place in the sky."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Frame"]

_EVERY_BIT = (1 << 32) - 1
_PIXELS = ("f4", "f8", "i2", "u2")
_MASKS = ("b1", "u1", "i1", "i2", "u2", "i4", "u4")


class Frame:
    """A whole image of a field, such as a science exposure, with its mask and its place in the sky.

    Parameters
    ----------
    pixels : array_like (height, width)
        The image. float32, float64, int16 and uint16 of either byte order are not copied, where the pixels of a row
        follow each other; other real dtypes become float64. What a masked array masks is bad.
    mask : array_like (height, width), optional
        Booleans, ``True`` where a pixel is bad, or bits in whole numbers of up to 32 bits.
    bad_bits : int, optional
        The bits of the mask that make a pixel bad; all of them by default. A bad pixel counts as NaN.
    saturated_bits : int, optional
        The bits of the science frame's mask that make a pixel saturated; none by default. They are not bad unless
        ``bad_bits`` has them too.
    variance : array_like (height, width), optional
        The variance of each pixel; where it is not positive and finite, the pixel is bad.
    saturation : float, optional
        The value of the science frame from which on a pixel is saturated. Pixels that the mask calls saturated are
        raised to it.
    origin : tuple of float, optional
        Column and row of the first pixel in the frame of the sky, in which positions are counted: (0, 0) by default.
        Rubin's XY0.
    wcs : object, optional
        What turns the sky into pixels: an astropy WCS, which counts from the first pixel of this image, or Rubin's
        SkyWcs, which counts as ``origin`` does.

    Raises
    ------
    TypeError
        If the pixels or the variance are not real numbers, or the mask has neither booleans nor whole numbers.
    ValueError
        If shapes differ, or a bit lies beyond 32.
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
        wcs: Any = None,
    ) -> None:
        given = np.asanyarray(pixels)
        if given.ndim != 2 or not given.size:
            raise ValueError(f"a frame must have shape (height, width); given {given.shape}")
        hidden = np.ma.getmaskarray(given) if np.ma.is_masked(given) else None
        self.pixels: NDArray[Any] = _numbers(np.asarray(np.ma.getdata(given)), "pixels")
        for name, bits in (("bad_bits", bad_bits), ("saturated_bits", saturated_bits)):
            if bits is not None and not 0 <= bits <= _EVERY_BIT:
                raise ValueError(f"{name} must be a number of 32 bits; given {bits}")
        self.bad_bits, self.saturated_bits = (
            _EVERY_BIT & ~saturated_bits if bad_bits is None else bad_bits,
            saturated_bits,
        )
        self.mask: NDArray[Any] | None = None if mask is None else self._like(_bits(np.asarray(mask)), "mask")
        if hidden is not None:
            self._hide(hidden)
        if self.mask is None:
            self.bad_bits = self.saturated_bits = 0
        self.variance: NDArray[Any] | None = None
        if variance is not None:
            self.variance = self._like(_numbers(np.asarray(variance), "variance", _PIXELS[:2]), "variance")
        self.saturation = None if saturation is None else float(saturation)
        self.x0, self.y0 = (float(at) for at in origin)
        self.wcs = wcs

    def _like(self, array: NDArray[Any], what: str) -> NDArray[Any]:
        if array.shape != self.pixels.shape:
            raise ValueError(f"{what} must have the shape of the pixels, {self.pixels.shape}; given {array.shape}")
        return array

    def _hide(self, hidden: NDArray[np.bool_]) -> None:
        """Make bad what a masked array masks, beside what the mask says."""
        if self.mask is None:
            self.mask, self.bad_bits, self.saturated_bits = hidden, 1, 0
            return
        wide = self.mask.astype(np.uint32)
        bad, saturated = (wide & np.uint32(self.bad_bits)) != 0, (wide & np.uint32(self.saturated_bits)) != 0
        self.mask = (bad | hidden).astype(np.uint8) | (saturated.astype(np.uint8) << 1)
        self.bad_bits, self.saturated_bits = 1, 2

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.pixels.shape
        return height, width

    def __repr__(self) -> str:
        height, width = self.shape
        return f"Frame({height}x{width} {self.pixels.dtype}, origin=({self.x0:g}, {self.y0:g}))"


def _in_rows(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array whose pixels of a row follow each other: this one, or a copy."""
    size = array.itemsize
    fits = array.strides[1] == size and array.strides[0] % size == 0 and abs(array.strides[0]) >= size * array.shape[1]
    return array if fits else np.ascontiguousarray(array)


def _numbers(array: NDArray[Any], what: str, accepted: tuple[str, ...] = _PIXELS) -> NDArray[Any]:
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{what} of a frame has dtype {array.dtype}; accepted are real numbers")
    if array.ndim != 2:
        raise ValueError(f"{what} of a frame must have shape (height, width); given {array.shape}")
    if array.dtype.str[1:] not in accepted:
        array = array.astype(np.float64)
    return _in_rows(array)


def _bits(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind not in "biu":
        raise TypeError(f"the mask of a frame has dtype {array.dtype}; accepted are booleans and whole numbers")
    if array.ndim != 2:
        raise ValueError(f"the mask of a frame must have shape (height, width); given {array.shape}")
    if array.dtype.str[1:] not in _MASKS:
        if array.size and (int(array.min()) < 0 or int(array.max()) > _EVERY_BIT):
            raise ValueError("the mask of a frame has bits beyond 32; accepted are those of 32")
        array = array.astype(np.uint32)
    return _in_rows(array)
