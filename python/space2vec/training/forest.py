"""Training of random forests, with autoScan's settings by default (Goldstein et al. 2015, AJ 150, 82)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.models.forest import Forest
from space2vec.registry import Convention
from space2vec.training.folds import FeatureScorer, labelled_features, need_sklearn, out_of_fold

if TYPE_CHECKING:
    from space2vec.data.types import Argument, Json

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
    training: Mapping[str, Json] | None = None,
    metrics: Mapping[str, Json] | None = None,
) -> Forest:
    """Train a random forest on feature rows.

    Parameters
    ----------
    x : array_like (n, k), or table
        The features, NaN where undefined. Of a table with named columns, those of `names` are taken.
    y : array_like (n,)
        1 for real, 0 for bogus.
    names : sequence of str (k,)
        The columns of x.
    trees, criterion, max_features, min_samples_split, min_samples_leaf, max_leaf_nodes
        As in scikit-learn's RandomForestClassifier; the defaults are autoScan's.
    imputation : {"median", "mean", "none"}, optional
        What replaces NaN: the median or the mean of its column. With "none" each split sends NaN to the side that
        separates the training rows better.
    weight : array_like (n,), optional
        Weight of each row; 1 by default.
    seed : int, optional
        Seed of the forest: the same rows and seed give the same forest.
    n_jobs : int, optional
        Threads to train with, counted as in scikit-learn; -1, the default, is all cores.
    name, convention, training, metrics
        Entries of the model file's header, see :meth:`space2vec.Forest.from_sklearn`.

    Returns
    -------
    Forest

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    ValueError
        If the shapes do not fit each other, a label is neither 0 nor 1 or does not occur, or the imputation is unknown.
    """
    need_sklearn()
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline

    if imputation not in ("median", "mean", "none"):
        raise ValueError(f"unknown imputation {imputation!r}; known: median, mean, none")
    rows, labels = labelled_features(x, y, names)
    arguments: dict[str, Json] = {
        "criterion": criterion, "max_features": max_features, "min_samples_split": min_samples_split,
        "min_samples_leaf": min_samples_leaf, "max_leaf_nodes": max_leaf_nodes,
    }  # fmt: skip
    settings = {"trees": trees, **arguments, "imputation": imputation, "seed": seed}
    arguments["max_features"] = min(max_features, rows.shape[1])
    imputer = "passthrough" if imputation == "none" else SimpleImputer(strategy=imputation, keep_empty_features=True)
    forest = RandomForestClassifier(trees, **arguments, random_state=seed, n_jobs=n_jobs)
    model = Pipeline([("imputer", imputer), ("forest", forest)])
    model.fit(rows, labels, forest__sample_weight=weight)
    about = {"rows": len(rows), "real": int(labels.sum()), "settings": settings, **(training or {})}
    trained = Forest.from_sklearn(
        model, feature_names=names, name=name, convention=convention, training=about, metrics=metrics
    )
    return trained.with_usual_values(rows)


def cross_validate(
    x: ArrayLike,
    y: ArrayLike,
    *,
    group: ArrayLike | None = None,
    folds: int = 10,
    weight: ArrayLike | None = None,
    seed: int = 0,
    **settings: Argument,
) -> NDArray[np.float32]:
    """Score every row by a random forest that was trained without it.

    Parameters
    ----------
    x, y, weight, seed
        As in :func:`train_forest`.
    group : array_like (n,), optional
        The object of each row: the rows of an object are in one fold.
    folds : int, optional
        Number of folds; each has about the same share of real rows.
    **settings
        Further arguments of :func:`train_forest`.

    Returns
    -------
    ndarray of float32 (n,)
        P(real) of each row.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    ValueError
        If the shapes do not fit each other, a label is neither 0 nor 1, a label has fewer rows than there are folds, or
        there are fewer groups than folds.
    """
    rows, labels = labelled_features(x, y)
    weights = np.ones(len(rows)) if weight is None else np.asarray(weight)
    names = [f"column {i}" for i in range(rows.shape[1])]

    def train(index: NDArray[np.intp]) -> FeatureScorer:
        forest = train_forest(rows[index], labels[index], names, weight=weights[index], seed=seed, **settings)
        return forest.predict

    return out_of_fold(train, rows, labels, group=group, folds=folds, seed=seed)
