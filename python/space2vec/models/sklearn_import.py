"""Conversion of fitted scikit-learn forests, for :meth:`space2vec.Forest.from_sklearn`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.errors import ModelError
from space2vec.model_files.trees import FEATURE_LIMIT, Trees, convert_tree, node_values
from space2vec.registry import Convention

if TYPE_CHECKING:
    from space2vec.data.types import Untyped
    from space2vec.sklearn import StampFeatures

__all__ = ["ACCEPTED", "ForestParts", "read_forest"]

#: The models that are accepted, as error messages name them.
ACCEPTED = (
    "RandomForestClassifier, ExtraTreesClassifier, DecisionTreeClassifier, ExtraTreeClassifier, or a Pipeline of one "
    "of them after SimpleImputer and, before that, space2vec.sklearn.StampFeatures"
)


@dataclass(frozen=True, slots=True)
class ForestParts:
    """The contents of a fitted scikit-learn model.

    Attributes
    ----------
    trees : Trees
        Its trees.
    names : tuple of str
        Its columns.
    fill : ndarray of float32 (k,) or None
        The value by which its imputer replaces NaN in each column.
    imputation : str
        The strategy of its imputer, or ``"none"``.
    convention : {"code", "paper"}
        The convention of its stamp features.
    node_value : ndarray of float32 (nodes,)
        P(real) of the training rows that reached each node.
    """

    trees: Trees
    names: tuple[str, ...]
    fill: NDArray[np.float32] | None
    imputation: str
    convention: Convention
    node_value: NDArray[np.float32]


class _Steps(NamedTuple):
    """The StampFeatures and the SimpleImputer of a model, either of which may be None, and its forest."""

    stamps: StampFeatures | None
    imputer: Untyped
    forest: Untyped


def _estimators(forest: Untyped) -> list[Untyped]:
    """Return the fitted trees of a forest."""
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
    from sklearn.tree import DecisionTreeClassifier
    from sklearn.utils.validation import check_is_fitted

    if not isinstance(forest, (RandomForestClassifier, ExtraTreesClassifier, DecisionTreeClassifier)):
        raise ModelError(f"cannot take a {type(forest).__name__}; accepted are {ACCEPTED}")
    check_is_fitted(forest)
    return [forest] if isinstance(forest, DecisionTreeClassifier) else list(forest.estimators_)


def _fill(imputer: Untyped, names: Sequence[str]) -> NDArray[np.float32]:
    """Return the values by which an imputer replaces NaN."""
    if imputer.add_indicator:
        raise ModelError("SimpleImputer(add_indicator=True) adds columns; a forest's columns are the features alone")
    if not (isinstance(imputer.missing_values, float) and np.isnan(imputer.missing_values)):
        raise ModelError(f"SimpleImputer must replace NaN; given missing_values={imputer.missing_values!r}")
    statistics = np.asarray(imputer.statistics_, dtype=np.float64)
    empty = [name for name, value in zip(names, statistics, strict=True) if np.isnan(value)]
    if empty:
        raise ModelError(
            f"SimpleImputer drops the columns that were NaN throughout in training: {', '.join(empty)}; "
            "fit with keep_empty_features=True or without them"
        )
    return statistics.astype(np.float32)


def _steps(model: Untyped) -> _Steps:
    """Return the steps of a Pipeline, or those of a lone forest."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline

    from space2vec.sklearn import StampFeatures

    if not isinstance(model, Pipeline):
        return _Steps(None, None, model)
    steps = [step for _, step in model.steps if step is not None and step != "passthrough"]
    if not steps:
        raise ModelError(f"cannot take an empty Pipeline; accepted are {ACCEPTED}")
    *before, forest = steps
    stamps = before.pop(0) if before and isinstance(before[0], StampFeatures) else None
    imputer = before.pop(0) if before and isinstance(before[0], SimpleImputer) else None
    if before:
        raise ModelError(f"cannot take a Pipeline with a step {type(before[0]).__name__}; accepted are {ACCEPTED}")
    return _Steps(stamps, imputer, forest)


def read_forest(model: Untyped, feature_names: Sequence[str] | None, real_class: object) -> ForestParts:
    """Read the trees, columns and imputation of a fitted scikit-learn model.

    Raises
    ------
    ModelError
        If the model is of another kind, or does not have the class or the columns.
    """
    stamps, imputer, forest = _steps(model)
    estimators = _estimators(forest)
    if forest.n_outputs_ != 1:
        raise ModelError(f"the forest has {forest.n_outputs_} outputs; accepted is one")
    classes = forest.classes_.tolist()
    if real_class not in classes:
        raise ModelError(f"the forest knows the classes {classes}; real_class={real_class!r} is none of them")
    columns: Sequence[str] | NDArray[np.object_] | None = feature_names
    fitted = [str(name) for name in getattr(model, "feature_names_in_", ())]
    if columns is not None and sorted(fitted) == sorted(map(str, columns)) and fitted != [*map(str, columns)]:
        raise ModelError(
            f"feature_names has the columns in another order than the model was fitted with: {', '.join(fitted)}"
        )
    if columns is None and stamps is not None:
        columns = stamps.get_feature_names_out()
    if columns is None:
        columns = getattr(model, "feature_names_in_", None)
    if columns is None:
        raise ModelError("the model was fitted without column names: give feature_names")
    names = tuple(str(name) for name in columns)
    k = int((forest if imputer is None else imputer).n_features_in_)
    if len(names) != k or len(set(names)) != k:
        raise ModelError(f"the model takes {k} columns; feature_names must be as many distinct names, not {names}")
    if k > FEATURE_LIMIT:
        raise ModelError(f"the model takes {k} columns; at most {FEATURE_LIMIT} are accepted")
    fill = None if imputer is None else _fill(imputer, names)
    real = classes.index(real_class)
    trees = Trees.concatenate([convert_tree(estimator.tree_, real) for estimator in estimators])
    try:
        trees.check(k)
    except ValueError as error:
        raise ModelError(f"cannot take the forest: {error}") from error
    return ForestParts(
        trees,
        names,
        fill,
        "none" if imputer is None else str(imputer.strategy),
        "code" if stamps is None else stamps.convention,
        np.concatenate([node_values(estimator.tree_, real) for estimator in estimators]),
    )
