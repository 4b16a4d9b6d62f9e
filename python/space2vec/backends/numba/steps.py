"""Chains of steps that bring a plane to a common scale, as in ``cpp/kernel/steps.hpp``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.asinh import asinh
from space2vec.backends.numba.math import FLOAT_MAX, NAN, ONE, ZERO, is_finite
from space2vec.backends.numba.order import count_valid, largest, smallest
from space2vec.backends.numba.quantile import Scaling, percentile_scaling
from space2vec.backends.numba.robust_scale import l2_scaling, median_mad_scaling, min_max_scaling
from space2vec.backends.numba.sigma_clip import sigma_clip_scaling
from space2vec.backends.numba.stamp import FLAG, Plane
from space2vec.backends.numba.team import constants, jit
from space2vec.backends.numba.zscale import zscale_scaling
from space2vec.registry import NORMALISERS

__all__ = ["apply_chain", "has_one_value", "normalise_rows", "numbered_chain"]

Values = NDArray[np.float32]
Mask = NDArray[np.uint8]

#: The number of each normaliser, by name.
NORMALISER = constants({name.replace("-", "_"): number for number, name in enumerate(NORMALISERS)})
_HIGHEST = float(FLOAT_MAX)


def numbered_chain(
    steps: Iterable[tuple[int, Sequence[float]]],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the numbers of the normalisers of a chain (n,), and two parameters each (n, 2)."""
    chain = list(steps)
    parameters = np.zeros((len(chain), 2))
    for row, (_, values) in zip(parameters, chain, strict=True):
        row[: len(values)] = values
    return np.array([kind for kind, _ in chain], dtype=np.int64), parameters


@jit
def has_one_value(x: Values) -> bool:
    """Return whether all values that are not NaN are one, or there is none."""
    return not largest(x) > smallest(x)


@jit
def _rescale(x: Values, scaling: Scaling, low: float, high: float) -> None:
    factor = 1.0 / scaling.scale
    for i in range(x.size):
        value = (np.float64(x[i]) - scaling.offset) * factor
        kept = low if value < low else high if value > high else value
        x[i] = np.float32(kept) + ZERO if x[i] == x[i] else NAN


@jit
def _divide_by_norm(x: Values, norm: float) -> None:
    shrink = 2.0**-16 if norm > 1e38 else 2.0**64 if norm < 1e-30 else 1.0
    by, factor = np.float32(shrink), np.float32(1.0 / (norm * shrink))
    for i in range(x.size):
        x[i] = x[i] * by * factor + ZERO if x[i] == x[i] else NAN


@jit
def _soften(x: Values, softening: np.float32) -> None:
    factor = ONE / softening
    for i in range(x.size):
        value = x[i] * factor
        within = FLOAT_MAX if value > FLOAT_MAX else -FLOAT_MAX if value < -FLOAT_MAX else value
        x[i] = asinh(within) if x[i] == x[i] else NAN


@jit
def _scaling(kind: int, first: float, second: float, x: Values) -> Scaling:
    if kind == NORMALISER.median_mad:
        return median_mad_scaling(x)
    if kind == NORMALISER.sigma_clip:
        return sigma_clip_scaling(x, first, int(second))
    if kind == NORMALISER.l2:
        return l2_scaling(x)
    if kind == NORMALISER.min_max:
        return min_max_scaling(x)
    if kind == NORMALISER.zscale:
        return zscale_scaling(x, first)
    return percentile_scaling(x[x == x], first, second)


@jit
def _apply_step(kind: int, first: float, second: float, x: Values) -> int:
    if kind == NORMALISER.asinh:
        _soften(x, np.float32(first))
        return 0
    scaling = _scaling(kind, first, second, x)
    if not scaling.scale > 0.0:
        return FLAG.constant if has_one_value(x) else FLAG.zero_scale
    if kind == NORMALISER.l2:
        _divide_by_norm(x, scaling.scale)
        return 0
    if kind == NORMALISER.percentile or (kind == NORMALISER.zscale and second > 0.0):
        _rescale(x, scaling, 0.0, 1.0)
    else:
        _rescale(x, scaling, -_HIGHEST, _HIGHEST)
    return 0


@jit
def apply_chain(kinds: NDArray[np.int64], parameters: NDArray[np.float64], x: Values, fill: np.float32) -> int:
    """Apply a chain in place; return the flag with which the plane is refused, or 0."""
    refused = 0 if count_valid(x) > 0 else FLAG.constant
    for k in range(kinds.size):
        if refused:
            break
        refused = _apply_step(kinds[k], parameters[k, 0], parameters[k, 1], x)
    if refused:
        x[:] = NAN
    elif fill == fill:
        for i in range(x.size):
            if x[i] != x[i]:
                x[i] = fill
    return refused


@jit
def normalise_rows(
    pixels: Plane,
    mask: Mask,
    kinds: NDArray[np.int64],
    parameters: NDArray[np.float64],
    fill: np.float32,
    out: Values,
    flags: NDArray[np.uint32],
    begin: int,
    end: int,
) -> None:
    """Normalise rows begin to end of planes (n, pixels); a mask of no rows masks nothing."""
    for row in range(begin, end):
        source, target = pixels[row], out[row]
        met = 0
        for i in range(source.size):
            masked = mask.shape[0] > 0 and mask[row, i] != 0
            finite = is_finite(source[i])
            met |= FLAG.masked_pixels if masked else 0 if finite else FLAG.nan_pixels
            target[i] = source[i] + ZERO if finite and not masked else NAN
        flags[row] = met | apply_chain(kinds, parameters, target, fill)
