"""Training forests, with autoScan's hyperparameters by default (Goldstein et al. 2015, AJ 150, 82)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.models.forest import Forest
from space2vec.registry import Convention
from space2vec.training.folds import Scorer, need_sklearn, out_of_fold, rows_and_labels

__all__ = ["cross_validate", "train_forest"]


def train_forest(
    x: ArrayLike,
    y: ArrayLike,
    names: Sequence[str],
    *,
    trees: int = 100,
    criterion: str = "entropy",
    max_features: int = 6,
    min_samples_split: int = 3,
    min_samples_leaf: int = 1,
    max_leaf_nodes: int | None = None,
    imputation: str = "median",
    weight: ArrayLike | None = None,
    seed: int = 0,
    n_jobs: int = -1,
    name: str = "forest",
    convention: Convention = "code",
    training: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
) -> Forest:
    """Train a random forest on feature rows.

    Parameters
    ----------
    x : array_like (n, k), or table
        The features; of a table with named columns those of `names` are taken.
    y : array_like (n,)
        1 for real, 0 for bogus.
    names : sequence of str (k,)
        The columns of x.
    trees, criterion, max_features, min_samples_split, min_samples_leaf, max_leaf_nodes
        As in scikit-learn's RandomForestClassifier; autoScan's by default.
    imputation : {"median", "mean", "none"}, optional
        What replaces NaN in a column, or that each split sends it where it serves best.
    weight : array_like (n,), optional
        Weight of each row.
    seed : int, optional
        Seed of the forest: the same rows and seed give the same forest.
    n_jobs : int, optional
        Processes' worth of threads to train with; all cores by default.
    name, convention, training, metrics
        What the model file says, see :meth:`space2vec.Forest.from_sklearn`.

    Returns
    -------
    Forest

    Raises
    ------
    ImportError
        If scikit-learn is absent.
    ValueError
        If shapes or labels do not fit.
    """
    need_sklearn()
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline

    if imputation not in ("median", "mean", "none"):
        raise ValueError(f"unknown imputation {imputation!r}; known: median, mean, none")
    rows, labels = rows_and_labels(x, y, names)
    own: dict[str, Any] = {
        "criterion": criterion, "max_features": max_features, "min_samples_split": min_samples_split,
        "min_samples_leaf": min_samples_leaf, "max_leaf_nodes": max_leaf_nodes,
    }  # fmt: skip
    settings = {"trees": trees, **own, "imputation": imputation, "seed": seed}
    own["max_features"] = min(max_features, rows.shape[1])
    imputer = "passthrough" if imputation == "none" else SimpleImputer(strategy=imputation, keep_empty_features=True)
    forest = RandomForestClassifier(trees, **own, random_state=seed, n_jobs=n_jobs)
    model = Pipeline([("imputer", imputer), ("forest", forest)])
    model.fit(rows, labels, forest__sample_weight=weight)
    said = {"rows": len(rows), "real": int(labels.sum()), "settings": settings, **(training or {})}
    return Forest.from_sklearn(
        model, feature_names=names, name=name, convention=convention, training=said, metrics=metrics
    )


def cross_validate(
    x: ArrayLike,
    y: ArrayLike,
    *,
    group: ArrayLike | None = None,
    folds: int = 10,
    weight: ArrayLike | None = None,
    seed: int = 0,
    **settings: Any,
) -> NDArray[np.float32]:
    """Score every row by a forest that has not seen it.

    Parameters
    ----------
    x, y, weight, seed
        As in :func:`train_forest`.
    group : array_like (n,), optional
        Rows of one group (an object's alerts, say) are kept in one fold.
    folds : int, optional
        Number of folds, stratified by y.
    **settings
        Further arguments of :func:`train_forest`.

    Returns
    -------
    ndarray of float32 (n,)
        P(real) out of fold.

    Raises
    ------
    ImportError
        If scikit-learn is absent.
    ValueError
        If shapes or labels do not fit, a class has fewer rows than there are folds, or there are fewer groups.
    """
    rows, labels = rows_and_labels(x, y)
    weights = np.ones(len(rows)) if weight is None else np.asarray(weight)
    names = [f"column {i}" for i in range(rows.shape[1])]

    def train(learned: NDArray[np.intp]) -> Scorer:
        forest = train_forest(rows[learned], labels[learned], names, weight=weights[learned], seed=seed, **settings)
        return forest.predict

    return out_of_fold(train, rows, labels, group=group, folds=folds, seed=seed)
