"""Scores in order with their labels, and the metrics of any weighting of the rows: AUC, MDR, FPR and Brier score."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.data.numeric import masked_to_nan
from space2vec.evaluation.reliability import is_probability

__all__ = [
    "MDR_TARGET", "METRICS", "OPERATING_POINTS", "SLACK", "THRESHOLDS", "Array", "ErrorRates", "Gap", "LabelledScores",
    "LevelWeights", "Measurement", "RankedScores", "check_scores", "column_of", "error_rates",
]  # fmt: skip

Array = NDArray[np.float64]

#: Thresholds of the fixed working points.
THRESHOLDS: tuple[float, ...] = (0.4, 0.5, 0.6)
#: The missed detection rate at which false positives are reported.
MDR_TARGET = 0.04
_FPR_TARGETS = (0.01, 0.025)
#: A rate that is a rounding error above a target still reaches it: the slack is far less than one row.
SLACK = 1e-12

#: The metrics that have a threshold of their own.
OPERATING_POINTS: tuple[str, ...] = ("fpr at mdr 4%", "mdr at fpr 1%", "mdr at fpr 2.5%")

#: Names of the metrics, in the order in which they are reported.
METRICS: tuple[str, ...] = (
    "auc",
    *(f"{rate}@{threshold}" for threshold in THRESHOLDS for rate in ("fpr", "mdr")),
    "sum over .4 .5 .6",
    *OPERATING_POINTS,
    "brier",
)


class LabelledScores(NamedTuple):
    """Scores (n,), NaN where a row has none, and which rows are real (n,)."""

    values: Array
    real: NDArray[np.bool_]


def check_scores(score: ArrayLike, label: ArrayLike) -> LabelledScores:
    """Turn scores and labels into arrays that can be measured.

    Parameters
    ----------
    score : array_like of float (n,)
        P(real); NaN, or masked, where there is none.
    label : array_like (n,)
        1 for real, 0 for bogus.

    Raises
    ------
    ValueError
        If lengths differ, a label is neither 0 nor 1, or one of the two classes is empty.
    """
    values = np.asarray(masked_to_nan(score), dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"score must have one dimension; given shape {values.shape}")
    labels = column_of("label", label, len(values))
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("label must be 1 (real) or 0 (bogus) in every row")
    truth = labels.astype(bool)
    if truth.all() or not truth.any():
        raise ValueError(f"both real and bogus rows are needed; given {int(truth.sum())} real of {len(truth)} rows")
    return LabelledScores(values, truth)


def column_of(name: str, values: ArrayLike, size: int) -> NDArray[np.generic]:
    """Return one value for each of `size` scores as an array (size,) of any type; another shape is an error."""
    column = np.asarray(values)
    if column.shape != (size,):
        raise ValueError(f"{name} must have one value for each of {size} scores; given shape {column.shape}")
    return column


class LevelWeights(NamedTuple):
    """The weight of the real and of the bogus rows at each distinct score, both (levels,)."""

    real: Array
    bogus: Array


class ErrorRates(NamedTuple):
    """MDR and FPR for a threshold at each distinct score, and for one above all scores, both (levels + 1,)."""

    missed: Array
    passed: Array


def error_rates(real: Array, bogus: Array) -> ErrorRates:
    """Compute MDR and FPR at every threshold from the weights at each distinct score (levels,)."""
    below_real, below_bogus = np.append(0.0, np.cumsum(real)), np.append(0.0, np.cumsum(bogus))
    return ErrorRates(below_real / below_real[-1], 1.0 - below_bogus / below_bogus[-1])


class Gap(NamedTuple):
    """The two neighbouring scores between which the threshold of an operating point lies.

    Both are minus infinity where only a threshold that also accepts rows without a score reaches the point; `above` is
    infinity where only a threshold above all scores does. Both are NaN where there is nothing to measure.
    """

    below: float
    above: float

    def midpoint(self) -> float:
        """Return the threshold midway in the gap; NaN if there is no gap."""
        below, above = self
        # The upper neighbour of the highest score is 1, or higher; the lower neighbour of the lowest is 0, or lower.
        low, high = max(below, min(above, 0.0)), min(above, max(below, 1.0))
        return 0.5 * (low + high) if np.isfinite((low, high)).all() else np.nan

    def threshold(self) -> float:
        """Return the number with the fewest digits well within the gap; infinite if there is no threshold."""
        below, above = self
        if above == -np.inf:
            return -np.inf
        if below == -np.inf:
            return min(above, 0.0)
        high = min(above, max(below, 1.0))
        if high == below:
            return np.inf
        # In the middle half, so that it parts the scores in single precision and as decimal text too.
        middle, quarter = 0.5 * (below + high), 0.25 * (high - below)
        rounded = (round(middle, digits) for digits in range(1, 17))
        return next((t for t in rounded if abs(t - middle) <= quarter), middle)


class Measurement(NamedTuple):
    """The metrics of one weighting of the rows.

    Attributes
    ----------
    values : list of float
        In the order of :data:`METRICS`.
    gaps : list of Gap
        Where the threshold of each of :data:`OPERATING_POINTS` lies.
    """

    values: list[float]
    gaps: list[Gap]


class RankedScores:
    """Sorted scores with their labels; equal scores form one level.

    Parameters
    ----------
    score : ndarray of float64 (n,)
        NaN, below every threshold, counts as minus infinity.
    truth : ndarray of bool (n,)
        Which rows are real.
    """

    def __init__(self, score: Array, truth: NDArray[np.bool_]) -> None:
        self.levels, self._level = np.unique(np.where(np.isnan(score), -np.inf, score), return_inverse=True)
        self._truth = truth
        self._scored = (~np.isnan(score)).astype(np.float64)
        self._squared = np.where(np.isnan(score), 0.0, score - truth) ** 2 if is_probability(score) else None

    def weight_at_levels(self, weight: Array) -> LevelWeights:
        """Sum the weights (n,) of the rows at each distinct score, real and bogus rows apart."""
        count = len(self.levels)
        real: Array = np.bincount(self._level, weights=weight * self._truth, minlength=count).astype(np.float64)
        return LevelWeights(real, np.bincount(self._level, weights=weight, minlength=count).astype(np.float64) - real)

    def measure(self, weight: Array) -> Measurement:
        """Compute the metrics and the gaps of the operating points, of rows with weights (n,).

        A weight is how often a resample drew the row. All numbers are NaN where a class has no weight.
        """
        real, bogus = self.weight_at_levels(weight)
        if real.sum() == 0.0 or bogus.sum() == 0.0:
            return Measurement([np.nan] * len(METRICS), [Gap(np.nan, np.nan)] * len(OPERATING_POINTS))
        # A bogus row below a real one counts 1, an equal one 1/2.
        auc = float(real @ (np.cumsum(bogus) - 0.5 * bogus) / (real.sum() * bogus.sum()))
        missed, passed = error_rates(real, bogus)
        fixed: list[float] = []
        for threshold in THRESHOLDS:
            k = int(np.searchsorted(self.levels, threshold))
            fixed += [float(passed[k]), float(missed[k])]
        # MDR rises and FPR falls as thresholds rise.
        least_fpr = int(np.flatnonzero(missed <= MDR_TARGET + SLACK)[-1])
        least_mdr = [int(np.flatnonzero(passed <= target + SLACK)[0]) for target in _FPR_TARGETS]
        reached = [float(passed[least_fpr]), *(float(missed[k]) for k in least_mdr)]
        scored = float(weight @ self._scored)
        brier = np.nan if self._squared is None or scored == 0.0 else float(weight @ self._squared) / scored
        around = np.concatenate([[-np.inf], self.levels, [np.inf]])
        gaps = [Gap(float(around[k]), float(around[k + 1])) for k in (least_fpr, *least_mdr)]
        return Measurement([auc, *fixed, sum(fixed), *reached, brier], gaps)
