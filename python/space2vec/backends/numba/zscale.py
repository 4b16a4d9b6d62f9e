"""The limits of IRAF's zscale, as in ``cpp/kernel/zscale.hpp``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.quantile import Scaling
from space2vec.backends.numba.team import jit, lane_sum

if TYPE_CHECKING:
    from space2vec.data.types import AnyArray

__all__ = ["zscale_scaling"]

Values = NDArray[np.float32]

_SAMPLES = 1000


@jit
def _fit_line(x: AnyArray, y: AnyArray, weight: AnyArray) -> tuple[float, float]:
    """Return slope and intercept of the line through the points of weight 1."""
    wx, wy = weight * x, weight * y
    n, sx, sy = lane_sum(weight), lane_sum(wx), lane_sum(wy)
    slope = (n * lane_sum(wx * wy) - sx * sy) / (n * lane_sum(wx * wx) - sx * sx)
    return slope, (sy - slope * sx) / n


@jit
def _reject(y: AnyArray, fitted: AnyArray, weight: AnyArray, good: int) -> int:
    """Set the weights of samples far from the line, and of their neighbours in rank, to 0; return the number kept."""
    away = y - fitted
    flat = weight * away
    mean = lane_sum(flat) / good
    variance = lane_sum(flat * flat) / good - mean * mean
    threshold = 2.5 * np.sqrt(variance if variance > 0.0 else 0.0)
    count = y.size
    bad = (np.abs(away) > threshold) | (weight == 0.0)
    grow = max(count // 100, 1)
    last = (grow - 1) // 2
    for i in range(count):
        if bad[max(i + last - grow + 1, 0) : i + last + 1].any():
            weight[i] = 0.0
    return int(np.sum(weight > 0.0))


@jit
def zscale_scaling(x: Values, contrast: float) -> Scaling:
    """Return the lower limit and the distance to the upper."""
    kept = x[x == x]
    step = max(kept.size // _SAMPLES, 1)
    sample = np.sort(kept[::step][:_SAMPLES]).astype(np.float64)
    count = sample.size
    smallest, largest = sample[0], sample[count - 1]
    middle = 0.5 * (sample[(count - 1) // 2] + sample[count // 2])
    fewest = max(count // 2, 5)
    ranks = np.arange(count) - 0.5 * (count - 1)
    y = sample - middle
    weight = np.ones(count)
    good, before = count, count + 1
    slope = 0.0
    for _ in range(5):
        if good >= before or good < fewest:
            break
        slope, intercept = _fit_line(ranks, y, weight)
        before = good
        good = _reject(y, slope * ranks + intercept, weight, good)
    if good < fewest:
        return Scaling(smallest, largest - smallest)
    slope = slope / contrast
    centre = (count - 1) // 2
    bottom = max(middle - (centre - 1) * slope, smallest)
    return Scaling(bottom, min(middle + (count - centre) * slope, largest) - bottom)
