"""The features at fixed places and at the peak of the difference, as in ``cpp/kernel/shape_features.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.asymmetry import asymmetry
from space2vec.backends.numba.circle import circle_features, sum_circles
from space2vec.backends.numba.daofind import daofind_features
from space2vec.backends.numba.dipole_lobes import lobe_features
from space2vec.backends.numba.hot_pixel import hot_pixel_features
from space2vec.backends.numba.lines import line_features
from space2vec.backends.numba.nearby_source import nearby_source_features
from space2vec.backends.numba.noise_plane import MeasuredPlanes
from space2vec.backends.numba.peak import brightest_in_box
from space2vec.backends.numba.stamp import DIFFERENCE
from space2vec.backends.numba.team import jit
from space2vec.backends.numba.windows import AT

__all__ = ["shape_features"]


@jit
def shape_features(planes: MeasuredPlanes, value: NDArray[np.float64]) -> None:
    """Write the groups aperture (but for polarity), profile, daofind, hot_pixel, lobes, symmetry, template, lines."""
    difference = planes.core[DIFFERENCE]
    circles = sum_circles(difference)
    circle_features(circles, value)
    lobe_features(difference, value)
    nearby_source_features(planes, circles.of_3.flux, value)
    peak = brightest_in_box(difference)
    if peak.value != peak.value:
        return
    value[AT.peak_snr] = np.float64(peak.value)
    daofind_features(difference, peak, value)
    hot_pixel_features(difference, peak, value)
    value[AT.asymmetry] = asymmetry(difference, peak)
    line_features(planes, peak, value)
