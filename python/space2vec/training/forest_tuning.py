"""Fitting a trained forest to a survey with few labels: its leaves are updated, and trees on the labels are added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.errors import ModelError
from space2vec.model_files.trees import Trees
from space2vec.models.custom_module import next_version
from space2vec.models.forest import Forest
from space2vec.training.folds import labelled_features
from space2vec.training.forest import train_forest

if TYPE_CHECKING:
    from space2vec.data.types import Argument, Json

__all__ = ["tune_forest"]

#: Up to this number of labels the old trees count as much as the new ones; beyond it their number falls as 1 / labels.
#: Measured on simulated surveys, see docs/own-labels.md.
_EQUAL_AT = 200
#: The number of labelled rows that the old value of a leaf counts for.
_OLD_WEIGHT = 1.0


def tune_forest(
    start: Forest,
    x: ArrayLike,
    y: ArrayLike,
    *,
    trees: int = 100,
    name: str | None = None,
    training: Mapping[str, Json] | None = None,
    metrics: Mapping[str, Json] | None = None,
    **settings: Argument,
) -> Forest:
    """Fit a forest to labelled rows of a survey that it was not trained on.

    The score is the mean over two kinds of trees. Old trees keep their splits; the value of a leaf becomes the mean of
    its old value and of the labels of the rows that reach it. New trees are trained on the labelled rows alone. Up to
    200 rows there are as many old trees as new ones, if the forest has so many; then fewer, since the rows suffice for
    trees of their own.

    Parameters
    ----------
    start : Forest
        The forest to begin with; its calibration and its metrics do not hold for the result.
    x : array_like of float (n, k), or table
        The features in the order of ``start.feature_names``, NaN where undefined.
    y : array_like (n,)
        1 for real, 0 for bogus.
    trees : int, optional
        The number of new trees.
    name, training, metrics
        Entries of the model file's header; by default the name of `start` with the next version.
    **settings
        Further arguments of :func:`space2vec.training.train_forest` for the new trees, such as ``seed``.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    ModelError
        If `start` is no forest.
    ValueError
        As :func:`space2vec.training.train_forest`, or if settings contain ``imputation``, ``convention`` or ``weight``.
    """
    if not isinstance(start, Forest):
        raise ModelError(f"the model to begin with must be a Forest; given {start!r:.80}")
    if wrong := sorted(settings.keys() & {"imputation", "convention", "weight", "names"}):
        raise ValueError(f"the forest to start from decides its {', '.join(wrong)}: leave that out")
    rows, labels = labelled_features(x, y, start.feature_names)
    filled = rows if start.fill is None else np.where(np.isnan(rows), start.fill, rows)
    new = train_forest(filled, labels, start.feature_names, trees=trees, imputation="none", **settings)
    kept = min(len(start), max(1, round(trees * min(1.0, _EQUAL_AT / len(rows)))))
    old = _update_leaves(_first(start.trees, kept), filled, labels)
    header = replace(
        start.header,
        name=next_version(start.name) if name is None else name,
        training={**new.header.training, "from": start.id, "kept trees": kept, **(training or {})},
        metrics=dict(metrics or {}),
        calibration=None,
        library="",
    )
    return Forest(Trees.concatenate([old, new.trees]), header, start.fill)


def _first(trees: Trees, count: int) -> Trees:
    """Return the first trees; those of a forest are alike, and were grown in any order."""
    end = int(trees.tree_start[count])
    columns = (trees.right[:end], trees.feature[:end], trees.missing_left[:end], trees.value[:end])
    return Trees(trees.tree_start[: count + 1], *columns)


def _update_leaves(trees: Trees, x: NDArray[np.float32], y: NDArray[np.int64]) -> Trees:
    """Return trees of which each leaf has the mean of its old value and of the labels of the rows that reach it."""
    leaf = _leaves(trees, x).ravel()
    nodes = len(trees.value)
    count = np.bincount(leaf, minlength=nodes)
    real = np.bincount(leaf, weights=np.repeat(y, len(trees)), minlength=nodes)
    mean = (_OLD_WEIGHT * trees.value.astype(np.float64) + real) / (_OLD_WEIGHT + count)
    return replace(trees, value=np.where(count > 0, mean, trees.value).astype(np.float32))


def _leaves(trees: Trees, x: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the node of the leaf that each row (n, k) reaches in each tree (n, trees)."""
    node = np.broadcast_to(trees.tree_start[:-1], (len(x), len(trees))).copy()
    row = np.arange(len(x))[:, None]
    while (trees.right[node] > 0).any():
        value = x[row, trees.feature[node]]
        left = np.where(np.isnan(value), trees.missing_left[node] > 0, value <= trees.value[node])
        step = np.where(left, 1, trees.right[node])
        node += np.where(trees.right[node] > 0, step, 0)
    return node
