"""The forest in Numba: the arithmetic of ``cpp/kernel/forest.hpp`` in the same order, for the same bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.team import jit

if TYPE_CHECKING:
    from space2vec.model_files.trees import Trees

__all__ = ["Forest"]


@jit
def _walk(
    x: NDArray[np.float32],
    tree_start: NDArray[np.int64],
    right: NDArray[np.int32],
    feature: NDArray[np.int16],
    missing_left: NDArray[np.uint8],
    value: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Write the mean over the trees of the leaf that each row x (n, features) reaches."""
    trees = len(tree_start) - 1
    for i in range(len(x)):
        total = 0.0
        for tree in range(trees):
            node = tree_start[tree]
            while right[node] > 0:
                measured = x[i, feature[node]]
                goes_left = missing_left[node] != 0 if np.isnan(measured) else measured <= value[node]
                node += 1 if goes_left else right[node]
            total += np.float64(value[node])
        out[i] = np.float32(total / trees)


class Forest:
    """The trees of a model.

    Parameters
    ----------
    trees : Trees
        The trees, checked.
    fill : ndarray of float32 (features,) or None
        What replaces NaN; NaN where nothing does.
    """

    def __init__(self, trees: Trees, fill: NDArray[np.float32] | None) -> None:
        self._nodes = (trees.tree_start, trees.right, trees.feature, trees.missing_left, trees.value)
        self._fill = fill

    def score_rows(
        self, _planes: NDArray[np.float32] | None, columns: NDArray[np.float32] | None, out: NDArray[np.float32]
    ) -> None:
        """Write P(real) (n,) of columns (n, features); a forest takes no planes."""
        assert columns is not None
        rows = columns if self._fill is None else np.where(np.isnan(columns), self._fill, columns)
        _walk(rows, *self._nodes, out)
