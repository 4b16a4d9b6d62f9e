"""Sharpness and roundness of the difference at its peak, as in ``cpp/kernel/daofind.hpp``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.peak import Peak
from space2vec.backends.numba.team import jit, lane_sum
from space2vec.backends.numba.windows import AT

__all__ = ["FIT", "KERNEL", "daofind_features"]

Values = NDArray[np.float64]

#: The lowered Gaussian, which sums to 0: at its centre, and at the pixels that are 1, sqrt(2) and 2 px from it.
KERNEL = (0.7102709120725929, 0.24482244469887732, -0.05386186380531712, -0.3685283089117083)
#: The fit of an amplitude and a level with the weights 1, 2, 3, 2, 1: at the centre, 1 and 2 px from it.
FIT = (0.21063411072424038, -0.0059267318992710025, -0.09939032346284918)

_CENTRE, _NEAR, _DIAGONAL, _FAR = KERNEL
_REACH = 2
_SIDE = 2 * _REACH + 1
_PIXELS = 13
#: Boxes of 5x5 around p are held with this many columns a row.
_STRIDE = 8


class _Weights(NamedTuple):
    """The weights of the pixels of a 5x5 box in each sum; 0 in further columns."""

    others: Values
    along_x: Values
    along_y: Values
    quadrant: Values


def _star_weights() -> _Weights:
    others, along_x, along_y, quadrant = np.zeros((4, _SIDE, _STRIDE))
    for y in range(_SIDE):
        for x in range(_SIDE):
            dy, dx = abs(y - _REACH), abs(x - _REACH)
            along_x[y, x] = (3 - dy) * FIT[dx]
            along_y[y, x] = (3 - dx) * FIT[dy]
            if dy or dx:
                positive = (y < _REACH and x <= _REACH) or (y > _REACH and x >= _REACH)
                others[y, x] = dy * dy + dx * dx <= _REACH * _REACH
                quadrant[y, x] = 1.0 if positive else -1.0
    return _Weights(others.ravel(), along_x.ravel(), along_y.ravel(), quadrant.ravel())


_OTHERS, _ALONG_X, _ALONG_Y, _QUADRANT = _star_weights()


@jit
def _convolve_star(core: NDArray[np.float32], peak: Peak) -> tuple[Values, Values]:
    """Return D around p, masked pixels as 0, and that convolved with the kernel."""
    top, left = peak.row - 2 * _REACH, peak.column - 2 * _REACH
    x = np.zeros((_SIDE + 2 * _REACH, _STRIDE + 2 * _REACH))
    for r in range(x.shape[0]):
        for c in range(x.shape[1]):
            pixel = core[top + r, left + c]
            if pixel == pixel:
                x[r, c] = np.float64(pixel)
    convolved = np.zeros((_SIDE, _STRIDE))
    for r in range(_SIDE):
        for c in range(_STRIDE):
            v, u = r + _REACH, c + _REACH
            near = (x[v - 1, u] + x[v + 1, u]) + (x[v, u - 1] + x[v, u + 1])
            diagonal = (x[v - 1, u - 1] + x[v - 1, u + 1]) + (x[v + 1, u - 1] + x[v + 1, u + 1])
            far = (x[v - 2, u] + x[v + 2, u]) + (x[v, u - 2] + x[v, u + 2])
            convolved[r, c] = ((_CENTRE * x[v, u] + _NEAR * near) + _DIAGONAL * diagonal) + _FAR * far
    return x[_REACH : _REACH + _SIDE, _REACH : _REACH + _STRIDE].copy().ravel(), convolved.ravel()


@jit
def daofind_features(core: NDArray[np.float32], peak: Peak, value: Values) -> None:
    """Write the group daofind."""
    pixel, convolved = _convolve_star(core, peak)
    turned = convolved * _QUADRANT
    others = lane_sum(pixel * _OTHERS) / (_PIXELS - 1)
    value[AT.sharpness] = (np.float64(peak.value) - others) / convolved[_REACH * (_STRIDE + 1)]
    value[AT.roundness1] = 2.0 * lane_sum(turned) / lane_sum(np.abs(turned))
    x, y = lane_sum(pixel * _ALONG_X), lane_sum(pixel * _ALONG_Y)
    if x > 0.0 and y > 0.0:
        value[AT.roundness2] = 2.0 * (x - y) / (x + y)
