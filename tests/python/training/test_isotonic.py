"""The fit of a calibration, what it is worth, and the command that makes one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyarrow import csv
from sklearn.isotonic import IsotonicRegression

import space2vec as s2v
from parity import suite
from space2vec import registry
from space2vec.cli import main
from space2vec.evaluation import OPERATING_POINTS, evaluate, reliability
from space2vec.model_files.calibration import MOST_KNOTS
from space2vec.reading.notes import peek_note
from space2vec.training import cross_check, fit_calibration
from space2vec.training.isotonic import pool_violators

Captured = pytest.CaptureFixture[str]


def drawn(n: int, seed: int = 0, power: float = 3.0, digits: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Scores that claim too much: the probability of being real is score ** power."""
    rng = np.random.default_rng(seed)
    score = rng.beta(0.5, 0.5, n).astype(np.float32)
    if digits is not None:
        score = np.round(score, digits)
    return score, (rng.random(n) < score.astype(float) ** power).astype(int)


@pytest.mark.parametrize("digits", [None, 2, 1])
def test_stretches_are_those_of_isotonic_regression(digits: int | None) -> None:
    score, label = drawn(800, 1, digits=digits)
    levels, which = np.unique(score, return_inverse=True)
    count, real = np.bincount(which), np.bincount(which[label == 1], minlength=len(levels))
    ends = pool_violators(real, count)
    levels = levels.astype(float)
    expected = IsotonicRegression().fit(levels, real / count, count).predict(levels)
    means, begin = [], 0
    for end in ends:
        means += [real[begin:end].sum() / count[begin:end].sum()] * (end - begin)
        begin = end
    np.testing.assert_allclose(means, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [20, 60, 500, 20000])
@pytest.mark.parametrize("digits", [None, 2, 1])
def test_a_table_keeps_the_order(n: int, digits: int | None) -> None:
    score, label = drawn(n, 2, digits=digits)
    label[:5], label[-5:] = 1, 0
    table = fit_calibration(score, label)
    assert (np.diff(table.y) > 0).all()
    assert (table.x[0], table.x[-1]) == (0.0, 1.0)
    assert len(table.x) <= 4 * np.sqrt(n) + 4
    order = np.argsort(score, kind="stable")
    assert (np.diff(table(score)[order]) >= 0).all()
    before, after = (evaluate(given, label, bootstrap=0) for given in (score, table(score)))
    assert after["auc"] == pytest.approx(before["auc"], abs=1e-4)
    for name in OPERATING_POINTS:
        assert after[name] == pytest.approx(before[name], abs=2e-3)


def test_it_finds_the_probability() -> None:
    table = fit_calibration(*drawn(40000, 3))
    score, label = drawn(40000, 4)
    assert np.abs(table(score) - score.astype(float) ** 3).mean() < 0.02
    after = reliability(table(score), label)
    assert after.error < 0.015
    assert reliability(score, label).error > 0.1


def test_scores_that_are_probabilities_stay_about_as_they_are() -> None:
    table = fit_calibration(*drawn(40000, 5, power=1.0))
    grid = np.linspace(0, 1, 101, dtype=np.float32)
    assert np.abs(table(grid) - grid).max() < 0.05


def test_rows_without_exception_say_no_more_than_so_many_rows_can() -> None:
    score, label = np.repeat([0.1, 0.9], 50), np.repeat([0, 1], 50)
    low, high = fit_calibration(score, label)([0.1, 0.9])
    assert low == pytest.approx(1 / 52)
    assert high == pytest.approx(51 / 52)


def test_useless_scores_say_the_share_of_real_ones() -> None:
    rng = np.random.default_rng(0)
    found = fit_calibration(rng.random(5000), rng.random(5000) < 0.3)(np.linspace(0.1, 0.9, 9))
    np.testing.assert_allclose(found, 0.3, atol=0.05)
    (same,) = np.unique(fit_calibration(np.full(100, 0.7), np.arange(100) % 4 == 0)([0.7]))
    assert same == pytest.approx(0.255, abs=0.01)


def test_rows_without_a_score_and_what_is_said_of_the_fit() -> None:
    score, label = drawn(200)
    score[::10] = np.nan
    table = fit_calibration(score, label, fitted={"survey": "X"})
    known = ~np.isnan(score)
    assert table.x == fit_calibration(score[known], label[known]).x
    assert table.fitted["rows"] == known.sum() == table.fitted["real"] + table.fitted["bogus"]
    assert table.fitted["survey"] == "X"
    many = fit_calibration(*drawn(300000, 6, power=1.0))
    assert len(many.x) <= MOST_KNOTS


@pytest.mark.parametrize(
    ("score", "label", "told"),
    [
        (np.linspace(0, 1, 19), np.arange(19) % 2, "20 labelled rows"),
        (np.linspace(0, 1, 100), np.arange(100) > 95, "given 4 real and 96 bogus"),
        (np.linspace(0, 1, 100), np.ones(100), "both real and bogus"),
        (np.linspace(0, 2, 100), np.arange(100) % 2, "scores from 0 to 1"),
        (np.full(100, np.nan), np.arange(100) % 2, "given 0 real and 0 bogus"),
    ],
)
def test_too_little_to_fit_raises(score: np.ndarray, label: np.ndarray, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        fit_calibration(score, label)


def test_a_cross_check_parts_objects() -> None:
    """Rows of an object are copies: a table that had seen one of them would know the others."""
    score, label = drawn(400, 7)
    copies = np.repeat(np.arange(400), 5)
    found = cross_check(score[copies], label[copies], group=copies)
    seen = cross_check(score[copies], label[copies])
    assert found is not None
    assert seen is not None
    assert found.folds == 5
    assert found.before["brier"] == pytest.approx(evaluate(score, label, bootstrap=0)["brier"])
    assert seen.after["brier"] < found.after["brier"] < found.before["brier"]
    assert "calibration error" in str(found)
    assert cross_check(score, label, group=np.where(label == 1, "one", np.arange(400).astype(str))) is None
    with pytest.raises(ValueError, match="folds must be"):
        cross_check(score, label, folds=1)


# The command


@pytest.fixture
def calibrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> s2v.Forest:
    """Stand in a folder with a model, features of candidates, their labels and their scores."""
    monkeypatch.chdir(tmp_path)
    forest = suite.model(registry.AUTOSCAN_STAMP)
    forest = type(forest)(forest.trees, forest.header.calibrated(None), forest.fill)
    forest.header.metrics["auc"] = 0.9
    forest.save("m.safetensors")
    x = suite.forest().x
    score = forest.predict(x)
    rng = np.random.default_rng(1)
    label = rng.random(len(x)) < np.clip(3 * (score - 0.35), 0, 1)
    columns = ",".join(registry.AUTOSCAN_STAMP)
    rows = "\n".join(f"{i},{','.join('' if np.isnan(v) else repr(float(v)) for v in row)}" for i, row in enumerate(x))
    Path("features.csv").write_text(f"ID,{columns}\n{rows}\n")
    Path("labels.csv").write_text("ID,label\n" + "".join(f"{i},{int(y)}\n" for i, y in enumerate(label)))
    assert main(["score", "features.csv", "-o", "scores.parquet", "--model", "m.safetensors"]) == 0
    return forest


def test_a_calibrated_model_is_made_and_scores(calibrated: s2v.Forest, capsys: Captured) -> None:
    capsys.readouterr()
    assert (
        main(["calibrate", "m.safetensors", "scores.parquet", "--labels", "labels.csv", "-o", "new.safetensors"]) == 0
    )
    said = capsys.readouterr()
    assert said.err == ""
    assert "5-fold cross-validation split by object" in said.out
    model = s2v.load("new.safetensors")
    table = model.header.calibration
    assert table is not None
    assert f"model {model.id}, with a calibration of {len(table.x)} knots, in new.safetensors" in said.out
    assert table.fitted["model"] == calibrated.id
    assert table.fitted["labels"] == "labels.csv"
    metrics = model.header.metrics
    assert metrics["before calibration"] == {"auc": 0.9}
    assert metrics["calibration"]["after"]["brier"] < metrics["calibration"]["before"]["brier"]
    assert main(["score", "features.csv", "-o", "after.parquet", "--model", "new.safetensors"]) == 0
    figures = ["--labels", "labels.csv", "--bootstrap", "0", "--json", "f.json"]
    assert main(["evaluate", "scores.parquet", "after.parquet", *figures]) == 0
    before, after = json.loads(Path("f.json").read_text()).values()
    assert after["model"] == model.id
    assert after["metrics"]["auc"]["value"] == pytest.approx(before["metrics"]["auc"]["value"], abs=1e-4)
    assert after["reliability"]["calibration error"] < before["reliability"]["calibration error"]
    for name, at in metrics["thresholds"].items():
        assert after["thresholds"][name]["value"] == pytest.approx(at)
    # The calibration is fitted on scores without one: those that went through it are refused.
    again = ["calibrate", "new.safetensors", "-o", "again.safetensors", "--labels", "labels.csv"]
    capsys.readouterr()
    assert main([*again, "after.parquet"]) == 2
    assert f"went through the calibration of {model.id}" in capsys.readouterr().err
    assert main([*again, "scores.parquet"]) == 0
    assert Path("again.safetensors").read_bytes() == Path("new.safetensors").read_bytes()
    model.calibrated(None).save("old.safetensors")
    assert Path("old.safetensors").read_bytes() == Path("m.safetensors").read_bytes()


def failing(capsys: Captured, *command: str) -> str:
    capsys.readouterr()
    assert main(["calibrate", *command]) == 2
    assert not Path("new.safetensors").exists()
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["m.safetensors", "--labels", "labels.csv", "-o", "new.safetensors"], "arguments are required: SCORES"),
        (["m.safetensors", "scores.parquet", "-o", "new.safetensors"], "arguments are required: --labels"),
        (["m.safetensors", "none.csv", "--labels", "labels.csv", "-o", "new.safetensors"], "none.csv: no such file"),
        (
            ["forest", "scores.parquet", "--labels", "labels.csv", "-o", "new.safetensors"],
            "scores.parquet holds scores of the model",
        ),
        (["m.safetensors", "scores.parquet", "--labels", "labels.csv", "-o", "new.onnx"], "suffix of a model file"),
        (["m.safetensors", "scores.parquet", "--labels", "few.csv", "-o", "new.safetensors"], "20 labelled rows"),
        (["m.safetensors", "scores.parquet", "--labels", "one.csv", "-o", "new.safetensors"], "both real and bogus"),
    ],
)
def test_what_cannot_be_calibrated_says_so(
    calibrated: s2v.Forest, command: list[str], told: str, capsys: Captured
) -> None:
    Path("few.csv").write_text("ID,label\n" + "".join(f"{i},{i % 2}\n" for i in range(12)))
    Path("one.csv").write_text("ID,label\n" + "".join(f"{i},1\n" for i in range(100)))
    assert told in failing(capsys, *command)


def test_few_rows_and_unknown_scores_are_told(calibrated: s2v.Forest, capsys: Captured) -> None:
    rows = "".join(f"{i},{i / 40:.3f},same\n" for i in range(40))
    Path("others.csv").write_text(f"ID,score,objectId\n{rows}")
    Path("few.csv").write_text("ID,label\n" + "".join(f"{i},{int(i >= 20)}\n" for i in range(40)))
    capsys.readouterr()
    assert main(["calibrate", "m.safetensors", "others.csv", "--labels", "few.csv", "-o", "new.safetensors"]) == 0
    told = capsys.readouterr().err
    assert f"others.csv does not say its model; they are assumed to be of {calibrated.id}" in told
    assert "only 20 rows of one label" in told
    assert "too few objects for a cross-validation" in told


# Decisions


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_scores_become_decisions(calibrated: s2v.Forest, suffix: str) -> None:
    scores = calibrated.predict(suite.forest().x)
    at = float(np.sort(scores)[300])
    out = f"decided.{suffix}"
    # A row whose features are all unknown has no score, and no decision.
    with Path("features.csv").open("a") as file:
        file.write("1000" + "," * len(registry.AUTOSCAN_STAMP) + "\n")
    main(["score", "features.csv", "-o", out, "--model", "m.safetensors", "--threshold", repr(at)])
    table = pq.read_table(out) if suffix == "parquet" else csv.read_csv(out)
    assert table.column_names[:4] == ["object_id", "candidate_id", "score", "decision"]
    found = [word or None for word in table["decision"].to_pylist()]
    assert found[:1000] == ["real" if score >= at else "bogus" for score in scores.astype(float)]
    assert found[1000] is None
    assert "threshold" in str(peek_note(Path(out)))


def test_a_threshold_of_evaluate_decides_as_it_measured(calibrated: s2v.Forest, capsys: Captured) -> None:
    assert main(["evaluate", "scores.parquet", "--labels", "labels.csv", "--bootstrap", "0", "--json", "f.json"]) == 0
    (figures,) = json.loads(Path("f.json").read_text()).values()
    table = s2v.Features(suite.forest().x, registry.AUTOSCAN_STAMP)
    real = np.loadtxt("labels.csv", delimiter=",", skiprows=1)[:, 1] == 1
    for name in OPERATING_POINTS:
        at = figures["thresholds"][name]["value"]
        passed = calibrated.score(table).decide(at) == "real"
        rate = passed[~real].mean() if name.startswith("fpr") else 1 - passed[real].mean()
        assert rate == pytest.approx(figures["metrics"][name]["value"])


@pytest.mark.parametrize("text", ["1.5", "-0.1", "nan", "half"])
def test_a_threshold_that_is_none_is_refused(calibrated: s2v.Forest, text: str, capsys: Captured) -> None:
    assert main(["score", "features.csv", "-o", "x.csv", "--threshold", text]) == 2
    assert "--threshold" in capsys.readouterr().err
    if text != "half":
        with pytest.raises(ValueError, match="threshold must lie from 0 to 1"):
            calibrated.score(s2v.Features(suite.forest().x, registry.AUTOSCAN_STAMP)).decide(float(text))


def test_another_threshold_is_not_resumed(calibrated: s2v.Forest, capsys: Captured) -> None:
    command = ["score", "features.csv", "-o", "d.csv", "--model", "m.safetensors"]
    assert main([*command, "--threshold", "0.5"]) == 0
    assert main([*command, "--threshold", "0.5", "--resume"]) == 0
    assert main([*command, "--threshold", "0.4", "--resume"]) == 2
    assert "threshold" in capsys.readouterr().err
