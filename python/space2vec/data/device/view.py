"""Views of device arrays of any library: address, shape, strides, type and stream, without a copy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.data.device import dlpack
from space2vec.data.device.array import UNKNOWN, Library, library_of
from space2vec.data.device.extension import active, unavailable_reason

if TYPE_CHECKING:
    from space2vec.data.types import AnyArray, Json, LibraryArray

__all__ = ["PlaneRun", "View", "to_host", "view"]

_FLOAT = np.dtype(np.float32)
#: The first version of ``__cuda_array_interface__`` that names the stream.
_WITH_STREAM = 3


@dataclass(frozen=True, slots=True)
class View:
    """An array on a device.

    Attributes
    ----------
    address : int
        The address of its first element.
    shape, strides : tuple of int
        Its shape, and the bytes from one element to the next along each axis.
    dtype : numpy.dtype
        The type of its elements.
    ordinal : int
        The number of the device.
    library : Library
        The library to which it belongs.
    owner : object
        The object that keeps the memory alive.
    announced_stream : int
        The stream that the array announces for work on it; 0 is the legacy default stream.
    """

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[np.generic]
    ordinal: int
    library: Library
    owner: object
    announced_stream: int = 0

    @property
    def device(self) -> str:
        """The device of the array, such as ``"cuda:0"``."""
        return f"cuda:{self.ordinal}"

    @property
    def stream(self) -> int:
        """The caller's current stream."""
        return self.library.stream(self.ordinal, self.announced_stream)

    @property
    def is_plain(self) -> bool:
        """Whether the array is float32 in C order."""
        return self.dtype == _FLOAT and self.is_packed(len(self.shape))

    def is_packed(self, axes: int) -> bool:
        """Return whether the last axes are in C order without gaps."""
        step = self.dtype.itemsize
        for size, stride in list(zip(self.shape, self.strides, strict=True))[::-1][:axes]:
            if size != 1 and stride != step:
                return 0 in self.shape
            step *= size
        return True

    def to_float32(self, what: str) -> View:
        """Return the array as float32 in C order; its library makes a copy on the device if needed.

        Raises
        ------
        TypeError
            If its elements are not real numbers, or it must be converted and is neither PyTorch's nor CuPy's.
        """
        if self.is_plain:
            return self
        if self.dtype.kind not in "fiu":
            raise TypeError(f"{what} has dtype {self.dtype}; accepted are real floating point and integer dtypes")
        copy = self.library.convert(self.owner, _FLOAT)
        if copy is None:
            raise TypeError(
                f"{what} on {self.device} has dtype {self.dtype} and strides {self.strides}: the kernels take float32 "
                "in C order there, and only arrays of PyTorch and CuPy are converted; convert it by its own library"
            )
        return replace(view(copy, what), library=self.library)

    def planes(self, what: str) -> PlaneRun:
        """Return the pixels as one run of float32 on the device, with the start of each plane.

        Planes of float32 without gaps inside them are not copied, whatever the strides between planes (every second
        candidate, or some of the channels); others are copied by :meth:`to_float32`.

        Raises
        ------
        TypeError
            As :meth:`to_float32`.
        """
        given = self
        if not (self.dtype == _FLOAT and self.is_packed(2) and all(s >= 0 and s % 4 == 0 for s in self.strides)):
            given = self.to_float32(what)
        outer = given.shape[:-2]
        starts = np.zeros(outer, dtype=np.int64)
        for axis, (size, stride) in enumerate(zip(outer, given.strides, strict=False)):
            steps = np.arange(size, dtype=np.int64) * (stride // 4)
            starts += steps.reshape((size, *(1,) * (len(outer) - 1 - axis)))
        height, width = given.shape[-2:]
        count = int(starts.max()) + height * width if starts.size else 0
        return PlaneRun(replace(given, shape=(count,), strides=(4,)), starts)

    def to_host(self) -> AnyArray:
        """Wait for the caller's stream, and copy the array, which must be in C order, to the host."""
        out = np.empty(self.shape, self.dtype)
        module, stream = active(self.ordinal), self.stream
        if out.nbytes:
            module.copy(self.ordinal, stream, out.ctypes.data, self.address, out.nbytes, "to_host")
        module.stream_wait(self.ordinal, stream)
        return out


class PlaneRun(NamedTuple):
    """Planes of float32 in one run of device memory.

    Attributes
    ----------
    pixels : View
        The run, of one axis.
    starts : ndarray of int64 (...)
        The index in it of the first pixel of each plane.
    """

    pixels: View
    starts: NDArray[np.int64]


def view(values: LibraryArray, what: str) -> View:
    """Describe an array of a CUDA device without a copy.

    Parameters
    ----------
    values : CuPy array, Torch tensor, or anything with ``__cuda_array_interface__`` or ``__dlpack__``
        The array. If it does not name its device, the driver is asked. If it does not name the stream that fills it (an
        interface of version below 3), ``__dlpack__`` is used, or the whole device is waited for.
    what : str
        The name of the array in errors.

    Raises
    ------
    TypeError
        If it is on a device of another kind or on one that cannot be used, is masked, lacks an address, or its
        elements are not aligned to their size.
    """
    library = library_of(values)
    if hasattr(values, "detach"):  # a tensor of PyTorch
        values = values.detach()
        if str(values.dtype) == "torch.bfloat16":  # which NumPy, and so the interface, does not have
            values = values.float()
    if hasattr(values, "__dlpack_device__"):
        kind, ordinal = (int(part) for part in values.__dlpack_device__())
    else:
        kind, ordinal = _place((_described(values, what) or {"data": (0,)})["data"][0] or 0, what)
    if kind in dlpack.HOST:
        raise TypeError(f"{what} lies in memory of the host: give it as an array of the host")
    if kind not in (dlpack.CUDA, dlpack.CUDA_MANAGED):
        raise TypeError(f"{what} lies on a device of DLPack's kind {kind}; accepted are the host and CUDA devices")
    if reason := unavailable_reason(ordinal):
        raise TypeError(f"{what} lies on a device; {reason}: copy it to the host first")
    described = _described(values, what)
    unsaid = library is UNKNOWN and (described or {}).get("version", 0) < _WITH_STREAM
    if described is None or (unsaid and hasattr(values, "__dlpack__")):
        return _aligned(_by_dlpack(values, what, library), what)
    if unsaid:
        active(ordinal).device_wait(ordinal)  # any stream may be filling it
    if described.get("mask") is not None:
        raise TypeError(f"{what} is masked on its device: fill what is masked with NaN, and give the filled array")
    dtype, shape = np.dtype(described["typestr"]), tuple(int(size) for size in described["shape"])
    strides = described.get("strides") or dlpack.contiguous_strides(shape, dtype.itemsize)
    stream = described.get("stream") or 0
    steps, address = tuple(int(step) for step in strides), int(described["data"][0] or 0)
    return _aligned(View(address, shape, steps, dtype, ordinal, library, values, 0 if stream == 1 else stream), what)


def _described(values: LibraryArray, what: str) -> dict[str, Json] | None:
    """Return the ``__cuda_array_interface__`` of an array, ``None`` if it has none; a missing key is an error."""
    try:
        described: dict[str, Json] = values.__cuda_array_interface__
    except (AttributeError, TypeError, RuntimeError):  # of a type that the interface does not have, such as bfloat16
        return None
    if missing := [name for name in ("shape", "typestr", "data") if name not in described]:
        raise TypeError(f"{what} lies on a device, and its __cuda_array_interface__ has no {' and no '.join(missing)}")
    return described


def _by_dlpack(values: LibraryArray, what: str, library: Library) -> View:
    """View an array through DLPack, on the legacy default stream."""
    try:
        borrowed = dlpack.BorrowedArray(values.__dlpack__(stream=1))
    except (BufferError, TypeError, RuntimeError) as error:
        raise TypeError(f"{what} cannot be taken over by DLPack ({error})") from None
    return View(
        borrowed.address,
        borrowed.shape,
        borrowed.strides,
        borrowed.dtype,
        borrowed.ordinal,
        library,
        (values, borrowed),
    )


def _aligned(array: View, what: str) -> View:
    """Refuse an array with misaligned elements: reading them would make the device unusable for this process."""
    step = array.dtype.alignment
    if 0 not in array.shape and (array.address % step or any(stride % step for stride in array.strides)):
        raise TypeError(
            f"{what} on {array.device} begins at {array.address:#x} with strides {array.strides}: a device reads "
            f"{array.dtype} at multiples of {step} bytes alone; copy it by its own library"
        )
    return array


def _place(address: int, what: str) -> tuple[int, int]:
    """Return DLPack's kind and the number of the device of an address; an empty array counts as on the first."""
    if reason := unavailable_reason():
        raise TypeError(f"{what} lies on a device; {reason}: copy it to the host first")
    kind, ordinal = active().memory_at(address) if address else (dlpack.CUDA, 0)
    return kind, ordinal


def to_host(values: LibraryArray) -> AnyArray:
    """Return an array on the host; an array on a device is copied."""
    return values if isinstance(values, np.ndarray) else library_of(values).to_host(values)
