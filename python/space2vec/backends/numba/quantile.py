"""Medians and percentiles in double, as in ``cpp/kernel/quantile.hpp``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.team import jit

__all__ = ["Scaling", "exact_median", "percentile_scaling"]

Values = NDArray[np.float32]


class Scaling(NamedTuple):
    """The linear scaling (x - offset) / scale of a plane; the scale is 0 if the plane has none."""

    offset: float
    scale: float


@jit
def _neighbours(kept: Values, k: int) -> tuple[float, float]:
    """Return the values of ranks k and k + 1; twice the last."""
    last = min(k + 1, kept.size - 1)
    ordered = np.partition(kept, last)
    return np.float64(ordered[:last].max() if last > k else ordered[last]), np.float64(ordered[last])


@jit
def exact_median(kept: Values) -> float:
    """Return the median of values without NaN, not rounded to float32."""
    if kept.size % 2 == 1:
        return np.float64(np.partition(kept, kept.size // 2)[kept.size // 2])
    lower, upper = _neighbours(kept, kept.size // 2 - 1)
    return 0.5 * (lower + upper)


@jit
def _percentile(kept: Values, percent: float) -> float:
    place = np.float64(kept.size - 1) * (percent / 100.0)
    k = int(place)
    share = place - np.float64(k)
    lower, upper = _neighbours(kept, k)
    step = upper - lower
    return lower + step * share if share < 0.5 else upper - step * (1.0 - share)


@jit
def percentile_scaling(kept: Values, low: float, high: float) -> Scaling:
    """Return the scaling between two percentiles."""
    bottom = _percentile(kept, low)
    return Scaling(bottom, _percentile(kept, high) - bottom)
