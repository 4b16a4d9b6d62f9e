"""The medians of the difference along the row and the column of its peak, as in ``cpp/kernel/lines.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.math import NAN, ZERO, is_finite
from space2vec.backends.numba.noise_plane import CORE_COLUMN, CORE_ROW, MeasuredPlanes
from space2vec.backends.numba.order import count_valid, median
from space2vec.backends.numba.peak import Peak
from space2vec.backends.numba.stamp import DIFFERENCE, MIDDLE, WINDOW
from space2vec.backends.numba.team import jit
from space2vec.backends.numba.windows import AT

__all__ = ["line_features"]

Values = NDArray[np.float32]


@jit
def _line_median(line: Values, centre: np.float32, divisor: np.float32) -> np.float32:
    """Return the median of D over a line of the window; NaN where all of it is masked."""
    values = (line - centre) / divisor + ZERO
    for i, x in enumerate(values):
        if not is_finite(x):
            values[i] = NAN
    return median(values) if count_valid(values) > 0 else NAN


@jit
def line_features(planes: MeasuredPlanes, peak: Peak, value: NDArray[np.float64]) -> None:
    """Write the group lines."""
    window, noise = planes.window[DIFFERENCE], planes.noise[DIFFERENCE]
    divisor = noise.sigma * planes.polarity
    row, column = MIDDLE - CORE_ROW + peak.row, MIDDLE - CORE_COLUMN + peak.column
    value[AT.row_median] = _line_median(window[row, :WINDOW].copy(), noise.median, divisor)
    value[AT.column_median] = _line_median(window[:, column].copy(), noise.median, divisor)
