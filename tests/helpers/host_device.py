"""A ``space2vec._cuda`` whose device is the host: its memory is ordinary memory, its kernels are the CPU's.

It keeps what a device may do: nothing on a stream happens before somebody waits for it, memory of the device that
nobody has written to is full of NaN, and memory that is given back is gone as soon as the events are reached that it
waits for. What was not ordered by an event, or not waited for, is therefore wrong here every time. Memory that is used
after it was released, or beyond its end, is told, and so is a device that a call takes which nobody asked for.

``make(monkeypatch)`` puts it in the place of the compiled module; ``device_libraries`` has arrays of others on it.
"""

from __future__ import annotations

import ctypes
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import space2vec
from helpers.device_libraries import OnDevice, fake_cupy
from space2vec import _core, model_files, registry
from space2vec.model_files.needs import Needs

__all__ = ["DeviceLost", "HostDevice", "OnDevice", "OutOfDeviceMemory", "fake_cupy", "make"]

_POISON = 0xFF  # every float is NaN
#: Columns that are measured, by sets.
_COLUMNS = {sets: len(registry.stamp_columns(sets)) for sets in (1, 2, 3)}
#: Columns of the catalogue.
_CATALOGUE = len(registry.CATALOGUE)

_Allocate = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
_Release = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
#: What readers call; an array may outlive the module that it asked.
_CALLED: list[Any] = []


class OutOfDeviceMemory(MemoryError):  # noqa: N818
    """As the compiled module's."""


class DeviceLost(RuntimeError):  # noqa: N818
    """As the compiled module's."""


class CudaError(RuntimeError):
    """As the compiled module's."""


@dataclass(eq=False)
class _Event:
    """A point in the work of a stream."""

    queue: list[Callable[[], None]] = field(default_factory=list)
    reached: bool = True


@dataclass(frozen=True)
class Stamps:
    """As the compiled module's: addresses."""

    pixels: int
    pixel_count: int
    offset: int
    shape: int
    centre: int
    n: int
    saturation: float


@dataclass(frozen=True)
class Planes:
    """As the compiled module's: addresses; strides in elements."""

    pixels: int
    mask: int
    n: int
    height: int
    width: int
    plane_stride: int
    row_stride: int


class HostDevice(types.ModuleType):
    """The module.

    Parameters
    ----------
    count : int
        The number of devices.
    memory : int
        Bytes of each.
    why : str
        Why there is no device.
    eager : bool
        Whether work is done when it is begun; for libraries whose own work does not wait for a stream.
    """

    OutOfDeviceMemory = OutOfDeviceMemory
    DeviceLost = DeviceLost
    CudaError = CudaError
    Stamps = Stamps
    Planes = Planes

    def __init__(self, count: int = 1, memory: int = 1 << 30, why: str = "", *, eager: bool = False) -> None:
        super().__init__("space2vec._cuda")
        self.count, self.memory, self.why, self.eager = count, memory, why, eager
        self.arrays: dict[int, np.ndarray] = {}
        self.held: dict[int, int] = {}
        self.most = 0
        self.queues: dict[int, list[Callable[[], None]]] = {0: []}
        self.events: dict[int, _Event] = {}
        self.calls: list[str] = []
        self.lose_after: int | None = None
        self.copied = 0
        self.locked: dict[int, int] = {}
        self.most_locked = sys.maxsize
        self.places: dict[int, int] = {}
        self.used: set[int] = set()
        self.captured: set[int] = set()
        self._leaving: dict[int, list[_Event]] = {}
        self._page_locked: tuple[int, int] | None = None
        self._next = 1000
        self.Model = self._model_class()

    # What there is

    def available(self) -> tuple[int, str]:
        return self.count, self.why

    def versions(self) -> dict[str, int]:
        return {"runtime": 13000, "driver": 13010 if self.count else 0}

    def properties(self, device: int) -> dict[str, Any]:
        free = self.memory - sum(self.held.values())
        return {"name": "a host in disguise", "compute_capability": "9.0", "memory": self.memory, "free": free,
                "multiprocessors": 1, "pci_bus": f"00:0{device}.0"}  # fmt: skip

    # Memory

    def allocate(self, device: int, stream: int, size: int) -> int:
        self._call("allocate", device)
        if sum(self.held.values()) + size > self.memory:
            raise OutOfDeviceMemory(f"cudaErrorMemoryAllocation: {size} bytes")
        assert (0 if stream == 1 else stream) in self.queues, "a stream that is gone"
        address = self._filled_up(size)
        self.held[address], self.places[address] = size, device
        self.most = max(self.most, sum(self.held.values()))
        return address

    def release(self, device: int, address: int, events: list[int], idle: bool) -> None:
        assert self.places.pop(address) == device
        if idle:
            self._drain()
        self._leaving[address] = [self.events[event] for event in events]
        del self.held[address]
        self._let_go()

    def _let_go(self) -> None:
        """Take memory away that is given back and whose events are reached."""
        for address, events in list(self._leaving.items()):
            if all(event.reached for event in events):
                del self._leaving[address], self.arrays[address]

    def memory_at(self, address: int) -> tuple[int, int]:
        if any(a <= address < a + len(self.arrays[a]) for a in self.locked):
            return 3, 0
        for a, place in self.places.items():
            if a <= address < a + len(self.arrays[a]):
                return 2, place
        return 1, 0

    def is_page_locked(self, array: np.ndarray) -> bool:
        """Tell whether an array lies in page-locked memory."""
        return array.size > 0 and self.memory_at(array.ctypes.data)[0] == 3

    def put(self, size: int, device: int = 0) -> int:
        """Return memory of a device that another library holds."""
        address = self._filled_up(size)
        self.places[address] = device
        return address

    def pinned(self, device: int, size: int) -> int:
        self.used.add(device)
        address = self._filled_up(size)
        self.locked[address] = size
        return address

    def release_pinned(self, device: int, address: int) -> None:
        self.used.add(device)
        del self.arrays[address], self.locked[address]

    def _filled_up(self, size: int) -> int:
        array = np.full(size, _POISON, np.uint8)
        self.arrays[array.ctypes.data] = array
        return array.ctypes.data

    def page_locked(self, device: int) -> tuple[int, int, int]:
        if self._page_locked is None:
            functions = _Allocate(self._lock_pages), _Release(self._unlock_pages)
            _CALLED.extend(functions)
            first, second = (ctypes.cast(function, ctypes.c_void_p).value or 0 for function in functions)
            self._page_locked = first, second
        return *self._page_locked, device

    def _lock_pages(self, device: int | None, size: int) -> int | None:
        self.calls.append("page_locked")
        if sum(self.locked.values()) + size > self.most_locked:
            return None
        return self.pinned(device or 0, size)

    def _unlock_pages(self, device: int | None, address: int, size: int) -> None:
        assert self.locked[address] == size
        self.release_pinned(device or 0, address)

    def at(self, address: int, shape: tuple[int, ...], dtype: Any, *, host: bool = False) -> np.ndarray:
        """Return memory as an array; memory of the device must be known."""
        count = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        assert address, "a null pointer"
        if count == 0:
            return np.empty(shape, dtype)
        if not host:
            inside = any(a <= address and address + count <= a + len(array) for a, array in self.arrays.items())
            assert inside, f"{count} bytes at {address:#x} are no memory of the device"
        return np.frombuffer((ctypes.c_char * count).from_address(address), dtype).reshape(shape)

    def copy(self, device: int, stream: int, to: int, source: int, size: int, kind: str) -> None:
        self._call("copy", device)
        assert kind in ("to_device", "to_host", "on_device")

        def work() -> None:
            there = self.at(to, (size,), np.uint8, host=kind == "to_host")
            there[:] = self.at(source, (size,), np.uint8, host=kind == "to_device")

        self.copied += size
        # CUDA copies pageable memory of the host before it returns.
        if kind == "to_device" and not any(a <= source < a + len(array) for a, array in self.arrays.items()):
            kept = np.array(self.at(source, (size,), np.uint8, host=True))
            self._put(stream, lambda: np.copyto(self.at(to, (size,), np.uint8), kept))
        else:
            self._put(stream, work)

    def fill_bytes(self, device: int, stream: int, address: int, value: int, size: int) -> None:
        self._put(stream, lambda: self.at(address, (size,), np.uint8).fill(value))

    # Streams and events

    def _number(self) -> int:
        self._next += 1
        return self._next

    def _put(self, stream: int, work: Callable[[], None]) -> None:
        self.queues[0 if stream == 1 else stream].append(work)
        if self.eager:
            self._drain()

    def _drain(self) -> None:
        for stream in list(self.queues):
            self._run(stream)

    def _run(self, stream: int) -> None:
        queue = self.queues[0 if stream == 1 else stream]
        while queue:
            queue.pop(0)()
            self._let_go()

    def _call(self, name: str, device: int | None = None) -> None:
        self.calls.append(name)
        if device is not None:
            self.used.add(device)
        if self.lose_after is not None:
            self.lose_after -= 1
            if self.lose_after < 0:
                raise DeviceLost("cudaErrorDevicesUnavailable: the device does not answer")

    def stream_create(self, device: int) -> int:
        self.used.add(device)
        number = self._number()
        self.queues[number] = []
        return number

    def stream_destroy(self, device: int, stream: int) -> None:
        lost = self.lose_after is not None and self.lose_after < 0
        assert not self.queues.pop(stream) or lost, "work on a stream that is destroyed"

    def stream_wait(self, device: int, stream: int) -> None:
        self._call("stream_wait")
        self._run(stream)

    def stream_captured(self, device: int, stream: int) -> bool:
        return stream in self.captured

    def device_wait(self, device: int) -> None:
        self._call("device_wait", device)
        self._drain()

    def event_create(self, device: int) -> int:
        number = self._number()
        self.events[number] = _Event()
        return number

    def event_destroy(self, device: int, event: int) -> None:
        del self.events[event]

    def event_record(self, device: int, event: int, stream: int) -> None:
        self.used.add(device)
        known = self.events[event]
        known.queue, known.reached = self.queues[0 if stream == 1 else stream], False
        self._put(stream, lambda: setattr(known, "reached", True))

    def stream_wait_event(self, device: int, stream: int, event: int) -> None:
        known = self.events[event]
        self._put(stream, lambda: self._reach(known))

    def event_wait(self, device: int, event: int) -> None:
        self._reach(self.events[event])

    def _reach(self, event: _Event) -> None:
        while not event.reached:
            event.queue.pop(0)()
            self._let_go()

    def event_milliseconds(self, device: int, first: int, second: int) -> float:
        return 1.0

    # Kernels

    def _stamps(self, stamps: Stamps, raised: int = 0) -> Any:
        """Return stamps as the kernels of the host take them."""
        assert isinstance(stamps, Stamps)
        n, level = stamps.n, stamps.saturation
        return types.SimpleNamespace(
            buffer=self.at(stamps.pixels, (stamps.pixel_count,), np.float32),
            offset=self.at(stamps.offset, (n, 3), np.int64),
            shape=self.at(stamps.shape, (n, 3, 2), np.int32),
            centre=self.at(stamps.centre, (n, 2), np.int32),
            saturation=None if np.isnan(level) else level,
            flags=self.at(raised, (n,), np.uint32) if raised else np.zeros(n, np.uint32),
        )

    def widen_pixels(
        self, device: int, stream: int, packed: int, n: int, pixels: int, integers: bool, scale: float, zero: float
    ) -> None:
        self._call("widen_pixels", device)

        def work() -> None:
            there = self.at(packed, (n,), np.uint16), self.at(pixels, (n,), np.float32)
            _core.widen_pixels(*there, integers, scale, zero, 1)

        self._put(stream, work)

    def features(self, device: int, stream: int, stamps: Any, sets: int, paper: bool, values: int, flags: int) -> None:
        self._call("features")
        n, k = stamps.n, _COLUMNS[sets]

        def work() -> None:
            out = self.at(values, (n, k), np.float32), self.at(flags, (n,), np.uint32)
            _core.features(self._stamps(stamps), sets, paper, *out, 1)

        self._put(stream, work)

    def prepare(self, device: int, stream: int, stamps: Any, recipe: str, planes: int, flags: int) -> None:
        self._call("prepare")

        def work() -> None:
            n, shape = stamps.n, space2vec.Recipe(recipe).shape
            out = self.at(planes, (n, *shape), np.float32), self.at(flags, (n,), np.uint32)
            _core.prepare(self._stamps(stamps), recipe, *out, 1)

        self._put(stream, work)

    def compose(
        self, device: int, stream: int, stamps: Any, side: int, channels: Any, chains: Any, planes: int, flags: int
    ) -> None:
        self._call("compose")

        def work() -> None:
            n, width = stamps.n, len(channels)
            out = self.at(planes, (n, len(chains), width, side, side), np.float32)
            raised = self.at(flags, (n,), np.uint32)
            raised[:] = 0
            for view, steps in enumerate(chains):
                part, met = np.empty((n, width, side, side), np.float32), np.empty(n, np.uint32)
                _core.compose(self._stamps(stamps), side, channels, steps, part, met, 1)
                out[:, view] = part
                raised |= met
            out[np.isnan(out[:, :, 0, 0, 0]).any(axis=1)] = np.nan

        self._put(stream, work)

    def normalise(self, device: int, stream: int, planes: Any, steps: Any, fill: float, out: int, flags: int) -> None:
        self._call("normalise")
        assert isinstance(planes, Planes)

        def work() -> None:
            shape, steps_between = (planes.n, planes.height, planes.width), (planes.plane_stride, planes.row_stride, 1)
            count = 1 + sum((size - 1) * step for size, step in zip(shape, steps_between, strict=True))
            flat = self.at(planes.pixels, (count,), np.float32)
            strides = tuple(4 * step for step in steps_between)
            pixels = np.ascontiguousarray(np.lib.stride_tricks.as_strided(flat, shape, strides))
            hidden = self.at(planes.mask, pixels.shape, np.uint8) if planes.mask else None
            n = planes.n
            results = self.at(out, pixels.shape, np.float32), self.at(flags, (n,), np.uint32)
            _core.normalise(pixels, hidden, steps, fill, *results, 1)

        self._put(stream, work)

    def _model_class(self) -> type:
        module = self

        class Model:
            def __init__(self, device: int, file: bytes) -> None:
                module._call("model")
                self._model = _core.Model(file)
                self._needs = Needs.of(_header(file))

            def scratch(self, rows: int) -> int:
                return 64 * rows

            def _known(self, stamps: Stamps, raised: int, catalogue: int) -> tuple[Any, Any]:
                known = module.at(catalogue, (stamps.n, _CATALOGUE), np.float32) if catalogue else None
                return module._stamps(stamps, raised), known

            def _rows(self, planes: int, columns: int, n: int) -> list[np.ndarray | None]:
                shapes = self._needs.shapes
                return [module.at(address, (n, *shapes[what]), np.float32) if what in shapes else None
                        for what, address in (("planes", planes), ("features", columns))]  # fmt: skip

            def score(
                self, stream: int, stamps: Stamps, raised: int, catalogue: int, scratch: int, rows: int, score: int,
                flags: int,
            ) -> None:  # fmt: skip
                module._call("score")
                assert self._model.runs

                def work() -> None:
                    self._use(scratch, rows)
                    out = module.at(score, (stamps.n,), np.float32), module.at(flags, (stamps.n,), np.uint32)
                    self._model.score(*self._known(stamps, raised, catalogue), *out, 1)

                module._put(stream, work)

            def embed(
                self, stream: int, stamps: Stamps, raised: int, catalogue: int, scratch: int, rows: int, vectors: int,
                flags: int,
            ) -> None:  # fmt: skip
                module._call("embed")

                def work() -> None:
                    self._use(scratch, rows)
                    n, k = stamps.n, self._model.vector
                    out = module.at(vectors, (n, k), np.int8), module.at(flags, (n,), np.uint32)
                    self._model.embed(*self._known(stamps, raised, catalogue), *out, 1)

                module._put(stream, work)

            def inputs(
                self, stream: int, stamps: Stamps, raised: int, catalogue: int, scratch: int, rows: int, planes: int,
                columns: int, flags: int, scored: int,
            ) -> None:  # fmt: skip
                module._call("inputs")

                def work() -> None:
                    self._use(scratch, rows)
                    n = stamps.n
                    out = module.at(flags, (n,), np.uint32), module.at(scored, (n,), np.bool_)
                    inputs = self._rows(planes, columns, n)
                    self._model.inputs(*self._known(stamps, raised, catalogue), *inputs, *out, 1)

                module._put(stream, work)

            def _use(self, scratch: int, rows: int) -> None:
                """Write into all of the scratch, as kernels do."""
                module.at(scratch, (self.scratch(rows),), np.uint8).fill(1)

            def _table(self, columns: int, raised: int, n: int) -> tuple[np.ndarray, np.ndarray]:
                flags = module.at(raised, (n,), np.uint32) if raised else np.zeros(n, np.uint32)
                return module.at(columns, (n, *self._needs.shapes["features"]), np.float32), flags

            def score_columns(self, stream: int, columns: int, raised: int, n: int, score: int, flags: int) -> None:
                module._call("score_columns")

                def work() -> None:
                    out = module.at(score, (n,), np.float32), module.at(flags, (n,), np.uint32)
                    self._model.score_columns(*self._table(columns, raised, n), *out, 1)

                module._put(stream, work)

            def check_columns(self, stream: int, columns: int, raised: int, n: int, score: int, flags: int) -> None:
                module._call("check_columns")

                def work() -> None:
                    scored = np.empty(n, np.bool_)
                    self._model.check_columns(
                        *self._table(columns, raised, n), module.at(flags, (n,), np.uint32), scored
                    )
                    module.at(score, (n,), np.float32)[~scored] = np.nan

                module._put(stream, work)

            def predict(self, stream: int, planes: int, columns: int, n: int, score: int) -> None:
                module._call("predict")
                assert self._model.runs

                def work() -> None:
                    inputs = self._rows(planes, columns, n)
                    self._model.predict(*inputs, module.at(score, (n,), np.float32), 1)

                module._put(stream, work)

            def predict_vectors(self, stream: int, planes: int, columns: int, n: int, vectors: int) -> None:
                module._call("predict_vectors")

                def work() -> None:
                    out = module.at(vectors, (n, self._model.vector), np.int8)
                    self._model.predict_vectors(*self._rows(planes, columns, n), out, 1)

                module._put(stream, work)

        return Model


def _header(file: bytes) -> model_files.Header:
    """Return the header of a model file."""
    return model_files.Header.from_json(_core.Model(file).header)


def make(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> HostDevice:
    """Put such a module in the place of the compiled one."""
    module = HostDevice(**settings)
    monkeypatch.setitem(sys.modules, "space2vec._cuda", module)
    monkeypatch.setattr(space2vec, "_cuda", module, raising=False)
    return module
