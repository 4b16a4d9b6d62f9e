"""The eighteen autoScan stamp features of one candidate, as in ``cpp/kernel/autoscan.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.fallback.aperture import aperture_flux
from space2vec.fallback.column_medians import largest_column_median
from space2vec.fallback.counts import box_sum, count_above, count_below
from space2vec.fallback.gaussian_fit import fit_gaussian
from space2vec.fallback.lacosmic import largest_fine_structure
from space2vec.fallback.math import NAN, is_finite
from space2vec.fallback.normalise import BrightnessScale, normalise_b, normalise_r
from space2vec.fallback.order import largest
from space2vec.fallback.stamp import (
    DIFFERENCE,
    FLAG,
    TEMPLATE,
    WINDOW,
    Triplet,
    cut_window,
    is_masked,
    is_saturated,
    triplet_of,
)
from space2vec.fallback.team import constants, jit, lane_sum
from space2vec.registry import AUTOSCAN_STAMP

__all__ = ["features_rows"]

Values = NDArray[np.float32]

#: The column of each feature, by name.
_AT = constants({name: column for column, name in enumerate(AUTOSCAN_STAMP)})


@jit
def _l1(window: Values, scale: BrightnessScale) -> float:
    """From the raw pixels, in float64: the sum of B nearly cancels."""
    centre, divisor = np.float64(scale.median), np.float64(scale.largest)
    terms = np.zeros(window.size)
    for i, x in enumerate(window.flat):
        if not is_masked(x):
            terms[i] = np.float64(x) - centre
    total = lane_sum(terms) / divisor
    size = lane_sum(np.where(terms < 0.0, -terms, terms)) / divisor
    return (-size if total < 0.0 else size) / np.sqrt(np.abs(total))


@jit
def _brightness_features(window: Values, b: Values, scale: BrightnessScale, value: NDArray[np.float64]) -> int:
    """B features: the fit, LACOSMIC, COLMEDS, L1. Return the flags."""
    value[_AT.L1] = _l1(window, scale)
    value[_AT.COLMEDS] = largest_column_median(b)
    value[_AT.LACOSMIC] = np.float64(largest(b)) / np.float64(largest_fine_structure(b))
    fit = fit_gaussian(b, scale.valid)
    value[_AT.AMP] = fit.amplitude
    value[_AT.SCALE] = fit.scale
    value[_AT.GAUSS] = fit.residual
    return 0 if fit.converged else FLAG.fit_failed


@jit
def _count_features(d: Values, t: Values, with_template: bool, strict: bool, value: NDArray[np.float64]) -> None:
    """R features of the difference alone, and those that set it against the template."""
    value[_AT.N2SIG3] = count_below(d, 5, 2.0, strict)
    value[_AT.N3SIG3] = count_below(d, 5, 3.0, strict)
    value[_AT.N2SIG5] = count_below(d, 7, 2.0, strict)
    value[_AT.N3SIG5] = count_below(d, 7, 3.0, strict)
    value[_AT.NUMNEGRN] = count_below(d, 7, 0.0, True)
    value[_AT.DIFFSUMRN] = box_sum(d, 5)
    if not with_template:
        return
    value[_AT.N2SIG3SHIFT] = count_above(d, 5, 2.0) - count_above(t, 5, 2.0)
    value[_AT.N3SIG3SHIFT] = count_above(d, 5, 3.0) - count_above(t, 5, 3.0)
    value[_AT.N2SIG5SHIFT] = count_above(d, 7, 2.0) - count_above(t, 7, 2.0)
    value[_AT.N3SIG5SHIFT] = count_above(d, 7, 3.0) - count_above(t, 7, 3.0)


@jit
def _autoscan_features(triplet: Triplet, paper: bool, value: NDArray[np.float64]) -> int:
    """Fill what is defined of ``value``; return the flags."""
    flags = FLAG.saturated if is_saturated(triplet) else 0
    difference, reference = triplet.plane[DIFFERENCE], triplet.plane[TEMPLATE]
    if difference.size == 0:
        return flags | FLAG.missing
    window, met = cut_window(difference, triplet.row, triplet.column)
    flags |= met
    reference_window, met = cut_window(reference, triplet.row, triplet.column)
    flags |= met if reference.size > 0 else FLAG.missing
    b, scale = normalise_b(window)
    value[_AT.MASKFRAC] = (WINDOW * WINDOW - scale.valid) / (WINDOW * WINDOW)
    if scale.constant:
        return flags | FLAG.constant
    flags |= _brightness_features(window, b, scale, value)
    d, with_difference = normalise_r(window)
    t, with_template = normalise_r(reference_window)
    if reference.size > 0:
        flux, reference_flux = aperture_flux(window), aperture_flux(reference_window)
        value[_AT.FLUX_RATIO] = (flux if paper else flux - reference_flux) / np.abs(reference_flux)
        if not with_template:
            flags |= FLAG.constant if normalise_b(reference_window)[1].constant else FLAG.zero_scale
    if with_difference:
        _count_features(d, t, with_template, paper, value)
    else:
        flags |= FLAG.zero_scale
    return flags


@jit
def features_rows(
    pixels: Values,
    offset: NDArray[np.int64],
    shape: NDArray[np.int32],
    centre: NDArray[np.int32],
    saturation: np.float32,
    paper: bool,
    values: Values,
    flags: NDArray[np.uint32],
    begin: int,
    end: int,
) -> None:
    """Write the features of rows begin to end of a batch, NaN where undefined."""
    for row in range(begin, end):
        value = np.full(values.shape[1], np.nan)
        triplet = triplet_of(pixels, offset, shape, centre, saturation, row)
        flags[row] = _autoscan_features(triplet, paper, value)
        for i in range(value.size):
            x = np.float32(value[i])
            values[row, i] = x if is_finite(x) else NAN
