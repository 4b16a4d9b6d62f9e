"""Stamps of the host through a device: the same bits, in bounded memory, whatever the device runs out of."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from helpers import host_device
from helpers.device_tables import alike, stump
from space2vec.backends.cuda import device_batch, pipeline
from space2vec.backends.cuda.pipeline import Pipeline, feature_work
from space2vec.cli import main
from space2vec.data.device import page_locked
from space2vec.errors import BackendError, DeviceLostError
from space2vec.plans.features import FeaturePlan
from space2vec.registry import feature_set


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> host_device.HostDevice:
    return host_device.make(monkeypatch)


@pytest.fixture(scope="module")
def night() -> s2v.Stamps:
    return s2v.simulate(60, seed=5).stamps


@pytest.fixture(scope="module")
def expected(night: s2v.Stamps) -> s2v.Features:
    return s2v.features(night, set="all")


MEASURE = FeaturePlan(feature_set("all"))
WORK = feature_work(MEASURE)


def silently(call: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()


def test_batches_come_back_in_order(module: host_device.HostDevice, night: s2v.Stamps, expected: s2v.Features) -> None:
    sizes = [1, 20, 0, 7, 32]
    starts = np.cumsum([0, *sizes])
    taken = []

    def batches() -> Iterator[s2v.Stamps]:
        for begin, size in zip(starts, sizes, strict=False):
            taken.append(size)
            yield night[begin : begin + size]

    with Pipeline(feature_work(MEASURE), 0) as through:
        parts = []
        for part in through.run(batches()):
            parts.append(part)
            assert len(taken) == min(len(parts) + pipeline.DEPTH, len(sizes)), "more than there is room for are taken"
    assert [len(part) for part in parts] == sizes
    assert alike(s2v.Features.concatenate(parts, MEASURE.names), expected)
    assert module.held == {}
    assert module.arrays == {}, "page-locked memory is given back"
    assert len(module.queues) == 1


def test_memory_of_the_device_is_bounded(
    module: host_device.HostDevice, night: s2v.Stamps, expected: s2v.Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 6 * 4 * 3 * 63 * 63
    monkeypatch.setenv("SPACE2VEC_DEVICE_MEMORY", str(limit))
    assert alike(s2v.features(night, set="all", device="cuda"), expected)
    assert 0 < module.most <= limit
    monkeypatch.setenv("SPACE2VEC_DEVICE_MEMORY", "2G")
    assert device_batch.memory_limit() == 2 << 30
    for bad in ("much", "0", "-1", "1T"):
        monkeypatch.setenv("SPACE2VEC_DEVICE_MEMORY", bad)
        with pytest.raises(ValueError, match="SPACE2VEC_DEVICE_MEMORY is"):
            s2v.features(night, device="cuda")


@pytest.mark.parametrize("rows", [40, 13, 1])
def test_a_batch_that_is_too_large_is_halved(
    rows: int, module: host_device.HostDevice, night: s2v.Stamps, expected: s2v.Features
) -> None:
    module.memory = rows * (4 * 3 * 63 * 63 + 400)
    with pytest.warns(RuntimeWarning, match="'cuda:0' is out of memory with 60 rows at a time; going on with 30"):
        assert alike(s2v.features(night, set="all", device="cuda"), expected)
    with Pipeline(feature_work(MEASURE), 0) as through:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            parts = list(through.run([night, night]))
        assert through.rows <= rows
        assert len({str(w.message) for w in said}) == len(said), "nothing is said twice"
    for part in parts:
        assert alike(part, expected)
    assert module.held == {}


def test_not_even_one_row(module: host_device.HostDevice, night: s2v.Stamps) -> None:
    module.memory = 1000
    with pytest.raises(BackendError, match="has no memory left for a single row"):
        silently(lambda: s2v.features(night, device="cuda"))
    assert module.held == {}


def test_a_network_that_runs_out_of_memory_at_the_end_of_a_batch(
    module: host_device.HostDevice, night: s2v.Stamps, expected: s2v.Features
) -> None:
    def late(batch: Any, begun: Any) -> s2v.Features:
        if len(batch) > 8:
            raise host_device.OutOfDeviceMemory("cudaErrorMemoryAllocation")
        return WORK.end(batch, begun)

    with Pipeline(replace(WORK, end=late), 0) as through:
        parts = silently(lambda: list(through.run([night[:30], night[30:35], night[35:]])))
    assert alike(s2v.Features.concatenate(parts, MEASURE.names), expected)


@pytest.mark.parametrize("calls", [3, 20, 45])
def test_a_lost_device(calls: int, module: host_device.HostDevice, night: s2v.Stamps) -> None:
    done: list[s2v.Features] = []

    def lose() -> None:
        with Pipeline(feature_work(MEASURE), 0) as through:
            module.lose_after = calls
            done.extend(through.run(night[k : k + 5] for k in range(0, 60, 5)))

    with pytest.raises(DeviceLostError, match="device 'cuda:0' was lost: cudaErrorDevicesUnavailable"):
        lose()
    assert module.held == {}
    assert len(done) == {3: 0, 20: 0, 45: 3}[calls], "what came before is given"
    if done:
        assert alike(done[-1], s2v.features(night[10:15], set="all"))


@pytest.mark.parametrize(("said", "lost"), [
    ("CUDA error: an illegal memory access was encountered\nCUDA kernel errors ...", True),
    ("CUDA error: unspecified launch failure", True), ("CUDA error: device-side assert triggered", True),
    ("CUDA error: uncorrectable ECC error encountered", True), ("CUDA error: invalid argument", False),
    ("CUDA error: no kernel image is available for execution on the device", False),
])  # fmt: skip
def test_what_pytorch_says_of_a_device(
    said: str, lost: bool, module: host_device.HostDevice, night: s2v.Stamps
) -> None:
    def fail(slot: device_batch.BatchSlot, batch: Any) -> Any:
        raise RuntimeError(said)

    first = said.splitlines()[0]
    with (
        Pipeline(replace(WORK, begin=fail), 0) as through,
        pytest.raises(BackendError, match=f"device 'cuda:0' {'was lost' if lost else 'failed'}: {first}$") as caught,
    ):
        list(through.run([night]))
    assert isinstance(caught.value, DeviceLostError) == lost


@pytest.mark.parametrize("said", [
    "CUDA error: out of memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "",
])  # fmt: skip
def test_memory_that_libraries_lack(
    said: str, module: host_device.HostDevice, night: s2v.Stamps, expected: s2v.Features,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    torch = pytest.importorskip("torch", reason="PyTorch is missing: torch")
    emptied: list[bool] = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(True))

    def greedy(slot: device_batch.BatchSlot, batch: Any) -> Any:
        if len(batch) > 40:
            raise RuntimeError(said) if said else host_device.OutOfDeviceMemory("cudaErrorMemoryAllocation")
        return WORK.begin(slot, batch)

    with Pipeline(replace(WORK, begin=greedy), 0) as through:
        (table,) = silently(lambda: list(through.run([night])))
    assert alike(table, expected)
    assert emptied == [True]


def test_results_that_are_there_when_a_device_is_lost(
    module: host_device.HostDevice, night: s2v.Stamps, expected: s2v.Features
) -> None:
    def failing(slot: device_batch.BatchSlot, batch: Any) -> Any:
        if len(batch) == 7:
            raise host_device.DeviceLost("cudaErrorDevicesUnavailable")
        return WORK.begin(slot, batch)

    done: list[s2v.Features] = []
    sizes = [10] * pipeline.DEPTH + [7]
    batches = [night[sum(sizes[:k]) : sum(sizes[: k + 1])] for k in range(len(sizes))]
    with Pipeline(replace(WORK, begin=failing), 0) as through, pytest.raises(DeviceLostError):
        done.extend(through.run(batches))
    assert len(done) == 1, "the first was waited for, to have its slot"
    assert alike(done[0], s2v.features(night[:10], set="all"))


def test_a_device_that_is_lost_at_the_beginning(module: host_device.HostDevice, night: s2v.Stamps) -> None:
    create, created = module.stream_create, []

    def twice(device: int) -> int:
        if len(created) == 2:
            raise host_device.DeviceLost("cudaErrorDevicesUnavailable")
        created.append(create(device))
        return created[-1]

    module.stream_create = twice  # type: ignore[method-assign]
    with pytest.raises(DeviceLostError), Pipeline(feature_work(MEASURE), 0) as through:
        list(through.run(night[k : k + 5] for k in range(0, 20, 5)))
    assert len(module.queues) == 1, "the streams are given back"
    created.clear()
    s2v.features(night, device="cuda")
    assert len(created) == 1, "one batch needs no more"


def test_another_error_is_not_taken_for_a_lost_device(module: host_device.HostDevice, night: s2v.Stamps) -> None:
    def broken(*_: Any) -> None:
        raise host_device.CudaError("cudaErrorInvalidValue")

    module.features = broken  # type: ignore[method-assign]
    with pytest.raises(BackendError, match="device 'cuda:0' failed: cudaErrorInvalidValue") as caught:
        s2v.features(night, device="cuda")
    assert not isinstance(caught.value, DeviceLostError)


def test_scattered_stamps_and_missing_planes(module: host_device.HostDevice, night: s2v.Stamps) -> None:
    some = night[::7]
    assert alike(s2v.features(some, set="all", device="cuda"), s2v.features(some, set="all"))
    rng = np.random.default_rng(1)
    planes = [[rng.normal(size=(20 + k, 30)).astype(np.float32) if k % 3 != c else None for c in range(3)]
              for k in range(9)]  # fmt: skip
    ragged = s2v.Stamps(planes, saturation=3.0)
    assert alike(s2v.features(ragged, set="all", device="cuda"), s2v.features(ragged, set="all"))
    empty = s2v.Stamps([[None, None, None]])
    assert alike(s2v.features(empty, set="all", device="cuda"), s2v.features(empty, set="all"))
    assert alike(stump().score(empty, device="cuda"), stump().score(empty))


def test_page_locked_stamps_are_copied_where_they_lie(module: host_device.HostDevice, night: s2v.Stamps) -> None:
    array = page_locked.pinned_array((8, 3, 20, 20))
    array[:] = np.random.default_rng(0).normal(size=array.shape)
    assert module.is_page_locked(array)
    assert module.is_page_locked(array[2:4].reshape(-1))
    assert not module.is_page_locked(np.zeros(3))
    stamps = s2v.Stamps(array)
    before = set(module.arrays)
    seen: list[int] = []
    copy = module.copy

    def watched(device: int, stream: int, to: int, source: int, size: int, kind: str) -> None:
        if kind == "to_device" and size == array.nbytes:
            seen.append(source)
        copy(device, stream, to, source, size, kind)

    module.copy = watched  # type: ignore[method-assign]
    with Pipeline(feature_work(MEASURE), 0) as through:
        (table,) = through.run([stamps])
    assert seen == [array.ctypes.data]
    assert alike(table, s2v.features(s2v.Stamps(np.array(array)), set="all"))
    assert set(module.arrays) == before


def test_a_slot_that_gets_no_page_locked_memory(
    module: host_device.HostDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = device_batch.BatchSlot(module, 0)
    slot.upload("planes", np.ones(4, np.float32))
    assert slot.download("planes")[0].nbytes == 16
    slot.array("large", (400,))
    with monkeypatch.context() as patch:

        def refuse(device: int, size: int) -> int:
            raise host_device.OutOfDeviceMemory("cudaErrorMemoryAllocation")

        patch.setattr(module, "pinned", refuse)
        with pytest.raises(MemoryError):
            slot.download("large")
    (out,) = slot.download("planes")
    slot.wait()
    assert out.tolist() == [1] * 4, "what was freed is not used again"
    slot.close()
    assert module.arrays == {}


def test_a_slot_waits_before_it_gives_memory_back(module: host_device.HostDevice) -> None:
    slot = device_batch.BatchSlot(module, 0)
    slot.upload("planes", np.ones(4, np.float32))
    assert module.queues[slot.stream]
    release = module.release

    def watched(device: int, address: int, events: list[int], idle: bool) -> None:
        assert not module.queues[slot.stream], "something still works on it"
        release(device, address, events, idle)

    module.release = watched  # type: ignore[method-assign]
    slot.drop()
    assert module.held == {}
    slot.close()


# The command line


@pytest.fixture(scope="module")
def alerts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alerts")
    assert main(["simulate", "-n", "60", "-o", str(folder / "night"), "--seed", "9"]) == 0
    return folder / "night"


def run(alerts: Path, out: Path, *options: str) -> int:
    return main(["score", str(alerts), "-o", str(out), "--model", "forest", *options])


def test_the_command_line_gives_the_same_file(
    alerts: Path, module: host_device.HostDevice, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(alerts, tmp_path / "cpu.csv", "--device", "cpu") == 0
    assert "score" not in module.calls
    assert run(alerts, tmp_path / "cuda.csv", "--device", "cuda", "--part-rows", "7") == 0
    assert "score" in module.calls
    assert "on cuda:0; scores in" in capsys.readouterr().out
    assert (tmp_path / "cpu.csv").read_bytes() == (tmp_path / "cuda.csv").read_bytes()
    for device in ("cpu", "auto"):
        module.calls.clear()
        out = tmp_path / f"features_{device}.csv"
        assert main(["features", str(alerts), "-o", str(out), "--device", device]) == 0
        assert ("features" in module.calls) == (device == "auto")
    assert (tmp_path / "features_cpu.csv").read_bytes() == (tmp_path / "features_auto.csv").read_bytes()
    assert main(["features", str(alerts), "-o", str(tmp_path / "x.csv"), "--device", "cuda:7"]) == 2
    assert "there is no device 7: this machine has 1" in capsys.readouterr().err


def test_a_device_that_is_lost_loses_nothing_that_was_scored(
    alerts: Path, module: host_device.HostDevice, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from space2vec.reading import options

    monkeypatch.setattr(options, "ROWS", 5)
    assert run(alerts, tmp_path / "whole.csv", "--device", "cpu") == 0
    module.calls.clear()
    assert run(alerts, tmp_path / "there.csv", "--device", "cuda") == 0
    out = tmp_path / "scores.csv"
    module.lose_after = 3 * len(module.calls) // 4
    assert run(alerts, out, "--device", "cuda") == 2
    said = capsys.readouterr().err
    assert "device 'cuda:0' was lost" in said
    assert "rows in 1 part are kept; the same command with --resume goes on from there" in said
    assert not out.exists()
    module.lose_after = None
    assert run(alerts, out, "--device", "cuda", "--resume") == 0
    assert "continuing after" in capsys.readouterr().err
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()
