"""Device memory for results, allocated in the library and on the stream of a caller's array."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from space2vec.data.device.array import DeviceArray
from space2vec.data.device.event import Event
from space2vec.data.device.extension import translated_errors
from space2vec.errors import BackendError

if TYPE_CHECKING:
    from space2vec.data.device.view import View
    from space2vec.data.stamps import Stamps

__all__ = ["DeviceResults", "geometry"]


def geometry(offset: NDArray[np.int64], shape: NDArray[np.int32], centre: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return where the planes of n stamps begin, their sizes and the centres, one after another, as bytes."""
    parts = [np.ascontiguousarray(part).reshape(-1).view(np.uint8) for part in (offset, shape, centre)]
    return np.concatenate(parts)


class DeviceResults:
    """Memory on the device of an array: allocated in its library, used on the caller's stream.

    Nothing here waits for the device but what brings something from the host, or reads flags that somebody looks at.

    Parameters
    ----------
    module : module
        The compiled module.
    pixels : View
        The array.

    Raises
    ------
    BackendError
        If the caller's stream is being captured into a graph.
    """

    def __init__(self, module: Any, pixels: View) -> None:
        self.module, self.ordinal, self._pixels = module, pixels.ordinal, pixels
        self._library = pixels.library
        self.stream = self._library.stream(self.ordinal, pixels.announced_stream)
        if module.stream_captured(self.ordinal, self.stream):
            raise BackendError(
                f"work on {pixels.device} is being captured into a CUDA graph, and space2vec allocates and waits: "
                "capture what comes before and after it, or call the C library (space2vec/cuda.h), which does neither"
            )
        #: By purpose, and of each how many rows it has and where it begins.
        self._arrays: dict[str, tuple[Any, int, int]] = {}
        self._geometry: DeviceArray | None = None
        self._filled: Event

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> int:
        """Return the address of a new array for a purpose."""
        made, address = self._library.allocate(shape, np.dtype(dtype), self.ordinal, self.stream, self.module)
        self._arrays[name] = made, shape[0], address
        return address

    def outputs(self, name: str, shape: tuple[int, ...], n: int) -> tuple[int, int]:
        """Return the addresses of a new array for results, and of one for the flags of their n rows."""
        return self.array(name, shape), self.array("flags", (n,), np.int32)

    def upload(self, name: str, array: NDArray[Any]) -> int:
        """Copy an array of the host, and wait for it; return where to."""
        address = self.array(name, array.shape, array.dtype)
        if array.nbytes:
            self.module.copy(self.ordinal, self.stream, address, array.ctypes.data, array.nbytes, "to_device")
        self.module.stream_wait(self.ordinal, self.stream)
        return address

    def stamps(self, stamps: Stamps) -> Any:
        """Return the stamps of the pixels in the form of the compiled module.

        Where the planes begin, their sizes and centres are copied to the device once for each Stamps, which then waits
        for its stream; whoever changes these arrays in place makes new Stamps of them.
        """
        arrays, known = (stamps.offset, stamps.shape, stamps.centre), stamps._geometry
        if known is None or any(a is not b for a, b in zip(known[0], arrays, strict=True)):
            packed = geometry(*arrays)
            there = DeviceArray.of_host(packed, ordinal=self.ordinal, stream=self.stream, module=self.module)
            known = stamps._geometry = arrays, there
        self._geometry = known[1]
        begin, n = known[1].address, len(stamps.offset)
        level = np.nan if stamps.saturation is None else stamps.saturation
        pixels, count = self._pixels.address, self._pixels.shape[0]
        # Of stamps without any plane nothing is read, but the kernels take no null pointer.
        return self.module.Stamps(pixels or begin, count, begin, begin + 24 * n, begin + 48 * n, n, level)

    def results(self, name: str) -> tuple[Any, Callable[[], NDArray[np.uint32]]]:
        """Return results, to be filled by what was begun up to now, and what reads their flags back.

        They are read when they are looked at; the caller's stream may be gone by then.
        """
        made, (raised, n, address) = self.result(name), self._arrays.pop("flags")
        filled, ordinal = self._filled, self.ordinal

        def read(_: Any = raised) -> NDArray[np.uint32]:
            with translated_errors(ordinal):
                return filled.read(address, (n,), np.uint32)

        return made, read

    def result(self, name: str) -> Any:
        """Return an array, to be filled by what was begun up to now; no more is begun here."""
        self._filled = Event(self.module, self.ordinal, self.stream)
        for array in (*(array for array, _, _ in self._arrays.values()), self._geometry):
            if isinstance(array, DeviceArray):
                array.uses[self.stream] = self._filled
        made, _, _ = self._arrays.pop(name)
        if isinstance(made, DeviceArray):
            made.filled = self._filled
        return made
