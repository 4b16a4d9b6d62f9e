"""The features of the stamps of one candidate, as in ``cpp/kernel/stamp_features.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.autoscan import autoscan_features
from space2vec.backends.numba.feature_sets import SET, Measuring
from space2vec.backends.numba.math import NAN, ZERO, is_finite
from space2vec.backends.numba.s2v_set import s2v_features
from space2vec.backends.numba.stamp import DIFFERENCE, FLAG, SCIENCE, TEMPLATE, Batch, Triplet, triplet_of
from space2vec.backends.numba.stamp_flags import flag_stamp
from space2vec.backends.numba.team import jit
from space2vec.backends.numba.windows import AT, cut_windows
from space2vec.registry import AUTOSCAN_STAMP

__all__ = ["features_rows"]

Values = NDArray[np.float32]

_FEATURES, _AUTOSCAN = len(AT), len(AUTOSCAN_STAMP)
_AUTOSCAN_PLANES = 1 << TEMPLATE | 1 << DIFFERENCE
_ALL_PLANES = _AUTOSCAN_PLANES | 1 << SCIENCE


@jit
def _stamp_features(triplet: Triplet, what: Measuring, paper: bool, value: NDArray[np.float64]) -> int:
    """Write the requested features that are defined to ``value``, which has all sets; return the flags."""
    flags = flag_stamp(triplet, what.planes)
    if triplet.plane[DIFFERENCE].size == 0:
        return flags | FLAG.missing
    windows, met = cut_windows(triplet, what.planes & (_ALL_PLANES if what.sets & SET.s2v else _AUTOSCAN_PLANES))
    flags |= met
    if what.sets & SET.autoscan:
        flags |= autoscan_features(windows, paper, what, value)
    if what.sets & SET.s2v:
        flags |= s2v_features(windows, triplet.saturation, what, value)
    return flags


@jit
def features_rows(
    batch: Batch,
    what: Measuring,
    paper: bool,
    values: Values,
    flags: NDArray[np.uint32],
    begin: int,
    end: int,
) -> None:
    """Write the columns of the sets for rows begin to end of a batch, NaN where undefined or left out."""
    start = 0 if what.sets & SET.autoscan else _AUTOSCAN
    for row in range(begin, end):
        value = np.full(_FEATURES, np.nan)
        flags[row] = _stamp_features(triplet_of(batch, row), what, paper, value)
        for i in range(values.shape[1]):
            x = np.float32(value[start + i]) + ZERO  # turns -0 into 0
            values[row, i] = x if is_finite(x) else NAN
