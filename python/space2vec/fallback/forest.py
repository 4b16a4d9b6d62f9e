"""The forest in Numba: the arithmetic of ``cpp/kernel/forest.hpp`` in the same order, for the same bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from space2vec.fallback.calibration import calibrate
from space2vec.fallback.compiling import compiled
from space2vec.fallback.team import parallel_for

if TYPE_CHECKING:
    from space2vec.trees import Trees

__all__ = ["Forest"]


def _predict(
    x: Any,
    tree_start: Any,
    left: Any,
    right: Any,
    feature: Any,
    threshold: Any,
    missing_left: Any,
    value: Any,
    out: Any,
) -> None:
    trees = len(tree_start) - 1
    for i in range(len(x)):
        total = 0.0
        for tree in range(trees):
            root = tree_start[tree]
            node = root
            while left[node] >= 0:
                given = x[i, feature[node]]
                goes_left = missing_left[node] != 0 if np.isnan(given) else given <= threshold[node]
                node = root + (left[node] if goes_left else right[node])
            total += np.float64(value[node])
        out[i] = np.float32(total / trees)


_compiled = compiled(_predict, nogil=True)


class Forest:
    """What ``space2vec._core.Forest`` is, in Numba; the arrays must have passed :meth:`space2vec.trees.Trees.check`."""

    def __init__(
        self,
        tree_start: NDArray[np.int64],
        left: NDArray[np.int32],
        right: NDArray[np.int32],
        feature: NDArray[np.int32],
        threshold: NDArray[np.float32],
        missing_left: NDArray[np.uint8],
        value: NDArray[np.float32],
        n_features: int,
        fill: NDArray[np.float32] | None,
        calibration: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
    ) -> None:
        self._nodes = (tree_start, left, right, feature, threshold, missing_left, value)
        self._fill = fill
        self._calibration = calibration

    @classmethod
    def of(cls, trees: Trees, fill: NDArray[np.float32] | None) -> Forest:
        """Return the forest of checked trees; fill: what replaces NaN."""
        left, right = trees.children()
        feature = trees.feature.astype(np.int32)
        columns = (trees.value, trees.missing_left, trees.value)
        return cls(trees.tree_start, left, right, feature, *columns, 0, fill)

    def predict(self, x: NDArray[np.float32], out: NDArray[np.float32], threads: int) -> None:
        """Write P(real) of each row of x (n, features) into out (n,)."""

        def work(begin: int, end: int) -> None:
            self.score_rows(None, x[begin:end], out[begin:end])
            if self._calibration is not None:
                calibrate(*self._calibration, out[begin:end])

        parallel_for(len(x), threads, work)

    def score_rows(
        self, _planes: NDArray[np.float32] | None, columns: NDArray[np.float32] | None, out: NDArray[np.float32]
    ) -> None:
        """Write P(real) (n,) of columns (n, features); a forest takes no planes."""
        assert columns is not None
        rows = columns if self._fill is None else np.where(np.isnan(columns), self._fill, columns)
        _compiled(rows, *self._nodes, out)
