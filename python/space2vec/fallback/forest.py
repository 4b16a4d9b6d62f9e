"""The forest in Numba: the arithmetic of ``cpp/kernel/forest.hpp`` in the same order, for the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from space2vec.fallback.calibration import calibrate
from space2vec.fallback.compiling import compiled
from space2vec.fallback.team import parallel_for

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

    def predict(self, x: NDArray[np.float32], out: NDArray[np.float32], threads: int) -> None:
        """Write P(real) of each row of x (n, features) into out (n,)."""
        rows = x if self._fill is None else np.where(np.isnan(x), self._fill, x)

        def work(begin: int, end: int) -> None:
            _compiled(rows[begin:end], *self._nodes, out[begin:end])
            if self._calibration is not None:
                calibrate(*self._calibration, out[begin:end])

        parallel_for(len(rows), threads, work)
