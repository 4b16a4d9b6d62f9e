"""scikit-learn's forests taken apart: what :meth:`space2vec.Forest.from_sklearn` accepts, and how it is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from space2vec.errors import ModelError
from space2vec.model_files.trees import FEATURE_LIMIT, Trees, from_tree
from space2vec.registry import Convention

__all__ = ["ACCEPTED", "ForestParts", "read_forest"]

ACCEPTED = (
    "RandomForestClassifier, ExtraTreesClassifier, DecisionTreeClassifier, ExtraTreeClassifier, or a Pipeline of one "
    "of them after SimpleImputer and, before that, space2vec.sklearn.StampFeatures"
)


@dataclass(frozen=True, slots=True)
class ForestParts:
    """What a fitted scikit-learn model holds."""

    trees: Trees
    names: tuple[str, ...]
    fill: NDArray[np.float32] | None
    imputation: str
    convention: Convention


def _estimators(forest: Any) -> list[Any]:
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
    from sklearn.tree import DecisionTreeClassifier
    from sklearn.utils.validation import check_is_fitted

    if not isinstance(forest, (RandomForestClassifier, ExtraTreesClassifier, DecisionTreeClassifier)):
        raise ModelError(f"cannot take a {type(forest).__name__}; accepted are {ACCEPTED}")
    check_is_fitted(forest)
    return [forest] if isinstance(forest, DecisionTreeClassifier) else list(forest.estimators_)


def _fill(imputer: Any, names: Sequence[str]) -> NDArray[np.float32]:
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


def _steps(model: Any) -> tuple[Any, Any, Any]:
    """Return the StampFeatures, the SimpleImputer (either may be None) and the forest of a model."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline

    from space2vec.sklearn import StampFeatures

    if not isinstance(model, Pipeline):
        return None, None, model
    steps = [step for _, step in model.steps if step is not None and step != "passthrough"]
    if not steps:
        raise ModelError(f"cannot take an empty Pipeline; accepted are {ACCEPTED}")
    *before, forest = steps
    stamps = before.pop(0) if before and isinstance(before[0], StampFeatures) else None
    imputer = before.pop(0) if before and isinstance(before[0], SimpleImputer) else None
    if before:
        raise ModelError(f"cannot take a Pipeline with a step {type(before[0]).__name__}; accepted are {ACCEPTED}")
    return stamps, imputer, forest


def read_forest(model: Any, feature_names: Sequence[str] | None, real_class: Any) -> ForestParts:
    """Read a fitted scikit-learn model.

    Raises
    ------
    ModelError
        If the model is of another kind, or its classes or columns do not fit what was given.
    """
    stamps, imputer, forest = _steps(model)
    estimators = _estimators(forest)
    if forest.n_outputs_ != 1:
        raise ModelError(f"the forest has {forest.n_outputs_} outputs; accepted is one")
    classes = forest.classes_.tolist()
    if real_class not in classes:
        raise ModelError(f"the forest knows the classes {classes}; real_class={real_class!r} is none of them")
    given = feature_names
    fitted = [str(name) for name in getattr(model, "feature_names_in_", ())]
    if given is not None and sorted(fitted) == sorted(map(str, given)) and fitted != [*map(str, given)]:
        raise ModelError(
            f"feature_names has the columns in another order than the model was fitted with: {', '.join(fitted)}"
        )
    if given is None and stamps is not None:
        given = stamps.get_feature_names_out()
    if given is None:
        given = getattr(model, "feature_names_in_", None)
    if given is None:
        raise ModelError("the model was fitted without column names: give feature_names")
    names = tuple(str(name) for name in given)
    k = int((forest if imputer is None else imputer).n_features_in_)
    if len(names) != k or len(set(names)) != k:
        raise ModelError(f"the model takes {k} columns; feature_names must be as many distinct names, not {names}")
    if k > FEATURE_LIMIT:
        raise ModelError(f"the model takes {k} columns; at most {FEATURE_LIMIT} are accepted")
    fill = None if imputer is None else _fill(imputer, names)
    real = classes.index(real_class)
    trees = Trees.join([from_tree(estimator.tree_, real) for estimator in estimators])
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
    )
