"""Weights as bytes: a scale an output, and rounding whose errors later weights make good."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["round_weights"]

Array = NDArray[np.float64]

_LARGEST = 127
#: Shares of the largest weight of an output that 127 may stand for.
_CLIPS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6)
#: What is added to the inputs' variance, as a share of the mean: inputs that hardly vary take no error over.
_DAMPING = 0.01


def round_weights(weight: Array, covariance: Array, least: Array | None = None) -> tuple[NDArray[np.int8], Array]:
    """Round weights so that the sums of the inputs change little (Frantar et al. 2023, arXiv:2210.17323).

    `weight` is (outputs, inputs), `covariance` (inputs, inputs) that of the inputs on calibration rows, `least`
    (outputs,) the smallest scale of each output. Returned are int8 weights from -127 to 127, and what one unit of each
    output's weights stands for (outputs,), above 0.
    """
    damping = _DAMPING * max(float(np.trace(covariance)) / len(covariance), 1e-12)
    damped = covariance + damping * np.eye(len(covariance))
    scale = _scales(weight, damped)
    if least is not None:
        scale = np.maximum(scale, least)
    # Inputs that vary most come first: the others can still make up for them.
    order = np.argsort(-np.diag(damped), kind="stable")
    # The inverse's Cholesky factor holds, row by row, how an error is spread over the inputs that follow.
    upper = np.linalg.cholesky(np.linalg.inv(damped[np.ix_(order, order)])).T
    rest = weight[:, order] / scale[:, None]
    rounded = np.empty_like(rest)
    for k in range(len(order)):
        rounded[:, k] = np.clip(np.rint(rest[:, k]), -_LARGEST, _LARGEST)
        error = (rest[:, k] - rounded[:, k]) / upper[k, k]
        rest[:, k + 1 :] -= np.outer(error, upper[k, k + 1 :])
    found = np.empty(weight.shape, dtype=np.int8)
    found[:, order] = rounded
    return found, scale


def _scales(weight: Array, covariance: Array) -> Array:
    """Return the scale of each output whose plain rounding disturbs its sums least."""
    largest = np.abs(weight).max(axis=1)
    # An output without a weight has any scale: one like those of the others.
    largest = np.where(largest > 0.0, largest, largest.max() or 1.0)
    best, found = np.full(len(weight), np.inf), largest / _LARGEST
    for share in _CLIPS:
        scale = share * largest / _LARGEST
        error = weight - np.clip(np.rint(weight / scale[:, None]), -_LARGEST, _LARGEST) * scale[:, None]
        size = np.einsum("oi,ij,oj->o", error, covariance, error, optimize=True)
        better = size < best
        best, found = np.where(better, size, best), np.where(better, scale, found)
    return found
