"""Fitting a trained forest to a survey with few labels: its leaves are updated, and trees on the labels are added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.errors import ModelError
from space2vec.model_files.trees import TrainingRows, Trees
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
    old = _first(start.trees, kept)
    visits = _visits(old, filled, labels)
    old = replace(old, value=np.where(old.right == 0, visits.update(old.value), old.value))
    before, of_new = start.training_rows.node_value, new.training_rows.node_value
    values = None
    if before is not None and of_new is not None:
        values = np.concatenate([visits.update(before[: len(old.value)]), of_new])
    header = replace(
        start.header,
        name=next_version(start.name) if name is None else name,
        training={**new.header.training, "from": start.id, "kept trees": kept, **(training or {})},
        metrics=dict(metrics or {}),
        calibration=None,
        library="",
    )
    trained_on = TrainingRows(values, TrainingRows.usual(rows))
    return Forest(Trees.concatenate([old, new.trees]), header, start.fill, trained_on)


def _first(trees: Trees, count: int) -> Trees:
    """Return the first trees; those of a forest are alike, and were grown in any order."""
    end = int(trees.tree_start[count])
    columns = (trees.right[:end], trees.feature[:end], trees.missing_left[:end], trees.value[:end])
    return Trees(trees.tree_start[: count + 1], *columns)


class _Visits(NamedTuple):
    """How many labelled rows come through each node of some trees, and how many real ones, both (nodes,)."""

    rows: NDArray[np.int64]
    real: NDArray[np.int64]

    def update(self, value: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean of P(real) of each node (nodes,), counted as some rows, and of the labels of its rows."""
        mean = (_OLD_WEIGHT * value.astype(np.float64) + self.real) / (_OLD_WEIGHT + self.rows)
        return np.where(self.rows > 0, mean, value).astype(np.float32)


def _visits(trees: Trees, x: NDArray[np.float32], y: NDArray[np.int64]) -> _Visits:
    """Send rows (n, k) with labels (n,) down every tree, and count them at the nodes."""
    visits = _Visits(np.zeros(len(trees.value), dtype=np.int64), np.zeros(len(trees.value), dtype=np.int64))
    row, root = np.indices((len(x), len(trees))).reshape(2, -1)
    node = trees.tree_start[:-1][root]
    while len(node):
        np.add.at(visits.rows, node, 1)
        np.add.at(visits.real, node, y[row])
        inside = trees.right[node] > 0
        row, node = row[inside], node[inside]
        value = x[row, trees.feature[node]]
        left = np.where(np.isnan(value), trees.missing_left[node] > 0, value <= trees.value[node])
        node = node + np.where(left, 1, trees.right[node])
    return visits
