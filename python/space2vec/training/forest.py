"""Training forests, with autoScan's hyperparameters by default (Goldstein et al. 2015, AJ 150, 82)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.forest import Forest
from space2vec.modelfile import Convention

__all__ = ["cross_validate", "train_forest"]


def _need_sklearn() -> None:
    try:
        import sklearn  # noqa: F401 (only whether it is there)
    except ImportError:
        raise ImportError("training needs scikit-learn: pip install 'space2vec[train]'") from None


def _estimator(
    columns: int,
    trees: int,
    criterion: str,
    max_features: int,
    min_samples_split: int,
    min_samples_leaf: int,
    max_leaf_nodes: int | None,
    imputation: str,
    seed: int,
    n_jobs: int,
) -> Any:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline

    forest = RandomForestClassifier(
        trees,
        criterion=criterion,
        max_features=min(max_features, columns),
        min_samples_split=min_samples_split,
        min_samples_leaf=min_samples_leaf,
        max_leaf_nodes=max_leaf_nodes,
        random_state=seed,
        n_jobs=n_jobs,
    )
    if imputation not in ("median", "mean", "none"):
        raise ValueError(f"unknown imputation {imputation!r}; known: median, mean, none")
    imputer = "passthrough" if imputation == "none" else SimpleImputer(strategy=imputation, keep_empty_features=True)
    return Pipeline([("imputer", imputer), ("forest", forest)])


def _check(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rows = np.asarray(x, dtype=np.float32)
    labels = np.asarray(y)
    if rows.ndim != 2 or labels.shape != (len(rows),):
        raise ValueError(f"x must have shape (n, k) and y (n,); given {rows.shape} and {labels.shape}")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("y must be 1 for real and 0 for bogus")
    if len(np.unique(labels)) < 2:
        raise ValueError("y must have both real (1) and bogus (0) rows")
    return rows, labels.astype(np.int64)


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
    x : array_like (n, k)
        The features.
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
    _need_sklearn()
    rows, labels = _check(x, y)
    settings = {
        "trees": trees,
        "criterion": criterion,
        "max_features": max_features,
        "min_samples_split": min_samples_split,
        "min_samples_leaf": min_samples_leaf,
        "max_leaf_nodes": max_leaf_nodes,
        "imputation": imputation,
        "seed": seed,
    }
    model = _estimator(rows.shape[1], **settings, n_jobs=n_jobs)  # type: ignore[arg-type]
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
        If shapes or labels do not fit, or a class has fewer rows than there are folds.
    """
    _need_sklearn()
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    rows, labels = _check(x, y)
    fewest = int(min(labels.sum(), len(labels) - labels.sum()))
    if not 2 <= folds <= fewest:
        raise ValueError(f"folds must lie between 2 and the rows of the rarer class ({fewest}); given {folds}")
    splitter = (StratifiedKFold if group is None else StratifiedGroupKFold)(folds, shuffle=True, random_state=seed)
    weights = np.ones(len(rows)) if weight is None else np.asarray(weight)
    names = [f"column {i}" for i in range(rows.shape[1])]
    out = np.empty(len(rows), dtype=np.float32)
    for train, test in splitter.split(rows, labels, group):
        forest = train_forest(rows[train], labels[train], names, weight=weights[train], seed=seed, **settings)
        out[test] = forest.predict(rows[test])
    return out
