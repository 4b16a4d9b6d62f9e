"""``space2vec train network`` and ``train tablenet``: from inputs to models that score."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import space2vec as s2v
from space2vec.cli import labelled_rows, main
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.training.dataset import write_dataset

pytest.importorskip("torch")
pytest.importorskip("sklearn")

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a data set, its alerts and their truth."""
    folder = tmp_path_factory.mktemp("made")
    night = s2v.simulate(80, seed=21)
    write_dataset(folder / "set", [LabelledStamps(night.stamps, night.labels, night.kinds)], {"seed": 21})
    assert main(["simulate", "-n", "80", "--seed", "22", "-o", str(folder / "alerts")]) == 0
    return folder


def test_network_is_trained_resumed_and_scores(inputs: Path, tmp_path: Path, capsys: Captured) -> None:
    run, out = tmp_path / "run", tmp_path / "scores.parquet"
    command = ["train", "network", str(inputs / "set"), "-o", str(run), "--epochs", "1", "--name", "mine"]
    assert main(command) == 0
    assert json.loads((run / "settings.json").read_text())["fit"]["epochs"] == 1
    assert main(command) == 2
    assert "holds a training run already" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0
    capsys.readouterr()
    longer = ["2" if word == "1" else word for word in command]
    assert main([*longer, "--resume"]) == 0
    assert "epoch 2: loss" in "".join(capsys.readouterr())
    assert main([*command, "--resume"]) == 2
    assert "had other settings: fit.epochs 2, now 1" in capsys.readouterr().err
    assert main(["score", str(inputs / "alerts"), "-o", str(out), "--model", str(run / "model.safetensors")]) == 0
    assert "model mine " in capsys.readouterr().out
    assert np.isfinite(pq.read_table(out)["score"].to_numpy()).all()


def test_a_network_is_tuned_to_labels_in_a_file_evaluated_and_scores(
    inputs: Path, tmp_path: Path, capsys: Captured
) -> None:
    """Somebody labels some alerts of a folder, trains, measures the rest, and scores."""
    alerts, run, labels = inputs / "alerts", tmp_path / "run", tmp_path / "labels.csv"
    head, *lines = (alerts / "truth.csv").read_text().splitlines()
    columns = head.split(",")
    ids, label = (columns.index(name) for name in ("candid", "label"))
    truth = [(cells[ids], cells[label]) for cells in (line.split(",") for line in lines)]
    words = {"1": "real", "0": "bogus"}
    labels.write_text(
        "candidate_id,label\n" + "".join(f"{key},{words[real]}\n" for key, real in truth[:50]) + "12345,real\n"
    )
    command = ["train", "network", str(alerts), "--labels", str(labels), "--from", "stampnet", "-o", str(run)]
    assert main([*command, "--epochs", "2", "--name", "ours"]) == 0
    said = capsys.readouterr().out
    assert f"1 labels of {labels} name no row of the inputs" in said
    assert "80 rows: 50 with a label, 30 without" in said
    assert "held out" in said
    header = s2v.load(run).header
    assert (header.training["labels"], header.training["data"]) == ("labels.csv", ["alerts"])
    assert header.training["frozen"] == ["convolutions"]
    out = tmp_path / "scores.parquet"
    assert main(["score", str(alerts), "-o", str(out), "--model", str(run)]) == 0
    capsys.readouterr()
    (tmp_path / "rest.csv").write_text("candidate_id,label\n" + "".join(f"{k},{real}\n" for k, real in truth[50:]))
    assert main(["evaluate", str(out), "--labels", str(tmp_path / "rest.csv"), "--bootstrap", "10"]) == 0
    assert "model ours " in capsys.readouterr().out
    paths = tmp_path / "paths.csv"
    names = sorted(path.name for path in alerts.glob("*.avro"))
    paths.write_text("path,label\n" + "".join(f"{name},{k % 2}\n" for k, name in enumerate(names[:30])))
    forest = ["train", "forest", str(alerts), "--labels", str(paths), "--trees", "3", "--folds", "0"]
    assert main([*forest, "-o", str(tmp_path / "forest.safetensors")]) == 0
    assert "80 rows: 30 usable, 50 without a label" in capsys.readouterr().out


def test_candidates_without_a_label_are_drawn_to_learn_from(inputs: Path, tmp_path: Path, capsys: Captured) -> None:
    alerts, labels, run = inputs / "alerts", tmp_path / "labels.csv", tmp_path / "run"
    names = sorted(path.name for path in alerts.glob("*.avro"))
    labels.write_text("path,label\n" + "".join(f"{name},{k % 2}\n" for k, name in enumerate(names[:40])))
    command = ["train", "network", str(alerts), "--labels", str(labels), "--from", "stampnet", "-o", str(run)]
    assert main([*command, "--epochs", "1", "--unlabelled", "15"]) == 0
    said = capsys.readouterr()
    assert "80 rows: 40 with a label, 40 without" in said.out
    assert "without fold 2, labels alone, epoch 1: loss" in said.out + said.err
    assert s2v.load(run).header.training["unlabelled"] == 15
    assert main(["train", "network", str(inputs / "set"), "-o", str(tmp_path / "n"), "--unlabelled", "5"]) == 2
    assert "--unlabelled goes with --labels FILE" in capsys.readouterr().err


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_a_draw_takes_all_rows_alike_whatever_the_batches(batch: int) -> None:
    stamps = s2v.Stamps(np.arange(900, dtype=np.float32).reshape(100, 1, 3, 3), channels=["difference"])
    drawn = labelled_rows._Drawn(12, 4)
    for begin in range(0, 100, batch):
        part = stamps[begin : begin + batch]
        drawn.add(part, np.flatnonzero(np.arange(begin, begin + len(part)) % 10 > 0))
    first = [int(drawn.stamps().plane(row, "difference")[0, 0]) // 9 for row in range(12)]
    lots = np.random.default_rng([4, 6]).random(90)
    allowed = np.flatnonzero(np.arange(100) % 10 > 0)
    assert first == allowed[np.sort(np.argsort(lots)[:12])].tolist()


def test_what_cannot_be_trained_is_said_before_the_inputs_are_read(
    inputs: Path, tmp_path: Path, capsys: Captured
) -> None:
    absent, run = str(tmp_path / "absent"), ["-o", str(tmp_path / "run")]
    (tmp_path / "file").touch()
    for options, words in (
        (["--from", "forest"], "--from forest: 'forest' is no network of stamps"),
        (["--from", "tablenet"], "is no network of stamps"),
        (["--from", "nothing"], "unknown model 'nothing'"),
        (["--from", "stampnet", "--set", "s2v"], "decides its features: leave that out"),
        (["--freeze", "head"], "--freeze goes with --from MODEL"),
        (["--architecture", "resnet"], "no network of stamps is called 'resnet'"),
        (["--device", "cuda:77"], "device 'cuda:77' is not available"),
        (["--learning-rate", "-1"], "learning_rate must be above 0"),
        (["-o", str(tmp_path / "file")], "it is a file, where a folder is needed"),
    ):
        assert main(["train", "network", absent, "--labels", absent, *run, *options]) == 2
        assert words in capsys.readouterr().err
    assert main(["train", "network", str(inputs / "alerts"), *run]) == 2
    assert "is no data set: it has no manifest.json; other inputs need labels: --labels FILE" in capsys.readouterr().err
    (tmp_path / "l.csv").write_text("candidate_id,label\n1,1\n2,0\n")
    assert main(["train", "network", str(inputs / "alerts"), "--labels", str(tmp_path / "l.csv"), *run]) == 2
    assert "no row has a label; do the candidate ids" in capsys.readouterr().err
    table = tmp_path / "t.csv"
    table.write_text("ID,label,AMP\n1,1,2\n2,0,3\n")
    assert main(["train", "network", str(table), "--labels", str(tmp_path / "l.csv"), *run]) == 2
    assert "the input is a table of features" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_what_is_no_data_set_is_told(tmp_path: Path, capsys: Captured) -> None:
    assert main(["train", "network", str(tmp_path), "-o", str(tmp_path / "run")]) == 2
    assert "manifest.json" in capsys.readouterr().err
    assert main(["train", "network", str(tmp_path), "-o", str(tmp_path / "run"), "--teacher", "2"]) == 2
    assert "--teacher must lie between 0 and 1; given 2.0" in capsys.readouterr().err


def test_tablenet_is_trained_on_features_and_scores_their_table(inputs: Path, tmp_path: Path, capsys: Captured) -> None:
    table, model, out = tmp_path / "features.parquet", tmp_path / "mine.safetensors", tmp_path / "scores.parquet"
    assert main(["features", str(inputs / "alerts"), "-o", str(table), "--set", "autoscan-stamp"]) == 0
    labels = ["--labels", str(inputs / "alerts" / "truth.csv")]
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
