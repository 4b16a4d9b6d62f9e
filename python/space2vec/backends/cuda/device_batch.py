"""One batch on a device: its memory, the limits of that memory, and the calls that measure or score the batch.

:func:`measure` and :func:`score` use a :class:`BatchMemory`. For data on the device it is a
:class:`~space2vec.backends.cuda.device_results.DeviceResults`; for data on the host it is a :class:`BatchSlot`, which
is used for one batch after another.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import re
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from space2vec.backends.cuda.batch_memory import BatchMemory
from space2vec.backends.cuda.device_results import DeviceResults, OutputAddresses, geometry
from space2vec.backends.cuda.packed_pixels import UNPACKED, VARIABLE, gather, packings
from space2vec.data.device.event import Event
from space2vec.data.stamps import Stamps

if TYPE_CHECKING:
    import space2vec._cuda as _cuda
    from space2vec.backends.cuda.float_network import FloatNetwork
    from space2vec.backends.interfaces import Model
    from space2vec.data.tables import Features
    from space2vec.data.types import AnyArray

__all__ = [
    "DEPTH",
    "BatchMemory",
    "BatchSlot",
    "Engine",
    "StampsOrFeatures",
    "embed",
    "measure",
    "memory_limit",
    "pixel_bytes",
    "rows_at_a_time",
    "score",
    "score_bytes",
    "stamp_arguments",
    "upload_catalogue",
]

#: The rows of a batch.
StampsOrFeatures: TypeAlias = "Stamps | Features"
#: A model on the device: that of the compiled module, or a network in floating point.
Engine: TypeAlias = "_cuda.Model | FloatNetwork"

#: DLPack's number for page-locked memory.
_PAGE_LOCKED = 3
#: The most rows that are scored at a time.
_ROWS = 8192

#: The bytes of device memory that all batches in progress may use together, unless ``SPACE2VEC_DEVICE_MEMORY`` says
#: otherwise. PyTorch's memory for weights and for values between layers is not included.
MEMORY = 1 << 30
#: Batches in progress: one is copied to the device, one is computed, and the results of one are copied back.
DEPTH = 3

_SUFFIXES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class _Span(NamedTuple):
    """The range of a buffer that contains the pixels of stamps, and the number of these pixels."""

    begin: int
    end: int
    pixels: int

    @property
    def scattered(self) -> bool:
        """Whether it is better to gather the pixels than to copy the whole range."""
        return self.end - self.begin > 2 * self.pixels


class _Block(NamedTuple):
    """An allocated block of memory: its address and its size in bytes; (0, 0) before it is allocated."""

    address: int
    nbytes: int


class _Placed(NamedTuple):
    """An array in device memory."""

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]


def memory_limit() -> int:
    """Return the bytes of device memory that all batches in progress may use together.

    Raises
    ------
    ValueError
        If the environment variable ``SPACE2VEC_DEVICE_MEMORY`` is not a number of bytes such as ``500000000``, ``512M``
        or ``4G``.
    """
    text = os.environ.get("SPACE2VEC_DEVICE_MEMORY", "")
    if not text:
        return MEMORY
    match = re.fullmatch(r"(\d{1,15})([KMG]?)", text)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"SPACE2VEC_DEVICE_MEMORY is {text!r}; accepted are bytes, or a number with K, M or G")
    return int(match[1]) * _SUFFIXES[match[2]]


def _span(stamps: Stamps) -> _Span:
    """Return the range of the buffer that contains the pixels of stamps."""
    present = stamps.offset >= 0
    if not present.any():
        return _Span(0, 0, 0)
    area = stamps.shape.astype(np.int64).prod(axis=2)
    begin, end = int(stamps.offset[present].min()), int((stamps.offset + area)[present].max())
    return _Span(begin, end, int(area[present].sum()))


def pixel_bytes(stamps: Stamps) -> int:
    """Return the bytes of device memory that a copy of the pixels of stamps takes; 0 if they are on a device."""
    if stamps.device_pixels is not None:
        return 0
    span = _span(stamps)
    each = 4 if os.environ.get(VARIABLE, "") in UNPACKED else 6  # 2 for the packed and 4 for the widened pixel
    return each * (span.pixels if span.scattered else span.end - span.begin)


class BatchSlot:
    """A stream, device memory and page-locked memory for one batch; the next batch uses the same memory.

    Parameters
    ----------
    module : module
        The compiled module.
    ordinal : int
        The number of the device.
    """

    def __init__(self, module: ModuleType, ordinal: int) -> None:
        self.module, self.ordinal = module, ordinal
        self._packings = packings()  # raises for an unknown form before there is a stream, which would not be destroyed
        self.stream: int = module.stream_create(ordinal)
        self._device: dict[str, _Block] = {}
        self._locked: dict[str, _Block] = {}
        self._sources: list[AnyArray] = []
        self._arrays: dict[str, _Placed] = {}

    @property
    def device_bytes(self) -> int:
        """The bytes of device memory that the slot holds."""
        return sum(block.nbytes for block in self._device.values())

    def device(self, name: str, nbytes: int) -> int:
        """Return the address of a block of device memory under a name; its earlier contents are lost.

        Raises
        ------
        MemoryError
            If the device has too little memory left.
        """
        address, size = self._device.get(name, _Block(0, 0))
        if nbytes > size:
            if address:
                self.wait()
                del self._device[name]
                self.module.release(self.ordinal, address, [], False)
            address = self.module.allocate(self.ordinal, self.stream, nbytes)
            self._device[name] = _Block(address, nbytes)
        return address

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> int:
        """Return the address of an array in device memory under a name, which :meth:`download` takes."""
        kind = np.dtype(dtype)
        # An empty array gets a byte, since kernels refuse a null pointer.
        address = self.device(name, max(math.prod(shape) * kind.itemsize, 1))
        self._arrays[name] = _Placed(address, shape, kind)
        return address

    def outputs(self, name: str, shape: tuple[int, ...], n: int, dtype: DTypeLike = np.float32) -> OutputAddresses:
        """Return the addresses of an array for values under a name, and of one for the flags of their n rows."""
        return OutputAddresses(self.array(name, shape, dtype), self.array("flags", (n,), np.uint32))

    def _page_locked(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> AnyArray:
        """Return an array in page-locked memory under a name."""
        kind = np.dtype(dtype)
        nbytes = math.prod(shape) * kind.itemsize
        if nbytes == 0:
            return np.empty(shape, kind)
        address, size = self._locked.get(name, _Block(0, 0))
        if size < nbytes:
            if address:
                self.wait()
                del self._locked[name]
                self.module.release_pinned(self.ordinal, address)
            address = self.module.pinned(self.ordinal, nbytes)
            self._locked[name] = _Block(address, nbytes)
        memory = memoryview((ctypes.c_char * nbytes).from_address(address))
        locked: AnyArray = np.frombuffer(memory, kind).reshape(shape)
        return locked

    def upload(self, name: str, array: NDArray[np.generic]) -> int:
        """Begin to copy an array to the device, and return its address there.

        An array that is not in page-locked memory is first copied to such memory of the slot. An array that is must not
        be changed before :meth:`wait`; the slot keeps a reference to it until then.
        """
        address = self.array(name, array.shape, array.dtype)
        if array.nbytes == 0:
            return address
        if array.flags.c_contiguous and self.module.memory_at(array.ctypes.data)[0] == _PAGE_LOCKED:
            source = array
        else:
            source = self._page_locked(name, array.shape, array.dtype)
            np.copyto(source, array)
        self._sources.append(source)
        self.module.copy(self.ordinal, self.stream, address, source.ctypes.data, array.nbytes, "to_device")
        return address

    def stamps(self, stamps: Stamps) -> _cuda.Stamps:
        """Begin to copy stamps to the device, and return them in the form of the compiled module.

        Stamps on the slot's device are not copied: the slot's stream waits for the stream of the caller.
        """
        if stamps.device_pixels is not None:
            results = DeviceResults(self.module, stamps.device_pixels)
            if results.stream != self.stream:
                Event(self.module, self.ordinal, results.stream).precede(self.stream)
            return results.stamps(stamps)
        span = _span(stamps)
        if span.scattered:
            buffer, offset = gather(stamps, span.pixels)
        else:
            buffer = stamps.buffer[span.begin : span.end]
            offset = np.where(stamps.offset >= 0, stamps.offset - span.begin, -1)
        pixels = self._upload_pixels(buffer)
        begin, n = self.upload("geometry", geometry(offset, stamps.shape, stamps.centre)), len(offset)
        level = math.nan if stamps.saturation is None else stamps.saturation
        moved: _cuda.Stamps = self.module.Stamps(pixels, len(buffer), begin, begin + 24 * n, begin + 48 * n, n, level)
        return moved

    def _upload_pixels(self, pixels: NDArray[np.float32]) -> int:
        """Begin to copy pixels to the device, packed in 16 bits if that is chosen, and return their address there."""
        for form in self._packings if len(pixels) else ():
            packed = self._page_locked("packed", pixels.shape, np.uint16)
            if form.pack(pixels, packed):
                source = self.upload("packed", packed)
                address = self.array("pixels", pixels.shape)
                self.module.widen_pixels(
                    self.ordinal, self.stream, source, len(pixels), address, form.integers, form.scale, form.zero
                )
                return address
        return self.upload("pixels", pixels)

    def download(self, *names: str) -> list[AnyArray]:
        """Begin to copy arrays from the device; the arrays returned are valid from :meth:`wait` to the next batch."""
        out = []
        for name in names:
            array = self._arrays[name]
            copy = self._page_locked(f"{name} down", array.shape, array.dtype)
            if copy.nbytes:
                self.module.copy(self.ordinal, self.stream, copy.ctypes.data, array.address, copy.nbytes, "to_host")
            out.append(copy)
        return out

    def wait(self) -> None:
        """Wait until all work on the slot's stream is done."""
        self.module.stream_wait(self.ordinal, self.stream)
        self._sources.clear()

    def drop(self) -> None:
        """Release all device memory, after the work on it is done."""
        with contextlib.suppress(RuntimeError):  # if the device is lost
            self.wait()
        for name in list(self._device):
            self.module.release(self.ordinal, self._device.pop(name).address, [], False)

    def close(self) -> None:
        """Release all memory and the stream, after the work on it is done."""
        self.drop()
        for block in self._locked.values():
            self.module.release_pinned(self.ordinal, block.address)
        self._locked.clear()
        self.module.stream_destroy(self.ordinal, self.stream)


def measure(memory: BatchMemory, stamps: Stamps, sets: int, columns: int, *, paper: bool) -> None:
    """Begin to measure features of stamps.

    The results are the arrays ``"values"`` (n, columns) and ``"flags"`` (n,) of the memory. `sets` are bits of
    :data:`space2vec.registry.STAMP_SETS`, `columns` is their number of features, and `paper` is the convention.
    """
    n = len(stamps.offset)
    values, flags = memory.outputs("values", (n, columns), n)
    if n:
        memory.module.features(memory.ordinal, memory.stream, memory.stamps(stamps), sets, paper, values, flags)


def rows_at_a_time(engine: Engine, n: int, share: int = 1) -> int:
    """Return the number of rows that a model scores at a time, so that its scratch memory stays within a limit.

    The limit is half of :func:`memory_limit`, divided by `share`.
    """
    rows, most = max(min(n, _ROWS), 1), memory_limit() // (2 * share)
    while rows > 1 and engine.scratch(rows) > most:
        rows = (rows + 1) // 2
    return rows


def score_bytes(engine: Engine, stamps: Stamps, share: int) -> int:
    """Return the bytes of device memory that are needed to score stamps: their pixels and the scratch memory."""
    rows = rows_at_a_time(engine, len(stamps.offset), share)
    return pixel_bytes(stamps) + int(engine.scratch(rows))


def score(memory: BatchMemory, engine: Engine, model: Model, source: StampsOrFeatures, share: int = 1) -> None:
    """Begin to score candidates; the results are the arrays ``"score"`` and ``"flags"`` (n,) of the memory.

    Parameters
    ----------
    memory : BatchMemory
        The memory.
    engine : space2vec._cuda.Model or FloatNetwork
        The model on the device.
    model : Model
        The same model.
    source : Stamps or Features
        The candidates.
    share : int, optional
        The batch may use :func:`memory_limit` divided by this.
    """
    n = len(source.object_id)
    out, flags = memory.outputs("score", (n,), n)
    if n == 0:
        return
    if not isinstance(source, Stamps):
        table = model.needs.columns_of_table(source)
        raised = _upload_flags(memory, table.flags)
        engine.score_columns(memory.stream, memory.upload("columns", table.columns), raised, n, out, flags)
        return
    engine.score(*stamp_arguments(memory, engine, model, source, share), out, flags)


def embed(memory: BatchMemory, engine: _cuda.Model, model: Model, stamps: Stamps, share: int = 1) -> None:
    """Begin to turn stamps into vectors; the results are the arrays ``"vectors"`` (n, k) and ``"flags"`` (n,).

    The parameters are those of :func:`score`.
    """
    n = len(stamps.object_id)
    vectors, flags = memory.outputs("vectors", (n, model.vector), n, np.int8)
    if n:
        engine.embed(*stamp_arguments(memory, engine, model, stamps, share), vectors, flags)


def upload_catalogue(memory: BatchMemory, model: Model, stamps: Stamps, name: str = "catalogue") -> int:
    """Begin to copy the catalogue columns that a model needs, and return their address; 0 if it needs none."""
    known = model.needs.catalogue_columns(stamps)
    return 0 if known is None else memory.upload(name, known)


def stamp_arguments(
    memory: BatchMemory, engine: Engine, model: Model, stamps: Stamps, share: int
) -> tuple[int, _cuda.Stamps, int, int, int, int]:
    """Begin to copy stamps; return stream, stamps, flags, catalogue, scratch memory and the rows that fit into it."""
    raised = _upload_flags(memory, stamps.flags)
    catalogue = upload_catalogue(memory, model, stamps)
    rows = rows_at_a_time(engine, len(stamps.object_id), share)
    scratch = memory.array("scratch", (engine.scratch(rows),), np.uint8)
    return memory.stream, memory.stamps(stamps), raised, catalogue, scratch, rows


def _upload_flags(memory: BatchMemory, flags: NDArray[np.uint32]) -> int:
    """Begin to copy flags (n,) to the device, and return their address there; 0 if no flag is set."""
    return memory.upload("raised", np.ascontiguousarray(flags).view(np.int32)) if flags.any() else 0
