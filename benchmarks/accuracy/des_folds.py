"""Cross-validation of models on the labelled rows of DES, whose labels are real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy.candidate_cost import measure_on_rows
from benchmarks.accuracy.result_cache import ResultCache, code_digest, digest
from benchmarks.programs import print_progress, versions
from space2vec import reading, registry
from space2vec.evaluation import compare_models
from space2vec.studies import trainable_models
from space2vec.studies.trainable_models import TrainingEffort

#: Packages whose versions the scores depend on.
PACKAGES = ("lightgbm", "numpy", "scikit-learn", "torch")
#: The number of rows that the cost is measured on.
_TIMED = 2000


def run(
    data: Path, effort: TrainingEffort, folds: int, bootstrap: int, models: list[str], cache: ResultCache
) -> dict[str, Any]:
    """Score every row by models that were trained without it, and compare the models."""
    from sklearn.model_selection import StratifiedKFold

    path = data / "des_autoscan" / "autoscan_features_train.csv"
    x, y = reading.read(path).select(registry.AUTOSCAN), reading.read_labels(path).real.astype(np.int64)
    # The same folds as space2vec.training.cross_validate.
    parts = list(StratifiedKFold(folds, shuffle=True, random_state=effort.seed).split(x, y))
    scores = {}
    names, left_out = trainable_models.find_trainable(trainable_models.COLUMNS, models, print_progress)
    for name in names:
        score = np.empty(len(y), dtype=np.float32)
        for number, (train, test) in enumerate(parts):
            print_progress(f"des: {name}, fold {number + 1} of {folds}")
            depends = {"x": digest(x[train], y[train], x[test]), "effort": effort.to_dict(),
                       "code": code_digest(trainable_models.COLUMNS[name]), "versions": versions(PACKAGES)}  # fmt: skip

            def fold(name: str = name, train: np.ndarray = train, test: np.ndarray = test) -> np.ndarray:
                return trainable_models.train_columns(name, x[train], y[train], registry.AUTOSCAN, effort).predict(
                    x[test]
                )

            score[test] = cache.get(f"des {name}", depends, fold)
        scores[name] = score
    found = compare_models(scores, y, against=("forest", "lightgbm"), bootstrap=bootstrap)
    print(f"\nDES, {folds}-fold cross-validation, real labels: {found}")
    train, test = parts[0]
    trained = {
        name: trainable_models.train_columns(name, x[train], y[train], registry.AUTOSCAN, effort) for name in scores
    }
    timed = np.ascontiguousarray(np.resize(x[test], (_TIMED, x.shape[1])))
    cost = measure_on_rows(trained, timed)
    return {"data": "10,000 labelled rows of the DES autoScan table", "labels": "real", "folds": folds,
            "left out": left_out, **found.to_dict(), "cost": cost,
            "cost is": f"microseconds of one core a row of columns, {_TIMED} rows at a time, quartiles"}  # fmt: skip
