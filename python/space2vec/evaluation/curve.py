"""The MDR-FPR curve of scores: both error rates at every threshold, and the band of its bootstrap."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from space2vec.evaluation.ranking import SLACK, Array, RankedScores, check_scores, error_rates
from space2vec.evaluation.resampling import Interval, interval, resamples

__all__ = ["Curve", "mdr_band", "mdr_fpr"]


class Curve(NamedTuple):
    """Error rates at every threshold, each (m,), in rising order of the thresholds."""

    threshold: Array
    mdr: Array
    fpr: Array


def mdr_fpr(score: ArrayLike, label: ArrayLike) -> Curve:
    """Compute the missed detection rate and the false positive rate at every threshold.

    Parameters
    ----------
    score : array_like of float (n,)
        P(real); NaN where there is none.
    label : array_like (n,)
        1 for real, 0 for bogus.

    Returns
    -------
    Curve
        ``threshold``, ``mdr`` and ``fpr``, each (m,), in rising order of the thresholds, which are the distinct scores.
        The first threshold accepts every row that has a score, the last (infinity) none.

    Raises
    ------
    ValueError
        As :func:`space2vec.evaluation.evaluate`.
    """
    values, truth = check_scores(score, label)
    ranked = RankedScores(values, truth)
    missed, passed = error_rates(*ranked.weight_at_levels(np.ones(len(truth))))
    thresholds = np.append(ranked.levels, np.inf)
    scored = thresholds > -np.inf
    return Curve(thresholds[scored], missed[scored], passed[scored])


def mdr_band(
    score: ArrayLike,
    label: ArrayLike,
    fpr: ArrayLike,
    *,
    group: ArrayLike | None = None,
    bootstrap: int = 200,
    seed: int = 0,
) -> Interval:
    """Compute the band around an MDR-FPR curve: the bootstrap interval (95 %) of the least MDR at each FPR.

    Parameters
    ----------
    score, label, group, bootstrap, seed
        As for :func:`space2vec.evaluation.evaluate`.
    fpr : array_like of float (m,)
        The FPR that is allowed at most.

    Returns
    -------
    low, high : ndarray of float64 (m,)
        NaN without resamples.

    Raises
    ------
    ValueError
        As :func:`space2vec.evaluation.evaluate`.
    """
    values, truth = check_scores(score, label)
    allowed = np.asarray(fpr, dtype=np.float64)
    ranked = RankedScores(values, truth)
    draws = []
    for weight in resamples(len(truth), group, bootstrap, seed).weights:
        real, bogus = ranked.weight_at_levels(weight)
        if real.sum() > 0.0 and bogus.sum() > 0.0:
            missed, passed = error_rates(real, bogus)
            # The first threshold at which no more pass: FPR falls as thresholds rise.
            draws.append(missed[np.searchsorted(-passed, -(allowed + SLACK))])
    return interval(np.array(draws).reshape(len(draws), len(allowed)))
