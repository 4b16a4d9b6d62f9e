"""The memory that a reader puts pixels in: whose it is, how long, and that a device copies from where they lie."""

from __future__ import annotations

import gc
import os
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import fastavro
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import space2vec as s2v
from helpers import host_device
from helpers.device_tables import alike
from space2vec import reading
from space2vec.backends.cuda import device_batch
from space2vec.backends.cuda.pipeline import DEPTH, Pipeline, feature_work
from space2vec.cli import main
from space2vec.errors import BackendError
from space2vec.plans.features import FeaturePlan
from space2vec.registry import feature_set

ROWS = 60
MEASURE = FeaturePlan(feature_set("stamp"))


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[host_device.HostDevice]:
    module = host_device.make(monkeypatch)
    yield module
    gc.collect()
    assert module.locked == {}, "page-locked memory is given back with the last array in it"
    assert module.arrays == {}


@pytest.fixture(scope="module")
def alerts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alerts")
    assert main(["simulate", "-n", str(ROWS), "-o", str(folder / "night"), "--seed", "9"]) == 0
    return folder / "night"


@pytest.fixture(scope="module")
def table(alerts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    records = []
    for path in map(Path, reading.files(alerts)):
        with path.open("rb") as file:
            records += list(fastavro.reader(file))
    out = tmp_path_factory.mktemp("table") / "alerts.parquet"
    parquet.write_table(pa.Table.from_pylist(records), out)
    return out


@pytest.fixture(scope="module")
def expected(alerts: Path) -> s2v.Stamps:
    return s2v.read(alerts)


def stamps(source: Path, batch: int = 7, device: str = "cpu") -> Iterator[s2v.Stamps]:
    for part in reading.batches(source, batch=batch, device=device):
        assert isinstance(part.rows, s2v.Stamps)
        yield part.rows


def place(rows: s2v.Stamps) -> int:
    return rows.buffer.__array_interface__["data"][0]


def same_pixels(rows: s2v.Stamps, other: s2v.Stamps) -> bool:
    return np.array_equal(rows.pixels, other.pixels, equal_nan=True)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("source", ["alerts", "table"])
def test_batches_keep_their_pixels(
    source: str, device: str, request: pytest.FixtureRequest, module: host_device.HostDevice, expected: s2v.Stamps
) -> None:
    parts = list(stamps(request.getfixturevalue(source), device=device))  # the readers are closed by now
    assert len(parts) == -(-ROWS // 7)
    assert len({place(part) for part in parts}) == len(parts)
    assert [module.is_page_locked(part.buffer) for part in parts] == [device == "cuda"] * len(parts)
    assert same_pixels(s2v.Stamps.concatenate(parts), expected)
    assert all(part.buffer.flags.writeable and part.buffer.flags.aligned for part in parts)


def test_memory_is_used_again_once_nobody_looks_at_it(alerts: Path) -> None:
    places = [place(rows) for rows in stamps(alerts)]
    assert len(set(places)) < len(places) / 2
    kept, taken = [], []
    for rows in stamps(alerts):
        kept.append(rows[2:3].buffer[5:])  # a part of it keeps the whole
        taken.append(place(rows))
    assert len(set(taken)) == len(kept)


def test_a_reader_that_is_closed_early(alerts: Path, module: host_device.HostDevice, expected: s2v.Stamps) -> None:
    batches = stamps(alerts, device="cuda:0")
    first = next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert module.locked
    assert same_pixels(first, expected[:7])


def test_arrays_that_another_thread_lets_go(alerts: Path, module: host_device.HostDevice, expected: s2v.Stamps) -> None:
    def let_go(held: list[s2v.Stamps]) -> None:
        held.clear()

    threads = []
    for number, rows in enumerate(stamps(alerts, 4, "cuda")):
        assert same_pixels(rows, expected[4 * number : 4 * number + 4])
        threads.append(threading.Thread(target=let_go, args=([rows],)))
        del rows
        threads[-1].start()
    for thread in threads:
        thread.join()


def test_what_is_measured_while_reading_needs_no_memory(alerts: Path, module: host_device.HostDevice) -> None:
    parts = list(reading.batches(alerts, measure=MEASURE, device="cuda"))
    assert sum(len(part.rows) for part in parts) == ROWS
    assert "page_locked" not in module.calls


def test_a_row_without_pixels(tmp_path: Path, module: host_device.HostDevice) -> None:
    (tmp_path / "empty.avro").touch()
    (rows,) = stamps(tmp_path / "empty.avro", device="cuda")
    assert len(rows) == 1
    assert rows.buffer.size == 0
    assert "page_locked" not in module.calls


@pytest.mark.parametrize("most", [0, 1 << 20])
def test_a_machine_without_page_locked_memory(
    most: int, alerts: Path, module: host_device.HostDevice, expected: s2v.Stamps
) -> None:
    module.most_locked = most
    parts = list(stamps(alerts, 2, "cuda"))
    locked = [module.is_page_locked(part.buffer) for part in parts]
    assert not all(locked)
    assert any(locked) == (most > 0)
    assert same_pixels(s2v.Stamps.concatenate(parts), expected)
    with Pipeline(feature_work(MEASURE), 0) as through:
        tables = list(through.run(parts))
    assert alike(s2v.Features.concatenate(tables, MEASURE.names), s2v.features(expected, set="stamp"))


def test_a_device_that_is_not_there(alerts: Path, module: host_device.HostDevice) -> None:
    with pytest.raises(BackendError, match="there is no device 7"):
        reading.batches(alerts, device="cuda:7")
    with pytest.raises(ValueError, match="unknown device 'gpu'"):
        reading.batches(alerts, device="gpu")


def watch(module: host_device.HostDevice, monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], list[str]]:
    """Return where copies to the device will come from, and what will be copied within the host before."""
    sources: list[int] = []
    staged: list[str] = []
    copy, stage = module.copy, device_batch.BatchSlot._page_locked

    def watched(device: int, stream: int, to: int, source: int, size: int, kind: str) -> None:
        if kind == "to_device":
            sources.append(source)
        copy(device, stream, to, source, size, kind)

    def noted(slot: device_batch.BatchSlot, name: str, *given: object) -> np.ndarray:
        staged.append(name)
        return stage(slot, name, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "copy", watched)
    monkeypatch.setattr(device_batch.BatchSlot, "_page_locked", noted)
    return sources, staged


@pytest.mark.parametrize("source", ["alerts", "table"])
def test_pixels_go_to_a_device_from_where_they_lie(
    source: str, request: pytest.FixtureRequest, module: host_device.HostDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = request.getfixturevalue(source)
    sources, staged = watch(module, monkeypatch)
    places = []

    def batches() -> Iterator[s2v.Stamps]:
        for rows in stamps(path, 3, "cuda"):
            places.append(place(rows))
            yield rows

    # What a batch left is the next one's as soon as the device has it, and the device's copies are late here.
    with Pipeline(feature_work(MEASURE), 0) as through:
        tables = list(through.run(batches()))
    assert alike(s2v.Features.concatenate(tables, MEASURE.names), s2v.features(s2v.read(path), set="stamp"))
    assert [place for place in sources if place in places] == places
    assert "geometry" in staged
    assert "pixels" not in staged
    assert DEPTH < len(set(places)) <= DEPTH + 2, "the batches under way, the last and the next"


def test_parts_of_a_batch_are_copied_from_within_it(
    alerts: Path, module: host_device.HostDevice, expected: s2v.Stamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources, staged = watch(module, monkeypatch)
    (whole,) = stamps(alerts, 1000, "cuda")
    with Pipeline(feature_work(MEASURE), 0, memory=30 * 4 * 3 * 63 * 63) as through:
        tables = list(through.run([whole]))
        tables += through.run([whole[5:9]])
    assert alike(tables[0], s2v.features(expected, set="stamp"))
    assert alike(tables[1], s2v.features(expected[5:9], set="stamp"))
    assert "pixels" not in staged
    inside = [source for source in sources if 0 <= source - place(whole) < whole.buffer.nbytes]
    assert len(inside) > 5
    assert len(set(inside)) == len(inside)


def test_memory_that_a_copy_still_reads_is_nobody_elses(alerts: Path, module: host_device.HostDevice) -> None:
    slot = device_batch.BatchSlot(module, 0)
    batches = stamps(alerts, 5, "cuda")
    first, _ = next(batches), next(batches)
    before, held = np.array(first.buffer), place(first)
    there = slot.upload("pixels", first.buffer)
    del first
    assert place(next(batches)) != held
    slot.wait()
    assert np.array_equal(module.at(there, before.shape, np.float32), before)
    assert place(next(batches)) == held, "nobody reads it any more"
    slot.close()


def test_the_command_line_reads_into_page_locked_memory(
    alerts: Path, module: host_device.HostDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, staged = watch(module, monkeypatch)
    for command in ("score", "features"):
        model = ("--model", "forest") if command == "score" else ()
        for device in ("cpu", "cuda"):
            module.calls.clear()
            out = tmp_path / f"{command}_{device}.csv"
            assert main([command, str(alerts), "-o", str(out), *model, "--device", device, "--part-rows", "9"]) == 0
            assert ("page_locked" in module.calls) == (device == "cuda")
        assert (tmp_path / f"{command}_cpu.csv").read_bytes() == (tmp_path / f"{command}_cuda.csv").read_bytes()
    assert staged
    assert "pixels" not in staged


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this machine does not fork")
def test_a_forked_child_leaves_pixels_to_its_parent(alerts: Path, module: host_device.HostDevice) -> None:
    (rows,) = stamps(alerts, 1000, "cuda")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads, which readers have ended by now
        child = os.fork()
    if child == 0:
        del rows
        gc.collect()
        os._exit(0 if len(module.locked) > 0 else 1)
    assert os.waitpid(child, 0)[1] == 0
