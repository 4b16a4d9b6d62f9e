"""Exact effects of features on the score of a forest, along the paths that a candidate takes through its trees."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.models.forest import Forest

__all__ = ["PathEffects", "path_effects"]


class PathEffects(NamedTuple):
    """The effects of features on the scores of n candidates.

    Attributes
    ----------
    baseline : float
        P(real) before a feature is looked at.
    effect : ndarray of float64 (n, k)
        The effect of each column; `baseline` plus a row's effects is its score before calibration.
    """

    baseline: float
    effect: NDArray[np.float64]


def path_effects(forest: Forest, columns: NDArray[np.float32]) -> PathEffects:
    """Divide the scores of a forest among its columns (Saabas 2014).

    Every node of a tree has a value: P(real) of the training rows that reached it. A split moves a candidate from one
    value to the next, and the difference is the effect of the column that it compares. The last value is that of the
    leaf, so that the sum is exact.

    Parameters
    ----------
    forest : Forest
        The forest.
    columns : ndarray of float32 (n, k)
        Its columns, NaN where undefined.

    Raises
    ------
    ModelError
        If the values in the forest's file are damaged.
    """
    trees, value = forest.trees, forest.node_values
    x = columns if forest.fill is None else np.where(np.isnan(columns), forest.fill, columns)
    roots = trees.tree_start[:-1]
    node = np.tile(roots, (len(x), 1))
    effect = np.zeros(x.shape, dtype=np.float64)
    rows, which = np.indices(node.shape).reshape(2, -1)
    while len(rows):
        at = node[rows, which]
        inside = trees.right[at] > 0
        rows, which, at = rows[inside], which[inside], at[inside]
        column = trees.feature[at]
        known = x[rows, column]
        left = np.where(np.isnan(known), trees.missing_left[at] > 0, known <= trees.value[at])
        child = at + np.where(left, 1, trees.right[at])
        np.add.at(effect, (rows, column), value[child] - value[at])
        node[rows, which] = child
    return PathEffects(float(value[roots].mean()), effect / len(roots))
