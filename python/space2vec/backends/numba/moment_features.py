"""The groups moments, position and psf of the set s2v, as in ``cpp/kernel/moment_features.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.adaptive_moments import (
    Moments,
    adaptive_moments,
    moment_axes,
    moments_kurtosis,
    moments_sigma,
    no_moments,
)
from space2vec.backends.numba.feature_sets import PART
from space2vec.backends.numba.math import DEGREES, ZERO, arctangent
from space2vec.backends.numba.noise_plane import MeasuredPlanes
from space2vec.backends.numba.psf import core_correlation, gaussian_likeness, star_moments
from space2vec.backends.numba.stamp import DIFFERENCE, FLAG, SCIENCE
from space2vec.backends.numba.team import jit
from space2vec.backends.numba.windows import AT

__all__ = ["moment_features"]

_LEAST_ANGLE = np.float32(-90)


@jit
def _ellipse_of(m: Moments) -> tuple[float, float, float, float]:
    """Return a, b, angle in degrees and ellipticity."""
    major, minor = moment_axes(m)
    a, b = np.sqrt(major), np.sqrt(minor)
    angle = 0.5 * DEGREES * arctangent(2.0 * m.xy, m.xx - m.yy)
    return a, b, angle if np.float32(angle) > _LEAST_ANGLE else 90.0, 1.0 - b / a


@jit
def moment_features(planes: MeasuredPlanes, parts: int, value: NDArray[np.float64]) -> int:
    """Write the defined moment features to ``value`` and return the flags."""
    flags = 0
    core = planes.core[DIFFERENCE]
    d = adaptive_moments(core) if parts & PART.difference_moments else no_moments()
    if d.converged:
        a, b, angle, ellipticity = _ellipse_of(d.at.m)
        value[AT.difference_a], value[AT.difference_b] = a, b
        value[AT.difference_angle], value[AT.difference_ellipticity] = angle, ellipticity
        value[AT.kurtosis] = moments_kurtosis(core, d.at)
        value[AT.centroid_offset] = np.sqrt(d.at.x * d.at.x + d.at.y * d.at.y)
    elif parts & PART.difference_moments:
        flags |= FLAG.moments_failed
    if not planes.noise[SCIENCE].sigma > ZERO:
        return flags
    value[AT.science_likeness] = core_correlation(core, planes.core[SCIENCE])
    s = adaptive_moments(planes.core[SCIENCE]) if parts & PART.science_moments else no_moments()
    if s.converged:
        a, b, angle, ellipticity = _ellipse_of(s.at.m)
        value[AT.science_a], value[AT.science_b] = a, b
        value[AT.science_angle], value[AT.science_ellipticity] = angle, ellipticity
    if d.converged and s.converged:
        dx, dy = d.at.x - s.at.x, d.at.y - s.at.y
        value[AT.plane_offset] = np.sqrt(dx * dx + dy * dy)
        value[AT.width_ratio] = moments_sigma(d.at.m) / moments_sigma(s.at.m)
    if not parts & PART.star:
        return flags
    star = star_moments(planes)
    psf = star if star.converged else s
    if not psf.converged:
        return flags | FLAG.no_psf
    if d.converged:
        value[AT.psf_ratio] = moments_sigma(d.at.m) / moments_sigma(psf.at.m)
        value[AT.psf_likeness] = gaussian_likeness(core, d.at.x, d.at.y, psf.at.m)
    else:
        value[AT.psf_likeness] = gaussian_likeness(core, 0.0, 0.0, psf.at.m)
    return flags
