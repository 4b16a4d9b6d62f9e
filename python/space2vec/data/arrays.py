"""Pixel arrays of users, from any library, with any order of axes and kind of mask, to float32 in C order."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.data.channels import ACCEPTED, CHANNELS, channel_of
from space2vec.errors import Space2vecWarning

if TYPE_CHECKING:
    from space2vec.data.types import AnyArray, LibraryArray, Untyped

__all__ = [
    "LARGEST_SIDE",
    "PlaneBuffer",
    "as_batch",
    "as_plane_array",
    "as_planes",
    "batch_shape",
    "channel_axis",
    "check_sides",
    "image_array",
    "lay_out",
    "lies_on_device",
    "warn_of_channels_last",
]

#: The longest side of a stamp, and the largest distance of its centre from its first pixel, in pixels.
LARGEST_SIDE = 1 << 14

#: DLPack's numbers for memory of the host: ordinary, and page-locked by CUDA.
_DLPACK_HOST = (1, 3)


class PlaneBuffer(NamedTuple):
    """The planes of candidates in one array.

    Attributes
    ----------
    buffer : ndarray of float32
        The pixels of all planes, each plane in C order.
    offset : ndarray of int64 (n, 3)
        The index of the first pixel of each plane, -1 for a missing plane.
    shape : ndarray of int32 (n, 3, 2)
        Height and width of each plane.
    """

    buffer: NDArray[np.float32]
    offset: NDArray[np.int64]
    shape: NDArray[np.int32]


def lies_on_device(values: object) -> bool:
    """Return whether an array is in the memory of a device, not of the host."""
    if isinstance(values, np.ndarray):
        return False
    if hasattr(values, "__dlpack_device__") and values.__dlpack_device__()[0] not in _DLPACK_HOST:
        return True
    # A PyTorch tensor on the host, or one that records gradients, raises when this attribute is read.
    return not hasattr(values, "requires_grad") and hasattr(values, "__cuda_array_interface__")


def image_array(values: LibraryArray, what: str) -> LibraryArray:
    """Return the array that an image object holds, and anything else unchanged.

    The masks of NDData, CCDData, Cutout2D, image HDUs and Astropy's masked arrays become NumPy masks; units and
    uncertainties are ignored. An object without an image raises a TypeError. A tensor of PyTorch is detached from
    autograd.
    """
    if hasattr(values, "requires_grad") and hasattr(values, "detach"):
        values = values.detach()
        return values.float() if str(values.dtype) == "torch.bfloat16" else values
    if not _is_of_astropy(values) or isinstance(values, list):
        return values
    if isinstance(values, np.ndarray):
        masked: Untyped = values  # of Astropy
        plain = getattr(masked, "unmasked", None)
        return values if plain is None else np.ma.MaskedArray(np.asarray(plain), np.asarray(masked.mask))
    data = getattr(values, "data", None)
    if data is None or np.ndim(data) == 0 or np.asarray(data).dtype.names is not None:
        kind = type(values)
        raise TypeError(f"{what} is {kind.__module__.partition('.')[0]}'s {kind.__name__} without an image")
    mask = getattr(values, "mask", None)
    if mask is None:
        return data
    return np.ma.MaskedArray(np.asarray(data), np.broadcast_to(np.asarray(mask) != 0, np.shape(data)))


def as_plane_array(values: LibraryArray, what: str) -> NDArray[np.float32]:
    """Convert an array-like object to native float32 in C order; an array that is so already is not copied."""
    values = image_array(values, what)
    if lies_on_device(values):
        raise TypeError(f"{what} lies on a device, and is wanted on the host here: copy it to the host first")
    array = _on_host(values, what)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{what} has dtype {array.dtype}; accepted are real floating point and integer dtypes")
    with np.errstate(over="ignore"):
        plain = np.ascontiguousarray(np.ma.getdata(array), dtype=np.float32)
    return np.where(np.ma.getmaskarray(array), np.float32(np.nan), plain) if np.ma.is_masked(array) else plain


def _on_host(values: LibraryArray, what: str) -> AnyArray:
    if isinstance(values, (str, bytes, os.PathLike)):
        raise TypeError(f"{what} is {type(values).__name__}, no array; space2vec.read reads files")
    try:
        if not isinstance(values, np.ndarray) and hasattr(values, "__dlpack__"):
            values = np.from_dlpack(values)
        array: AnyArray = np.asanyarray(values)
    except ValueError as error:
        raise ValueError(f"{what} is not rectangular ({error})") from None
    except (BufferError, RuntimeError) as error:
        raise TypeError(f"{what} cannot be taken over by DLPack ({error})") from None
    if array.dtype.kind == "O" and not array.ndim:
        raise TypeError(f"{what} must be an array of numbers or a list of candidates; given {type(values).__name__}")
    return array


def channel_axis(shape: Sequence[int], channels: int) -> int | None:
    """Find the axis of the channels in a batch (four axes) or in a single stamp (three axes).

    It is the axis before height and width if that has `channels` elements, otherwise the last axis if that has. The
    result is ``None`` if neither has, or if there are not three or four axes.
    """
    first = len(shape) - 3
    if first not in (0, 1):
        return None
    return first if shape[first] == channels else len(shape) - 1 if shape[-1] == channels else None


def warn_of_channels_last(shape: Sequence[int], what: str, stacklevel: int = 2) -> None:
    """Warn that the last axis of an array is taken for the channels."""
    warnings.warn(
        f"{what} has shape {tuple(shape)}, which is taken for channels last; np.moveaxis(array, -1, -3) gives "
        "(n, channel, height, width)",
        Space2vecWarning,
        stacklevel=stacklevel + 1,
    )


def as_batch(pixels: LibraryArray, channels: int, what: str = "pixels") -> LibraryArray:
    """Return stamps as one array (n, channel, height, width), or as a list of candidates.

    A single stamp, and stamps of one plane without a channel axis, get the missing axes. Channels along the last axis
    are moved, with a warning. An array of another shape is returned unchanged, and an array on a device stays there.
    A list stays a list; the units of a FITS file become a list of one candidate, an array of objects a list of its
    elements.
    """
    pixels = image_array(pixels, what)
    if isinstance(pixels, (list, tuple)):
        return [pixels] if _has_units(pixels) else pixels
    if lies_on_device(pixels):
        return _with_axes(pixels, channels, what) if hasattr(pixels, "shape") else pixels
    array = _on_host(pixels, what)
    if array.dtype.kind == "O" and array.ndim < 3:
        return list(array)
    return _with_axes(array, channels, what)


def _with_axes(array: LibraryArray, channels: int, what: str) -> LibraryArray:
    shape = tuple(array.shape)
    axis = channel_axis(shape, channels)
    if axis == len(shape) - 1:
        if not hasattr(array, "permute") and not hasattr(array, "transpose"):
            return array
        order = (axis, 0, 1) if axis == 2 else (0, axis, 1, 2)
        array = array.permute(*order) if hasattr(array, "permute") else array.transpose(order)
        if channels > 1:
            warn_of_channels_last(shape, what, 4)
    elif len(shape) == 3 and channels == 1:
        return array.reshape((shape[0], 1, *shape[1:]))
    if len(shape) == 3 and axis is not None:
        return array.reshape((1, *array.shape))
    return array.reshape((1, 1, *shape)) if len(shape) == 2 and channels == 1 else array


def as_planes(candidate: LibraryArray, positions: Sequence[int], what: str) -> Sequence[LibraryArray]:
    """Return the planes of one candidate, one for each index into :data:`~space2vec.data.channels.CHANNELS`.

    The candidate may be a sequence of planes in order, a mapping of names to planes, the units of a FITS file, or one
    array (channel, height, width), (height, width, channel) or, for one channel, (height, width). A wrong number or
    name of planes raises a ValueError, another object a TypeError.
    """
    wanted = [CHANNELS[position] for position in positions]
    if isinstance(candidate, Mapping):
        return _by_name([(str(name), plane) for name, plane in candidate.items()], wanted, what, strict=True)
    if _has_units(candidate):
        return _by_name([(str(unit.name), unit) for unit in candidate], wanted, what, strict=False)
    candidate = image_array(candidate, what)
    shape = getattr(candidate, "shape", None)
    if shape is not None and len(wanted) == 1 and len(shape) == 2:
        return [candidate]
    if shape is not None and channel_axis(shape, len(wanted)) == 2:
        warn_of_channels_last(shape, "a candidate", 5)
        return list(np.moveaxis(_on_host(candidate, what), -1, 0))
    if not hasattr(candidate, "__len__") or isinstance(candidate, (str, bytes)):
        raise TypeError(f"{what} must be a sequence of planes; given {type(candidate).__name__}")
    if len(candidate) != len(wanted):
        hint = "; one candidate is [[science, template, difference]]" if shape is not None and len(shape) == 2 else ""
        raise ValueError(f"{what} has {len(candidate)} planes; channels names {len(wanted)}{hint}")
    return list(candidate)


def _has_units(values: object) -> bool:
    """Return whether an object is an HDUList of Astropy."""
    return isinstance(values, list) and _is_of_astropy(values)


def _is_of_astropy(values: object) -> bool:
    return any(kind.__module__.startswith("astropy.") for kind in type(values).__mro__)


def _by_name(
    planes: Sequence[tuple[str, LibraryArray]], wanted: Sequence[str], what: str, *, strict: bool
) -> list[LibraryArray]:
    """Return the wanted planes, ``None`` for a missing one; if `strict`, every name must be that of a plane."""
    meant = [(channel, plane) for name, plane in planes if (channel := channel_of(name)) is not None]
    by_channel = dict(meant)
    if not meant or len(by_channel) < len(meant) or (strict and len(meant) < len(planes)):
        given = ", ".join(name or "(none)" for name, _ in planes) or "nothing"
        raise ValueError(f"the names of the planes of {what} must be distinct out of {ACCEPTED}; given {given}")
    return [by_channel.get(channel) for channel in wanted]


def lay_out(candidates: Sequence[LibraryArray], positions: Sequence[int]) -> PlaneBuffer:
    """Copy the planes of candidates into one buffer.

    Each candidate has one of the forms of :func:`as_planes`, with ``None`` for a missing plane.
    """
    n = len(candidates)
    offset, shape = np.full((n, 3), -1, dtype=np.int64), np.zeros((n, 3, 2), dtype=np.int32)
    planes: list[NDArray[np.float32]] = []
    end = 0
    for row, candidate in enumerate(candidates):
        for position, values in zip(positions, as_planes(candidate, positions, f"candidate {row}"), strict=True):
            if values is None:
                continue
            what = f"the {CHANNELS[position]} plane of candidate {row}"
            plane = as_plane_array(values, what)
            if plane.ndim != 2:
                raise ValueError(f"{what} must have shape (height, width); given {plane.shape}")
            height, width = plane.shape
            check_sides(height, width, what)
            offset[row, position] = end
            shape[row, position] = plane.shape
            planes.append(plane.reshape(-1))
            end += plane.size
    return PlaneBuffer(np.concatenate(planes) if planes else np.empty(0, dtype=np.float32), offset, shape)


def check_sides(height: int, width: int, what: str) -> None:
    """Raise a ValueError if the kernels do not accept planes of this size."""
    if not 0 < min(height, width) <= max(height, width) <= LARGEST_SIDE:
        raise ValueError(f"{what} must have sides of 1 to {LARGEST_SIDE} pixels; given {height} x {width}")


def batch_shape(shape: tuple[int, ...], channels: int) -> tuple[int, int, int, int]:
    """Check the shape (n, channel, height, width) of a batch, and return it."""
    if len(shape) != 4 or shape[1] != channels:
        hint = ': channels=["difference"] for stamps (n, height, width) of one plane' if len(shape) == 3 else ""
        raise ValueError(
            f"pixels must have shape (n, {channels}, height, width) for {channels} channels; given {shape}{hint}; "
            f"channels= names the planes, out of {ACCEPTED}"
        )
    n, _, height, width = shape
    if n:
        check_sides(height, width, "stamps")
    return n, channels, height, width


def on_host(values: object) -> AnyArray:
    """Return an array on the host; an array on a device is copied."""
    if isinstance(values, np.ndarray):
        return values
    from space2vec.data.device.view import to_host

    return to_host(values)
