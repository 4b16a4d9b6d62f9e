"""The figures of ``network_worth.py``: AUC and FPR at MDR 4 % of many models on the same resamples of objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.worth_rows import SURVEYS, Rows

__all__ = ["SETS", "Scored", "compare", "join_halves"]

#: The rows and the metric of each figure: agreement with braai on alerts, accuracy on the others.
SETS = {
    "night, AUC": ("night", "auc"),
    "alerts, AUC": ("alerts", "auc"),
    "hybrid, AUC": ("hybrid", "auc"),
    "simulated, AUC": ("simulated", "auc"),
    "alerts, FPR at MDR 4 %": ("alerts", "fpr"),
    "hybrid, FPR at MDR 4 %": ("hybrid", "fpr"),
    "simulated, FPR at MDR 4 %": ("simulated", "fpr"),
}
_MISSED = 0.04


@dataclass(frozen=True)
class Part:
    """The rows of a set that one network scored; another network may have scored the rest, on another scale."""

    score: NDArray[np.float64]
    real: NDArray[np.bool_]
    group: NDArray[np.str_]


#: The parts of each set.
Scored = dict[str, list[Part]]


def join_halves(scores: Sequence[Mapping[str, NDArray[Any]]], truth: Sequence[Mapping[str, Rows]]) -> Scored:
    """Return the parts of each set from the scores of the networks of both halves.

    The alerts of both halves are one part, because the scores of both networks are probabilities. Simulated rows are a
    part for each survey and network.
    """
    found: Scored = {"alerts": [], "hybrid": [], "simulated": [], "night": []}
    alerts = [part["alerts"] for part in truth]
    score = np.concatenate([half["alerts"] for half in scores]).astype(np.float64)
    real = np.concatenate([rows.label for rows in alerts]) > 0.5
    group, kind = (np.concatenate([getattr(rows, what) for rows in alerts]) for what in ("group", "kind"))
    found["alerts"] = [Part(score, real, group)]
    here = kind == "night"
    found["night"] = [Part(score[here], real[here], group[here])]
    for half, rows in zip(scores, truth, strict=True):
        for name in ("hybrid", *SURVEYS):
            part = Part(half[name].astype(np.float64), rows[name].label > 0.5, rows[name].group)
            found["simulated" if name in SURVEYS else name].append(part)
    return found


def compare(candidates: Mapping[str, Sequence[Scored]], base: str, bootstrap: int) -> dict[str, dict[str, Any]]:
    """Return, for each model and set, the mean over seeds and parts, the value of each seed, and the paired difference.

    The difference is that to the base, with the interval that resamples of the objects give.
    """
    found: dict[str, dict[str, Any]] = {name: {} for name in candidates}
    for title, (rows, metric) in SETS.items():
        parts = candidates[base][0][rows]
        draws = [_times(part.group, bootstrap, seed) for seed, part in enumerate(parts)]
        plain = [np.ones((1, len(part.group))) for part in parts]
        value = {name: _values(seeds, rows, metric, plain)[:, 0] for name, seeds in candidates.items()}
        spread = {name: _values(seeds, rows, metric, draws).mean(axis=0) for name, seeds in candidates.items()}
        for name in candidates:
            low, high = np.percentile(spread[name] - spread[base], (2.5, 97.5))
            middle = value[name].mean() - value[base].mean()
            found[name][title] = {
                "value": round(float(value[name].mean()), 5),
                "seeds": [round(float(v), 5) for v in value[name]],
                "difference": [round(float(v), 5) for v in (middle, low, high)],
            }
    return found


def _values(seeds: Sequence[Scored], rows: str, metric: str, weights: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """Return a metric (seeds, resamples), the mean over the parts."""
    compute = _auc if metric == "auc" else _fpr
    return np.stack(
        [
            np.mean([compute(part, weight) for part, weight in zip(seed[rows], weights, strict=True)], axis=0)
            for seed in seeds
        ]
    )


def _times(group: NDArray[np.str_], count: int, seed: int) -> NDArray[np.float64]:
    """Return how often each resample of objects draws each row (count, n)."""
    names, member = np.unique(group, return_inverse=True)
    rng = np.random.default_rng(seed)
    drawn = [np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names)) for _ in range(count)]
    return np.stack(drawn)[:, member].astype(np.float64)


def _sorted(part: Part, weight: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the weights of real and bogus at each distinct score, ascending."""
    levels, place = np.unique(part.score, return_inverse=True)
    order = np.argsort(place, kind="stable")
    first = np.searchsorted(place[order], np.arange(len(levels)))
    real = np.add.reduceat((weight * part.real)[:, order], first, axis=1)
    bogus = np.add.reduceat((weight * ~part.real)[:, order], first, axis=1)
    return levels, real, bogus


def _auc(part: Part, weight: NDArray[Any]) -> NDArray[np.float64]:
    _, real, bogus = _sorted(part, weight)
    below = np.cumsum(bogus, axis=1) - 0.5 * bogus
    return np.asarray((real * below).sum(axis=1) / (real.sum(axis=1) * bogus.sum(axis=1)))


def _fpr(part: Part, weight: NDArray[Any]) -> NDArray[np.float64]:
    """Return the FPR at the highest threshold that misses at most 4 % of the real candidates."""
    _, real, bogus = _sorted(part, weight)
    missed = (np.cumsum(real, axis=1) - real) / real.sum(axis=1, keepdims=True)
    highest = (missed <= _MISSED + 1e-12).sum(axis=1) - 1
    passed = np.cumsum(bogus[:, ::-1], axis=1)[:, ::-1] / bogus.sum(axis=1, keepdims=True)
    return np.asarray(passed[np.arange(len(passed)), highest])
