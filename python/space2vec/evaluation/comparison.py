"""Compare two sets of scores of the same rows: how much they differ, and whether that may be chance."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.evaluation.curve import mdr_fpr
from space2vec.evaluation.metrics import format_metric
from space2vec.evaluation.ranking import MDR_TARGET, METRICS, SLACK, THRESHOLDS, RankedScores, check_scores
from space2vec.evaluation.resampling import interval, resamples

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["Comparison", "Difference", "Discordance", "compare", "mcnemar"]


@dataclass(frozen=True)
class Difference:
    """One metric of two models, a and b, and how much they differ.

    Attributes
    ----------
    a, b : float
        The metric of each model.
    value : float
        a minus b.
    low, high : float
        The bootstrap interval of the difference (95 %, percentiles).
    p : float
        Twice the share of resamples whose difference is 0 or has the opposite sign. One is added to both counts, so
        that p is never below 2 / (resamples + 1).
    """

    a: float
    b: float
    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Discordance:
    """Rows that only one of two models classifies correctly, with McNemar's exact test (1947, Psychometrika 12, 153).

    Attributes
    ----------
    only_a, only_b : int
        Rows that only a, or only b, classifies correctly.
    p : float
        Two-sided. The test assumes independent rows; rows of one object are not quite independent.
    """

    only_a: int
    only_b: int
    p: float


@dataclass(frozen=True)
class Comparison:
    """The differences between two sets of scores of the same rows.

    Attributes
    ----------
    differences : dict of str to Difference
        By metric, see :data:`space2vec.evaluation.METRICS`.
    decisions : dict of float to Discordance
        For each of :data:`space2vec.evaluation.THRESHOLDS`: rows that only one model puts on the correct side of it.
    passed : Discordance
        Bogus rows that only one model rejects, each model at its own threshold of MDR 4 %.
    real, bogus, groups, bootstrap : int
        As in :class:`space2vec.evaluation.Evaluation`.
    """

    differences: dict[str, Difference]
    decisions: dict[float, Discordance]
    passed: Discordance
    real: int
    bogus: int
    groups: int
    bootstrap: int

    def __getitem__(self, name: str) -> Difference:
        """Return the difference of a metric."""
        return self.differences[name]

    def to_dict(self) -> dict[str, Json]:
        """Return everything as plain values, ready for JSON."""
        plain = asdict(self)
        plain["decisions"] = {str(threshold): found for threshold, found in plain["decisions"].items()}
        return plain

    def __str__(self) -> str:
        lines = [f"{self.real} real, {self.bogus} bogus rows in common"]
        lines.append(f"{'metric':<20}{'a':>9}{'b':>9}{'a - b':>10}{'95 % interval':>24}{'p':>8}")
        for name, d in self.differences.items():
            a, b, value, low, high = (format_metric(name, v) for v in (d.a, d.b, d.value, d.low, d.high))
            lines.append(f"{name:<20}{a:>9}{b:>9}{value:>10}{low:>12} .. {high:<8}{d.p:>8.2g}")
        tests = {f"right at {threshold}": found for threshold, found in self.decisions.items()}
        tests["bogus rejected at mdr 4%"] = self.passed
        for name, found in tests.items():
            lines.append(f"{name}: a alone {found.only_a}, b alone {found.only_b} rows; McNemar p {found.p:.2g}")
        return "\n".join(lines)


def compare(
    score_a: ArrayLike,
    score_b: ArrayLike,
    label: ArrayLike,
    *,
    group: ArrayLike | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Compare two sets of scores of the same rows, on the same resamples.

    Parameters
    ----------
    score_a, score_b : array_like of float (n,)
        P(real); NaN where there is none.
    label, group, bootstrap, seed
        As for :func:`space2vec.evaluation.evaluate`; without a resample p is NaN as well.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        As :func:`space2vec.evaluation.evaluate`.
    """
    (a, truth), (b, _) = check_scores(score_a, label), check_scores(score_b, label)
    weights, groups = resamples(len(truth), group, bootstrap, seed)
    pair = RankedScores(a, truth), RankedScores(b, truth)
    each_row_once = np.ones(len(truth))
    of_a, of_b = (np.array(ranked.measure(each_row_once).values) for ranked in pair)
    both = np.array([[ranked.measure(weight).values for ranked in pair] for weight in weights])
    both = both.reshape(bootstrap, 2, len(METRICS))
    draws = both[:, 0] - both[:, 1]
    low, high = interval(draws)
    against = np.minimum((draws <= 0).sum(axis=0), (draws >= 0).sum(axis=0))
    known = (~np.isnan(draws)).sum(axis=0)
    p = np.where(known > 0, np.minimum(2 * (against + 1) / (known + 1), 1.0), np.nan)
    columns = zip(METRICS, of_a, of_b, of_a - of_b, low, high, p, strict=True)
    passes = [values >= _threshold(values, truth) for values in (a, b)]
    return Comparison(
        differences={name: Difference(*map(float, numbers)) for name, *numbers in columns},
        decisions={t: mcnemar((a >= t) == truth, (b >= t) == truth) for t in THRESHOLDS},
        passed=mcnemar(~passes[0][~truth], ~passes[1][~truth]),
        real=int(truth.sum()),
        bogus=int((~truth).sum()),
        groups=groups,
        bootstrap=bootstrap,
    )


def _threshold(score: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Return the highest threshold with an MDR of 4 % at most; minus infinity if there is none."""
    thresholds, missed, _ = mdr_fpr(score, truth)
    return float(thresholds[missed <= MDR_TARGET + SLACK].max(initial=-np.inf))


def mcnemar(right_a: ArrayLike, right_b: ArrayLike) -> Discordance:
    """Test exactly whether two classifiers are right equally often on the same rows.

    Parameters
    ----------
    right_a, right_b : array_like of bool (n,)
        Whether each classifier is right, row by row.

    Returns
    -------
    Discordance
        Under the null hypothesis each of the m rows on which only one is right is a's or b's with probability 1/2;
        ``p`` is the two-sided binomial tail.

    Raises
    ------
    ValueError
        If the lengths differ.
    """
    a, b = np.asarray(right_a, dtype=bool), np.asarray(right_b, dtype=bool)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"right_a and right_b must have one value for each row; given {a.shape} and {b.shape}")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    m, fewer = only_a + only_b, min(only_a, only_b)
    # log C(m, k) for k = 0 ... fewer, by the ratio of neighbours: the coefficients themselves overflow.
    k = np.arange(1, fewer + 1)
    log_choose = np.append(0.0, np.cumsum(np.log((m - k + 1) / k)))
    tail = float(np.exp(log_choose - m * np.log(2.0)).sum())
    return Discordance(only_a, only_b, min(2 * tail, 1.0))
