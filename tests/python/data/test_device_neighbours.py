"""What arrays of other libraries say of themselves, what ours say to them, and whose memory and streams are whose."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from helpers import host_device
from space2vec.data.device import DeviceArray, dlpack, extension, page_locked
from space2vec.data.device.view import to_host, view
from space2vec.errors import BackendError


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> host_device.HostDevice:
    return host_device.make(monkeypatch)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).normal(100, 5, size=(6, 3, 31, 31)).astype(np.float32)


class Jax(host_device.OnDevice):
    """An array that says no stream by its interface, and is ready on the borrower's by DLPack."""

    def __init__(self, module: host_device.HostDevice, array: np.ndarray) -> None:
        super().__init__(module, array, version=2)
        self.stream = module.stream_create(0)
        first, size, kept = self._first, array.nbytes, np.array(array)
        module.at(first, (size,), np.uint8).fill(0)
        module._put(self.stream, lambda: np.copyto(module.at(first, array.shape, array.dtype), kept))

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0

    def __dlpack__(self, *, stream: int | None = None, **_: Any) -> Any:
        assert stream == 1
        event = self._module.event_create(0)
        self._module.event_record(0, event, self.stream)
        self._module.stream_wait_event(0, stream, event)
        return super().__dlpack__(stream=stream)


def test_an_interface_without_a_stream_is_not_believed(module: host_device.HostDevice, pixels: np.ndarray) -> None:
    table = s2v.features(s2v.Stamps(Jax(module, pixels)), set="s2v")
    assert np.asarray(table).tobytes() == s2v.features(s2v.Stamps(pixels), set="s2v").values.tobytes()


def test_an_interface_without_a_stream_and_no_other_way(module: host_device.HostDevice, pixels: np.ndarray) -> None:
    class Old:
        def __init__(self, of: Jax) -> None:
            self.of, self.__cuda_array_interface__ = of, of.__cuda_array_interface__

    table = s2v.features(s2v.Stamps(Old(Jax(module, pixels))), set="s2v")
    assert "device_wait" in module.calls
    assert np.asarray(table).tobytes() == s2v.features(s2v.Stamps(pixels), set="s2v").values.tobytes()


@pytest.mark.parametrize("dtype", [np.bool_, np.float32, np.uint16, np.int64, np.float16, np.complex64])
def test_types_that_are_lent(dtype: type, module: host_device.HostDevice) -> None:
    given = np.arange(6).astype(dtype)
    lent = dlpack.BorrowedArray(DeviceArray.of_host(given).__dlpack__())
    assert lent.dtype == given.dtype
    assert np.array_equal(module.at(lent.address, lent.shape, lent.dtype), given)


def test_a_mask_by_dlpack(module: host_device.HostDevice, pixels: np.ndarray) -> None:
    hidden = pixels > 105
    mask = host_device.OnDevice(module, hidden, dlpack=True)
    result = s2v.normalise(host_device.OnDevice(module, pixels, dlpack=True), "l2", mask=mask)
    assert to_host(result.planes).tobytes() == s2v.normalise(pixels, "l2", mask=hidden).planes.tobytes()


def test_what_cannot_be_lent(module: host_device.HostDevice) -> None:
    array = DeviceArray.of_host(np.zeros(3, np.float32))
    for refused in ({"copy": True}, {"dl_device": (1, 0)}, {"dl_device": (2, 1)}):
        with pytest.raises(BufferError, match="cuda:0"):
            array.__dlpack__(**refused)  # type: ignore[arg-type]
    for accepted in ({"copy": False}, {"copy": None, "dl_device": (2, 0), "max_version": (1, 0)}):
        assert dlpack.BorrowedArray(array.__dlpack__(**accepted)).address == array.address  # type: ignore[arg-type]
    with pytest.raises(BufferError, match="DLPack has no elements of datetime64"):
        DeviceArray((3,), "datetime64[s]").__dlpack__()


def test_the_driver_knows_where_an_array_lies(monkeypatch: pytest.MonkeyPatch, pixels: np.ndarray) -> None:
    module = host_device.make(monkeypatch, count=3)
    numba = host_device.OnDevice(module, pixels, device=2)
    assert not hasattr(numba, "__dlpack_device__")
    stamps = s2v.Stamps(numba)
    assert stamps.device == "cuda:2"
    table = s2v.features(stamps, set="s2v")
    assert np.asarray(table).tobytes() == s2v.features(s2v.Stamps(pixels), set="s2v").values.tobytes()
    assert module.used == {2}, "and no other device is woken"
    locked = module.pinned(0, 400)
    numba.__cuda_array_interface__["data"] = (locked, False)
    with pytest.raises(TypeError, match="lies in memory of the host"):
        view(numba, "pixels")


def test_page_locked_memory_wakes_its_own_device_alone(monkeypatch: pytest.MonkeyPatch, pixels: np.ndarray) -> None:
    module = host_device.make(monkeypatch, count=2)
    array = page_locked.pinned_array((4,), ordinal=1)
    s2v.features(s2v.Stamps(pixels), set="s2v", device="cuda:1")
    s2v.load("forest").score(s2v.Stamps(pixels), device="cuda:1")
    del array
    gc.collect()
    assert module.used == {1}


def test_addresses_that_would_lose_the_device(module: host_device.HostDevice, pixels: np.ndarray) -> None:
    array = host_device.OnDevice(module, pixels)
    shifted = dict(array.__cuda_array_interface__)
    address = shifted["data"][0]
    for data, strides in (((address + 2, False), None), ((address, False), (5 * 31 * 31, 5 * 31, 5, 2))):
        array.__cuda_array_interface__ = shifted | {"data": data, "strides": strides, "shape": (2, 3, 5, 5)}
        with pytest.raises(TypeError, match=r"a device reads float32 at multiples of 4 bytes alone"):
            s2v.Stamps(array)
        with pytest.raises(TypeError, match=r"a device reads float32 at multiples of 4 bytes alone"):
            s2v.normalise(array, "l2")
    array.__cuda_array_interface__ = shifted | {"data": (address + 1, False), "shape": (0, 3, 5, 5)}
    assert len(s2v.Stamps(array)) == 0


def test_work_that_is_captured_into_a_graph_is_refused(module: host_device.HostDevice, pixels: np.ndarray) -> None:
    stream = module.stream_create(0)
    there = host_device.OnDevice(module, pixels, stream=stream)
    stamps, model = s2v.Stamps(there), s2v.load("forest")
    module.captured.add(stream)
    module.calls.clear()
    for call in (
        lambda: s2v.features(stamps, set="s2v"),
        lambda: s2v.prepare(stamps, "braai"),
        lambda: s2v.normalise(there, "l2"),
        lambda: model.score(stamps),
    ):
        with pytest.raises(BackendError, match="work on cuda:0 is being captured into a CUDA graph"):
            call()
    assert set(module.calls) <= {"model"}, "nothing that would spoil the graph"
    module.captured.clear()
    assert len(model.score(stamps)) == len(pixels)


def test_memory_is_given_back_without_waiting(module: host_device.HostDevice, pixels: np.ndarray) -> None:
    stream = module.stream_create(0)
    given = host_device.OnDevice(module, pixels, stream=stream)
    table, scores = s2v.features(s2v.Stamps(given), set="s2v"), s2v.load("forest").score(s2v.Stamps(given))
    held = dict(module.held)
    del table, scores
    gc.collect()
    assert held
    assert module.held == {}, "others may have it, behind the work that is under way"
    assert module.queues[stream], "for which nobody has waited"
    module.stream_wait(0, stream)  # which uses memory that is not others' yet
    assert module._leaving == {}


def test_memory_that_was_lent_waits_for_its_borrowers(module: host_device.HostDevice, pixels: np.ndarray) -> None:
    theirs = module.stream_create(0)
    for lend in (lambda array: array.__cuda_array_interface__, lambda array: array.__dlpack__(stream=theirs)):
        table = s2v.features(s2v.Stamps(DeviceArray.of_host(pixels)), set="s2v")
        lend(table.values)
        module.fill_bytes(0, theirs, table.values.address, 0, table.values.nbytes)
        del table
        gc.collect()
        assert not module.queues[theirs], "what a borrower has begun is done before the memory is another's"
    assert extension.unavailable_reason() == ""


def test_a_pipeline_that_ends_early_waits_before_it_lets_its_batches_go(
    module: host_device.HostDevice, pixels: np.ndarray
) -> None:
    model, array = s2v.load("forest"), DeviceArray.of_host(pixels)

    def batches() -> Any:
        for _ in range(3):
            stamps = s2v.Stamps(array)
            assert len(s2v.features(stamps, set="s2v").flags) == len(pixels)  # waited for: their places are not in use
            yield stamps
            del stamps
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), model.pipeline("cuda:0") as through:
        list(through.run(batches()))
    gc.collect()
    assert array.address in module.held
    assert len(module.held) <= 2, "the array, and where the last stamps lie in it, which the error still leads to"
