"""Arrays of pixels, as whoever has them gives them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LARGEST_SIDE", "as_plane_array", "batch_shape", "check_sides", "lies_on_device"]

#: The longest side of a stamp, and the farthest centre from its first pixel, that the kernels take.
LARGEST_SIDE = 1 << 14

#: DLPack's numbers for memory that the processor reads: its own, and CUDA's pinned.
_DLPACK_HOST = (1, 3)


def lies_on_device(values: Any) -> bool:
    """Tell whether an array lies in memory that the processor does not read."""
    if isinstance(values, np.ndarray):
        return False
    if hasattr(values, "__cuda_array_interface__"):
        return True
    return hasattr(values, "__dlpack_device__") and values.__dlpack_device__()[0] not in _DLPACK_HOST


def as_plane_array(values: Any, what: str) -> NDArray[np.float32]:
    """View or convert anything array-like to native float32 in C order; a conforming array is not copied."""
    if lies_on_device(values):
        raise TypeError(f"{what} lies on a device, and is wanted on the host here: copy it to the host first")
    try:
        if not isinstance(values, np.ndarray) and hasattr(values, "__dlpack__"):
            values = np.from_dlpack(values)
        array = np.asanyarray(values)
    except ValueError as error:
        raise ValueError(f"{what} is not rectangular ({error})") from None
    except (BufferError, RuntimeError) as error:
        raise TypeError(f"{what} cannot be taken over by DLPack ({error})") from None
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{what} has dtype {array.dtype}; accepted are real floating point and integer dtypes")
    with np.errstate(over="ignore"):
        plain = np.ascontiguousarray(np.ma.getdata(array), dtype=np.float32)
    return np.where(np.ma.getmaskarray(array), np.float32(np.nan), plain) if np.ma.is_masked(array) else plain


def check_sides(height: int, width: int, what: str) -> None:
    """Raise where the kernels do not take planes of a size."""
    if not 0 < min(height, width) <= max(height, width) <= LARGEST_SIDE:
        raise ValueError(f"{what} must have sides of 1 to {LARGEST_SIDE} pixels; given {height} x {width}")


def batch_shape(shape: tuple[int, ...], channels: int) -> tuple[int, int, int, int]:
    """Return the shape (n, channel, height, width) of a batch in one array, checked."""
    if len(shape) != 4 or shape[1] != channels:
        raise ValueError(
            f"pixels must have shape (n, {channels}, height, width) for {channels} channels; given {shape}"
        )
    n, _, height, width = shape
    if n:
        check_sides(height, width, "stamps")
    return n, channels, height, width
