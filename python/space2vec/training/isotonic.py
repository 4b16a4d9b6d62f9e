"""Calibration by isotonic regression: a table that turns scores into probabilities and keeps their order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.evaluation import check_scores, evaluate
from space2vec.evaluation.metrics import Evaluation
from space2vec.evaluation.reliability import is_probability
from space2vec.model_files.calibration import MOST_KNOTS, Calibration

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["FEW", "LEAST", "CrossCheck", "cross_check", "fit_calibration", "pool_violators"]

#: The fewest rows that a calibration can be fitted to, and the fewest of each label.
LEAST, _LEAST_EACH = 20, 5
#: With fewer rows of a label than this, the probabilities are coarse, which the command line says.
FEW = 100

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

#: The two knots of a stretch are at these quantiles of its scores.
_KNOT_QUANTILES = (0.1, 0.9)
#: A stretch rises from this much below its probability to this much above it, so that its scores keep their order.
_TILT = 0.01


class _Stretches(NamedTuple):
    """Ranges of scores that share a probability: where each ends (exclusive, by level), and its share of real rows."""

    ends: list[int]
    real_share: Array


class _Knots(NamedTuple):
    """The knots of a table: scores that rise, and their probabilities."""

    score: tuple[float, ...]
    probability: tuple[float, ...]


@dataclass(frozen=True)
class CrossCheck:
    """The quality of scores before and after calibration, by cross-validation.

    Attributes
    ----------
    folds : int
        Number of folds. The rows of a fold are calibrated by a table that was fitted to the other folds.
    before, after : Evaluation
        The evaluation of the scores as they were, and as calibrated.
    """

    folds: int
    before: Evaluation
    after: Evaluation

    def to_dict(self) -> dict[str, Json]:
        """Return the calibration errors and Brier scores as JSON values, for the header of a model."""
        return {
            "how": f"{self.folds}-fold cross-validation split by object",
            "before": _calibration_metrics(self.before),
            "after": _calibration_metrics(self.after),
        }

    def __str__(self) -> str:
        lines = [f"{self.folds}-fold cross-validation split by object: {'before':>12}{'after':>12}"]
        before, after = self.to_dict()["before"], self.to_dict()["after"]
        lines += [f"{name:<42}{before[name]:>12.4f}{after[name]:>12.4f}" for name in before]
        return "\n".join(lines)


def _calibration_metrics(evaluation: Evaluation) -> dict[str, float]:
    """Return the metrics of an evaluation that measure calibration, rounded."""
    assert evaluation.reliability is not None
    return {
        "brier": round(evaluation["brier"], 6),
        "calibration error": round(evaluation.reliability.error, 6),
        "calibration error by chance": round(evaluation.reliability.by_chance, 6),
    }


def fit_calibration(score: ArrayLike, label: ArrayLike, *, fitted: Mapping[str, Json] | None = None) -> Calibration:
    """Fit a table that turns the scores of a model into probabilities.

    The table is an isotonic regression (pool adjacent violators). Its labels are a little more than 0 and a little less
    than 1, as Platt (1999) proposed, since finitely many rows cannot show that a probability is exactly 0 or 1.
    Stretches of few rows are joined with the next one. Each stretch becomes two knots, at the tenth and the ninetieth
    percentile of its scores, between which the probability rises by 0.02 at most; so scores keep their order, except
    that neighbours may become equal in single precision.

    Parameters
    ----------
    score : array_like of float (n,)
        The scores of the model, from 0 to 1; NaN if a row has none.
    label : array_like (n,)
        1 for real, 0 for bogus. The probabilities are right for data with the same share of real candidates.
    fitted : mapping of str to JSON values, optional
        Further entries about the rows for the header of the model file.

    Returns
    -------
    Calibration

    Raises
    ------
    ValueError
        If there are fewer than 20 rows with a score, fewer than 5 of a label, or a score is not from 0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from space2vec.training import fit_calibration
    >>> score = np.linspace(0, 1, 200)
    >>> calibration = fit_calibration(score, score > 0.5)
    >>> bool(calibration(np.array([0.9]))[0] > 0.9)
    True
    """
    values, truth = check_scores(score, label)
    known = ~np.isnan(values)
    values, truth = values[known], truth[known]
    real, bogus = int(truth.sum()), int((~truth).sum())
    if len(values) < LEAST or min(real, bogus) < _LEAST_EACH:
        raise ValueError(
            f"a calibration needs {LEAST} labelled rows with a score at least, {_LEAST_EACH} of them real and "
            f"{_LEAST_EACH} bogus; given {real} real and {bogus} bogus"
        )
    if not is_probability(values):
        raise ValueError("a calibration needs scores from 0 to 1")
    knots = _fit_knots(values, truth)
    about = {"rows": len(values), "real": real, "bogus": bogus, "how": "isotonic regression", **(fitted or {})}
    return Calibration(*knots, about)


def cross_check(
    score: ArrayLike, label: ArrayLike, *, group: ArrayLike | None = None, folds: int = 5, seed: int = 0
) -> CrossCheck | None:
    """Measure by cross-validation how much a calibration improves scores of objects that it was not fitted to.

    Parameters
    ----------
    score, label
        As for :func:`fit_calibration`.
    group : array_like (n,), optional
        The object of each row, such as its objectId: the rows of an object are in one fold. By default each row is an
        object.
    folds : int, optional
        Number of folds.
    seed : int, optional
        Seed of the division into folds.

    Returns
    -------
    CrossCheck or None
        None if so few objects have rows of a label that a fold would be calibrated by rows of the other label alone.

    Raises
    ------
    ValueError
        If lengths differ, a label is neither 0 nor 1, or there are fewer than two folds.
    """
    if folds < 2:
        raise ValueError(f"folds must be at least 2; given {folds}")
    values, truth = check_scores(score, label)
    members = np.arange(len(values)) if group is None else np.unique(np.asarray(group), return_inverse=True)[1]
    known = ~np.isnan(values)
    values, truth, members = values[known], truth[known], members[known]
    after = np.full(len(values), np.nan)
    for tested in _split(truth, members, folds, seed):
        fitted = ~tested
        if truth[fitted].all() or not truth[fitted].any():
            return None
        after[tested] = Calibration(*_fit_knots(values[fitted], truth[fitted]))(values[tested])
    return CrossCheck(folds, *(evaluate(score, truth, group=members, bootstrap=0) for score in (values, after)))


def _split(truth: NDArray[np.bool_], members: NDArray[np.intp], folds: int, seed: int) -> Iterator[NDArray[np.bool_]]:
    """Yield a mask (n,) of the rows of each fold: whole objects, with those that have real rows spread evenly."""
    real = np.bincount(members, truth) > 0
    order = np.random.default_rng(seed).permutation(len(real))
    order = order[np.argsort(real[order], kind="stable")]
    part = np.empty(len(real), dtype=np.int64)
    part[order] = np.arange(len(real)) % folds
    for number in range(folds):
        tested = part[members] == number
        if tested.any():
            yield tested


def _fit_knots(score: Array, truth: NDArray[np.bool_]) -> _Knots:
    """Fit a table to rows that have both labels."""
    single = score.astype(np.float32)
    levels, which = np.unique(single, return_inverse=True)
    count, real = np.bincount(which), np.bincount(which[truth], minlength=len(levels))
    highest, lowest = 1 - 1 / (real.sum() + 2), 1 / (len(truth) - real.sum() + 2)
    pooled = pool_violators(real, count)
    least = max(_LEAST_EACH, math.ceil(math.sqrt(len(score)) / 2))
    while True:
        stretches = _join_small_stretches(pooled, real, count, least)
        means = lowest + stretches.real_share * (highest - lowest)
        knots = _knots(levels.astype(np.float64), count, stretches.ends, means)
        if len(knots.score) <= MOST_KNOTS:
            return knots
        least *= 2


def pool_violators(real: Counts, count: Counts) -> list[int]:
    """Pool adjacent levels until the share of real rows rises from stretch to stretch; return where each one ends.

    A level is a score that occurs. `real` and `count` are the real rows and all rows of each level. A stretch ends
    before the level whose number is returned.
    """
    ends: list[int] = []
    reals: list[int] = []
    counts: list[int] = []
    for level, (real_rows, rows) in enumerate(zip(real.tolist(), count.tolist(), strict=True)):
        ends.append(level + 1)
        reals.append(real_rows)
        counts.append(rows)
        while len(ends) > 1 and reals[-2] * counts[-1] >= reals[-1] * counts[-2]:
            ends[-2:], reals[-2:], counts[-2:] = [ends[-1]], [sum(reals[-2:])], [sum(counts[-2:])]
    return ends


def _join_small_stretches(pooled: list[int], real: Counts, count: Counts, least: int) -> _Stretches:
    """Join stretches with the next one until each has at least `least` rows."""
    below, rows = np.append(0, np.cumsum(real)), np.append(0, np.cumsum(count))
    ends, begin = [], 0
    for end in pooled:
        if rows[end] - rows[begin] >= least:
            ends.append(end)
            begin = end
    if not ends:
        ends = [len(count)]
    ends[-1] = len(count)  # the last stretch takes the levels that remain
    starts = [0, *ends[:-1]]
    return _Stretches(ends, (below[ends] - below[starts]) / (rows[ends] - rows[starts]))


def _knots(levels: Array, count: Counts, ends: list[int], means: Array) -> _Knots:
    """Return the knots of a table: two for each stretch, or one if its scores are all equal, and one at 0 and at 1."""
    rows = np.append(0, np.cumsum(count))
    around = np.concatenate([[0.0], means, [1.0]])
    tilt = np.minimum(np.diff(around)[:-1], np.diff(around)[1:]) / 8
    x: list[float] = []
    y: list[float] = []
    begin = 0
    for end, mean, rise in zip(ends, means.tolist(), np.minimum(tilt, _TILT).tolist(), strict=True):
        inner = [rows[begin] + share * (rows[end] - rows[begin]) for share in _KNOT_QUANTILES]
        low, high = (int(k) for k in np.searchsorted(rows[begin + 1 : end + 1], inner) + begin)
        if low == high:
            x.append(float(levels[low]))
            y.append(mean)
        else:
            x += [float(levels[low]), float(levels[high])]
            y += [mean - rise, mean + rise]
        begin = end
    if x[0] > 0.0:
        x, y = [0.0, *x], [y[0] / 2, *y]
    if x[-1] < 1.0:
        x, y = [*x, 1.0], [*y, (1.0 + y[-1]) / 2]
    return _Knots(tuple(x), tuple(y))
