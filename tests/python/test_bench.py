"""``space2vec bench``: every stage in every column or the reason why not, and docs/cpu-vs-gpu.md from what it wrote."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import host_device
import numpy as np
import pytest

from space2vec import registry
from space2vec.bench import COLUMNS, measure, record, rounds, show, stages
from space2vec.bench.made import full_forest, triplets
from space2vec.cli import main
from space2vec.errors import DeviceLostError

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module", autouse=True)
def brief() -> Iterator[None]:
    from space2vec.bench import limits

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record, "_SECONDS", 1e-4)
        patch.setattr(record, "_LADDER", (1, 4))
        patch.setattr(limits, "_BYTES", 1 << 12)
        yield


def test_contenders_take_turns() -> None:
    calls: list[tuple[str, int]] = []
    work = {name: ((lambda n, name=name: calls.append((name, n))), rows) for name, rows in (("a", 3), ("b", 5))}
    spent, processor = rounds.take_turns(work, 2, unwanted)
    assert calls == [("a", 3), ("b", 5), ("a", 3), ("b", 5)]
    assert [len(values) for values in (*spent.values(), *processor.values())] == [2, 2, 2, 2]
    assert rounds.rows_of(lambda n: None, 100, 0.01) == 100
    assert rounds.quartiles([1, 2, 3, 4, 5]) == [2, 3, 4]


def unwanted(name: str, error: Exception) -> None:
    raise error


def one_stage(monkeypatch: pytest.MonkeyPatch, **runs: Any) -> dict[str, Any]:
    """Return the figures of one stage on a GPU that is the host: no work, but where something else is given."""

    def idle(_: Any) -> rounds.Run:
        return lambda n: None

    made = {"host": idle, "place": idle, "through": idle, **runs}
    host_device.make(monkeypatch)
    stage = stages.Stage("made", "rows", **made, moved=8, carried=8, most=64)
    monkeypatch.setattr(record, "stages", lambda ours: [stage])
    return measure(64, 3, side=31, only=["made"])["results"]["made"]


class Failing:
    """Work that fails from some call on."""

    def __init__(self, error: Exception, calls: int) -> None:
        self.error, self.calls = error, calls

    def __call__(self, rows: int) -> None:
        self.calls -= 1
        if self.calls < 0:
            raise self.error


@pytest.mark.parametrize(("error", "said"), [
    (RuntimeError("CUDA error: out of memory\nadvice"), "CUDA error: out of memory"),
    (host_device.OutOfDeviceMemory("cudaErrorMemoryAllocation"), "cudaErrorMemoryAllocation"),
    (host_device.CudaError("cudaErrorInvalidValue"), "device 'cuda:0' failed: cudaErrorInvalidValue"),
])  # fmt: skip
def test_a_column_that_fails(error: Exception, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "rows_of", lambda run, *_: run(1) or 1)
    for calls, kept in ((0, False), (2, False), (4, True)):  # when the round is sized; in a round; at the break even
        found = one_stage(monkeypatch, through=lambda _, calls=calls: Failing(error, calls))
        for name in COLUMNS:
            if name != "gpu with transfers" or kept:
                assert found["columns"][name]["rate"][1] > 0
            else:
                assert found["columns"][name] == {"not run": said}
        assert found.get("break even") == ({"not run": said} if kept else None)


def test_a_device_that_is_lost_ends_the_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "rows_of", lambda run, *_: run(1) or 1)
    for calls in (0, 2, 4):
        with pytest.raises(DeviceLostError, match="device 'cuda:0' was lost: gone"):
            one_stage(monkeypatch, through=lambda _, calls=calls: Failing(host_device.DeviceLost("gone"), calls))


def test_what_is_measured_with() -> None:
    planes = triplets(600, 31)
    assert planes.shape == (600, 3, 31, 31)
    assert np.isfinite(planes).all()
    assert np.array_equal(planes[:88], planes[512:])
    assert len(np.unique(planes[:512, 2].max(axis=(1, 2)))) > 500
    x = np.random.default_rng(0).normal(size=(50, 67)).astype(np.float32)
    forest = full_forest(x, registry.FEATURE_SETS["stamp"], trees=3, depth=4)
    assert len(forest) == 3
    assert len(forest._trees.right) == 3 * 31
    assert len(np.unique(forest.predict(x))) > 10


def test_without_a_gpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, drawn = tmp_path / "b.json", tmp_path / "b.png"
    options = ["--rows", "16", "--rounds", "2", "-o", str(out), "--plot", str(drawn)]
    only = ["prepare: b", "normalise: l2", "features", "forest", "chain: stamps to f"]
    assert main(["bench", *options, "--only", *only]) == 0
    told = json.loads(out.read_text())
    assert list(told["results"]) == [*stages.SETS, "normalise: l2", "forest", "chain: stamps to forest",
                                       "prepare: braai", "prepare: boom", "prepare: btsbot"]  # fmt: skip
    for found in told["results"].values():
        assert list(found["columns"]) == list(COLUMNS)
        for name, column in found["columns"].items():
            if name.startswith("gpu"):
                assert column == {"not run": "this build has no CUDA backend"}
            else:
                low, middle, high = column["rate"]
                assert 0 < low <= middle <= high
                assert column["processor microseconds"][1] > 0
    assert told["gpu"] == {"not run": "this build has no CUDA backend"}
    assert drawn.stat().st_size > 1000
    said = capsys.readouterr().out
    assert "GPU: not run: this build has no CUDA backend" in said
    assert said.count("not run") == 1 + 2 * len(told["results"])
    assert main(["bench", "--rows", "4", "--only", "nothing"]) == 2
    assert "no stage begins with nothing" in capsys.readouterr().err
    assert main(["bench", "--device", "cuda"]) == 2
    assert "no CUDA backend" in capsys.readouterr().err


@pytest.fixture(scope="module")
def with_gpu(brief: None) -> dict[str, Any]:
    """Return the record of a machine whose GPU is the host."""
    with pytest.MonkeyPatch.context() as patch:
        host_device.make(patch)
        return measure(64, 2, side=31)


def test_with_a_gpu(with_gpu: dict[str, Any]) -> None:
    results = with_gpu["results"]
    assert set(results) == {
        "read and inflate", "forest", "network", "chain: stamps to forest", "chain: stamps to network", *stages.SETS,
        *(f"prepare: {name}" for name in registry.RECIPES), *(f"normalise: {name}" for name in registry.NORMALISERS),
    }  # fmt: skip
    for name, found in results.items():
        for column in ("gpu in place", "gpu with transfers"):
            if name == "read and inflate":
                assert found["columns"][column] == {"not run": "alerts are read by the CPU"}
            else:
                assert found["columns"][column]["rate"][1] > 0
                assert "chain" in name or name == "network" or found["columns"][column]["share"]["value"] > 0
        if "rate" in found["columns"]["gpu with transfers"]:
            assert set(found["break even"]) == {"one core", "all cores"}
    assert with_gpu["gpu"]["name"] == "a host in disguise"


def test_no_alerts_to_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ours = stages.Ours(4, 31)
    monkeypatch.setitem(__import__("sys").modules, "fastavro", None)
    with pytest.raises(stages.NotRun, match=r"no alerts to read: --alerts FOLDER was not given, and .*fastavro"):
        ours.night()
    with pytest.raises(stages.NotRun):
        ours.night()
    ours.source = tmp_path
    assert ours.night() == tmp_path


# The document


@pytest.fixture(scope="module")
def document(docs_script: Callable[[str], ModuleType]) -> ModuleType:
    return docs_script("cpu_vs_gpu")


def test_the_document_of_a_gpu(document: ModuleType, with_gpu: dict[str, Any]) -> None:
    text = document.document([with_gpu])
    assert "No GPU has been measured" not in text
    assert text.count("**missed**") + text.count(", met") == len(document.ASKED)
    assert "| not measured |" not in text
    for stage in with_gpu["results"]:
        assert f"\n| {stage} | " in text
    for above, line in itertools.pairwise(text.splitlines()):
        if above.startswith("|") and line.startswith("|"):
            assert line.count("|") == above.count("|"), line


def test_the_document_is_what_the_records_give(document: ModuleType) -> None:
    records = document.load()
    text = (DOCS / "cpu-vs-gpu.md").read_text(encoding="utf-8")
    assert text == document.document(records), "docs/cpu-vs-gpu.md is stale: make docs"
    if not any("name" in record["gpu"] for record in records):
        assert "**No GPU has been measured yet.**" in text
        assert text.count("| not measured |") == len(document.ASKED)


def test_figures() -> None:
    assert [show.figure(value) for value in (12.34, 5600, 7.8e6, 9.1e9)] == ["12.3", "5.6 k", "7.8 M", "9.1 G"]
