"""Models of five folds on real alerts that were changed, and on simulated candidates of the kinds that are hard.

    python -m benchmarks.accuracy.changed_alerts --data FOLDER --scores today=FOLDER hardened=FOLDER [--against today]

A change makes many rows of the few real alerts on which braai is sure or whose objects are known to be real: missing
pixels in the patterns of other alerts, wider pixels, other scales, an edge, no template. It says nothing about the
candidate, so the label stays. Each alert is scored by the model of its fold, which has not seen its object. The
simulated candidates are of other seeds than training; each fold's model scores its own. The record is a part of that of
benchmarks/accuracy/yardsticks.py, and docs/accuracy.py shows both.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.yardstick_figures import Truth
from benchmarks.accuracy.yardsticks import RESULTS, fold_models, print_part, truth_of, write_record, yardsticks
from space2vec import simulation
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import Stamps
from space2vec.models.load import Model
from space2vec.studies.object_folds import FOLDS, train_and_test_rows
from space2vec.studies.packaged.alerts import all_alerts
from space2vec.studies.packaged.learning import HARDENED
from space2vec.training.augment import Augmentation, augment
from space2vec.training.missing_pixels import gather_patterns

__all__ = ["CHANGES", "main"]

_TURNED = Augmentation(shift=0, noise=0.0, edge=0.0, blank=0.0, without_template=0.0)
#: By the title of its table, how alerts are changed.
CHANGES = {
    "turned or mirrored alerts": _TURNED,
    "alerts with missing pixels of other alerts": replace(_TURNED, masks=1.0),
    "alerts in wider pixels": replace(_TURNED, coarser=1.0),
    "alerts in another scale": replace(_TURNED, scale=1.0),
    "alerts cut off at an edge": replace(_TURNED, edge=1.0),
    "alerts without a template": replace(_TURNED, without_template=1.0),
}
#: By the title of its table: the weights of the kinds, and the share of undersampled exposures.
_NIGHTS = {"simulated candidates": (None, 0.0), "simulated candidates, hard kinds": (HARDENED.kinds(), 0.25)}
_SURVEYS = ("ztf", "des", "rubin")


def _scored(models: Sequence[Model], parts: Sequence[Stamps]) -> NDArray[np.float64]:
    """Score the stamps of each fold by its model, and join them."""
    scores = [model.score(stamps).score for model, stamps in zip(models, parts, strict=True)]
    return np.concatenate(scores).astype(np.float64)


def _changed_parts(
    folds: Sequence[LabelledStamps], how: Augmentation, repeats: int
) -> tuple[list[Stamps], NDArray[np.intp]]:
    """Return the changed stamps of each fold, and which row of all folds each was made of."""
    parts, origin, first = [], [], 0
    for number, rows in enumerate(folds):
        patterns = gather_patterns(rows.stamps)
        drawn = [augment(rows.stamps, np.random.default_rng([number, k]), how, patterns) for k in range(repeats)]
        parts.append(Stamps.concatenate(drawn))
        origin.append(np.tile(np.arange(first, first + len(rows)), repeats))
        first += len(rows)
    return parts, np.concatenate(origin)


def _simulated_parts(count: int, kinds: dict[str, float] | None, undersampled: float) -> tuple[list[Stamps], Truth]:
    """Return simulated stamps for each fold, of all surveys, and what is true of them."""
    parts, labels = [], []
    for number in range(FOLDS):
        nights = [
            simulation.simulate(
                count,
                survey=survey,
                seed=90_000 + 10 * number + k,
                randomise=0.3,
                kinds=kinds,
                undersampled=undersampled,
            )
            for k, survey in enumerate(_SURVEYS)
        ]
        parts.append(Stamps.concatenate([night.stamps for night in nights]))
        labels += [night.labels for night in nights]
    real = np.concatenate(labels).astype(bool)
    return parts, Truth(real, real, ~real, np.arange(len(real)).astype(np.str_), {})


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write the record; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("SPACE2VEC_DATA", "../shared/data")))
    parser.add_argument(
        "--scores", nargs="+", metavar="NAME=FOLDER", required=True, help="folders of fold_N.safetensors"
    )
    parser.add_argument("--against", nargs="+", default=["today"], metavar="NAME", help="rivals of the paired tests")
    parser.add_argument("--repeats", type=int, default=3, help="how often each alert is changed (default: 3)")
    parser.add_argument("--simulated", type=int, default=600, help="candidates a fold and survey (default: 600)")
    parser.add_argument("--bootstrap", type=int, default=1000)
    parser.add_argument("--title", default="changed alerts", help="the entry of the JSON file that is replaced")
    parser.add_argument("--note", default="", help="what readers of the page should know of these models")
    parser.add_argument("--json", type=Path, default=RESULTS)
    arguments = parser.parse_args(argv)
    models = {name: fold_models(Path(folder)) for name, _, folder in (one.partition("=") for one in arguments.scores)}
    alerts = all_alerts(arguments.data)
    truth = truth_of(alerts)
    usable = truth.known | truth.sure_real | truth.sure_bogus
    tests = [fold.test[usable[fold.test]] for _, fold in train_and_test_rows(alerts.group)]
    folds = [alerts[rows] for rows in tests]
    in_order = truth[np.concatenate(tests)]
    results = {}

    def measure(title: str, parts: Sequence[Stamps], true: Truth) -> None:
        scores = {name: _scored(own, parts) for name, own in models.items()}
        results[title] = yardsticks(scores, true, against=arguments.against, bootstrap=arguments.bootstrap)
        print_part(title, results[title])

    for title, how in CHANGES.items():
        parts, origin = _changed_parts(folds, how, arguments.repeats)
        measure(title, parts, replace(in_order[origin], strata={}))
    for title, (kinds, undersampled) in _NIGHTS.items():
        measure(title, *_simulated_parts(arguments.simulated, kinds, undersampled))
    write_record(arguments, {}, results)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
