"""Training: autoScan's forest by default, folds that keep groups together, and the accuracy that is claimed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import space2vec as s2v
from space2vec import reading, registry, training

pytest.importorskip("sklearn")

NAMES = ("a", "b", "c")


def rows(n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 3)).astype(np.float32)
    y = (x[:, 0] + 0.3 * rng.normal(size=n) > 0).astype(int)
    x[rng.random(x.shape) < 0.05] = np.nan
    return x, y


def test_defaults_are_autoscans_and_are_told() -> None:
    x, y = rows()
    forest = training.train_forest(x, y, NAMES, n_jobs=1, training={"data": "made up"})
    assert len(forest) == 100
    told = forest.header.training
    assert (told["rows"], told["real"], told["data"]) == (400, int(y.sum()), "made up")
    settings = told["settings"]
    assert (settings["trees"], settings["criterion"], settings["max_features"]) == (100, "entropy", 6)
    assert (settings["min_samples_split"], settings["max_leaf_nodes"], settings["imputation"]) == (3, None, "median")
    assert forest.header.imputation == "median"
    assert forest.fill is not None
    np.testing.assert_allclose(forest.fill, np.nanmedian(x, axis=0))


def test_the_same_seed_gives_the_same_forest() -> None:
    x, y = rows()
    runs = ((3, 1), (3, 2), (4, 1))
    ids = [training.train_forest(x, y, NAMES, trees=5, seed=seed, n_jobs=jobs).id for seed, jobs in runs]
    assert ids[0] == ids[1] != ids[2]


def test_imputation_none_routes_nan() -> None:
    x, y = rows()
    forest = training.train_forest(x, y, NAMES, trees=5, imputation="none", n_jobs=1)
    assert forest.fill is None
    assert forest.trees.missing_left.any()
    with pytest.raises(ValueError, match="unknown imputation 'other'; known: median, mean, none"):
        training.train_forest(x, y, NAMES, imputation="other")


def test_a_column_without_a_single_value_is_kept() -> None:
    x, y = rows()
    x[:, 1] = np.nan
    forest = training.train_forest(x, y, NAMES, trees=5, n_jobs=1)
    assert forest.feature_names == NAMES
    assert not np.isnan(forest.predict(x)).any()


def test_cross_validation_never_scores_a_row_by_a_forest_that_saw_its_group() -> None:
    # Labels that only the group's number tells: a forest that has seen the group knows them, another one cannot.
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(100), 4)
    y = rng.integers(0, 2, 100)[group]
    x = np.column_stack([group, rng.normal(size=400)])
    apart = training.cross_validate(x, y, group=group, folds=5, trees=20, n_jobs=1)
    mixed = training.cross_validate(x, y, folds=5, trees=20, n_jobs=1)
    assert s2v.evaluation.evaluate(mixed, y, bootstrap=0)["auc"] > 0.9
    assert s2v.evaluation.evaluate(apart, y, bootstrap=0)["auc"] < 0.75
    assert apart.dtype == np.float32


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        (np.zeros((4, 3)), [0, 1, 1], r"given \(4, 3\) and \(3,\)"),
        (np.zeros((4, 3)), [0, 1, 2, 1], "1 for real and 0 for bogus"),
        (np.zeros((4, 3)), [1, 1, 1, 1], "both real"),
    ],
)
def test_wrong_rows_are_refused(x: np.ndarray, y: list[int], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        training.train_forest(x, y, NAMES)
    with pytest.raises(ValueError, match=reason):
        training.cross_validate(x, y)


def test_too_many_folds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"rarer class \(2\); given 3"):
        training.cross_validate(np.zeros((6, 1)), [1, 1, 0, 0, 0, 0], folds=3)


def test_groups_that_cannot_be_divided_are_refused() -> None:
    x, y = rows(40)
    with pytest.raises(ValueError, match=r"5 folds need rows of as many objects \(groups\).*; given 1"):
        training.cross_validate(x, y, group=np.zeros(40), folds=5, trees=2)
    with pytest.raises(ValueError, match="2 folds leave one class to train on"):
        training.cross_validate(x, y, group=y, folds=2, trees=2)


def test_autoscan_in_ten_fold_cross_validation(data: Path) -> None:
    path = data / "des_autoscan" / "autoscan_features_train.csv"
    if not path.exists():
        pytest.skip(f"labelled DES rows missing: {path}")
    table, y = reading.read(path), reading.read_labels(path).real
    score = training.cross_validate(table.select(registry.AUTOSCAN), y, folds=10)
    result = s2v.evaluation.evaluate(score, y, bootstrap=0)
    assert result["fpr at mdr 4%"] <= 0.06
    assert result["auc"] > 0.985
    told = s2v.load("autoscan").header.metrics["accuracy, ten-fold cross-validation"]
    assert told["value, 95 % interval"]["fpr at mdr 4%"][0] == pytest.approx(result["fpr at mdr 4%"], abs=5e-4)
