"""The command line: what it writes, what it says, and how it fails."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import space2vec as s2v
from space2vec.cli import main
from space2vec.reading import options
from space2vec.registry import FLAGS

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("night")
    assert main(["simulate", "-n", "60", "-o", str(folder / "alerts"), "--seed", "5"]) == 0
    return folder


def test_simulate_says_what_it_wrote(tmp_path: Path, capsys: Captured) -> None:
    assert main(["simulate", "-n", "12", "--per-file", "6", "--codec", "deflate", "-o", str(tmp_path / "new")]) == 0
    assert "12 alerts (6 real, 6 bogus) in 2 files" in capsys.readouterr().out
    assert len(list((tmp_path / "new").glob("*.avro"))) == 2
    assert len((tmp_path / "new" / "truth.csv").read_text().splitlines()) == 13


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_score(night: Path, tmp_path: Path, capsys: Captured, suffix: str) -> None:
    out = tmp_path / f"scores{suffix}"
    assert main(["score", str(night / "alerts"), "-o", str(out), "--threads", "1"]) == 0
    table = pq.read_table(out) if suffix == ".parquet" else pyarrow.csv.read_csv(out)
    assert table.column_names[:4] == ["object_id", "candidate_id", "score", "flags"]
    stamps = s2v.read(night / "alerts")
    expected = s2v.load("default").score(stamps)
    assert table["candidate_id"].to_pylist() == stamps.candidate_id.tolist()
    assert table["object_id"].to_pylist() == stamps.object_id.tolist()
    np.testing.assert_allclose(np.array(table["score"].to_pylist(), dtype=float), expected.score, rtol=1e-6)
    told = table["flags"].to_pylist()
    names = [expected.flag_names(row) for row in range(len(expected))]
    assert told == (names if suffix == ".parquet" else ["|".join(row) for row in names])
    said = capsys.readouterr().out
    assert "60 rows: 60 scored, 0 not scored" in said
    assert "rows/s" in said
    for name in {name for row in names for name in row}:
        count = sum(name in row for row in names)
        many = rf"on many rows: .*{name} \({100 * count / 60:.1f} %\)"
        meaning = re.escape(FLAGS[name].meaning)
        assert re.search(many if count >= 15 else rf"{name} +{count} +{100 * count / 60:.1f} %  {meaning}", said)
    if suffix == ".parquet":
        assert json.loads(table.schema.metadata[b"space2vec"])["model"] == expected.model
    errors = tmp_path / f"scores.errors{suffix}"
    notes = [tmp_path / f"{path.name}.json" for path in (out, errors) if suffix == ".csv"]
    assert sorted(tmp_path.iterdir()) == sorted([out, errors, *notes]), "nothing else is left beside the output"
    assert f"no errors: {errors} is empty" in said


def test_rows_that_cannot_be_read_are_flagged_and_told(night: Path, tmp_path: Path, capsys: Captured) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    alerts = sorted((night / "alerts").glob("*.avro"))[:3]
    for path in alerts:
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / alerts[1].name).write_bytes(alerts[1].read_bytes()[:5000])
    (folder / "zz.avro").write_bytes(b"this is not Avro")
    out = tmp_path / "scores.parquet"
    assert main(["score", str(folder), "-o", str(out)]) == 1
    flags = pq.read_table(out)["flags"].to_pylist()
    scores = pq.read_table(out)["score"].to_numpy()
    bad = np.array(["bad_stamp" in row for row in flags])
    assert bad.sum() == 2
    assert (np.isnan(scores) == bad).all()
    said = capsys.readouterr()
    assert "4 rows: 2 scored, 2 not scored" in said.out
    assert alerts[1].name in said.err
    assert "zz.avro" in said.err


def test_features_then_score_of_the_table(night: Path, tmp_path: Path, capsys: Captured) -> None:
    out = tmp_path / "features.parquet"
    assert main(["features", str(night / "alerts"), "-o", str(out)]) == 0
    assert "60 rows: 60 measured" in capsys.readouterr().out
    assert pq.read_schema(out).names[:41] == ["object_id", "candidate_id", *s2v.registry.AUTOSCAN, "flags"]
    assert main(["score", str(out), "-o", str(tmp_path / "table.parquet")]) == 2
    assert "takes stamps: a table of features has no pixels" in capsys.readouterr().err
    forest = ["--model", "forest"]
    assert main(["score", str(out), "-o", str(tmp_path / "table.parquet"), *forest]) == 2
    assert "needs columns that the table lacks: polarity" in capsys.readouterr().err
    assert (
        main(["features", str(night / "alerts"), "-o", str(out), "--set", "all", "--restart", "--columns", "none"]) == 0
    )
    assert pq.read_schema(out).names[2:-1] == list(s2v.registry.FEATURE_SETS["all"])
    for source, name in ((night / "alerts", "stamps"), (out, "table")):
        assert main(["score", str(source), "-o", str(tmp_path / f"{name}.parquet"), *forest]) == 0
    parts = [pq.read_table(tmp_path / f"{name}.parquet") for name in ("stamps", "table")]
    assert parts[0].select(parts[1].column_names).equals(parts[1])
    assert main(["features", str(out), "-o", str(tmp_path / "again.parquet")]) == 2
    assert "features already" in capsys.readouterr().err
    assert not (tmp_path / "again.parquet").exists()


def test_features_of_a_set_and_convention(night: Path, tmp_path: Path) -> None:
    out = tmp_path / "features.csv"
    command = ["features", str(night / "alerts"), "-o", str(out), "--set", "autoscan-stamp", "--convention", "paper"]
    assert main(command) == 0
    table = pyarrow.csv.read_csv(out)
    expected = s2v.features(s2v.read(night / "alerts"), set="autoscan-stamp", convention="paper")
    for name in s2v.registry.AUTOSCAN_STAMP:
        np.testing.assert_allclose(np.array(table[name].to_pylist(), dtype=float), expected[name], rtol=1e-6)


def test_train_then_score_then_evaluate(night: Path, tmp_path: Path, capsys: Captured) -> None:
    pytest.importorskip("sklearn")
    model, out, truth = tmp_path / "own.safetensors", tmp_path / "scores.parquet", night / "alerts" / "truth.csv"
    command = ["train", "forest", str(night / "alerts"), "--labels", str(truth), "-o", str(model)]
    assert main([*command, "--trees", "9", "--folds", "3", "--threads", "1"]) == 0
    said = capsys.readouterr().out
    assert "60 rows: 60 usable, 0 without a label" in said
    assert "3-fold cross-validation split by object" in said
    header = s2v.load(model).header
    assert header.name == "own"
    assert header.feature_names == s2v.registry.FEATURE_SETS["stamp"]
    assert header.metrics["metrics"]["auc"]["value"] > 0.6
    assert main(["score", str(night / "alerts"), "-o", str(out), "--model", str(model)]) == 0
    curve, figures = tmp_path / "curve.png", tmp_path / "figures.json"
    capsys.readouterr()
    options = ["--bootstrap", "20", "--json", str(figures)]
    if s2v.plot is not None and pytest.importorskip("matplotlib"):
        options += ["--plot", str(curve)]
    assert main(["evaluate", str(out), "--labels", str(truth), *options]) == 0
    said = capsys.readouterr().out
    assert "30 real, 30 bogus" in said
    assert json.loads(figures.read_text())["own"]["metrics"]["auc"]["value"] > 0.95, "these rows were trained on"
    assert curve.read_bytes().startswith(b"\x89PNG")


def test_train_without_usable_labels(night: Path, tmp_path: Path, capsys: Captured) -> None:
    pytest.importorskip("sklearn")
    labels = tmp_path / "labels.csv"
    labels.write_text("candidate_id,label\n1,1\n2,0\n")
    model = tmp_path / "model.safetensors"
    assert main(["train", "forest", str(night / "alerts"), "--labels", str(labels), "-o", str(model)]) == 2
    assert "no row has a label" in capsys.readouterr().err
    assert main(["train", "forest", str(night / "alerts"), "-o", str(tmp_path / "model.pkl")]) == 2
    assert "suffix of a model file is .safetensors" in capsys.readouterr().err


def test_mosaic(night: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(options, "ROWS_WITH_PIXELS", 25)  # the chosen must be found over several batches
    picture = tmp_path / "mosaic.png"
    out = tmp_path / "scores.parquet"
    assert main(["score", str(night / "alerts"), "-o", str(out), "--mosaic", str(picture)]) == 0
    assert f"mosaic in {picture}" in capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_mosaic_keeps_the_best_the_worst_and_the_doubtful(night: Path) -> None:
    from space2vec.cli.mosaic import Mosaic
    from space2vec.plot import select_rows

    stamps = s2v.read(night / "alerts")
    scores = s2v.load("default").score(stamps)
    mosaic = Mosaic("mosaic.png")
    for start in range(0, 60, 7):
        rows = slice(start, start + 7)
        part = s2v.Scores(
            scores.score[rows], scores.flags[rows], scores.object_id[rows], scores.candidate_id[rows], scores.model
        )
        mosaic.add(stamps[rows], part)
    assert mosaic._stamps is not None
    whole = select_rows(scores.score, 12)
    kept = select_rows(mosaic._score, 12)
    for block, rows in whole.items():
        assert mosaic._stamps.candidate_id[kept[block]].tolist() == stamps.candidate_id[rows].tolist()
    row = int(kept["best"][0])
    first = mosaic._stamps.plane(row, "difference")
    assert np.array_equal(first, stamps.plane(int(whole["best"][0]), "difference"), equal_nan=True)
    assert len(mosaic._stamps) <= 36


def failing(capsys: Captured, *arguments: str | Path) -> str:
    """Run a command that cannot run: status 2, one line on standard error, no traceback."""
    assert main([str(argument) for argument in arguments]) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def test_commands_that_cannot_run(night: Path, tmp_path: Path, capsys: Captured) -> None:
    alerts, out = night / "alerts", tmp_path / "scores.parquet"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "does not exist" in failing(capsys, "score", tmp_path / "nowhere", "-o", out)
    assert "holds no file" in failing(capsys, "score", empty, "-o", out)
    assert "unknown model 'braai'; packaged models: autoscan, default, forest, stampnet" in failing(
        capsys, "score", alerts, "-o", out, "--model", "braai"
    )
    assert "no CUDA backend" in failing(capsys, "score", alerts, "-o", out, "--device", "cuda", "--model", "forest")
    assert "suffix must be one of .parquet, .csv" in failing(capsys, "score", alerts, "-o", tmp_path / "scores.txt")
    assert "no folder" in failing(capsys, "score", alerts, "-o", tmp_path / "no" / "scores.csv")
    folder = tmp_path / "folder.parquet"
    folder.mkdir()
    assert "it is a folder" in failing(capsys, "score", alerts, "-o", folder)
    assert "needs columns that the table lacks" in failing(
        capsys, "score", write_table(tmp_path), "-o", out, "--model", "autoscan"
    )
    for wrong in (["score"], ["other"], [], ["score", str(alerts), "-o", str(out), "--threads", "0"]):
        failing(capsys, *wrong)
    assert not out.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "folder.parquet", "table.csv"]


@pytest.mark.parametrize("command", ["score", "features"])
def test_an_unknown_backend(
    night: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("SPACE2VEC_BACKEND", "foo")
    said = failing(capsys, command, night / "alerts", "-o", tmp_path / "out.parquet")
    assert said == "space2vec: SPACE2VEC_BACKEND is 'foo'; accepted are native and numba\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["score", "features"])
def test_the_backend_that_is_asked_for_measures(
    night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    pytest.importorskip("numba")
    from space2vec.backends import numba as fallback

    asked = []

    def counted(compute: Callable[..., None]) -> Callable[..., None]:
        return lambda *given: asked.append(True) or compute(*given)

    monkeypatch.setattr(fallback, "features", counted(fallback.features))
    monkeypatch.setattr(fallback.Model, "score", counted(fallback.Model.score))
    alerts = tmp_path / "alerts"
    alerts.mkdir()
    for path in sorted((night / "alerts").glob("*.avro"))[:20]:
        (alerts / path.name).write_bytes(path.read_bytes())
    (alerts / "zz.avro").write_bytes(b"this is not Avro")
    tables = []
    for name in ("native", "numba"):
        monkeypatch.setenv("SPACE2VEC_BACKEND", name)
        out = tmp_path / f"{name}.parquet"
        assert main([command, str(alerts), "-o", str(out)]) == 1
        tables.append([path.read_bytes() for path in (out, tmp_path / f"{name}.errors.parquet")])
        assert bool(asked) == (name == "numba")
    assert tables[0] == tables[1]


@pytest.mark.parametrize(("text", "reason"), [("{", "is no JSON (Expecting"), ("[" * 100_000, "is no JSON")])
def test_a_schema_that_is_no_json(night: Path, tmp_path: Path, capsys: Captured, text: str, reason: str) -> None:
    file = tmp_path / "schema.avsc"
    file.write_text(text)
    said = failing(capsys, "score", night / "alerts", "-o", tmp_path / "out.csv", "--schema", f"3={file}")
    assert f"argument --schema: {file} {reason}" in said
    assert "cannot read" in failing(capsys, "score", night, "-o", tmp_path / "out.csv", "--schema", f"3={file}.none")


def write_table(folder: Path) -> Path:
    path = folder / "table.csv"
    path.write_text("ID,AMP,SNR\n1,0.5,7\n")
    return path


def test_interrupt(night: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("space2vec.data.tables.Scores.to_arrow", stop)
    assert main(["score", str(night / "alerts"), "-o", str(tmp_path / "scores.parquet")]) == 130
    assert capsys.readouterr().err.endswith("space2vec: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_zero_rows_give_an_empty_table(tmp_path: Path, capsys: Captured) -> None:
    np.save(tmp_path / "none.npy", np.empty((0, 3, 51, 51), dtype=np.float32))
    out = tmp_path / "scores.parquet"
    assert main(["score", str(tmp_path / "none.npy"), "-o", str(out)]) == 0
    assert "0 rows: 0 scored" in capsys.readouterr().out
    assert pq.read_table(out).num_rows == 0
    assert pq.read_table(out).column_names == ["object_id", "candidate_id", "score", "flags"]


def test_two_nights_do_not_mix(night: Path, capsys: Captured) -> None:
    before = sorted((night / "alerts").iterdir())
    assert "holds a simulated night already" in failing(capsys, "simulate", "-n", "2", "-o", night / "alerts")
    assert sorted((night / "alerts").iterdir()) == before


def test_stamps_need_labels_to_train(night: Path, tmp_path: Path, capsys: Captured) -> None:
    for given in (night / "alerts", night / "alerts" / "*.avro"):
        assert "labels are needed: --labels FILE" in failing(
            capsys, "train", "forest", given, "-o", tmp_path / "m.safetensors"
        )


def test_a_picture_is_checked_before_any_work(night: Path, tmp_path: Path, capsys: Captured) -> None:
    pytest.importorskip("matplotlib")
    told = "the suffix of a picture is one of .png, .pdf, .svg, .jpg"
    out = tmp_path / "scores.parquet"
    assert told in failing(capsys, "score", night / "alerts", "-o", out, "--mosaic", tmp_path / "mosaic.txt")
    assert told in failing(capsys, "evaluate", out, "--labels", out, "--plot", tmp_path / "curves")
    assert list(tmp_path.iterdir()) == []


def test_curves_of_files_of_one_name_stay_apart(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    drawn: list[list[str]] = []
    monkeypatch.setattr("space2vec.plot.mdr_fpr", lambda curves, **_: drawn.append(list(curves)))
    monkeypatch.chdir(tmp_path)
    Path("labels.csv").write_text("ID,label\n1,1\n2,0\n")
    for name in ("a/scores.csv", "b/scores.csv", "b/other.csv"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("ID,score\n1,0.9\n2,0.1\n3,0.5\n")
    for names in (["a/scores.csv", "b/scores.csv"], ["a/scores.csv", "b/other.csv"]):
        assert main(["evaluate", *names, "--labels", "labels.csv", "--bootstrap", "0", "--plot", "c.png"]) == 0
    assert drawn == [["scores (a/scores.csv)", "scores (b/scores.csv)"], ["scores", "other"]]
    assert capsys.readouterr().out.count("1 scores without a label, 0 labels without a score") == 4


def test_all_files_of_scores_are_looked_at_before_any_is_measured(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("labels.csv").write_text("ID,label\n1,1\n2,0\n")
    Path("a.csv").write_text("ID,score\n1,0.9\n2,0.1\n")
    for others, reason in (
        (["nosuch.csv"], "nosuch.csv"),
        (["./a.csv"], "a file of scores is given more than once: a.csv ./a.csv"),
        (["a.csv", "--json", "no/figures.json"], "cannot write no/figures.json: there is no folder no"),
    ):
        assert main(["evaluate", "a.csv", *others, "--labels", "labels.csv"]) == 2
        said = capsys.readouterr()
        assert reason in said.err
        assert said.out == ""


def test_sigterm_leaves_nothing(night: Path, tmp_path: Path) -> None:
    stop = """
import os, signal, sys
import space2vec.data.tables
from space2vec.cli import main
space2vec.data.tables.Scores.to_arrow = lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM)
sys.exit(main(sys.argv[1:]))
"""
    command = [sys.executable, "-c", stop, "score", str(night / "alerts"), "-o", str(tmp_path / "scores.parquet")]
    assert subprocess.run(command, check=False, timeout=120).returncode == 143
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_help_and_version(capsys: Captured) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"space2vec {s2v.__version__}\n"
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    for command in ("score", "features", "train", "evaluate", "reproduce", "simulate", "export", "doctor"):
        assert command in said
        assert main([command, "--help"]) == 0


def test_a_real_night(data: Path, tmp_path: Path, capsys: Captured) -> None:
    folder = data / "ztf" / "night_20180713"
    if not folder.is_dir():
        pytest.skip(f"ZTF alerts missing: {folder}")
    out = tmp_path / "night.parquet"
    assert main(["score", str(folder), "-o", str(out)]) == 0
    table = pq.read_table(out)
    known = pyarrow.csv.read_csv(folder.with_suffix(".csv"))
    assert table.num_rows == 511
    assert table["candidate_id"].to_pylist() == sorted(known["candid"].to_pylist())
    ids = dict(zip(known["candid"].to_pylist(), known["objectId"].to_pylist(), strict=True))
    assert table["object_id"].to_pylist() == [ids[key] for key in table["candidate_id"].to_pylist()]
    scores, flags = table["score"].to_numpy(), table["flags"].to_pylist()
    assert all(names for score, names in zip(scores, flags, strict=True) if np.isnan(score))
    assert "511 rows" in capsys.readouterr().out
