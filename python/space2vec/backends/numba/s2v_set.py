"""The set s2v of one candidate, as in ``cpp/kernel/s2v_set.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.feature_sets import Measuring
from space2vec.backends.numba.math import NAN, ONE, ZERO
from space2vec.backends.numba.moment_features import moment_features
from space2vec.backends.numba.noise_plane import MeasuredPlanes, PlaneNoise, cut_core, measure_noise
from space2vec.backends.numba.shape_features import shape_features
from space2vec.backends.numba.stamp import DIFFERENCE, FLAG, MIDDLE, SCIENCE, TEMPLATE, WINDOW, is_masked
from space2vec.backends.numba.team import jit, lane_sum
from space2vec.backends.numba.windows import AT, Windows

__all__ = ["s2v_features"]

Values = NDArray[np.float32]

_NOISE_RADIUS = 8
_OUTLIER = np.float32(3)
_MASK_BOX, _POLARITY_BOX = 7, 5
_OTHERS = 1 << SCIENCE | 1 << TEMPLATE


@jit
def _middle_pixels(window: Values, side: int) -> Values:
    first = MIDDLE - side // 2
    return window[first : first + side, first : first + side]


@jit
def _measure_polarity(window: Values, noise: PlaneNoise) -> np.float32:
    """Return 1 where the sum of I - median over the middle is not negative, else -1."""
    centre = np.float64(noise.median)
    terms = np.zeros(_POLARITY_BOX * _POLARITY_BOX)
    for i, x in enumerate(_middle_pixels(window, _POLARITY_BOX).flat):
        if x == x:
            terms[i] = np.float64(x) - centre
    return -ONE if lane_sum(terms) < 0.0 else ONE


@jit
def _mask_features(
    difference: Values, valid: int, science: Values, there: bool, saturation: np.float32, value: NDArray[np.float64]
) -> None:
    box, pixels = _MASK_BOX * _MASK_BOX, WINDOW * WINDOW
    core = _middle_pixels(difference, _MASK_BOX)
    value[AT.bad_core] = (core != core).sum() / box
    value[AT.bad_fraction] = (pixels - valid) / pixels
    if there and saturation == saturation:
        value[AT.saturated_core] = (_middle_pixels(science, _MASK_BOX) >= saturation).sum() / box
        value[AT.saturated_fraction] = (science >= saturation).sum() / pixels


@jit
def _noise_features(planes: MeasuredPlanes, value: NDArray[np.float64]) -> None:
    noise = planes.noise[DIFFERENCE]
    sigma = np.float64(noise.sigma)
    value[AT.background] = np.float64(planes.polarity) * (np.float64(noise.median) / sigma)
    science, reference = np.float64(planes.noise[SCIENCE].sigma), np.float64(planes.noise[TEMPLATE].sigma)
    if science > 0.0 and reference > 0.0:
        value[AT.noise_ratio] = sigma / np.sqrt(science * science + reference * reference)
    window, limit = planes.window[DIFFERENCE], _OUTLIER * noise.sigma
    outliers = usable = 0
    for r in range(WINDOW):
        for c in range(WINDOW):
            x = window[r, c]
            if x == x and (r - MIDDLE) ** 2 + (c - MIDDLE) ** 2 > _NOISE_RADIUS**2:
                usable += 1
                outliers += np.abs(x - noise.median) > limit
    if usable:
        value[AT.outlier_fraction] = outliers / usable


@jit
def _mask_nulls(window: Values) -> Values:
    kept = window.copy()
    for i, x in enumerate(window.flat):
        if is_masked(x):
            kept.flat[i] = NAN
    return kept


@jit
def _signed_core(window: Values, noise: PlaneNoise, sign: np.float32) -> Values:
    return cut_core(window, noise, sign if noise.sigma > ZERO else NAN, MIDDLE, MIDDLE)


@jit
def s2v_features(windows: Windows, saturation: np.float32, what: Measuring, value: NDArray[np.float64]) -> int:
    """Write the defined features of the set to ``value`` and return the flags; the difference must exist."""
    science, template = _mask_nulls(windows.plane[SCIENCE]), _mask_nulls(windows.plane[TEMPLATE])
    difference = _mask_nulls(windows.plane[DIFFERENCE])
    noise = (measure_noise(science), measure_noise(template), measure_noise(difference))
    both = what.planes & _OTHERS == _OTHERS
    flags = FLAG.missing if both and windows.there[SCIENCE] != windows.there[TEMPLATE] else 0
    if windows.there[SCIENCE] and not noise[SCIENCE].sigma > ZERO:
        flags |= FLAG.zero_scale
    if windows.there[TEMPLATE] and not noise[TEMPLATE].sigma > ZERO:
        flags |= FLAG.zero_scale
    own = noise[DIFFERENCE]
    _mask_features(difference, own.valid, science, windows.there[SCIENCE], saturation, value)
    if not own.sigma > ZERO:
        return flags | (FLAG.constant if own.constant else FLAG.zero_scale)
    polarity = _measure_polarity(difference, own)
    value[AT.polarity] = polarity
    core = (
        _signed_core(science, noise[SCIENCE], ONE),
        _signed_core(template, noise[TEMPLATE], ONE),
        _signed_core(difference, own, polarity),
    )
    planes = MeasuredPlanes(noise, (science, template, difference), core, polarity, saturation)
    _noise_features(planes, value)
    shape_features(planes, value)
    return flags | moment_features(planes, what.parts, value)
