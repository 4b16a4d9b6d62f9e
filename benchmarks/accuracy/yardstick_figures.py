"""The figures of the yardsticks: error rates at thresholds that each bootstrap resample sets anew, and by stratum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from space2vec.evaluation.ranking import MDR_TARGET, SLACK
from space2vec.evaluation.resampling import interval, resamples

__all__ = ["AGREEMENT", "ERRORS", "FEWEST", "PASS", "FigureRecord", "Truth", "figures", "measure", "paired"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: The FPR, against sure bogus, of the threshold that known real candidates have to pass.
FPR_TARGET = 0.025
#: A stratum with fewer rows of a class has no figure of that class.
FEWEST = 5
PASS = "known real that pass at FPR 2.5 %"
ERRORS = "FPR at MDR 4 % where braai is sure"
AGREEMENT = "AUC where braai is sure"


class FigureRecord(TypedDict):
    """A figure with its 95 % interval, and the rows of each class behind it; None where there are too few.

    Resamples of a share that is 0 or 1 are all alike. Its interval is then the exact one of a binomial share of as many
    objects: 0 of 141 allow 2.6 %.
    """

    value: float | None
    low: float | None
    high: float | None
    real: int
    bogus: int


@dataclass(frozen=True)
class Truth:
    """What is held against the scores of n alerts.

    Attributes
    ----------
    known : ndarray of bool (n,)
        The object is known to be real.
    sure_real, sure_bogus : ndarray of bool (n,)
        The teacher is sure. No sure bogus is known to be real.
    group : ndarray of str (n,)
        The object of each alert; whole objects are resampled.
    strata : dict of str to ndarray of bool (n,)
        Rows of each stratum.
    """

    known: Mask
    sure_real: Mask
    sure_bogus: Mask
    group: NDArray[np.str_]
    strata: Mapping[str, Mask]

    def __len__(self) -> int:
        return len(self.known)

    def __getitem__(self, rows: NDArray[np.intp] | Mask) -> Truth:
        """Select rows."""
        parts = (part[rows] for part in (self.known, self.sure_real, self.sure_bogus, self.group))
        return Truth(*parts, {name: here[rows] for name, here in self.strata.items()})


def _levels_below(level: NDArray[np.intp], count: int, weights: Array) -> Array:
    """Return, for each resample, the share of the weight below each of the levels and above all: (resamples, count+1).

    NaN where a resample has no weight.
    """
    at = np.zeros((len(weights), count))
    order = np.argsort(level, kind="stable")
    first = np.flatnonzero(np.diff(level[order], prepend=-1))
    if len(order):
        at[:, level[order][first]] = np.add.reduceat(weights[:, order], first, axis=1)
    below = np.concatenate([np.zeros((len(weights), 1)), np.cumsum(at, axis=1)], axis=1)
    total = below[:, -1:]
    return np.divide(below, total, out=np.full_like(below, np.nan), where=total > 0.0)


def figures(score: Array, truth: Truth, weights: Array) -> dict[str, Array]:
    """Compute every figure for every weighting of the rows.

    Parameters
    ----------
    score : ndarray (n,)
        P(real); a row without a score (NaN) lies below every other.
    truth : Truth
        What is known of the rows.
    weights : ndarray (resamples, n)
        How often each resample drew each row.

    Returns
    -------
    dict of str to ndarray (resamples,)
        By name; NaN where a resample has no row of a class. In a stratum the thresholds are those of all rows.
    """
    levels, level = np.unique(np.where(np.isnan(score), -np.inf, score), return_inverse=True)
    count = len(levels)
    known, real, bogus = truth.known, truth.sure_real, truth.sure_bogus
    below_bogus = _levels_below(level[bogus], count, weights[:, bogus])
    below_real = _levels_below(level[real], count, weights[:, real])
    passed = 1.0 - below_bogus
    # The lowest threshold that few enough bogus rows pass, and the highest that few enough real rows miss.
    strict = np.argmax(passed <= FPR_TARGET + SLACK, axis=1)
    allowed = below_real <= MDR_TARGET + SLACK
    loose = count - np.argmax(allowed[:, ::-1], axis=1)
    void = np.isnan(below_bogus[:, 0]) | np.isnan(below_real[:, 0])
    rows = np.arange(len(weights))
    found = {PASS: _share(level[known], strict, weights[:, known])}
    found[ERRORS] = passed[rows, loose]
    # A bogus row below a real one counts 1, one at the same score 1/2.
    real_at = np.diff(below_real, axis=1)
    found[AGREEMENT] = (real_at * 0.5 * (below_bogus[:, :-1] + below_bogus[:, 1:])).sum(axis=1)
    for name, here in truth.strata.items():
        for figure, of, threshold in (
            ("FPR", bogus & here, loose),
            ("MDR", real & here, loose),
            ("known real that pass", known & here, strict),
        ):
            share = _share(level[of], threshold, weights[:, of])
            if figure == "MDR":
                share = 1.0 - share
            found[f"{figure}: {name}"] = share if of.sum() >= FEWEST else np.full(len(weights), np.nan)
    for values in found.values():
        values[void] = np.nan
    return found


def _share(level: NDArray[np.intp], threshold: NDArray[np.intp], weights: Array) -> Array:
    """Return the share of the weight (resamples, rows) at or above the threshold of each resample."""
    total = weights.sum(axis=1)
    passing = np.einsum("ij,ij->i", weights, level[None, :] >= threshold[:, None], dtype=np.float64)
    return np.divide(passing, total, out=np.full(len(weights), np.nan), where=total > 0.0)


def _draws(truth: Truth, bootstrap: int, seed: int) -> Array:
    """Return weights (1 + bootstrap, n): each row once, then the resamples of objects."""
    drawn = list(resamples(len(truth), truth.group, bootstrap, seed).weights)
    return np.stack([np.ones(len(truth)), *drawn])


def _classes(truth: Truth, figure: str) -> tuple[Mask, Mask]:
    """Return which real and bogus rows stand behind a figure."""
    here = truth.strata.get(figure.partition(": ")[2], np.ones(len(truth), dtype=bool))
    of_known, of_bogus = figure.startswith("known"), figure.startswith("FPR: ")
    whole = figure in (PASS, ERRORS, AGREEMENT)
    real = (truth.known if of_known else truth.sure_real) & here & (not of_bogus)
    return real, truth.sure_bogus & here & (of_bogus or whole)


def _widened(figure: str, values: Array, low: float, high: float, truth: Truth) -> tuple[float, float]:
    """Return the interval of a figure; that of a share of which no resample differs is the exact one of its objects."""
    if figure == AGREEMENT or values[0] not in (0.0, 1.0):
        return low, high
    of_real, of_bogus = _classes(truth, figure)
    objects = len(np.unique(truth.group[of_bogus if figure == ERRORS or not of_real.any() else of_real]))
    rest = 0.025 ** (1.0 / objects)
    return (low, max(high, 1.0 - rest)) if values[0] == 0.0 else (min(low, rest), high)


def measure(
    scores: Mapping[str, Array], truth: Truth, *, bootstrap: int = 2000, seed: int = 0
) -> dict[str, dict[str, FigureRecord]]:
    """Measure models on the same alerts and the same resamples of objects.

    Returns
    -------
    dict of str to dict of str to FigureRecord
        By model, then by figure.

    Raises
    ------
    ValueError
        If no row is known to be real, or there are no sure ones of a class.
    """
    for name, mask in (("known real", truth.known), ("sure real", truth.sure_real), ("sure bogus", truth.sure_bogus)):
        if not mask.any():
            raise ValueError(f"none of the {len(truth)} alerts is {name}: there is nothing to measure")
    weights = _draws(truth, bootstrap, seed)
    result: dict[str, dict[str, FigureRecord]] = {}
    for model, score in scores.items():
        found = figures(np.asarray(score, dtype=np.float64), truth, weights)
        ends = zip(*interval(np.stack([values[1:] for values in found.values()], axis=1)), strict=True)
        result[model] = {}
        for (name, values), (low, high) in zip(found.items(), ends, strict=True):
            low, high = _widened(name, values, float(low), float(high), truth)
            real, bogus = (int(rows.sum()) for rows in _classes(truth, name))
            result[model][name] = FigureRecord(
                value=_plain(values[0]), low=_plain(low), high=_plain(high), real=real, bogus=bogus
            )
    return result


def paired(a: Array, b: Array, truth: Truth, *, bootstrap: int = 2000, seed: int = 0) -> dict[str, dict[str, float]]:
    """Return, by figure, how much model a exceeds model b, with the interval and p of the paired resamples.

    ``p`` is twice the share of resamples whose difference is 0 or has the opposite sign, one added to both counts, as
    in :func:`space2vec.evaluation.compare`. Figures that either model lacks are left out.
    """
    weights = _draws(truth, bootstrap, seed)
    of_a, of_b = (figures(np.asarray(score, dtype=np.float64), truth, weights) for score in (a, b))
    found = {}
    for name in of_a:
        difference = of_a[name] - of_b[name]
        drawn = difference[1:][np.isfinite(difference[1:])]
        if not np.isfinite(difference[0]):
            continue
        low, high = interval(drawn[:, None])
        against = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
        p = min(2.0 * (against + 1) / (len(drawn) + 1), 1.0)
        found[name] = {"value": float(difference[0]), "low": float(low[0]), "high": float(high[0]), "p": p}
    return found


def _plain(value: float) -> float | None:
    return round(float(value), 5) if np.isfinite(value) else None
