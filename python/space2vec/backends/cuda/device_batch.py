"""One batch on a device: its memory, and the calls that measure or score it.

:func:`measure` and :func:`score` work in any :class:`BatchMemory`. For data that lie on the device already it is a
:class:`~space2vec.backends.cuda.device_results.DeviceResults`; for data of the host it is a :class:`BatchSlot`, which
one batch after another uses. The limits of that memory are here too.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import re
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from space2vec.backends.cuda.device_results import DeviceResults, geometry
from space2vec.backends.cuda.packed_pixels import UNPACKED, VARIABLE, packings
from space2vec.data.device.event import Event
from space2vec.data.stamps import Stamps

if TYPE_CHECKING:
    from space2vec.backends.interfaces import Model
    from space2vec.data.tables import Features

__all__ = [
    "DEPTH",
    "BatchMemory",
    "BatchSlot",
    "measure",
    "memory_limit",
    "pixel_bytes",
    "rows_at_a_time",
    "score",
    "score_bytes",
]

#: What comes in batches.
Rows: TypeAlias = "Stamps | Features"

#: DLPack's number for page-locked memory.
_PAGE_LOCKED = 3
#: The most rows that are scored at a time.
_ROWS = 8192

#: Memory of the device that the batches under way hold together, in bytes, if ``SPACE2VEC_DEVICE_MEMORY`` says nothing
#: else: 1 GiB. Weights and what lies between the layers of a network are PyTorch's, and come on top of it.
MEMORY = 1 << 30
#: Batches under way: one that is copied there, one that is worked on, one whose results are copied back.
DEPTH = 3

_SUFFIXES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def memory_limit() -> int:
    """Return how many bytes of a device's memory the batches under way may hold together.

    Raises
    ------
    ValueError
        If ``SPACE2VEC_DEVICE_MEMORY`` is no number of bytes such as ``500000000``, ``512M`` or ``4G``.
    """
    text = os.environ.get("SPACE2VEC_DEVICE_MEMORY", "")
    if not text:
        return MEMORY
    found = re.fullmatch(r"(\d{1,15})([KMG]?)", text)
    if found is None or int(found[1]) == 0:
        raise ValueError(f"SPACE2VEC_DEVICE_MEMORY is {text!r}; accepted are bytes, or a number with K, M or G")
    return int(found[1]) * _SUFFIXES[found[2]]


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
    if stamps.device_pixels is not None:
        return 0
    first, last, own = _span(stamps)
    each = 4 if os.environ.get(VARIABLE, "") in UNPACKED else 6  # packed, and widened
    return each * (own if _scattered(first, last, own) else last - first)


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


class BatchSlot:
    """What one batch needs on its way: a stream, memory of the device, and page-locked memory, kept for the next one.

    Parameters
    ----------
    module : module
        The compiled module.
    ordinal : int
        The number of the device.
    """

    def __init__(self, module: Any, ordinal: int) -> None:
        self.module, self.ordinal = module, ordinal
        self._packings = packings()  # before there is a stream, which an unknown way would leave behind
        self.stream: int = module.stream_create(ordinal)
        self._device: dict[str, tuple[int, int]] = {}
        self._locked: dict[str, tuple[int, int]] = {}
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
        return self.array(name, shape), self.array("flags", (n,), np.uint32)

    def _staged(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array in page-locked memory for a purpose."""
        kind = np.dtype(dtype)
        nbytes = math.prod(shape) * kind.itemsize
        if nbytes == 0:
            return np.empty(shape, kind)
        address, size = self._locked.get(name, (0, 0))
        if size < nbytes:
            if address:
                self.wait()
                del self._locked[name]
                self.module.release_pinned(self.ordinal, address)
            address = self.module.pinned(self.ordinal, nbytes)
            self._locked[name] = address, nbytes
        memory = memoryview((ctypes.c_char * nbytes).from_address(address))
        staged: NDArray[Any] = np.frombuffer(memory, kind).reshape(shape)
        return staged

    def upload(self, name: str, array: NDArray[Any]) -> int:
        """Begin to copy an array to the device, through page-locked memory if it lies elsewhere; return where to.

        An array that lies there must not be changed before :meth:`wait`; till then it is kept, and so its memory is
        nobody else's.
        """
        address = self.array(name, array.shape, array.dtype)
        if array.nbytes == 0:
            return address
        if array.flags.c_contiguous and self.module.memory_at(array.ctypes.data)[0] == _PAGE_LOCKED:
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
        if stamps.device_pixels is not None:
            place = DeviceResults(self.module, stamps.device_pixels)
            if place.stream != self.stream:
                Event(self.module, self.ordinal, place.stream).precede(self.stream)
            return place.stamps(stamps)
        first, last, own = _span(stamps)
        if _scattered(first, last, own):
            buffer, offset = _gathered(stamps, own)
        else:
            buffer, offset = stamps.buffer[first:last], np.where(stamps.offset >= 0, stamps.offset - first, -1)
        pixels = self._pixels(buffer)
        begin, n = self.upload("geometry", geometry(offset, stamps.shape, stamps.centre)), len(offset)
        level = math.nan if stamps.saturation is None else stamps.saturation
        return self.module.Stamps(pixels, len(buffer), begin, begin + 24 * n, begin + 48 * n, n, level)

    def _pixels(self, pixels: NDArray[np.float32]) -> int:
        """Begin to bring pixels there, over the link in 16 bits where that is asked for; return where they will be."""
        for how in self._packings if len(pixels) else ():
            packed = self._staged("packed", pixels.shape, np.uint16)
            if how.pack(pixels, packed):
                source = self.upload("packed", packed)
                address = self.array("pixels", pixels.shape)
                self.module.widen_pixels(
                    self.ordinal, self.stream, source, len(pixels), address, how.integers, how.scale, how.zero
                )
                return address
        return self.upload("pixels", pixels)

    def download(self, *names: str) -> list[NDArray[Any]]:
        """Begin to copy arrays from the device; what is returned holds them from :meth:`wait` to the next batch."""
        out = []
        for name in names:
            address, shape, kind = self._arrays[name]
            there = self._staged(f"{name} down", shape, kind)
            if there.nbytes:
                self.module.copy(self.ordinal, self.stream, there.ctypes.data, address, there.nbytes, "to_host")
            out.append(there)
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
        for address, _ in self._locked.values():
            self.module.release_pinned(self.ordinal, address)
        self._locked.clear()
        self.module.stream_destroy(self.ordinal, self.stream)


class BatchMemory(Protocol):
    """Memory of a device for one batch; what works on it is begun on one stream."""

    module: Any
    ordinal: int
    stream: int

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> int:
        """Return the address of an array for a purpose."""

    def outputs(self, name: str, shape: tuple[int, ...], n: int) -> tuple[int, int]:
        """Return the addresses of an array for results, and of ``"flags"``, those of their n rows."""

    def upload(self, name: str, array: NDArray[Any]) -> int:
        """Begin to copy an array in C order there; return where to."""

    def stamps(self, stamps: Stamps) -> Any:
        """Return stamps as the compiled module takes them, those of the host once they are copied there."""


def measure(memory: BatchMemory, stamps: Stamps, sets: int, columns: int, *, paper: bool) -> None:
    """Begin to measure the columns of sets: the arrays ``"values"`` (n, columns) and ``"flags"`` (n,)."""
    n = len(stamps.offset)
    values, flags = memory.outputs("values", (n, columns), n)
    if n:
        memory.module.features(memory.ordinal, memory.stream, memory.stamps(stamps), sets, paper, values, flags)


def rows_at_a_time(engine: Any, n: int, share: int = 1) -> int:
    """Return how many of n rows a model scores at a time, in half of a share of :func:`memory_limit` for scratch."""
    rows, most = max(min(n, _ROWS), 1), memory_limit() // (2 * share)
    while rows > 1 and engine.scratch(rows) > most:
        rows = (rows + 1) // 2
    return rows


def score_bytes(engine: Any, stamps: Stamps, share: int) -> int:
    """Return the bytes of a device's memory that stamps and the scratch of their scores take."""
    rows = rows_at_a_time(engine, len(stamps.offset), share)
    return pixel_bytes(stamps) + int(engine.scratch(rows))


def score(memory: BatchMemory, engine: Any, model: Model, source: Rows, share: int = 1) -> None:
    """Begin to score candidates: the arrays ``"score"`` and ``"flags"`` (n,) are their scores.

    Parameters
    ----------
    memory : BatchMemory
        Where.
    engine : space2vec._cuda.Model or FloatNetwork
        The model there.
    model : Model
        The model.
    source : Stamps or Features
        The candidates.
    share : int, optional
        What part of the memory that batches may hold is for this one: half, a third and so on.
    """
    n = len(source.object_id)
    out, flags = memory.outputs("score", (n,), n)
    if n == 0:
        return
    if isinstance(source, Stamps):
        raised = _raised(memory, source.flags)
    else:
        columns, told = model.needs.columns_of_table(source)
        raised = _raised(memory, told)
        engine.score_columns(memory.stream, memory.upload("columns", columns), raised, n, out, flags)
        return
    known = model.needs.catalogue_columns(source)
    catalogue = 0 if known is None else memory.upload("catalogue", known)
    rows = rows_at_a_time(engine, n, share)
    own = memory.array("scratch", (engine.scratch(rows),), np.uint8)
    engine.score(memory.stream, memory.stamps(source), raised, catalogue, own, rows, out, flags)


def _raised(memory: BatchMemory, flags: NDArray[np.uint32]) -> int:
    """Begin to copy flags (n,) there; return where to, 0 where there are none."""
    return memory.upload("raised", np.ascontiguousarray(flags).view(np.int32)) if flags.any() else 0
