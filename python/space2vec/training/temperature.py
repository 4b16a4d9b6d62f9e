"""The temperature that turns logits into probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["best_temperature"]

#: What is tried for the logarithm of the temperature.
_LOGS = np.linspace(np.log(0.2), np.log(5.0), 321)


def best_temperature(logit: ArrayLike, target: ArrayLike, weight: ArrayLike) -> float:
    """Return the T for which sigmoid(logit / T) has the lowest cross-entropy (Guo et al. 2017, arXiv:1706.04599).

    Parameters
    ----------
    logit : array_like (n,)
        What a network gave for rows that it has not learned from.
    target : array_like (n,)
        The probability that each is real.
    weight : array_like (n,)
        How much each counts.

    Returns
    -------
    float
        Between 0.2 and 5, to 1 %.
    """
    z, y, w = (np.asarray(values, dtype=np.float64) for values in (logit, target, weight))
    losses = [float(w @ (np.logaddexp(0.0, z / t) - y * (z / t))) for t in np.exp(_LOGS)]
    return round(float(np.exp(_LOGS[int(np.argmin(losses))])), 4)
