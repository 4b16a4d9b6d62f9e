"""Flux in a circular aperture of 5 px at the centre of a window, as in ``cpp/kernel/aperture.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.stamp import MIDDLE, is_masked
from space2vec.backends.numba.team import jit, lane_sum

__all__ = ["aperture_flux", "subpixels_inside"]

_RADIUS = 5
_BOX = 2 * _RADIUS + 1


def subpixels_inside(radius: int) -> NDArray[np.int64]:
    """Return how many of the 5x5 subpixels of each pixel have their centre in the circle, in a box of 2 radius + 1."""
    box = 2 * radius + 1
    fifths = np.arange(5 * box) - 5 * box // 2
    inside = fifths[:, None] ** 2 + fifths**2 < (5 * radius) ** 2
    return inside.reshape(box, 5, box, 5).sum(axis=(1, 3))


_SHARES = subpixels_inside(_RADIUS) / 25.0


@jit
def aperture_flux(window: NDArray[np.float32]) -> float:
    """Sum the window's pixels times their share; masked pixels count as 0."""
    first = MIDDLE - _RADIUS
    terms = np.zeros(_BOX * _BOX)
    for i in range(_BOX * _BOX):
        y, x = divmod(i, _BOX)
        pixel = window[first + y, first + x]
        if not is_masked(pixel):
            terms[i] = _SHARES[y, x] * np.float64(pixel)
    return lane_sum(terms)
