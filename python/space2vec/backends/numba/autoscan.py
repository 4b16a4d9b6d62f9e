"""The eighteen autoScan stamp features of one candidate, as in ``cpp/kernel/autoscan.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.aperture import aperture_flux
from space2vec.backends.numba.block_means import normalise_r
from space2vec.backends.numba.brightness import BrightnessScale, normalise_b
from space2vec.backends.numba.column_medians import largest_column_median
from space2vec.backends.numba.counts import box_sum, count_above, count_below
from space2vec.backends.numba.feature_sets import PART, Measuring
from space2vec.backends.numba.gaussian_fit import fit_gaussian
from space2vec.backends.numba.lacosmic import largest_fine_structure
from space2vec.backends.numba.order import largest
from space2vec.backends.numba.stamp import DIFFERENCE, FLAG, TEMPLATE, WINDOW, is_masked
from space2vec.backends.numba.team import jit, lane_sum
from space2vec.backends.numba.windows import AT, Windows

__all__ = ["autoscan_features"]

Values = NDArray[np.float32]


@jit
def _summed_brightness(window: Values, scale: BrightnessScale) -> float:
    """Return L1, computed from the raw pixels in float64, because the sum of B nearly cancels."""
    centre, divisor = np.float64(scale.median), np.float64(scale.largest)
    terms = np.zeros(window.size)
    for i, x in enumerate(window.flat):
        if not is_masked(x):
            terms[i] = np.float64(x) - centre
    total = lane_sum(terms) / divisor
    size = lane_sum(np.where(terms < 0.0, -terms, terms)) / divisor
    return (-size if total < 0.0 else size) / np.sqrt(np.abs(total))


@jit
def _brightness_features(
    window: Values, b: Values, scale: BrightnessScale, parts: int, value: NDArray[np.float64]
) -> int:
    """B features: L1, and of the parts the fit, LACOSMIC, COLMEDS. Return the flags."""
    value[AT.L1] = _summed_brightness(window, scale)
    if parts & PART.column_median:
        value[AT.COLMEDS] = largest_column_median(b)
    if parts & PART.fine_structure:
        value[AT.LACOSMIC] = np.float64(largest(b)) / np.float64(largest_fine_structure(b))
    if not parts & PART.fit:
        return 0
    fit = fit_gaussian(b, scale.valid)
    value[AT.AMP] = fit.amplitude
    value[AT.SCALE] = fit.scale
    value[AT.GAUSS] = fit.residual
    return 0 if fit.converged else FLAG.fit_failed


@jit
def _count_features(d: Values, t: Values, with_template: bool, strict: bool, value: NDArray[np.float64]) -> None:
    """R features of the difference alone, and those that set it against the template."""
    value[AT.N2SIG3] = count_below(d, 5, 2.0, strict)
    value[AT.N3SIG3] = count_below(d, 5, 3.0, strict)
    value[AT.N2SIG5] = count_below(d, 7, 2.0, strict)
    value[AT.N3SIG5] = count_below(d, 7, 3.0, strict)
    value[AT.NUMNEGRN] = count_below(d, 7, 0.0, True)
    value[AT.DIFFSUMRN] = box_sum(d, 5)
    if not with_template:
        return
    value[AT.N2SIG3SHIFT] = count_above(d, 5, 2.0) - count_above(t, 5, 2.0)
    value[AT.N3SIG3SHIFT] = count_above(d, 5, 3.0) - count_above(t, 5, 3.0)
    value[AT.N2SIG5SHIFT] = count_above(d, 7, 2.0) - count_above(t, 7, 2.0)
    value[AT.N3SIG5SHIFT] = count_above(d, 7, 3.0) - count_above(t, 7, 3.0)


@jit
def autoscan_features(windows: Windows, paper: bool, what: Measuring, value: NDArray[np.float64]) -> int:
    """Write the defined autoScan features to ``value`` and return the flags; the difference must exist."""
    window, reference_window = windows.plane[DIFFERENCE], windows.plane[TEMPLATE]
    flags = FLAG.missing if what.planes >> TEMPLATE & 1 and not windows.there[TEMPLATE] else 0
    b, scale = normalise_b(window)
    value[AT.MASKFRAC] = (WINDOW * WINDOW - scale.valid) / (WINDOW * WINDOW)
    if scale.constant:
        return flags | FLAG.constant
    flags |= _brightness_features(window, b, scale, what.parts, value)
    d, with_difference = normalise_r(window)
    t, with_template = normalise_r(reference_window)
    if windows.there[TEMPLATE]:
        flux, reference_flux = aperture_flux(window), aperture_flux(reference_window)
        value[AT.FLUX_RATIO] = (flux if paper else flux - reference_flux) / np.abs(reference_flux)
        if not with_template:
            flags |= FLAG.constant if normalise_b(reference_window)[1].constant else FLAG.zero_scale
    if with_difference:
        _count_features(d, t, with_template, paper, value)
    else:
        flags |= FLAG.zero_scale
    return flags
