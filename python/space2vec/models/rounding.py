"""Rounding of a layer's weights to 8-bit integers, with a scale for each output."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["round_weights"]

Array = NDArray[np.float64]

#: The largest integer weight.
_LARGEST = 127
#: The integer 127 represents the largest weight of an output times one of these; larger weights are clipped.
_CLIPS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6)
#: This share of the mean variance is added to the variance of each input. Without it, the weights of inputs that hardly
#: vary would be changed without bound to compensate errors of others.
_DAMPING = 0.01


def round_weights(weight: Array, covariance: Array, least: Array | None = None) -> tuple[NDArray[np.int8], Array]:
    """Round the weights of a linear layer so that its outputs change as little as possible.

    Weights are rounded one input after the other; the error of each is compensated by the weights that are rounded
    later (GPTQ, Frantar et al. 2023, arXiv:2210.17323).

    Parameters
    ----------
    weight : ndarray of float64 (outputs, inputs)
        The weights.
    covariance : ndarray of float64 (inputs, inputs)
        The covariance of the inputs on calibration rows.
    least : ndarray of float64 (outputs,), optional
        The smallest scale that each output may have.

    Returns
    -------
    rounded : ndarray of int8 (outputs, inputs)
        Integers from -127 to 127.
    scale : ndarray of float64 (outputs,)
        What the integer 1 represents in each output, above 0: ``rounded * scale[:, None]`` approximates `weight`.
    """
    damping = _DAMPING * max(float(np.trace(covariance)) / len(covariance), 1e-12)
    damped = covariance + damping * np.eye(len(covariance))
    scale = _scales(weight, damped)
    if least is not None:
        scale = np.maximum(scale, least)
    # Inputs that vary most are rounded first, while the most other weights can still compensate their errors.
    order = np.argsort(-np.diag(damped), kind="stable")
    # Each row of the Cholesky factor of the inverse says how an error is spread over the inputs that follow.
    upper = np.linalg.cholesky(np.linalg.inv(damped[np.ix_(order, order)])).T
    rest = weight[:, order] / scale[:, None]
    rounded = np.empty_like(rest)
    for k in range(len(order)):
        rounded[:, k] = np.clip(np.rint(rest[:, k]), -_LARGEST, _LARGEST)
        error = (rest[:, k] - rounded[:, k]) / upper[k, k]
        rest[:, k + 1 :] -= np.outer(error, upper[k, k + 1 :])
    integers = np.empty(weight.shape, dtype=np.int8)
    integers[:, order] = rounded
    return integers, scale


def _scales(weight: Array, covariance: Array) -> Array:
    """Return the scale (outputs,) with which rounding each weight to the nearest integer changes an output least."""
    largest = np.abs(weight).max(axis=1)
    # The scale of an output whose weights are all 0 does not matter; it gets one similar to the others.
    largest = np.where(largest > 0.0, largest, largest.max() or 1.0)
    least_error, best = np.full(len(weight), np.inf), largest / _LARGEST
    for share in _CLIPS:
        scale = share * largest / _LARGEST
        rest = weight - np.clip(np.rint(weight / scale[:, None]), -_LARGEST, _LARGEST) * scale[:, None]
        error = np.einsum("oi,ij,oj->o", rest, covariance, rest, optimize=True)
        better = error < least_error
        least_error, best = np.where(better, error, least_error), np.where(better, scale, best)
    return best
