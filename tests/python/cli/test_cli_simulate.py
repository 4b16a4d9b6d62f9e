"""``space2vec simulate``: nights, data sets and hybrids, and what it refuses."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import space2vec as s2v
from space2vec.cli import main
from space2vec.training.dataset import read_dataset, read_manifest

Captured = pytest.CaptureFixture[str]


def simulated(*arguments: object) -> int:
    return main(["simulate", *map(str, arguments)])


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with alerts, and a table in which a model tells their truth."""
    folder = tmp_path_factory.mktemp("night")
    assert simulated("-n", 80, "--seed", 6, "--per-file", 80, "-o", folder / "alerts") == 0
    truth = list(csv.DictReader((folder / "alerts" / "truth.csv").open()))
    with (folder / "scores.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["candid", "drb"])
        table.writerows((row["candid"], 0.9 if row["label"] == "1" else 0.1) for row in truth)
    return folder


def test_a_data_set_of_a_survey(tmp_path: Path, capsys: Captured) -> None:
    out = tmp_path / "set"
    assert simulated("-n", 6, "--survey", "des", "--randomise", 0.5, "--format", "dataset", "-o", out) == 0
    assert "6 stamps (3 real, 3 bogus) of 6 objects" in capsys.readouterr().out
    rows = read_dataset(out)
    expected = s2v.simulate(6, survey="des", randomise=0.5)
    np.testing.assert_array_equal(rows.stamps.pixels, expected.stamps.pixels)
    assert rows.kind.tolist() == expected.kinds.tolist()
    about = read_manifest(out)["about"]
    assert (about["survey"], about["seed"], about["teacher"]) == ("des", 0, "none")
    assert about["arguments"]["randomise"] == 0.5


def test_a_long_data_set_has_other_nights_under_names_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("space2vec.cli.simulate._PART", 4)
    assert simulated("-n", 10, "--format", "dataset", "--seed", 3, "-o", tmp_path / "set") == 0
    rows = read_dataset(tmp_path / "set")
    assert [part["rows"] for part in read_manifest(tmp_path / "set")["parts"]] == [4, 4, 2]
    assert len(set(rows.group)) == 10
    np.testing.assert_array_equal(rows.stamps.plane(0, "science"), s2v.simulate(4, seed=3).stamps.plane(0, "science"))
    assert not np.array_equal(rows.stamps.plane(0, "science"), rows.stamps.plane(4, "science"))


def test_hybrids_of_alerts(night: Path, tmp_path: Path, capsys: Captured) -> None:
    given = ("--hybrid", night / "alerts", "--scores", night / "scores.csv", "--column", "drb")
    assert simulated("-n", 20, "--real", 0.25, *given, "-o", tmp_path / "set") == 0
    assert "20 stamps (5 real, 15 bogus)" in capsys.readouterr().out
    rows = read_dataset(tmp_path / "set")
    truth = {row["objectId"]: row["label"] for row in csv.DictReader((night / "alerts" / "truth.csv").open())}
    assert {truth[name] for name in rows.group.tolist()} == {"0"}
    assert rows.label.sum() == 5
    assert "bogus" in rows.kind[rows.label == 0]


def test_hybrids_with_braai(night: Path, tmp_path: Path, data: Path) -> None:
    pytest.importorskip("torch")
    weights = data / "braai" / "braai_d6_m9.npz"
    given = ("--hybrid", night / "alerts", "--scores", night / "scores.csv", "--column", "drb", "--braai", weights)
    assert simulated("-n", 6, *given, "-o", tmp_path / "set") == 0
    rows = read_dataset(tmp_path / "set")
    assert np.isfinite(rows.teacher).all()
    assert read_manifest(tmp_path / "set")["about"]["teacher"] == "braai with its published weights"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--survey", "rubin"], "candidates of rubin need --format dataset"),
        (["--hybrid", "x"], "--hybrid needs --scores"),
        (["--scores", "x"], "--scores goes with --hybrid"),
        (["--braai", "x"], "alerts are scored by space2vec score"),
        (["--hybrid", "x", "--scores", "y", "--format", "alerts"], "hybrid data have no alert packets"),
        (["--hybrid", "x", "--scores", "y", "--survey", "des", "--size", "51"], "--survey, --size cannot be chosen"),
        (["--hybrid", "x", "--scores", "y"], "x does not exist"),
    ],
)
def test_what_does_not_go_together_is_told(tmp_path: Path, capsys: Captured, given: list[str], said: str) -> None:
    assert simulated("-n", 2, "-o", tmp_path / "set", *given) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "set").exists()


def test_a_folder_in_use_is_refused(night: Path, capsys: Captured) -> None:
    assert simulated("-n", 2, "--format", "dataset", "-o", night) == 2
    assert "is not empty" in capsys.readouterr().err
