"""Device memory for results, allocated by the library of the caller's array and used on the caller's stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from space2vec.data.device.array import DeviceArray
from space2vec.data.device.event import Event
from space2vec.data.device.extension import translate_errors
from space2vec.errors import BackendError

if TYPE_CHECKING:
    from types import ModuleType

    import space2vec._cuda as _cuda
    from space2vec.data.device.view import View
    from space2vec.data.stamps import Stamps
    from space2vec.data.types import LibraryArray

__all__ = ["DeviceResults", "OutputAddresses", "Results", "geometry"]


class OutputAddresses(NamedTuple):
    """The device addresses of an array of values, and of the flags of its rows."""

    values: int
    flags: int


class Results(NamedTuple):
    """An array of values on the device, and a function that copies the flags (n,) of its rows to the host."""

    values: LibraryArray
    read_flags: Callable[[], NDArray[np.uint32]]


class _Allocated(NamedTuple):
    """An allocated array, the length of its first axis, and its device address."""

    array: LibraryArray
    rows: int
    address: int


def geometry(offset: NDArray[np.int64], shape: NDArray[np.int32], centre: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return the offsets, sizes and centres of stamps as bytes, one array after another, as kernels read them.

    Parameters
    ----------
    offset : ndarray of int64 (n, 3)
        Index of the first pixel of each plane.
    shape : ndarray of int32 (n, 3, 2)
        Height and width of each plane.
    centre : ndarray of int32 (n, 2)
        Row and column of each candidate.
    """
    parts = [np.ascontiguousarray(part).reshape(-1).view(np.uint8) for part in (offset, shape, centre)]
    return np.concatenate(parts)


class DeviceResults:
    """Memory for the results of pixels on a device, allocated by their library and used on the caller's stream.

    The host waits for the device only in :meth:`upload`, in :meth:`stamps` for stamps that are new, and when flags are
    read.

    Parameters
    ----------
    module : module
        The compiled module.
    pixels : View
        The caller's array.

    Raises
    ------
    BackendError
        If the caller's stream is being captured into a graph.
    """

    def __init__(self, module: ModuleType, pixels: View) -> None:
        self.module, self.ordinal, self._pixels = module, pixels.ordinal, pixels
        self._library = pixels.library
        self.stream = self._library.stream(self.ordinal, pixels.announced_stream)
        if module.stream_captured(self.ordinal, self.stream):
            raise BackendError(
                f"work on {pixels.device} is being captured into a CUDA graph, and space2vec allocates and waits: "
                "capture what comes before and after it, or call the C library (space2vec/cuda.h), which does neither"
            )
        self._arrays: dict[str, _Allocated] = {}
        self._geometry: DeviceArray | None = None
        self._filled: Event

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> int:
        """Allocate an array under a name, and return its address."""
        array, address = self._library.allocate(shape, np.dtype(dtype), self.ordinal, self.stream, self.module)
        self._arrays[name] = _Allocated(array, shape[0], address)
        return address

    def outputs(self, name: str, shape: tuple[int, ...], n: int, dtype: DTypeLike = np.float32) -> OutputAddresses:
        """Allocate an array for values under a name, and one for the flags of their n rows."""
        return OutputAddresses(self.array(name, shape, dtype), self.array("flags", (n,), np.int32))

    def upload(self, name: str, array: NDArray[np.generic]) -> int:
        """Copy an array from the host, wait until that is done, and return its address on the device."""
        address = self.array(name, array.shape, array.dtype)
        if array.nbytes:
            self.module.copy(self.ordinal, self.stream, address, array.ctypes.data, array.nbytes, "to_device")
        self.module.stream_wait(self.ordinal, self.stream)
        return address

    def stamps(self, stamps: Stamps) -> _cuda.Stamps:
        """Return stamps in the form of the compiled module.

        Their offsets, sizes and centres are copied to the device once for each Stamps object, and the host waits for
        the copy. If these arrays are changed in place afterwards, the change has no effect; make new Stamps instead.
        """
        arrays, kept = (stamps.offset, stamps.shape, stamps.centre), stamps.device_geometry
        if kept is None or any(a is not b for a, b in zip(kept[0], arrays, strict=True)):
            packed = geometry(*arrays)
            copy = DeviceArray.of_host(packed, ordinal=self.ordinal, stream=self.stream, module=self.module)
            kept = stamps.device_geometry = arrays, copy
        self._geometry = kept[1]
        begin, n = kept[1].address, len(stamps.offset)
        level = np.nan if stamps.saturation is None else stamps.saturation
        pixels, count = self._pixels.address, self._pixels.shape[0]
        # No pixel is read of stamps that have no plane, but the kernels refuse a null pointer.
        moved: _cuda.Stamps = self.module.Stamps(
            pixels or begin, count, begin, begin + 24 * n, begin + 48 * n, n, level
        )
        return moved

    def results(self, name: str) -> Results:
        """Return an array of values and a function that reads its flags; all work on them has been begun.

        The flags are read when they are first needed. The caller's stream may have been destroyed by then.
        """
        values, flags = self.result(name), self._arrays.pop("flags")
        filled, ordinal = self._filled, self.ordinal

        def read_flags(_: LibraryArray = flags.array) -> NDArray[np.uint32]:  # the default keeps the array alive
            with translate_errors(ordinal):
                return filled.read(flags.address, (flags.rows,), np.uint32)

        return Results(values, read_flags)

    def result(self, name: str) -> LibraryArray:
        """Return an array; all work on it has been begun, and no more will be."""
        self._filled = Event(self.module, self.ordinal, self.stream)
        for array in (*(allocated.array for allocated in self._arrays.values()), self._geometry):
            if isinstance(array, DeviceArray):
                array.uses[self.stream] = self._filled
        result = self._arrays.pop(name).array
        if isinstance(result, DeviceArray):
            result.filled = self._filled
        return result
