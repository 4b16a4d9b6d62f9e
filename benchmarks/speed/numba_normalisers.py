"""Normalisers as one would write them in Numba: plain loops over a batch (n, pixels), a thread a plane."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

jit: Any = numba.njit(cache=True, fastmath=True)
parallel: Any = numba.njit(parallel=True, fastmath=True)


def set_threads(threads: int) -> None:
    """Set the number of threads that Numba uses."""
    numba.set_num_threads(threads)


@jit
def _median(values: np.ndarray) -> float:
    middle = values.size // 2
    ordered = np.partition(values, middle)
    upper = ordered[middle]
    return float(upper) if values.size % 2 else 0.5 * (upper + ordered[:middle].max())


@parallel
def median_mad(planes: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Median, MAD, asinh."""
    for row in numba.prange(len(planes)):
        x = planes[row]
        centre = np.float32(_median(x))
        factor = np.float32(1.0 / (1.4826 * _median(np.abs(x - centre))))
        for i in range(x.size):
            out[row, i] = math.asinh((x[i] - centre) * factor)
    return out


@parallel
def sigma_clip(planes: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Median and standard deviation after clipping."""
    for row in numba.prange(len(planes)):
        x = planes[row]
        kept = x
        centre, deviation = 0.0, 1.0
        for turn in range(6):
            centre = _median(kept)
            first = second = 0.0
            for value in kept:
                away = value - centre
                first += away
                second += away * away
            mean = first / kept.size
            deviation = math.sqrt(second / kept.size - mean * mean)
            if turn == 5:
                break
            left = kept[np.abs(kept - np.float32(centre)) <= np.float32(3 * deviation)]
            if left.size == kept.size:
                break
            kept = left
        factor = np.float32(1.0 / deviation)
        level = np.float32(centre)
        for i in range(x.size):
            out[row, i] = (x[i] - level) * factor
    return out


@jit
def _zscale(x: np.ndarray) -> tuple[float, float]:
    s = np.sort(x[:: max(1, x.size // 1000)][:1000])
    n = s.size
    bad = np.zeros(n, np.bool_)
    grow = max(1, n // 100)
    least, kept, before, slope = max(5, n // 2), n, n + 1, 0.0
    for _ in range(5):
        if kept >= before or kept < least:
            break
        w = sx = sy = sxx = sxy = 0.0
        for i in range(n):
            if not bad[i]:
                w += 1
                sx += i
                sy += s[i]
                sxx += i * i
                sxy += i * s[i]
        slope = (w * sxy - sx * sy) / (w * sxx - sx * sx)
        level = (sy - slope * sx) / w
        total = 0.0
        for i in range(n):
            if not bad[i]:
                total += (s[i] - level - slope * i) ** 2
        limit = 2.5 * math.sqrt(total / w)
        far = bad.copy()
        for i in range(n):
            far[i] |= abs(s[i] - level - slope * i) > limit
        before, kept = kept, 0
        for i in range(n):
            near = False
            for j in range(max(0, i - grow // 2), min(n, i - grow // 2 + grow)):
                near |= far[j]
            bad[i] = near
            kept += not near
    if kept < least:
        return float(s[0]), float(s[-1])
    middle, centre = 0.5 * (s[(n - 1) // 2] + s[n // 2]), (n - 1) // 2
    low = max(float(s[0]), middle - (centre - 1) * slope * 4)
    return low, min(float(s[-1]), middle + (n - centre) * slope * 4)


@parallel
def zscale(planes: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Zscale, asinh."""
    for row in numba.prange(len(planes)):
        x = planes[row]
        low, high = _zscale(x)
        factor, level = np.float32(1.0 / (high - low)), np.float32(low)
        for i in range(x.size):
            out[row, i] = math.asinh((x[i] - level) * factor)
    return out


@parallel
def l2(planes: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Divide by the norm."""
    for row in numba.prange(len(planes)):
        x = planes[row]
        total = np.float32(0)
        for value in x:
            total += value * value
        factor = np.float32(1 / math.sqrt(total))
        for i in range(x.size):
            out[row, i] = x[i] * factor
    return out


@parallel
def min_max(planes: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Stretch the range to [0, 1]."""
    for row in numba.prange(len(planes)):
        x = planes[row]
        low = high = x[0]
        for value in x:
            low, high = min(low, value), max(high, value)
        factor = np.float32(1 / (high - low))
        for i in range(x.size):
            out[row, i] = (x[i] - low) * factor
    return out


@parallel
def percentile(planes: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Stretch what lies between two percentiles to [0, 1]."""
    for row in numba.prange(len(planes)):
        x = planes[row]
        low, high = np.percentile(x, 1), np.percentile(x, 99)
        factor, level = np.float32(1 / (high - low)), np.float32(low)
        for i in range(x.size):
            out[row, i] = min(max((x[i] - level) * factor, np.float32(0)), np.float32(1))
    return out


LOOPS = {
    "median-mad, asinh": median_mad,
    "sigma-clip": sigma_clip,
    "zscale, asinh": zscale,
    "l2": l2,
    "min-max": min_max,
    "percentile": percentile,
}
