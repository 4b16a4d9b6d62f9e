"""Buffers of a device and page-locked ones of the host, which serve batch after batch."""

from __future__ import annotations

import contextlib
import math
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from space2vec.cuda.event import Event
from space2vec.cuda.extension import active
from space2vec.cuda.libraries import Place, geometry

if TYPE_CHECKING:
    from space2vec.stamps import Stamps

__all__ = ["Slot", "is_pinned", "page_locked", "pinned", "pixel_bytes"]


class _Pinned:
    """Page-locked memory of the host, which a device copies from and to without the processor's help."""

    def __init__(self, nbytes: int, ordinal: int) -> None:
        self._module = active(ordinal)
        self.address = self._module.pinned(ordinal, nbytes)
        self.nbytes = nbytes
        self.__array_interface__ = {
            "shape": (nbytes,),
            "typestr": "|u1",
            "data": (self.address, False),
            "version": 3,
        }
        self._end = weakref.finalize(self, self._module.release_pinned, ordinal, self.address)
        self._end.atexit = False  # the driver may be gone by then, and takes its page locks with it

    def release(self) -> None:
        """Give the memory back now; nothing may look at it any more."""
        self._end()


def pinned(shape: tuple[int, ...], dtype: DTypeLike = np.float32, *, ordinal: int = 0) -> NDArray[Any]:
    """Return an array of the host in page-locked memory, without contents; it is copied to a device where it lies.

    Raises
    ------
    BackendError
        If there is no device.
    MemoryError
        If the host does not give that much page-locked memory.
    """
    kind = np.dtype(dtype)
    count = math.prod(shape)
    if count == 0:
        return np.empty(shape, kind)
    return np.asarray(_Pinned(count * kind.itemsize, ordinal)).view(kind).reshape(shape)


def is_pinned(array: NDArray[Any]) -> bool:
    """Tell whether an array lies in memory that :func:`pinned` gave, or a reader of :func:`page_locked`."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    # Readers are told of no other memory than page-locked one.
    return isinstance(base, _Pinned) or getattr(base, "allocated", False) is True


def page_locked(ordinal: int) -> tuple[int, int, int]:
    """Return what a reader takes page-locked memory from: the addresses of two functions, and their context.

    Where the machine gives none, a reader takes ordinary memory.

    Raises
    ------
    BackendError
        If there is no such device.
    """
    addresses: tuple[int, int, int] = active(ordinal).page_locked(ordinal)
    return addresses


def _span(stamps: Stamps) -> tuple[int, int, int]:
    """Return where the pixels of stamps begin and end in their buffer, and how many are theirs."""
    there = stamps.offset >= 0
    if not there.any():
        return 0, 0, 0
    area = stamps.shape.astype(np.int64).prod(axis=2)
    return int(stamps.offset[there].min()), int((stamps.offset + area)[there].max()), int(area[there].sum())


def _scattered(first: int, last: int, own: int) -> bool:
    """Tell whether the pixels are better gathered than copied with what lies between them."""
    return last - first > 2 * own


def pixel_bytes(stamps: Stamps) -> int:
    """Return the bytes of a device's memory that the pixels of stamps take there, beyond what is there already."""
    if stamps.there is not None:
        return 0
    first, last, own = _span(stamps)
    return 4 * (own if _scattered(first, last, own) else last - first)


def _gathered(stamps: Stamps, own: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the pixels of stamps one after another, and where each plane begins there."""
    pixels = np.empty(own, np.float32)
    offset = np.full_like(stamps.offset, -1)
    end = 0
    for row, channel in zip(*np.nonzero(stamps.offset >= 0), strict=True):
        begin, size = int(stamps.offset[row, channel]), math.prod(stamps.shape[row, channel].tolist())
        pixels[end : end + size] = stamps.buffer[begin : begin + size]
        offset[row, channel] = end
        end += size
    return pixels, offset


class Slot:
    """What one batch needs on its way: a stream, memory of the device, and page-locked memory, kept for the next one.

    Parameters
    ----------
    ordinal : int
        The number of the device.
    """

    def __init__(self, ordinal: int) -> None:
        self.ordinal = ordinal
        self.module = active(ordinal)
        self.stream: int = self.module.stream_create(ordinal)
        self._device: dict[str, tuple[int, int]] = {}
        self._pinned: dict[str, _Pinned] = {}
        self._sources: list[Any] = []
        self._arrays: dict[str, tuple[int, tuple[int, ...], np.dtype[Any]]] = {}

    @property
    def held(self) -> int:
        """The bytes of the device's memory that it holds."""
        return sum(size for _, size in self._device.values())

    def device(self, name: str, nbytes: int) -> int:
        """Return the address of memory of the device for a purpose; what was there is lost.

        Raises
        ------
        MemoryError
            If the device has not that much left.
        """
        address, size = self._device.get(name, (0, 0))
        if nbytes > size:
            if address:
                self.wait()
                del self._device[name]
                self.module.release(self.ordinal, address, [], False)
            address = self.module.allocate(self.ordinal, self.stream, nbytes)
            self._device[name] = (address, nbytes)
        return address

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> int:
        """Return the address of an array for a purpose; see :meth:`download`. What was there is lost."""
        kind = np.dtype(dtype)
        address = self.device(
            name, max(math.prod(shape) * kind.itemsize, 1)
        )  # no null pointer, though nothing is there
        self._arrays[name] = address, shape, kind
        return address

    def outputs(self, name: str, shape: tuple[int, ...], n: int) -> tuple[int, int]:
        """Return the addresses of an array for results, and of one for the flags of their n rows."""
        return self.array(name, shape), self.array("flags", (n,), np.int32)

    def _staged(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        kind = np.dtype(dtype)
        nbytes = math.prod(shape) * kind.itemsize
        if nbytes == 0:
            return np.empty(shape, kind)
        held = self._pinned.get(name)
        if held is None or held.nbytes < nbytes:
            if held is not None:
                self.wait()
                del self._pinned[name]
                held.release()
            held = self._pinned[name] = _Pinned(nbytes, self.ordinal)
        return np.asarray(held)[:nbytes].view(kind).reshape(shape)

    def upload(self, name: str, array: NDArray[Any]) -> int:
        """Begin to copy an array to the device, through page-locked memory if it lies elsewhere; return where to.

        An array that lies there must not be changed before :meth:`wait`; till then it is kept, and so its memory is
        nobody else's.
        """
        address = self.array(name, array.shape, array.dtype)
        if array.nbytes == 0:
            return address
        if is_pinned(array) and array.flags.c_contiguous:
            source = array
        else:
            source = self._staged(name, array.shape, array.dtype)
            np.copyto(source, array)
        self._sources.append(source)
        self.module.copy(self.ordinal, self.stream, address, source.ctypes.data, array.nbytes, "to_device")
        return address

    def stamps(self, stamps: Stamps) -> Any:
        """Begin to copy stamps there; return them as the compiled module takes them.

        Stamps that lie on the slot's device stay where they are: its stream waits for the caller's.
        """
        if stamps.there is not None:
            place = Place(self.module, stamps.there)
            if place.stream != self.stream:
                Event(self.module, self.ordinal, place.stream).precede(self.stream)
            return place.stamps(stamps)
        first, last, own = _span(stamps)
        if _scattered(first, last, own):
            buffer, offset = _gathered(stamps, own)
        else:
            buffer, offset = stamps.buffer[first:last], np.where(stamps.offset >= 0, stamps.offset - first, -1)
        pixels = self.upload("pixels", buffer)
        begin, n = self.upload("geometry", geometry(offset, stamps.shape, stamps.centre)), len(stamps)
        level = math.nan if stamps.saturation is None else stamps.saturation
        return self.module.Stamps(pixels, len(buffer), begin, begin + 24 * n, begin + 48 * n, n, level)

    def download(self, name: str, dtype: DTypeLike | None = None) -> NDArray[Any]:
        """Begin to copy an array from the device; what is returned holds it after :meth:`wait`, until the next batch.

        Parameters
        ----------
        name : str
            Its purpose, as of :meth:`array`.
        dtype : dtype, optional
            The type of the elements, where it is not that of the array; of as many bytes.
        """
        address, shape, kind = self._arrays[name]
        out = self._staged(f"{name} down", shape, dtype or kind)
        if out.nbytes:
            self.module.copy(self.ordinal, self.stream, out.ctypes.data, address, out.nbytes, "to_host")
        return out

    def wait(self) -> None:
        """Wait until all that was begun is done."""
        self.module.stream_wait(self.ordinal, self.stream)
        self._sources.clear()

    def drop(self) -> None:
        """Give all memory of the device back, once nothing works on it any more."""
        with contextlib.suppress(RuntimeError):  # of a device that is lost
            self.wait()
        for name in list(self._device):
            address, _ = self._device.pop(name)
            self.module.release(self.ordinal, address, [], False)

    def close(self) -> None:
        """Give everything back; what was begun is waited for."""
        self.drop()
        for held in self._pinned.values():
            held.release()
        self._pinned.clear()
        self.module.stream_destroy(self.ordinal, self.stream)
