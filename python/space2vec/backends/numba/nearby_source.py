"""The light of the template at the candidate and near it, as in ``cpp/kernel/nearby_source.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.circle import sum_circle_3
from space2vec.backends.numba.math import ZERO
from space2vec.backends.numba.noise_plane import CORE_COLUMN, CORE_ROW, CORE_ROWS, CORE_STRIDE, MeasuredPlanes
from space2vec.backends.numba.peak import find_peak
from space2vec.backends.numba.stamp import DIFFERENCE, SCIENCE, TEMPLATE
from space2vec.backends.numba.team import jit
from space2vec.backends.numba.windows import AT

__all__ = ["nearby_source_features"]

Values = NDArray[np.float32]

_REACH = 9


def _circle() -> NDArray[np.bool_]:
    y, x = np.mgrid[:CORE_ROWS, :CORE_STRIDE]
    inside: NDArray[np.bool_] = (y - CORE_ROW) ** 2 + (x - CORE_COLUMN) ** 2 <= _REACH**2
    return inside


_NEARBY = _circle()


@jit
def _pixel(core: Values, dy: int, dx: int) -> float:
    x = core[CORE_ROW + dy, CORE_COLUMN + dx]
    return np.float64(x if x == x else ZERO)


@jit
def _side(a: float, b: float, c: float) -> float:
    return (a + c) + 2.0 * b


@jit
def _sobel_gradient(core: Values) -> float:
    """Return the length of the gradient at the candidate by Sobel's filter / 8; masked pixels count as 0."""
    right = _side(_pixel(core, -1, 1), _pixel(core, 0, 1), _pixel(core, 1, 1))
    left = _side(_pixel(core, -1, -1), _pixel(core, 0, -1), _pixel(core, 1, -1))
    below = _side(_pixel(core, 1, -1), _pixel(core, 1, 0), _pixel(core, 1, 1))
    above = _side(_pixel(core, -1, -1), _pixel(core, -1, 0), _pixel(core, -1, 1))
    x = (right - left) / 8.0
    y = (below - above) / 8.0
    length: float = np.sqrt(x * x + y * y)
    return length


@jit
def nearby_source_features(planes: MeasuredPlanes, flux: float, value: NDArray[np.float64]) -> None:
    """Write the group template; ``flux`` is that of the difference in 3 px, in units of its noise."""
    reference = planes.core[TEMPLATE]
    science_sigma, reference_sigma = np.float64(planes.noise[SCIENCE].sigma), np.float64(planes.noise[TEMPLATE].sigma)
    if not reference_sigma > 0.0:
        return
    change = np.float64(planes.polarity) * (flux * np.float64(planes.noise[DIFFERENCE].sigma))
    value[AT.template_gradient] = _sobel_gradient(reference)
    peak = find_peak(reference, _NEARBY)
    if peak.value == peak.value:
        dy, dx = peak.row - CORE_ROW, peak.column - CORE_COLUMN
        value[AT.template_snr] = np.float64(peak.value)
        value[AT.template_distance] = np.sqrt(np.float64(dy * dy + dx * dx))
        value[AT.template_flux_ratio] = change / (sum_circle_3(reference, peak.row, peak.column).flux * reference_sigma)
    if not science_sigma > 0.0:
        return
    after = sum_circle_3(planes.core[SCIENCE], CORE_ROW, CORE_COLUMN).flux * science_sigma
    before = sum_circle_3(reference, CORE_ROW, CORE_COLUMN).flux * reference_sigma
    value[AT.flux_balance] = np.abs(after - before) / np.abs(change)
