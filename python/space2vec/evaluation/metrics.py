"""Metrics of one set of scores, with bootstrap intervals and the thresholds of operating points."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from space2vec.evaluation.ranking import METRICS, OPERATING_POINTS, RankedScores, check_scores
from space2vec.evaluation.reliability import NO_PROBABILITIES, Reliability, count_outside, is_probability, reliability
from space2vec.evaluation.resampling import interval, resamples

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["Evaluation", "Metric", "evaluate", "format_metric"]


@dataclass(frozen=True)
class Metric:
    """A value and its bootstrap interval (95 %, percentiles)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Evaluation:
    """The metrics of one set of scores, and the thresholds of its operating points.

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
        The share of real rows in each tenth of the range of scores; None if a score lies outside 0 to 1, or no row has
        one.
    real, bogus : int
        Number of rows with each label.
    unscored_real, unscored_bogus : int
        Rows among them whose score is NaN.
    groups : int
        Number of groups that were resampled; the number of rows where no groups were given.
    bootstrap : int
        Number of resamples.
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

    def to_dict(self) -> dict[str, Json]:
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
    """Return a metric for JSON, which has neither infinity nor NaN; both become None."""
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
        "fpr at mdr 4%" is the lowest FPR of all thresholds whose MDR is 4 % at most, which is that of the highest such
        threshold; "mdr at fpr 1%" likewise, at the lowest threshold whose FPR is 1 % at most.

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
    ranked = RankedScores(values, truth)
    value, gaps = ranked.measure(np.ones(len(truth)))  # each row once
    at = [gap.threshold() for gap in gaps]
    weights, groups = resamples(len(truth), group, bootstrap, seed)
    drawn = (ranked.measure(weight) for weight in weights)
    rows = [(*metrics, *(gap.midpoint() for gap in between)) for metrics, between in drawn]
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
