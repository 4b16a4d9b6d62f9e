"""AUC, missed detections and false positives of scores, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["MDR_TARGET", "METRICS", "THRESHOLDS", "Evaluation", "Metric", "Ranked", "checked", "evaluate", "mdr_fpr",
           "resamples", "written"]  # fmt: skip

#: Thresholds of the fixed working points.
THRESHOLDS: tuple[float, ...] = (0.4, 0.5, 0.6)
#: The missed detection rate at which false positives are told.
MDR_TARGET = 0.04
_FPR_TARGETS = (0.01, 0.025)

#: Names of the metrics, in the order in which they are reported.
METRICS: tuple[str, ...] = (
    "auc",
    *(f"{rate}@{threshold}" for threshold in THRESHOLDS for rate in ("fpr", "mdr")),
    "sum over .4 .5 .6",
    "fpr at mdr 4%",
    "mdr at fpr 1%",
    "mdr at fpr 2.5%",
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
        By name, see :data:`METRICS`; rates are fractions.
    real, bogus : int
        Rows of each label.
    unscored_real, unscored_bogus : int
        Rows among them whose score is NaN.
    groups : int
        Number of groups that were resampled; the number of rows where no groups were given.
    unmatched_scores, unmatched_labels : int
        Rows of a score file without a label, and of a label file without a score, where files were joined.
    """

    metrics: dict[str, Metric]
    real: int
    bogus: int
    unscored_real: int
    unscored_bogus: int
    groups: int
    bootstrap: int
    unmatched_scores: int = field(default=0)
    unmatched_labels: int = field(default=0)

    def __getitem__(self, name: str) -> float:
        """Return the value of a metric."""
        return self.metrics[name].value

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, ready for JSON."""
        counts = ("real", "bogus", "unscored_real", "unscored_bogus", "groups", "bootstrap", "unmatched_scores",
                  "unmatched_labels")  # fmt: skip
        return {
            **{name: getattr(self, name) for name in counts},
            "metrics": {name: {"value": m.value, "low": m.low, "high": m.high} for name, m in self.metrics.items()},
        }

    def __str__(self) -> str:
        unscored = f"NaN scores: {self.unscored_real} real, {self.unscored_bogus} bogus"
        lines = [f"{self.real} real, {self.bogus} bogus; {unscored}"]
        if self.unmatched_scores or self.unmatched_labels:
            lonely = f"{self.unmatched_scores} scores without a label, {self.unmatched_labels} labels without a score"
            lines.append(f"left out: {lonely}")
        lines.append(f"{'metric':<20}{'value':>9}{'95 % interval':>22}")
        for name, metric in self.metrics.items():
            value, low, high = (written(name, v) for v in (metric.value, metric.low, metric.high))
            lines.append(f"{name:<20}{value:>9}{low:>12} .. {high}")
        return "\n".join(lines)


def written(name: str, value: float) -> str:
    """Write a value of a metric: rates in per cent."""
    return f"{value:.4f}" if name == "auc" or name.startswith("sum") else f"{100 * value:.2f} %"


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
        FPR at an MDR (and MDR at an FPR) is the least that any threshold reaches without a higher MDR (FPR).

    Raises
    ------
    ValueError
        If lengths differ, a label is neither 0 nor 1, or one of the two classes is empty.
    """
    values, truth = checked(score, label)
    ranked = Ranked(values, truth)
    value = ranked.metrics(np.ones(len(truth)))
    weights, groups = resamples(len(truth), group, bootstrap, seed)
    draws = np.array([ranked.metrics(weight) for weight in weights]).reshape(bootstrap, len(METRICS))
    # A resample without a class has no metrics; the interval is that of the others.
    kept = draws[~np.isnan(draws).any(axis=1)]
    low, high = np.percentile(kept, [2.5, 97.5], axis=0) if len(kept) else np.full((2, len(METRICS)), np.nan)
    missing = np.isnan(values)
    return Evaluation(
        metrics={
            name: Metric(float(v), float(a), float(b)) for name, v, a, b in zip(METRICS, value, low, high, strict=True)
        },
        real=int(truth.sum()),
        bogus=int((~truth).sum()),
        unscored_real=int((missing & truth).sum()),
        unscored_bogus=int((missing & ~truth).sum()),
        groups=groups,
        bootstrap=bootstrap,
    )


def mdr_fpr(score: ArrayLike, label: ArrayLike) -> tuple[Array, Array, Array]:
    """Return the thresholds that matter and the MDR and FPR at each, (m,) every one, thresholds rising.

    The first threshold accepts every row that has a score, the last (infinity) none.

    Raises
    ------
    ValueError
        As :func:`evaluate`.
    """
    values, truth = checked(score, label)
    ranked = Ranked(values, truth)
    missed, passed = _rates(*ranked.curve(np.ones(len(truth))))
    thresholds = np.append(ranked.levels, np.inf)
    scored = thresholds > -np.inf
    return thresholds[scored], missed[scored], passed[scored]


def checked(score: ArrayLike, label: ArrayLike) -> tuple[Array, NDArray[np.bool_]]:
    """Return scores and which rows are real, or raise as :func:`evaluate`."""
    values = np.asarray(score, dtype=np.float64)
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
    """Scores by their order: only that matters, and equal ones count together.

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

    def curve(self, weight: Array) -> tuple[Array, Array]:
        """Return the weight of real and of bogus rows at each distinct score, of rows with weights (n,)."""
        count = len(self.levels)
        real: Array = np.bincount(self._level, weights=weight * self._truth, minlength=count).astype(np.float64)
        return real, np.bincount(self._level, weights=weight, minlength=count).astype(np.float64) - real

    def metrics(self, weight: Array) -> list[float]:
        """Return :data:`METRICS` of rows with weights (n,); NaN where a class has none."""
        return _metrics(self.levels, *self.curve(weight))


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
        members = np.unique(_column("group", group, size), return_inverse=True)[1]
    groups = int(members.max()) + 1
    rng = np.random.default_rng(seed)
    draws = (np.bincount(rng.integers(0, groups, groups), minlength=groups) for _ in range(count))
    return (times.astype(np.float64)[members] for times in draws), groups


def _rates(real: Array, bogus: Array) -> tuple[Array, Array]:
    """Return MDR and FPR for a threshold at each distinct score and one above all."""
    below_real, below_bogus = np.append(0.0, np.cumsum(real)), np.append(0.0, np.cumsum(bogus))
    return below_real / below_real[-1], 1.0 - below_bogus / below_bogus[-1]


def _metrics(levels: Array, real: Array, bogus: Array) -> list[float]:
    if real.sum() == 0.0 or bogus.sum() == 0.0:
        return [np.nan] * len(METRICS)
    missed, passed = _rates(real, bogus)
    # A bogus row below a real one counts 1, an equal one 1/2.
    beaten = np.cumsum(bogus) - 0.5 * bogus
    auc = float(real @ beaten / (real.sum() * bogus.sum()))
    fixed: list[float] = []
    for threshold in THRESHOLDS:
        k = int(np.searchsorted(levels, threshold))
        fixed += [float(passed[k]), float(missed[k])]
    # Rates are quotients of whole numbers: the slack is far below one row.
    first_fpr = [float(missed[passed <= target + 1e-12].min()) for target in _FPR_TARGETS]
    return [auc, *fixed, sum(fixed), float(passed[missed <= MDR_TARGET + 1e-12].min()), *first_fpr]
