"""Calibration by isotonic regression: scores to probabilities that never fall while scores rise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.evaluation import check_scores, evaluate
from space2vec.evaluation.metrics import Evaluation
from space2vec.evaluation.reliability import is_probability
from space2vec.model_files.calibration import MOST_KNOTS, Calibration

__all__ = ["FEW", "LEAST", "CrossCheck", "cross_check", "fit_calibration"]

#: Rows that a fit needs at least, and of each label.
LEAST, _LEAST_EACH = 20, 5
#: Rows of a label below which probabilities are coarse.
FEW = 100

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

#: The rows of a stretch whose scores its two knots stand at.
_INNER = (0.1, 0.9)
#: How much a stretch rises at most, so that it keeps the order of its scores.
_TILT = 0.01


@dataclass(frozen=True)
class CrossCheck:
    """What scores were before, and what they are by tables that were fitted on other objects, in so many folds."""

    folds: int
    before: Evaluation
    after: Evaluation

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values, for the header of a model."""
        return {
            "how": f"{self.folds}-fold cross-validation split by object",
            **{name: _figures(getattr(self, name)) for name in ("before", "after")},
        }

    def __str__(self) -> str:
        lines = [f"{self.folds}-fold cross-validation split by object: {'before':>12}{'after':>12}"]
        before, after = self.to_dict()["before"], self.to_dict()["after"]
        lines += [f"{name:<42}{before[name]:>12.4f}{after[name]:>12.4f}" for name in before]
        return "\n".join(lines)


def _figures(found: Evaluation) -> dict[str, float]:
    assert found.reliability is not None
    return {
        "brier": round(found["brier"], 6),
        "calibration error": round(found.reliability.error, 6),
        "calibration error by chance": round(found.reliability.by_chance, 6),
    }


def fit_calibration(score: ArrayLike, label: ArrayLike, *, fitted: Mapping[str, Any] | None = None) -> Calibration:
    """Fit the table that turns scores into probabilities.

    Isotonic regression (pool adjacent violators) on labels that stand a little off 0 and 1 (Platt 1999: what so many
    rows without an exception say). Stretches of few rows are joined with the next; each becomes two knots at its tenth
    and ninetieth percentile that rise by 0.02 at most, so that scores keep their order; single precision alone may make
    ties of neighbours.

    Parameters
    ----------
    score : array_like of float (n,)
        What the model gave, from 0 to 1; NaN where there is none.
    label : array_like (n,)
        1 for real, 0 for bogus. The share of real ones among them is what the probabilities hold for.
    fitted : mapping, optional
        What to say of the rows in the model file; plain JSON values.

    Returns
    -------
    Calibration

    Raises
    ------
    ValueError
        If there are fewer than 20 rows with a score, or than 5 of a label, or scores lie outside 0 to 1.
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
    x, y = _table(values, truth)
    about = {"rows": len(values), "real": real, "bogus": bogus, "how": "isotonic regression", **(fitted or {})}
    return Calibration(x, y, about)


def cross_check(
    score: ArrayLike, label: ArrayLike, *, group: ArrayLike | None = None, folds: int = 5, seed: int = 0
) -> CrossCheck | None:
    """Measure what a calibration is worth on objects that it was not fitted on.

    Parameters
    ----------
    score, label
        As for :func:`fit_calibration`.
    group : array_like (n,), optional
        What each row belongs to, such as its objectId: an object is in one fold. Rows by default.
    folds : int, optional
        How many parts the objects are put into.
    seed : int, optional
        Seed of the parting.

    Returns
    -------
    CrossCheck or None
        None where too few objects have rows of a label.

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
    for tested in _parts(truth, members, folds, seed):
        learned = ~tested
        if truth[learned].all() or not truth[learned].any():
            return None
        after[tested] = Calibration(*_table(values[learned], truth[learned]))(values[tested])
    return CrossCheck(folds, *(evaluate(given, truth, group=members, bootstrap=0) for given in (values, after)))


def _parts(truth: NDArray[np.bool_], members: NDArray[np.intp], folds: int, seed: int) -> Iterator[NDArray[np.bool_]]:
    """Yield the rows of each part: whole objects, those with real rows spread evenly."""
    real = np.bincount(members, truth) > 0
    order = np.random.default_rng(seed).permutation(len(real))
    order = order[np.argsort(real[order], kind="stable")]
    part = np.empty(len(real), dtype=np.int64)
    part[order] = np.arange(len(real)) % folds
    for number in range(folds):
        tested = part[members] == number
        if tested.any():
            yield tested


def _table(score: Array, truth: NDArray[np.bool_]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the knots of a table for rows of both labels."""
    single = score.astype(np.float32)
    levels, which = np.unique(single, return_inverse=True)
    count, real = np.bincount(which), np.bincount(which[truth], minlength=len(levels))
    highest, lowest = 1 - 1 / (real.sum() + 2), 1 / (len(truth) - real.sum() + 2)
    pooled = _pooled(real, count)
    least = max(_LEAST_EACH, math.ceil(math.sqrt(len(score)) / 2))
    while True:
        ends, shares = _joined(pooled, real, count, least)
        x, y = _knots(levels.astype(np.float64), count, ends, lowest + shares * (highest - lowest))
        if len(x) <= MOST_KNOTS:
            return tuple(x), tuple(y)
        least *= 2


def _pooled(real: Counts, count: Counts) -> list[int]:
    """Return where each stretch ends, behind its last level: adjacent ones are pooled until the share of real rises."""
    ends: list[int] = []
    reals: list[int] = []
    counts: list[int] = []
    for level, (some, rows) in enumerate(zip(real.tolist(), count.tolist(), strict=True)):
        ends.append(level + 1)
        reals.append(some)
        counts.append(rows)
        while len(ends) > 1 and reals[-2] * counts[-1] >= reals[-1] * counts[-2]:
            ends[-2:], reals[-2:], counts[-2:] = [ends[-1]], [sum(reals[-2:])], [sum(counts[-2:])]
    return ends


def _joined(pooled: list[int], real: Counts, count: Counts, least: int) -> tuple[list[int], Array]:
    """Return where each stretch ends, and its share of real rows, where each has so many rows at least."""
    below, rows = np.append(0, np.cumsum(real)), np.append(0, np.cumsum(count))
    ends, begin = [], 0
    for end in pooled:
        if rows[end] - rows[begin] >= least:
            ends.append(end)
            begin = end
    if not ends:
        ends = [len(count)]
    ends[-1] = len(count)  # what is left over belongs to the last one
    starts = [0, *ends[:-1]]
    return ends, (below[ends] - below[starts]) / (rows[ends] - rows[starts])


def _knots(levels: Array, count: Counts, ends: list[int], means: Array) -> tuple[list[float], list[float]]:
    """Return two knots a stretch, one where all its scores are equal, and one at 0 and at 1."""
    rows = np.append(0, np.cumsum(count))
    around = np.concatenate([[0.0], means, [1.0]])
    tilt = np.minimum(np.diff(around)[:-1], np.diff(around)[1:]) / 8
    x: list[float] = []
    y: list[float] = []
    begin = 0
    for end, mean, rise in zip(ends, means.tolist(), np.minimum(tilt, _TILT).tolist(), strict=True):
        inner = [rows[begin] + share * (rows[end] - rows[begin]) for share in _INNER]
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
    return x, y
