"""Forests fitted to few labels: old leaves are updated as counted by hand, new trees are those of the labels alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from space2vec import training
from space2vec.cli import main
from space2vec.errors import ModelError

pytest.importorskip("sklearn")

NAMES = ("a", "b", "c")
Captured = pytest.CaptureFixture[str]


def rows(n: int, seed: int, shift: float = 0.0) -> tuple[Any, Any]:
    """Rows of a survey: the class turns at `shift` of the first column; some values are undefined."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)).astype(np.float32)
    y = (x[:, 0] + 0.3 * rng.normal(size=n) > shift).astype(int)
    x[rng.random(x.shape) < 0.05] = np.nan
    return x, y


def leaf_of(trees: Any, tree: int, row: Any) -> int:
    """Walk down a tree by its definition."""
    node = int(trees.tree_start[tree])
    while trees.right[node]:
        value = row[trees.feature[node]]
        left = trees.missing_left[node] == 1 if np.isnan(value) else value <= trees.value[node]
        node += 1 if left else int(trees.right[node])
    return node


@pytest.fixture(scope="module", params=["none", "median"])
def start(request: pytest.FixtureRequest) -> s2v.Forest:
    x, y = rows(300, 0)
    return training.train_forest(
        x, y, NAMES, trees=8, imputation=request.param, n_jobs=1, name="old", metrics={"auc": 0.9}
    )


def test_old_leaves_move_to_the_labels_and_new_trees_are_those_of_the_labels_alone(start: s2v.Forest) -> None:
    x, y = rows(60, 1, shift=0.8)
    tuned = training.tune_forest(start, x, y, trees=5, seed=3, n_jobs=1)
    assert len(tuned) == 10, "five old trees and five new ones"
    filled = x if start.fill is None else np.where(np.isnan(x), start.fill, x)
    end = int(start.trees.tree_start[5])
    np.testing.assert_array_equal(tuned.trees.tree_start[:6], start.trees.tree_start[:6])
    for name in ("right", "feature", "missing_left"):
        np.testing.assert_array_equal(getattr(tuned.trees, name)[:end], getattr(start.trees, name)[:end])
    labels: dict[int, list[int]] = {}
    for tree in range(5):
        for row, label in zip(filled, y, strict=True):
            labels.setdefault(leaf_of(start.trees, tree, row), []).append(int(label))
    for node in range(end):
        old = float(start.trees.value[node])
        found = labels.get(node, [])
        expected = (old + sum(found)) / (1 + len(found)) if found else old
        assert tuned.trees.value[node] == pytest.approx(expected, abs=1e-6)
    alone = training.train_forest(filled, y, NAMES, trees=5, imputation="none", seed=3, n_jobs=1)
    np.testing.assert_array_equal(tuned.trees.value[end:], alone.trees.value)
    values = tuned.node_values
    for tree in range(5):
        root = int(start.trees.tree_start[tree])
        assert values[root] == pytest.approx((start.node_values[root] + y.sum()) / (1 + len(y)), abs=1e-6)
    assert tuned.usual_values is not None
    np.testing.assert_allclose(tuned.usual_values[:, 1], np.nanmedian(x, axis=0), atol=1e-6)
    test, _ = rows(20, 2)
    ready = test if start.fill is None else np.where(np.isnan(test), start.fill, test)
    mean = [np.mean([tuned.trees.value[leaf_of(tuned.trees, tree, row)] for tree in range(10)]) for row in ready]
    np.testing.assert_allclose(tuned.predict(test), mean, atol=1e-6)


def test_the_result_says_what_it_is(start: s2v.Forest, tmp_path: Path) -> None:
    x, y = rows(60, 1)
    calibration = training.fit_calibration(start.predict(x), y, fitted={})
    tuned = training.tune_forest(start.calibrated(calibration), x, y, trees=3, n_jobs=1, training={"data": "made up"})
    header = tuned.header
    assert (tuned.name, header.calibration, header.metrics) == ("old v2", None, {})
    assert header.training["from"] == start.calibrated(calibration).id
    assert (header.training["kept trees"], header.training["rows"], header.training["data"]) == (3, 60, "made up")
    assert (header.feature_names, header.imputation) == (start.feature_names, start.header.imputation)
    tuned.save(tmp_path / "tuned.safetensors")
    again = s2v.load(tmp_path / "tuned.safetensors")
    assert again.id == tuned.id
    assert training.tune_forest(tuned, x, y, trees=3, n_jobs=1).name == "old v3"


def test_many_labels_leave_few_old_trees(start: s2v.Forest) -> None:
    for labels, kept in ((100, 8), (400, 4), (1000, 2), (4000, 1)):
        tuned = training.tune_forest(start, *rows(labels, 5), trees=8, max_leaf_nodes=3, n_jobs=1)
        assert tuned.header.training["kept trees"] == kept
        assert len(tuned) == 8 + kept


def test_few_labels_of_a_similar_survey_help() -> None:
    """Many columns decide: a forest of 40 rows alone knows little of them, and the old one has another threshold."""
    names = tuple(f"column {k}" for k in range(12))

    def survey(n: int, seed: int, shift: float) -> tuple[Any, Any]:
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(n, 12)).astype(np.float32)
        return x, (x[:, :6].sum(axis=1) + rng.normal(size=n) > shift).astype(int)

    old = training.train_forest(*survey(2000, 0, 0.0), names, trees=50, n_jobs=1)
    test, truth = survey(2000, 9, 2.0)
    found = []
    for seed in range(3):
        few = survey(40, 20 + seed, 2.0)
        tuned = training.tune_forest(old, *few, trees=50, seed=seed, n_jobs=1)
        models = (old, training.train_forest(*few, names, trees=50, seed=seed, n_jobs=1), tuned)
        found.append([s2v.evaluation.evaluate(m.predict(test), truth, bootstrap=0)["brier"] for m in models])
    before, alone, both = np.mean(found, axis=0)
    assert both < before
    assert both < alone


def test_what_does_not_go_with_a_start_is_refused(start: s2v.Forest) -> None:
    x, y = rows(60, 1)
    with pytest.raises(ValueError, match="to start from decides its imputation: leave that out"):
        training.tune_forest(start, x, y, imputation="mean")
    with pytest.raises(ModelError, match="must be a Forest"):
        training.tune_forest(s2v.load("tablenet"), x, y)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="both real"):
        training.tune_forest(start, x, np.ones(60))
    with pytest.raises(ValueError, match="shape"):
        training.tune_forest(start, x, y[:-1])


def test_from_the_command_line(tmp_path: Path, capsys: Captured) -> None:
    alerts, file = tmp_path / "alerts", tmp_path / "tuned.safetensors"
    assert main(["simulate", "-n", "40", "--seed", "3", "-o", str(alerts)]) == 0
    command = ["train", "forest", str(alerts), "--labels", str(alerts / "truth.csv"), "-o", str(file)]
    assert main([*command, "--from", "forest", "--trees", "10", "--folds", "3", "--threads", "1"]) == 0
    said = capsys.readouterr().out
    assert "3-fold cross-validation" in said
    assert "'forest' before, on the same rows:" in said
    tuned, packaged = s2v.load(file), s2v.load("forest")
    assert (tuned.name, len(tuned)) == ("forest v2", 20)
    assert tuned.feature_names == packaged.feature_names
    assert tuned.header.training["labels"] == "truth.csv"
    assert main(["score", str(alerts), "-o", str(tmp_path / "scores.csv"), "--model", str(file)]) == 0
    assert "model forest v2 " in capsys.readouterr().out
    assert main([*command, "--from", "stampnet"]) == 2
    assert f"{s2v.load('stampnet').name!r} is no forest; such are forest and autoscan" in capsys.readouterr().err
    assert main([*command, "--from", "forest", "--set", "stamp"]) == 2
    assert "--set and --convention do not go with --from" in capsys.readouterr().err
    assert main([*command, "--from", "autoscan", "--trees", "2", "--folds", "0"]) == 0
    assert s2v.load(file).name == "autoscan v2"
