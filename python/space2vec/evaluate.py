"""How good scores are: AUC, missed detections and false positives, with bootstrap intervals.

A missed detection is a real candidate whose score lies below the threshold; a false positive is a bogus one whose score
is at the threshold or above. A NaN score lies below every threshold: a real candidate without a score is missed, a
bogus one rejected.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.errors import ReadError
from space2vec.reading import read_labels, read_scores
from space2vec.reading.feature_table import CANDIDATE_IDS
from space2vec.stamps import NO_ID

__all__ = ["METRICS", "THRESHOLDS", "Evaluation", "Metric", "evaluate", "evaluate_files", "join", "mdr_fpr"]

#: Thresholds of the fixed working points.
THRESHOLDS: tuple[float, ...] = (0.4, 0.5, 0.6)
_MDR_TARGET = 0.04
_FPR_TARGETS = (0.01, 0.025)
#: What stands for the id of a row whose packet could not be read: such rows match nothing.
_NO_IDS = (str(NO_ID), "None", "nan", "")

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
            percent = name != "auc" and not name.startswith("sum")
            value, low, high = (
                f"{100 * v:.2f} %" if percent else f"{v:.4f}" for v in (metric.value, metric.low, metric.high)
            )
            lines.append(f"{name:<20}{value:>9}{low:>12} .. {high}")
        return "\n".join(lines)


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
    if bootstrap < 0:
        raise ValueError(f"bootstrap must not be negative; given {bootstrap}")
    members = np.arange(len(truth))
    if group is not None:
        members = np.unique(_column("group", group, len(truth)), return_inverse=True)[1]
    groups = int(members.max()) + 1
    # Only the order of scores matters, and equal scores count together: rows collapse onto distinct scores.
    filled = np.where(np.isnan(values), -np.inf, values)
    levels, level = np.unique(filled, return_inverse=True)
    whole = _curve(level, truth, np.ones(len(truth)), len(levels))
    value = _metrics(levels, *whole)
    rng = np.random.default_rng(seed)
    draws = np.full((bootstrap, len(METRICS)), np.nan)
    for k in range(bootstrap):
        times = np.bincount(rng.integers(0, groups, groups), minlength=groups).astype(np.float64)
        draws[k] = _metrics(levels, *_curve(level, truth, times[members], len(levels)))
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
    levels, level = np.unique(np.where(np.isnan(values), -np.inf, values), return_inverse=True)
    missed, passed = _rates(*_curve(level, truth, np.ones(len(truth)), len(levels)))
    scored = np.append(levels, np.inf) > -np.inf
    return np.append(levels, np.inf)[scored], missed[scored], passed[scored]


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


def _curve(level: NDArray[np.intp], truth: NDArray[np.bool_], weight: Array, count: int) -> tuple[Array, Array]:
    """Return the weight of real and of bogus rows at each distinct score."""
    real: Array = np.bincount(level, weights=weight * truth, minlength=count).astype(np.float64)
    return real, np.bincount(level, weights=weight, minlength=count).astype(np.float64) - real


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
    return [auc, *fixed, sum(fixed), float(passed[missed <= _MDR_TARGET + 1e-12].min()), *first_fpr]


def join(
    scores: str | PathLike[str], labels: str | PathLike[str]
) -> tuple[Array, NDArray[np.int8], NDArray[Any], int, int]:
    """Join a file of scores with a file of labels by candidate id.

    Parameters
    ----------
    scores : path
        Parquet or CSV with ``candidate_id`` (or ``ID``, ``candid``) and ``score``; see
        :func:`space2vec.reading.read_scores`.
    labels : path
        Parquet or CSV with an id under one of the same names, and ``label`` (1 real, 0 bogus) or ``OBJECT_TYPE``
        (0 real, 1 artifact). Rows without a label are unmatched.

    Returns
    -------
    score : ndarray of float64 (n,)
        Scores of the rows that both files have, in the order of the scores.
    label : ndarray of int8 (n,)
        Their labels.
    group : ndarray of str (n,)
        Their objects: ``object_id`` or ``objectId`` of either file, else the candidate itself.
    unmatched_scores, unmatched_labels : int
        Rows that only the one or the other file has.

    Raises
    ------
    ReadError
        If a file cannot be read, lacks a column, names a candidate twice, or the files have no candidate in common.
    """
    scored, known = read_scores(scores), read_labels(labels)
    ids, label_ids = _keys(scored.candidate_id, scores), _keys(known.candidate_id, labels)
    labelled = ~np.isnan(known.real)
    place = {key: row for row, key in enumerate(label_ids) if labelled[row] and key not in _NO_IDS}
    pairs = [(row, place[key]) for row, key in enumerate(ids) if key in place]
    if not pairs:
        alike = f"ids look like {ids[:1]} and {label_ids[:1]}"
        raise ReadError(f"{scores} and {labels} have no candidate in common; {alike}")
    left, right = np.array(pairs).T
    group: NDArray[Any] = np.array(ids, dtype=np.str_)[left]
    for objects, rows in ((scored.object_id, left), (known.object_id, right)):
        if objects is not None:
            group = objects.astype(np.str_)[rows]
    truth = known.real[right].astype(np.int8)
    return scored.score[left], truth, group, len(ids) - len(pairs), len(label_ids) - len(pairs)


def evaluate_files(
    scores: str | PathLike[str], labels: str | PathLike[str], *, bootstrap: int = 1000, seed: int = 0
) -> Evaluation:
    """Join two files by candidate id (:func:`join`) and measure; whole objects are resampled."""
    score, label, group, lonely_scores, lonely_labels = join(scores, labels)
    result = evaluate(score, label, group=group, bootstrap=bootstrap, seed=seed)
    return Evaluation(**{**vars(result), "unmatched_scores": lonely_scores, "unmatched_labels": lonely_labels})


def _keys(ids: NDArray[Any] | None, path: str | PathLike[str]) -> list[str]:
    """Return candidate ids as text; those of rows that match nothing may repeat."""
    if ids is None:
        raise ReadError(f"{path}: no column {', '.join(CANDIDATE_IDS)}: candidates are joined by it")
    keys = [str(key) for key in ids.tolist()]
    seen: set[str] = set()
    for key in keys:
        if key in seen and key not in _NO_IDS:
            raise ReadError(f"{path}: candidate {key} occurs more than once")
        seen.add(key)
    return keys
