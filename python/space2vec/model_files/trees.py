"""The trees of a forest as flat arrays, as in a model file, and their conversion from scikit-learn's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from space2vec.data.types import Untyped

__all__ = ["FEATURE_LIMIT", "USUAL", "Children", "TrainingRows", "Trees", "convert_tree", "node_values"]

#: The most features of a forest: kernels store the feature of a node in ten bits.
FEATURE_LIMIT = 1024
#: The largest distance from a node to its right child: kernels store it in twenty bits.
_OFFSET_LIMIT = 1 << 20
#: The quantiles of a column that a forest keeps: the ends of its central 68 %, and its median.
USUAL = (0.16, 0.5, 0.84)


class Children(NamedTuple):
    """The left and right child of each node (nodes,), counted from the first node of the tree; -1 at a leaf."""

    left: NDArray[np.int32]
    right: NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """Binary decision trees whose nodes follow one another in depth-first order: a left child follows its parent.

    Attributes
    ----------
    tree_start : ndarray of int64 (trees + 1,)
        The first node of each tree; the last element is the number of nodes.
    right : ndarray of int32 (nodes,)
        Distance from a split to its right child; 0 at a leaf.
    feature : ndarray of int16 (nodes,)
        The column whose value a split compares; 0 at a leaf.
    missing_left : ndarray of uint8 (nodes,)
        1 if NaN goes to the left child.
    value : ndarray of float32 (nodes,)
        At a split the threshold (``x <= threshold`` goes left), at a leaf P(real).
    """

    tree_start: NDArray[np.int64]
    right: NDArray[np.int32]
    feature: NDArray[np.int16]
    missing_left: NDArray[np.uint8]
    value: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.tree_start) - 1

    def check(self, features: int) -> None:
        """Check that the arrays are trees on a number of features, so that every walk from a root ends at a leaf.

        Raises
        ------
        ValueError
            If they are not; the message says what is wrong.
        """
        nodes = len(self.right)
        if not 1 <= features <= FEATURE_LIMIT:
            raise ValueError(f"a forest has 1 to {FEATURE_LIMIT} features; given {features}")
        if any(len(column) != nodes for column in (self.feature, self.missing_left, self.value)):
            raise ValueError("the arrays of the nodes differ in length")
        start = self.tree_start
        if len(start) < 2 or start[0] != 0 or start[-1] != nodes or (np.diff(start) <= 0).any():
            raise ValueError("tree_start does not divide the nodes into trees")
        split = np.flatnonzero(self.right)
        end = np.repeat(start[1:], np.diff(start))
        target = split + self.right[split].astype(np.int64)
        if (self.right[split] < 2).any() or (target >= end[split]).any():
            raise ValueError("a child lies outside its tree")
        if (self.right >= _OFFSET_LIMIT).any():
            raise ValueError(f"a tree is too large: a left branch of more than {_OFFSET_LIMIT - 2} nodes")
        # Every node is the child of exactly one split, except the roots.
        parents = np.bincount(np.concatenate([split + 1, target]), minlength=nodes)
        expected = np.ones(nodes, dtype=parents.dtype)
        expected[start[:-1]] = 0
        if (parents != expected).any():
            raise ValueError("a node has no parent, or two")
        if (self.feature[split] < 0).any() or (self.feature[split] >= features).any():
            raise ValueError(f"a split looks at a column outside 0 to {features - 1}")
        if np.isnan(self.value[split]).any():
            raise ValueError("a threshold is NaN")
        leaf = self.value[self.right == 0]
        if not ((leaf >= 0) & (leaf <= 1)).all():
            raise ValueError("the value of a leaf lies outside 0 to 1")

    def children(self) -> Children:
        """Return the left and right child of each node."""
        start = np.repeat(self.tree_start[:-1], np.diff(self.tree_start))
        local = np.arange(len(self.right)) - start
        leaf = self.right == 0
        left = np.where(leaf, -1, local + 1).astype(np.int32)
        return Children(left, np.where(leaf, -1, local + self.right).astype(np.int32))

    def even_values(self) -> NDArray[np.float64]:
        """Return a value for each node (nodes,): P(real) of a leaf, and at a split the mean of both branches."""
        start = np.repeat(self.tree_start[:-1], np.diff(self.tree_start))
        children = self.children()
        left, right = children.left + start, children.right + start
        value = self.value.astype(np.float64)
        levels, level = [], self.tree_start[:-1]
        while len(level := level[self.right[level] > 0]):
            levels.append(level)
            level = np.concatenate([left[level], right[level]])
        for level in reversed(levels):
            value[level] = (value[left[level]] + value[right[level]]) / 2
        return value

    @classmethod
    def concatenate(cls, trees: list[Trees]) -> Trees:
        """Concatenate several sets of trees in order."""
        sizes = [tree.tree_start[1:] for tree in trees]
        shifts = np.cumsum([0] + [len(tree.right) for tree in trees])
        starts = [size + shift for size, shift in zip(sizes, shifts[:-1], strict=True)]
        return cls(
            np.concatenate([np.zeros(1, dtype=np.int64), *starts]),
            np.concatenate([tree.right for tree in trees]),
            np.concatenate([tree.feature for tree in trees]),
            np.concatenate([tree.missing_left for tree in trees]),
            np.concatenate([tree.value for tree in trees]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRows:
    """What a forest keeps of the rows that it was trained on. Explanations use it; no score depends on it.

    Attributes
    ----------
    node_value : ndarray of float32 (nodes,), optional
        P(real) of the training rows that reached each node.
    quantiles : ndarray of float32 (3 k,), optional
        The quantiles :data:`USUAL` of each column, all three of a column one after the other; NaN for a column that has
        no value.
    """

    node_value: NDArray[np.float32] | None = None
    quantiles: NDArray[np.float32] | None = None

    def check(self, nodes: int, columns: int) -> None:
        """Check that the arrays belong to a forest of so many nodes and columns.

        Raises
        ------
        ValueError
            If they do not.
        """
        share, usual = self.node_value, self.quantiles
        if share is not None and (share.shape != (nodes,) or not ((share >= 0) & (share <= 1)).all()):
            raise ValueError(f"node_value must have a number from 0 to 1 for each of {nodes} nodes")
        if usual is not None and usual.shape != (len(USUAL) * columns,):
            raise ValueError(f"quantiles must have {len(USUAL)} numbers for each of {columns} columns")

    @classmethod
    def usual(cls, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the quantiles of the columns of rows (n, k), as in the attribute."""
        known = np.where(np.isfinite(x), x, np.nan).astype(np.float64)
        known[:, np.isnan(known).all(axis=0)] = 0.0
        found = np.nanquantile(known, USUAL, axis=0)
        return np.where(np.isfinite(x).any(axis=0), found, np.nan).T.ravel().astype(np.float32)


def _depth_first(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the nodes in depth-first order; scikit-learn's have another order if max_leaf_nodes was given."""
    split = left >= 0
    if (left[split] == np.flatnonzero(split) + 1).all():
        return np.arange(len(left))
    order: list[int] = []
    pending = [0]
    while pending:
        node = pending.pop()
        order.append(node)
        if left[node] >= 0:
            pending += [int(right[node]), int(left[node])]
    return np.array(order)


def _round_down(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Round to float32 towards minus infinity.

    For every x of float32, ``x <= t`` equals ``x <= round_down(t)``, so that x reaches the same leaf as in
    scikit-learn.
    """
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32)
    return np.where(rounded > values, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def node_values(tree: Untyped, real: int) -> NDArray[np.float32]:
    """Return P(real) of the training rows that reached each node (nodes,) of a tree of :func:`convert_tree`."""
    weight = tree.value[_depth_first(tree.children_left, tree.children_right), 0, :]
    return np.asarray(weight[:, real] / weight.sum(axis=1), dtype=np.float32)


def convert_tree(tree: Untyped, real: int) -> Trees:
    """Convert one tree of scikit-learn (``sklearn.tree._tree.Tree``).

    Parameters
    ----------
    tree : sklearn.tree._tree.Tree
        The tree.
    real : int
        The index of the class of real candidates.

    Returns
    -------
    Trees
        One tree, in which every row reaches the same leaf as in scikit-learn, also where a value is NaN.
    """
    order = _depth_first(tree.children_left, tree.children_right)
    position = np.empty(len(order), dtype=np.int64)
    position[order] = np.arange(len(order))
    leaf = tree.children_left[order] < 0
    right = np.where(leaf, 0, position[tree.children_right[order]] - np.arange(len(order)))
    weight = tree.value[order, 0, :]
    probability = weight[:, real] / weight.sum(axis=1)
    return Trees(
        np.array([0, len(order)], dtype=np.int64),
        right.astype(np.int32),
        np.where(leaf, 0, tree.feature[order]).astype(np.int16),
        np.where(leaf, 0, tree.missing_go_to_left[order]).astype(np.uint8),
        np.where(leaf, probability.astype(np.float32), _round_down(tree.threshold[order])),
    )
