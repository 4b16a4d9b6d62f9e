"""The examples of README.md run as they stand."""

import re
import shlex
from pathlib import Path

import pytest

import space2vec as s2v
from space2vec.cli import main

README = Path(__file__).resolve().parents[3] / "README.md"


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """Stand in a folder with a small simulated night where `make demo` puts one."""
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", "-n", "60", "-o", "demo/alerts"]) == 0


def blocks(language):
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_python_examples_run(demo):
    """All blocks, in order, in one namespace."""
    namespace = {}
    code = blocks("python")
    assert len(code) >= 3
    for block in code:
        exec(compile(block, str(README), "exec"), namespace)
    assert namespace["table"].column_names == ["object_id", "candidate_id", "score", "flags"]
    assert namespace["features"].values.shape == (100, 18)
    assert namespace["planes"].shape == (100, 3, 63, 63)
    assert len(s2v.load("demo/mine.safetensors")) == 10


def test_commands_run(demo, capsys):
    """Every space2vec command of the console blocks succeeds and writes what it names."""
    lines = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ space2vec ")]
    assert {shlex.split(line)[1] for line in lines} >= {"score", "evaluate", "features", "simulate", "doctor"}
    for line in lines:
        assert main(shlex.split(line)[1:]) == 0, capsys.readouterr()
    for name in ("demo/scores.parquet", "demo/mosaic.png", "demo/features.parquet", "demo/another/truth.csv"):
        assert Path(name).stat().st_size > 0, name


def figures(metrics):
    """Return AUC, its interval, and FPR at MDR 4 % of one table of a model's header, as README.md writes them."""
    values = metrics["value, 95 % interval"]
    auc, low, high = values["auc"]
    return f"{auc:.3f} ({low:.3f} to {high:.3f})", f"{100 * values['fpr at mdr 4%'][0]:.1f} %"


@pytest.mark.parametrize("name", ["forest", "autoscan"])
def test_figures_are_those_of_the_packaged_models(name):
    text = README.read_text(encoding="utf-8")
    for metrics in s2v.load(name).header.metrics.values():
        for figure in figures(metrics):
            assert figure in text
