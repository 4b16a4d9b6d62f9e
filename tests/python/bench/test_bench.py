"""``space2vec bench``: every stage in every column or the reason why not, and docs/cpu-vs-gpu.md from what it wrote."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from helpers import host_device
from space2vec import registry
from space2vec.bench import COLUMNS, QUICK, machine, measure, measurement, report, rounds, stages
from space2vec.bench.stages import THREADS
from space2vec.bench.synthetic_inputs import full_forest, triplets
from space2vec.cli import bench as bench_options
from space2vec.cli import main
from space2vec.errors import DeviceLostError

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.fixture(scope="module", autouse=True)
def brief() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            measurement, "rows_of", lambda work, most, seconds, clock: rounds.rows_of(work, most, 1e-4, clock)
        )
        patch.setattr(measurement, "_LADDER", (1, 4))
        patch.setattr(machine, "_BYTES", 1 << 12)
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


def one_stage(monkeypatch: pytest.MonkeyPatch, through: rounds.Run) -> dict[str, Any]:
    """Return the figures of one stage on a GPU that is the host: no work, but what is given with transfers."""
    host_device.make(monkeypatch)
    work = {"gpu with transfers": through}
    stage = stages.Stage("made", "rows", lambda name: work.get(name, lambda n: None), moved=8, carried=8, most=64)
    monkeypatch.setattr(measurement, "stages", lambda inputs: [stage])
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
    monkeypatch.setattr(measurement, "rows_of", lambda run, *_: run(1) or 1)
    for calls, kept in ((0, False), (2, False), (4, True)):  # when the round is sized; in a round; at the break even
        found = one_stage(monkeypatch, Failing(error, calls))
        for name in COLUMNS:
            if name != "gpu with transfers" or kept:
                assert found["columns"][name]["rate"][1] > 0
            else:
                assert found["columns"][name] == {"not run": said}
        assert found.get("break even") == ({"not run": said} if kept else None)


def test_a_device_that_is_lost_ends_the_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement, "rows_of", lambda run, *_: run(1) or 1)
    for calls in (0, 2, 4):
        with pytest.raises(DeviceLostError, match="device 'cuda:0' was lost: gone"):
            one_stage(monkeypatch, Failing(host_device.DeviceLost("gone"), calls))


def test_what_is_measured_with() -> None:
    planes = triplets(600, 31)
    assert planes.shape == (600, 3, 31, 31)
    assert np.isfinite(planes).all()
    assert np.array_equal(planes[:88], planes[512:])
    assert len(np.unique(planes[:512, 2].max(axis=(1, 2)))) > 500
    x = np.random.default_rng(0).normal(size=(50, 67)).astype(np.float32)
    forest = full_forest(x, registry.FEATURE_SETS["stamp"], trees=3, depth=4)
    assert len(forest) == 3
    assert len(forest.trees.right) == 3 * 31
    assert len(np.unique(forest.predict(x))) > 10


NO_GPU = "this build has no CUDA backend"


def test_without_a_gpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, drawn = tmp_path / "b.json", tmp_path / "b.png"
    options = ["--rows", "16", "--rounds", "2", "-o", str(out), "--plot", str(drawn)]
    only = ["prepare: b", "normalise: l2", "features", "score: features", "score: stamps by a f"]
    assert main(["bench", *options, "--only", *only]) == 0
    told = json.loads(out.read_text())
    assert list(told["results"]) == [
        "features: autoScan's eighteen", "features: the set s2v", "features: both sets", "normalise: l2",
        "prepare: braai", "prepare: boom", "prepare: btsbot", "score: features by a forest",
        "score: stamps by a forest",
    ]  # fmt: skip
    for found in told["results"].values():
        assert list(found["columns"]) == list(COLUMNS)
        for name, column in found["columns"].items():
            if name.startswith("gpu"):
                assert column == {"not run": NO_GPU}
            else:
                low, middle, high = column["rate"]
                assert 0 < low <= middle <= high
                assert column["processor microseconds"][1] > 0
                assert column["share"]["value"] > 0
    assert told["gpu"] == {"not run": NO_GPU}
    assert drawn.stat().st_size > 1000
    said = capsys.readouterr()
    assert said.out.count("not run") == said.out.count(f"GPU: not run: {NO_GPU}") == 1
    head = next(line for line in said.out.splitlines() if line.startswith("rows a second"))
    cores = told["cores"]
    assert head.split("  ", 1)[1].split() == f"one core {cores} cores {cores} cores / one core CPU bound by".split()
    assert said.err.startswith("9 stages, one core and all cores: about 29 s\n")
    assert main(["bench", "--rows", "4", "--only", "nothing"]) == 2
    assert "no stage begins with nothing" in capsys.readouterr().err
    assert main(["bench", "--device", "cuda"]) == 2
    assert "no CUDA backend" in capsys.readouterr().err


def test_some_columns_of_a_quick_look(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "b.json"
    options = ["--quick", "--rows", "8", "--rounds", "1", "--columns", "one core", "--only", "normalise: l2", "-o"]
    assert main(["bench", *options, str(out)]) == 0
    told = json.loads(out.read_text())
    assert [list(found["columns"]) for found in told["results"].values()] == [["one core"]]
    assert " / " not in capsys.readouterr().out
    names = [stage.name for stage in stages.stages(stages.StageInputs(4, 31))]
    assert all(any(name.startswith(begin) for name in names) for begin in QUICK)
    assert tuple(COLUMNS) == bench_options._COLUMNS


@pytest.fixture(scope="module")
def with_gpu(brief: None) -> dict[str, Any]:
    """Return the record of a machine whose GPU is the host."""
    with pytest.MonkeyPatch.context() as patch:
        host_device.make(patch)
        return measure(64, 2, side=31)


def test_with_a_gpu(with_gpu: dict[str, Any]) -> None:
    results = with_gpu["results"]
    for name, found in results.items():
        for column in ("gpu in place", "gpu with transfers"):
            if name == "alerts: files to stamps" or (name == "alerts: files to scores" and column == "gpu in place"):
                assert found["columns"][column] == {"not run": "alerts are read by the CPU"}
            else:
                assert found["columns"][column]["rate"][1] > 0
                assert "alerts" in name or found["columns"][column]["share"]["value"] > 0
        assert ("break even" in found) == ("rate" in found["columns"]["gpu with transfers"])
        assert set(found.get("break even", THREADS)) == set(THREADS)
    groups = [name.partition(": ")[0] for name in results]
    assert list(dict.fromkeys(groups)) == ["alerts", "features", "normalise", "prepare", "score"]
    assert groups.count("prepare") == len(registry.RECIPES)
    assert groups.count("normalise") == len(registry.NORMALISERS)
    assert with_gpu["gpu"]["name"] == "a host in disguise"


def test_the_table_of_a_gpu(with_gpu: dict[str, Any], tmp_path: Path) -> None:
    text = report.table(with_gpu)
    heads, cells = report.rows(with_gpu)
    cores = with_gpu["cores"]
    assert heads == ["rows a second", "one core", f"{cores} cores", "GPU", "GPU, copies",
                     f"GPU, copies / {cores} cores", "GPU pays from, rows", "CPU bound by", "GPU bound by"]  # fmt: skip
    assert [row[0] for row in cells] == list(with_gpu["results"])
    reading = next(row for row in cells if row[0] == "alerts: files to stamps")
    assert reading[3:7] == ["-"] * 4
    assert reading[-1] == "-"
    assert text.count("not run: alerts") == 2
    report.plot(with_gpu, tmp_path / "b.png")
    assert (tmp_path / "b.png").stat().st_size > 1000


@pytest.mark.parametrize(("in_place", "through", "share", "said"), [
    (8.0, 7.0, 0.2, "arithmetic"), (8.0, 2.0, 0.2, "copies and calls"), (8.0, 2.0, 0.7, "the link"),
])  # fmt: skip
def test_what_bounds_a_stage(in_place: float, through: float, share: float, said: str) -> None:
    def column(rate: float, part: float) -> dict[str, Any]:
        return {"rate": [rate] * 3, "share": {"value": part}}

    found = {"columns": {"one core": column(1.0, 0.9), "all cores": column(1.5, 0.1),
                         "gpu in place": column(in_place, 0.1),
                         "gpu with transfers": column(through, share)}}  # fmt: skip
    assert report.limiting_factor(found, ["gpu in place", "gpu with transfers"]) == said
    assert report.limiting_factor(found, ["one core"]) == "memory"
    assert report.limiting_factor(found, ["one core", "all cores"]) == "arithmetic"
    found["columns"]["gpu in place"] = {"not run": "alerts are read by the CPU"}
    assert report.limiting_factor(found, ["gpu with transfers"]) == ("the link" if share > 0.5 else "the CPU")
    assert report.limiting_factor({"columns": {"one core": {"not run": "why"}}}, ["one core"]) == ""


def test_no_alerts_to_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    inputs = stages.StageInputs(4, 31)
    monkeypatch.setitem(__import__("sys").modules, "fastavro", None)
    with pytest.raises(stages.NotRun, match=r"no alerts to read: --alerts FOLDER was not given, and .*fastavro"):
        inputs.night()
    with pytest.raises(stages.NotRun):
        inputs.night()
    inputs.source = tmp_path
    assert inputs.night() == tmp_path


def test_a_folder_without_alerts(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("no alert")
    found = measure(4, 1, side=31, source=tmp_path, only=["alerts: files to stamps"], where="cpu")["results"]
    assert "not run" in found["alerts: files to stamps"]["columns"]["one core"]


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
    assert text == document.document(records), "docs/cpu-vs-gpu.md is stale: make pages"
    if not any("name" in record["gpu"] for record in records):
        assert "**No GPU has been measured yet.**" in text
        assert text.count("| not measured |") == len(document.ASKED)


def test_figures() -> None:
    assert [report.figure(value) for value in (12.34, 5600, 7.8e6, 9.1e9)] == ["12.3", "5.6 k", "7.8 M", "9.1 G"]


def test_where_nothing_ran(with_gpu: dict[str, Any], tmp_path: Path) -> None:
    columns = {"one core": {"not run": "no memory"}}
    nothing = {**with_gpu, "results": {"made": {"unit": "rows", "columns": columns}}}
    assert "not run: made: no memory" in report.table(nothing)
    report.plot(nothing, tmp_path / "b.png")
