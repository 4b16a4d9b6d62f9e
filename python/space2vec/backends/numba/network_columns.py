"""The columns of a network as integers, as in ``cpp/kernel/network_columns.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.asinh import asinh
from space2vec.backends.numba.math import HALF, ONE, ZERO
from space2vec.backends.numba.team import jit

__all__ = ["encode_columns"]

_FAR, _BOUND = np.float32(1e30), np.float32(10)
_VALUE, _MARK, _STEP = np.float32(3276), 3276, np.float32(4095)


@jit
def _round_down(x: np.float32) -> int:
    """Return the largest integer that is not above x."""
    whole = int(x)
    return whole - 1 if np.float32(whole) > x else whole


@jit
def encode_columns(
    x: NDArray[np.float32],
    median: NDArray[np.float32],
    spread: NDArray[np.float32],
    mean: NDArray[np.float32],
    deviation: NDArray[np.float32],
    lacking: NDArray[np.float32],
    low: NDArray[np.float32],
    size: NDArray[np.float32],
    out: NDArray[np.int64],
) -> None:
    """Write the values, marks and encodings of the columns x (k,) into out (k (2 + bins),)."""
    k, bins = low.shape
    for i in range(k):
        z = ZERO
        if np.isnan(x[i]):
            out[k + i] = _MARK if lacking[i] != ZERO else 0
        else:
            y = (x[i] - median[i]) / spread[i]
            y = _FAR if y > _FAR else -_FAR if y < -_FAR else y
            z = (asinh(y) - mean[i]) / deviation[i]
            z = _BOUND if z > _BOUND else -_BOUND if z < -_BOUND else z
            out[k + i] = 0
        out[i] = _round_down(z * _VALUE + HALF)
        for j in range(bins):
            e = (z - low[i, j]) / size[i, j]
            e = ONE if e > ONE else ZERO if e < ZERO else e
            out[2 * k + i * bins + j] = _round_down(e * _STEP + HALF)
