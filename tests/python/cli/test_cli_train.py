"""``space2vec train network`` and ``train tablenet``: from inputs to models that score."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import space2vec as s2v
from space2vec.cli import main
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.training.dataset import write_dataset

pytest.importorskip("torch")
pytest.importorskip("sklearn")

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a data set, its alerts and their truth."""
    folder = tmp_path_factory.mktemp("made")
    night = s2v.simulate(80, seed=21)
    write_dataset(folder / "set", [LabelledStamps(night.stamps, night.labels, night.kinds)], {"seed": 21})
    assert main(["simulate", "-n", "80", "--seed", "22", "-o", str(folder / "alerts")]) == 0
    return folder


def test_network_is_trained_resumed_and_scores(made: Path, tmp_path: Path, capsys: Captured) -> None:
    run, out = tmp_path / "run", tmp_path / "scores.parquet"
    command = ["train", "network", str(made / "set"), "-o", str(run), "--epochs", "1", "--name", "mine"]
    assert main(command) == 0
    assert json.loads((run / "settings.json").read_text())["fit"]["epochs"] == 1
    assert main(command) == 2
    assert "holds a training run already" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0
    assert main([*command[:-3], "2", "--resume"]) == 2
    assert "had other settings: fit.epochs 1, now 2" in capsys.readouterr().err
    assert main(["score", str(made / "alerts"), "-o", str(out), "--model", str(run / "model.safetensors")]) == 0
    assert "model mine " in capsys.readouterr().out
    assert np.isfinite(pq.read_table(out)["score"].to_numpy()).all()


def test_what_is_no_data_set_is_told(tmp_path: Path, capsys: Captured) -> None:
    assert main(["train", "network", str(tmp_path), "-o", str(tmp_path / "run")]) == 2
    assert "manifest.json" in capsys.readouterr().err
    assert main(["train", "network", str(tmp_path), "-o", str(tmp_path / "run"), "--teacher", "2"]) == 2
    assert "--teacher must lie between 0 and 1; given 2.0" in capsys.readouterr().err


def test_tablenet_is_trained_on_features_and_scores_their_table(made: Path, tmp_path: Path, capsys: Captured) -> None:
    table, model, out = tmp_path / "features.parquet", tmp_path / "mine.safetensors", tmp_path / "scores.parquet"
    assert main(["features", str(made / "alerts"), "-o", str(table), "--set", "autoscan-stamp"]) == 0
    labels = ["--labels", str(made / "alerts" / "truth.csv")]
    command = ["train", "tablenet", str(table), *labels, "--epochs", "1", "--folds", "2"]
    assert main([*command, "-o", str(model)]) == 0
    assert "2-fold cross-validation split by object" in capsys.readouterr().out
    header = s2v.load(model).header
    assert header.metrics["how"].startswith("2-fold")
    assert header.feature_names == s2v.registry.AUTOSCAN_STAMP
    assert main(["score", str(table), "-o", str(out), "--model", str(model)]) == 0
    assert np.isfinite(pq.read_table(out)["score"].to_numpy()).all()
    assert main([*command, "-o", str(tmp_path / "mine.pkl")]) == 2
    assert "suffix of a model file is .safetensors" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["tablenet", "forest"])
def test_where_the_model_goes_is_looked_at_first(tmp_path: Path, capsys: Captured, kind: str) -> None:
    (tmp_path / "a.safetensors").mkdir()
    for name, reason in (("a.safetensors", "it is a folder"), ("no/b.safetensors", "there is no folder")):
        # The input is not there either: what is told is what is looked at first.
        assert main(["train", kind, str(tmp_path / "absent.csv"), "-o", str(tmp_path / name)]) == 2
        assert f"cannot write {tmp_path / name}: {reason}" in capsys.readouterr().err
