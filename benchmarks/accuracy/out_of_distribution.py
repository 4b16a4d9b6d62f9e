"""Which cheap test tells that a model does not know a stamp? The library's flags against others, at 1 % of usual rows.

    python -m benchmarks.accuracy.out_of_distribution --data FOLDER [--model NAME|FILE] [--json FILE]

Usual rows are real ZTF alerts and simulated candidates of three surveys; half of their objects teach the tests what
is usual, the other half sets their thresholds: 1 % of it is flagged. Measured, on usual rows of the second half and
on sets that were changed (strange_sets.py): the share of rows that is flagged, and the share of the wrong scores that
is. A score is wrong if it lies on the wrong side of 0.5; only alerts that are known real or of which braai is sure
are judged.

Tests: ``doubt`` (a score near 0.5), ``columns beyond`` (how many features lie outside the range that holds all but a
thousandth of the usual ones on each side, or are missing where that is seldom), ``diagonal`` (the mean square of
features in units of their usual spread), ``features``, ``planes`` and ``vector`` (Mahalanobis distances of features,
of ten numbers that say how the planes fit together, and of the last hidden layer), ``features and planes`` (of both)
and ``flags`` (``masked_core`` or ``no_flux_scale`` of the library, whose share of usual rows is what it is).
"""

from __future__ import annotations

import argparse
import copy
import datetime
import json
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import space2vec as s2v
from benchmarks.accuracy.pixel_sets import simulated
from benchmarks.accuracy.strange_sets import changed_sets, other_cameras, plane_numbers
from benchmarks.programs import REPOSITORY, print_progress, processor, versions
from space2vec.backends import on_host
from space2vec.data import flags
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import Stamps
from space2vec.model_files.needs import Needs
from space2vec.models.network import Network
from space2vec.studies.packaged.alerts import KNOWN_REAL, SURE_BOGUS, SURE_REAL, all_alerts
from space2vec.training.dataset import split

__all__ = ["Usual", "main"]

Array = NDArray[np.float64]

RESULTS = REPOSITORY / "benchmarks" / "results" / "out_of_distribution.json"
#: The share of usual rows that is flagged.
FLAGGED = 0.01
#: The surveys that are simulated.
NAMES = ("ZTF", "DES", "Rubin")
#: The share of usual values beyond each end of a column's range, and of missing ones that is unusual.
TAIL, SELDOM = 1e-3, 0.02
#: Features further than this from the median count as this far, in units of the spread.
FAR = 8.0


class Seen:
    """What a network makes of stamps: features (n, k), the last hidden layer (n, h) and scores (n,)."""

    def __init__(self, network: Network, stamps: Stamps, threads: int = 1) -> None:
        import torch

        needs = Needs.of(network.header)
        features, vectors, kept = [], [], []
        module = network.module.eval()
        layers = list(module.head)[:-1]  # type: ignore[arg-type]
        for start in range(0, len(stamps), 1024):
            inputs = on_host().inputs(needs, stamps[start : start + 1024], threads)
            good = np.flatnonzero(inputs.scored)
            planes, columns = (torch.from_numpy(np.ascontiguousarray(array[good])) for array in inputs.arrays)
            with torch.inference_mode():
                pixels = planes.clamp(-module.reach, module.reach) if "reach" in module.settings else planes
                hidden = module.of_planes(module.pool(module.convolutions(pixels)))
                hidden = hidden + module.of_features(module.scale(columns))
                for layer in layers:
                    hidden = layer(hidden)
            features.append(columns.numpy().astype(np.float64))
            vectors.append(hidden.numpy().astype(np.float64))
            kept.append(good + start)
        self.features, self.vectors, self.rows = (np.concatenate(parts) for parts in (features, vectors, kept))
        self.planes = plane_numbers(stamps)[self.rows]
        with warnings.catch_warnings():
            # Normalised planes are told of already, by the batch: here it is asked what can be told of each row.
            warnings.simplefilter("ignore", s2v.errors.Space2vecWarning)
            scores = network.score(stamps)
        self.score, self.raised = scores.score.astype(np.float64)[self.rows], scores.flags[self.rows]

    def some(self, at: NDArray[np.intp]) -> Seen:
        """Return some of the rows, by their places among these."""
        part = copy.copy(self)
        for name, values in vars(self).items():
            setattr(part, name, values[at])
        return part

    @property
    def flagged(self) -> NDArray[np.bool_]:
        """Which rows have a flag of the library that marks stamps which models do not know."""
        return ~flags.familiar(self.raised)


class Usual:
    """What is usual, learned from rows of a network; its tests give larger numbers to stranger rows."""

    def __init__(self, seen: Seen) -> None:
        x = seen.features
        self.low, self.high = np.nanquantile(x, [TAIL, 1.0 - TAIL], axis=0)
        self.seldom = np.isnan(x).mean(axis=0) < SELDOM
        self._features, self._planes = _Scale(x), _Scale(seen.planes)
        self._of_features = _Distance(self._features(x))
        self._of_planes = _Distance(self._planes(seen.planes))
        self._of_both = _Distance(self._both(seen))
        self._of_vectors = _Distance(seen.vectors)

    def _both(self, seen: Seen) -> Array:
        return np.concatenate([self._features(seen.features), self._planes(seen.planes)], axis=1)

    def beyond(self, x: Array) -> Array:
        """Return how many columns of each row lie outside their range, or are missing where that is seldom."""
        with np.errstate(invalid="ignore"):
            outside = (x < self.low) | (x > self.high)
        return np.asarray((outside | (np.isnan(x) & self.seldom)).sum(axis=1).astype(np.float64))

    def strangeness(self, seen: Seen) -> dict[str, Array]:
        """Return the number of each test for each row (n,)."""
        doubt = 0.5 - np.abs(seen.score - 0.5)
        beyond = self.beyond(seen.features)
        return {
            "doubt": doubt,
            "columns beyond": beyond,
            "diagonal": (self._features(seen.features) ** 2).mean(axis=1),
            "features": self._of_features(self._features(seen.features)),
            "vector": self._of_vectors(seen.vectors),
            "planes": self._of_planes(self._planes(seen.planes)),
            "features and planes": self._of_both(self._both(seen)),
            "flags": seen.flagged.astype(np.float64),
        }


class _Scale:
    """Columns in units of their usual spread, far values cut off, and which of them are missing."""

    def __init__(self, x: Array) -> None:
        self.middle = np.nanmedian(x, axis=0)
        spread = 0.5 * (np.nanquantile(x, 0.84, axis=0) - np.nanquantile(x, 0.16, axis=0))
        deviation = np.nanstd(x, axis=0)
        self.spread = np.where(spread > 0.0, spread, np.where(deviation > 0.0, deviation, 1.0))
        share = np.isnan(x).mean(axis=0)
        self.told = (share > 0.0) & (share < 1.0)

    def __call__(self, x: Array) -> Array:
        """Return (n, k + j) numbers without NaN: the columns, and 1 for each missing value of j of them, else 0."""
        scaled = np.clip(np.nan_to_num((x - self.middle) / self.spread, nan=0.0), -FAR, FAR)
        return np.concatenate([scaled, np.isnan(x[:, self.told]).astype(np.float64)], axis=1)


class _Distance:
    """The Mahalanobis distance from the mean of rows (n, k), whose covariance is shrunk a little to its diagonal."""

    def __init__(self, x: Array, shrink: float = 0.05) -> None:
        self.mean = x.mean(axis=0)
        covariance = np.cov(x, rowvar=False)
        diagonal = np.diag(np.diag(covariance) + 1e-9)
        self.inverse = np.linalg.inv((1.0 - shrink) * covariance + shrink * diagonal)

    def __call__(self, x: Array) -> Array:
        away = x - self.mean
        return np.asarray(np.einsum("ij,jk,ik->i", away, self.inverse, away))


def _threshold(values: Array) -> float:
    """Return the number above which at most 1 % of usual rows lie."""
    ordered = np.sort(values)
    return float(ordered[len(ordered) - 1 - int(FLAGGED * len(ordered))])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write the record; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("SPACE2VEC_DATA", "../shared/data")))
    parser.add_argument("--model", default="stampnet")
    parser.add_argument("--simulated", type=int, default=1500, help="candidates of each survey, for either half")
    parser.add_argument("--changed", type=int, default=1500, help="candidates that are changed")
    parser.add_argument("--json", type=Path, default=RESULTS)
    arguments = parser.parse_args(argv)
    network = s2v.load(arguments.model)
    assert isinstance(network, Network)
    alerts = all_alerts(arguments.data)
    with np.errstate(invalid="ignore"):
        judged = (alerts.kind == KNOWN_REAL) | (alerts.teacher < SURE_BOGUS) | (alerts.teacher > SURE_REAL)
    halves = split(alerts.group, (0.5, 0.5), 31)
    surveys = tuple(name.lower() for name in NAMES)
    print_progress("simulating")
    made = [simulated(arguments.simulated, surveys, seed, randomise=0.3) for seed in (8100, 8200)]
    usual = Usual(Seen(network, LabelledStamps.concatenate([alerts[halves[0]], made[0]]).stamps))
    second = alerts[halves[1]]
    held = LabelledStamps.concatenate([second, made[1]])
    truth = np.concatenate([np.where(judged[halves[1]], second.label, -1), made[1].label])
    of_held = Seen(network, held.stamps)
    strange = usual.strangeness(of_held)
    limits = {name: _threshold(values) for name, values in strange.items()}
    base = held[np.flatnonzero(truth >= 0)]
    some = base[np.random.default_rng(3).permutation(len(base))[: arguments.changed]]
    sets: dict[str, tuple[Seen, NDArray[np.int_] | None]] = {
        "usual": (of_held, truth[of_held.rows]),
        "usual, real alerts": (alone := Seen(network, second.stamps), truth[: len(second)][alone.rows]),
    }
    for k, survey in enumerate(surveys):
        of_survey = np.flatnonzero(np.char.startswith(held.group.astype(str), f"simulated {survey} "))
        at = np.flatnonzero(np.isin(of_held.rows, of_survey))
        sets[f"usual, {NAMES[k]} simulated"] = of_held.some(at), truth[of_held.rows[at]]
    sets["all real alerts"] = Seen(network, alerts.stamps), None
    for name, rows in changed_sets(some):
        print_progress(name)
        seen = Seen(network, rows.stamps)
        sets[name] = seen, rows.label[seen.rows].astype(int)
    for name, stamps in other_cameras(arguments.data):
        sets[name] = Seen(network, stamps), None
    results = {}
    for name, (seen, label) in sets.items():
        known = np.zeros(len(seen.rows), dtype=bool) if label is None else label >= 0
        wrong = known & ((seen.score >= 0.5) != (np.zeros(len(known)) if label is None else label == 1))
        tests = {}
        for test, values in usual.strangeness(seen).items():
            flagged = values > limits[test]
            tests[test] = {
                "flagged": round(float(flagged.mean()), 4),
                "wrong scores flagged": round(float(flagged[wrong].mean()), 4) if wrong.any() else None,
                "wrong among the rest": round(float((wrong & ~flagged).sum() / max((known & ~flagged).sum(), 1)), 4),
            }
        share = round(float(wrong.sum() / known.sum()), 4) if known.any() else None
        raised = {
            flag: round(float((seen.raised & np.uint32(flags.bits(flag)) != 0).mean()), 4)
            for flag in flags.names(flags.UNFAMILIAR)
        }
        results[name] = {
            "rows": len(known), "judged": int(known.sum()), "wrong": share, "raised": raised, "tests": tests,
        }  # fmt: skip
        print(f"\n{name}: {len(known)} rows, wrong {share}")
        for test, found in tests.items():
            print(f"  {test:<20}{found}")
    record = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), "device": processor(),
        "versions": versions(("numpy", "torch")), "model": network.id, "flagged of usual rows": FLAGGED,
        "thresholds": limits, "results": results,
    }  # fmt: skip
    arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
