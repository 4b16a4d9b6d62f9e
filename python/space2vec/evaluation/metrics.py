"""AUC, missed detections, false positives and Brier score, and the thresholds behind them, with bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.data.ids import texts_as_objects
from space2vec.data.numeric import unmasked
from space2vec.evaluation.reliability import NO_PROBABILITIES, Reliability, count_outside, is_probability, reliability

__all__ = [
    "MDR_TARGET", "METRICS", "OPERATING_POINTS", "THRESHOLDS", "Evaluation", "Metric", "Ranked", "check_scores",
    "evaluate", "format_metric", "interval", "mdr_band", "mdr_fpr", "resamples",
]  # fmt: skip

#: Thresholds of the fixed working points.
THRESHOLDS: tuple[float, ...] = (0.4, 0.5, 0.6)
#: The missed detection rate at which false positives are reported.
MDR_TARGET = 0.04
_FPR_TARGETS = (0.01, 0.025)
#: What is added to a rate, a quotient of whole numbers, before it is compared with a target: far below one row.
_SLACK = 1e-12

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

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """A value and its bootstrap interval (95 %, percentiles)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Evaluation:
    """Metrics of one set of scores.

    Attributes
    ----------
    metrics : dict of str to Metric
        By name, see :data:`METRICS`; rates are fractions. ``brier`` is the mean of (score - label) squared over the
        rows that have a score; NaN if a score lies outside 0 to 1.
    thresholds : dict of str to Metric
        The threshold of each of :data:`OPERATING_POINTS`: a row at it or above counts as real. The value is the number
        with the fewest digits between the two neighbouring scores; it is infinite, and its interval NaN, where no
        threshold reaches the point.
    reliability : Reliability or None
        What share of the rows of each tenth of the scores is real; None if a score lies outside 0 to 1, or no row has
        one.
    real, bogus : int
        Rows of each label.
    unscored_real, unscored_bogus : int
        Rows among them whose score is NaN.
    groups : int
        Number of groups that were resampled; the number of rows where no groups were given.
    unmatched_scores, unmatched_labels : int
        Rows of a score file without a label, and of a label file without a score, where files were joined.
    outside : int
        Rows whose score lies outside 0 to 1, and so is no probability.
    """

    metrics: dict[str, Metric]
    thresholds: dict[str, Metric]
    reliability: Reliability | None
    real: int
    bogus: int
    unscored_real: int
    unscored_bogus: int
    groups: int
    bootstrap: int
    unmatched_scores: int = field(default=0)
    unmatched_labels: int = field(default=0)
    outside: int = field(default=0)

    def __getitem__(self, name: str) -> float:
        """Return the value of a metric."""
        return self.metrics[name].value

    @property
    def unmatched_note(self) -> str:
        """A sentence on the rows that a join left out; empty if none was."""
        if not self.unmatched_scores and not self.unmatched_labels:
            return ""
        return (
            f"left out: {self.unmatched_scores} scores without a label, {self.unmatched_labels} labels without a score"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, ready for JSON."""
        counts = ("real", "bogus", "unscored_real", "unscored_bogus", "groups", "bootstrap", "unmatched_scores",
                  "unmatched_labels", "outside")  # fmt: skip
        return {
            **{name: getattr(self, name) for name in counts},
            "metrics": {name: _plain(metric) for name, metric in self.metrics.items()},
            "thresholds": {name: _plain(threshold) for name, threshold in self.thresholds.items()},
            "reliability": None if self.reliability is None else self.reliability.to_dict(),
        }

    def __str__(self) -> str:
        unscored = f"{self.unscored_real} real, {self.unscored_bogus} bogus"
        lines = [f"{self.real} real, {self.bogus} bogus; NaN scores: {unscored}"]
        lines += [self.unmatched_note] if self.unmatched_note else []
        if self.outside:
            lines.append(f"{self.outside} scores lie outside 0 to 1: {NO_PROBABILITIES}")
        lines.append(f"{'metric':<20}{'value':>9}{'95 % interval':>22}")
        for name, metric in self.metrics.items():
            value, low, high = (format_metric(name, v) for v in (metric.value, metric.low, metric.high))
            threshold = self.thresholds.get(name)
            at = "" if threshold is None else f"{high:<10}{_at(threshold)}"
            lines.append(f"{name:<20}{value:>9}{low:>12} .. {at or high}")
        if self.reliability is not None:
            lines.append(str(self.reliability))
        return "\n".join(lines)


def _plain(metric: Metric) -> dict[str, float | None]:
    """Return a metric for JSON, which knows neither infinity nor NaN: None where there is no threshold or interval."""
    return {name: value if math.isfinite(value) else None for name, value in vars(metric).items()}


def _at(threshold: Metric) -> str:
    """Return the threshold of an operating point as text."""
    if math.isinf(threshold.value):
        return "no threshold reaches it"
    between = "" if math.isnan(threshold.low) else f" ({threshold.low:.4g} .. {threshold.high:.4g})"
    return f"at threshold {threshold.value!r}{between}"


def format_metric(name: str, value: float) -> str:
    """Return a value of a metric as text, rates in per cent."""
    return f"{value:.4f}" if name in ("auc", "brier") or name.startswith("sum") else f"{100 * value:.2f} %"


def evaluate(
    score: ArrayLike,
    label: ArrayLike,
    *,
    group: ArrayLike | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Measure scores against labels.

    Parameters
    ----------
    score : array_like of float (n,)
        P(real); NaN where there is none.
    label : array_like (n,)
        1 for real, 0 for bogus.
    group : array_like (n,), optional
        What each row belongs to, such as its objectId: whole groups are resampled. Rows by default.
    bootstrap : int
        Number of resamples for the 95 % intervals; 0 gives NaN intervals.
    seed : int
        Seed of the resampling.

    Returns
    -------
    Evaluation
        FPR at an MDR (and MDR at an FPR) is the least that any threshold reaches without a higher MDR (FPR): the
        highest threshold with that MDR at most (the lowest with that FPR at most).

    Raises
    ------
    ValueError
        If lengths differ, a label is neither 0 nor 1, or one of the two classes is empty.

    Examples
    --------
    >>> from space2vec.evaluation import evaluate
    >>> night = s2v.simulate(100, seed=2)
    >>> scores = s2v.load("default").score(night.stamps)
    >>> found = evaluate(scores.score, night.labels, bootstrap=100)
    >>> found["auc"] > 0.9
    True
    """
    values, truth = check_scores(score, label)
    ranked = Ranked(values, truth)
    once = np.ones(len(truth))
    value, places = ranked.measure(once)
    at = [ranked.threshold(*place) for place in places]
    weights, groups = resamples(len(truth), group, bootstrap, seed)
    drawn = (ranked.measure(weight) for weight in weights)
    rows = [(*metrics, *(ranked.midpoint(*place) for place in places)) for metrics, places in drawn]
    low, high = interval(np.array(rows).reshape(bootstrap, len(METRICS) + len(OPERATING_POINTS)))
    found = [Metric(float(v), float(a), float(b)) for v, a, b in zip((*value, *at), low, high, strict=True)]
    found = [replace(m, low=np.nan, high=np.nan) if math.isinf(m.value) else m for m in found]
    missing = np.isnan(values)
    return Evaluation(
        metrics=dict(zip(METRICS, found[: len(METRICS)], strict=True)),
        thresholds=dict(zip(OPERATING_POINTS, found[len(METRICS) :], strict=True)),
        reliability=reliability(values, truth) if is_probability(values) else None,
        real=int(truth.sum()),
        bogus=int((~truth).sum()),
        unscored_real=int((missing & truth).sum()),
        unscored_bogus=int((missing & ~truth).sum()),
        groups=groups,
        bootstrap=bootstrap,
        outside=count_outside(values),
    )


def mdr_fpr(score: ArrayLike, label: ArrayLike) -> tuple[Array, Array, Array]:
    """Return the distinct thresholds, rising, and the MDR and FPR at each, all three (m,).

    The first threshold accepts every row that has a score, the last (infinity) none.

    Raises
    ------
    ValueError
        As :func:`evaluate`.
    """
    values, truth = check_scores(score, label)
    ranked = Ranked(values, truth)
    missed, passed = _rates(*ranked.curve(np.ones(len(truth))))
    thresholds = np.append(ranked.levels, np.inf)
    scored = thresholds > -np.inf
    return thresholds[scored], missed[scored], passed[scored]


def mdr_band(
    score: ArrayLike,
    label: ArrayLike,
    fpr: ArrayLike,
    *,
    group: ArrayLike | None = None,
    bootstrap: int = 200,
    seed: int = 0,
) -> tuple[Array, Array]:
    """Return the bootstrap interval (95 %, percentiles) of the least MDR at each FPR, the band around an MDR-FPR curve.

    Parameters
    ----------
    score, label, group, bootstrap, seed
        As for :func:`evaluate`.
    fpr : array_like of float (m,)
        The FPR that is allowed at most.

    Returns
    -------
    low, high : ndarray of float64 (m,)
        NaN without resamples.

    Raises
    ------
    ValueError
        As :func:`evaluate`.
    """
    values, truth = check_scores(score, label)
    allowed = np.asarray(fpr, dtype=np.float64)
    ranked = Ranked(values, truth)
    draws = []
    for weight in resamples(len(truth), group, bootstrap, seed)[0]:
        real, bogus = ranked.curve(weight)
        if real.sum() > 0.0 and bogus.sum() > 0.0:
            missed, passed = _rates(real, bogus)
            # The first threshold at which no more pass: FPR falls as thresholds rise.
            draws.append(missed[np.searchsorted(-passed, -(allowed + _SLACK))])
    return interval(np.array(draws).reshape(len(draws), len(allowed)))


def check_scores(score: ArrayLike, label: ArrayLike) -> tuple[Array, NDArray[np.bool_]]:
    """Return scores and which rows are real, or raise as :func:`evaluate`."""
    values = np.asarray(unmasked(score), dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"score must have one dimension; given shape {values.shape}")
    labels = _column("label", label, len(values))
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("label must be 1 (real) or 0 (bogus) in every row")
    truth = labels.astype(bool)
    if truth.all() or not truth.any():
        raise ValueError(f"both real and bogus rows are needed; given {int(truth.sum())} real of {len(truth)} rows")
    return values, truth


def _column(name: str, values: ArrayLike, size: int) -> NDArray[Any]:
    column = np.asarray(values)
    if column.shape != (size,):
        raise ValueError(f"{name} must have one value for each of {size} scores; given shape {column.shape}")
    return column


class Ranked:
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

    def curve(self, weight: Array) -> tuple[Array, Array]:
        """Return the weight of real and of bogus rows at each distinct score, of rows with weights (n,)."""
        count = len(self.levels)
        real: Array = np.bincount(self._level, weights=weight * self._truth, minlength=count).astype(np.float64)
        return real, np.bincount(self._level, weights=weight, minlength=count).astype(np.float64) - real

    def measure(self, weight: Array) -> tuple[list[float], list[tuple[float, float]]]:
        """Return :data:`METRICS` of rows with weights (n,), and the scores between which operating points lie.

        The threshold of each of :data:`OPERATING_POINTS` lies above the first of its two scores. Both are minus
        infinity where only a threshold reaches the point that accepts rows without a score, the second is infinity
        where only one above all scores does. All is NaN where a class has no weight.
        """
        real, bogus = self.curve(weight)
        if real.sum() == 0.0 or bogus.sum() == 0.0:
            return [np.nan] * len(METRICS), [(np.nan, np.nan)] * len(OPERATING_POINTS)
        # A bogus row below a real one counts 1, an equal one 1/2.
        auc = float(real @ (np.cumsum(bogus) - 0.5 * bogus) / (real.sum() * bogus.sum()))
        missed, passed = _rates(real, bogus)
        fixed: list[float] = []
        for threshold in THRESHOLDS:
            k = int(np.searchsorted(self.levels, threshold))
            fixed += [float(passed[k]), float(missed[k])]
        # MDR rises and FPR falls as thresholds rise.
        least_fpr = int(np.flatnonzero(missed <= MDR_TARGET + _SLACK)[-1])
        least_mdr = [int(np.flatnonzero(passed <= target + _SLACK)[0]) for target in _FPR_TARGETS]
        reached = [float(passed[least_fpr]), *(float(missed[k]) for k in least_mdr)]
        scored = float(weight @ self._scored)
        brier = np.nan if self._squared is None or scored == 0.0 else float(weight @ self._squared) / scored
        around = np.concatenate([[-np.inf], self.levels, [np.inf]])
        places = [(float(around[k]), float(around[k + 1])) for k in (least_fpr, *least_mdr)]
        return [auc, *fixed, sum(fixed), *reached, brier], places

    @staticmethod
    def midpoint(below: float, above: float) -> float:
        """Return the threshold midway between two scores; NaN where there is none."""
        # Above all scores lies 1, or what is higher; below all of them 0, or what is lower.
        low, high = max(below, min(above, 0.0)), min(above, max(below, 1.0))
        return 0.5 * (low + high) if np.isfinite((low, high)).all() else np.nan

    @staticmethod
    def threshold(below: float, above: float) -> float:
        """Return the number with the fewest digits well between two scores; infinite where there is no threshold."""
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


def resamples(size: int, group: ArrayLike | None, count: int, seed: int) -> tuple[Iterator[Array], int]:
    """Return how often each of `size` rows is drawn (size,) in each bootstrap resample of groups, and their number.

    Raises
    ------
    ValueError
        If `count` is negative, or `group` has another length.
    """
    if count < 0:
        raise ValueError(f"bootstrap must not be negative; given {count}")
    members = np.arange(size)
    if group is not None:
        members = np.unique(_column("group", texts_as_objects(group), size), return_inverse=True)[1]
    groups = int(members.max()) + 1
    rng = np.random.default_rng(seed)
    draws = (np.bincount(rng.integers(0, groups, groups), minlength=groups) for _ in range(count))
    return (times.astype(np.float64)[members] for times in draws), groups


def _rates(real: Array, bogus: Array) -> tuple[Array, Array]:
    """Return MDR and FPR for a threshold at each distinct score and one above all."""
    below_real, below_bogus = np.append(0.0, np.cumsum(real)), np.append(0.0, np.cumsum(bogus))
    return below_real / below_real[-1], 1.0 - below_bogus / below_bogus[-1]


def interval(draws: Array) -> tuple[Array, Array]:
    """Return the 2.5 and 97.5 percentiles (k,) of resampled values (n, k) without their NaN; NaN if none is left."""
    low, high = np.full((2, draws.shape[1]), np.nan)
    for k, column in enumerate(draws.T):
        known = column[~np.isnan(column)]
        if len(known):
            low[k], high[k] = np.percentile(known, [2.5, 97.5])
    return low, high
