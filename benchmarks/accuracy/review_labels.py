"""Fine-tuning to a survey that the network has not seen: labels that ``space2vec review`` asks for, or random ones.

As in ``few_labels.py``, whose options it shares; each seed draws other candidates to choose from. A way of choosing
sees the candidates, their scores by the network to start from, and their features, and no label before it has chosen.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.few_labels import (
    LABEL_SEED,
    POOL,
    add_options,
    begin,
    draw,
    keep,
    measure,
    table,
    tune,
    tune_with_others,
)
from space2vec import compute
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.models.network import Network
from space2vec.report.selection import most_useful

RESULTS = Path(__file__).resolve().parents[1] / "results" / "review_labels_rubin.json"
#: The set of features in which ``space2vec review`` measures how unlike candidates are.
FEATURES = "s2v"


def by_review(pool: LabelledStamps, start: Network, count: int) -> NDArray[np.intp]:
    """Choose as the review does, but by all features of the set: a review takes those that the model has measured."""
    values = compute.features(pool.stamps, set=FEATURES, threads=1).host_values()
    return most_useful(np.asarray(start.score(pool.stamps, threads=1).score, dtype=np.float32), values, count)


def by_doubt(pool: LabelledStamps, start: Network, count: int) -> NDArray[np.intp]:
    """Choose what is doubtful and unlike what was chosen before: farthest first, weighted by doubt (Gonzalez 1985)."""
    values = compute.features(pool.stamps, set=FEATURES, threads=1).host_values()
    places = np.argsort(np.argsort(values, axis=0), axis=0) / len(values)
    doubt = 1 - np.abs(2 * np.asarray(start.score(pool.stamps, threads=1).score, dtype=np.float64) - 1)
    chosen = [int(np.nanargmax(doubt))]
    distance = np.full(len(values), np.inf)
    while len(chosen) < count:
        distance = np.minimum(distance, np.sqrt(np.square(places - places[chosen[-1]]).mean(axis=1)))
        chosen.append(int(np.nanargmax(np.where(distance > 0, distance * doubt, -1.0))))
    return np.array(chosen)


def at_random(pool: LabelledStamps, start: Network, count: int) -> NDArray[np.intp]:
    """Choose the first ones: a simulated night has no order."""
    return np.arange(count)


WAYS: dict[str, Callable[[LabelledStamps, Network, int], NDArray[np.intp]]] = {
    "review": by_review,
    "random": at_random,
    "doubt": by_doubt,
}


def main(argv: list[str] | None = None) -> int:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--labels", type=int, default=200)
    parser.add_argument("--pool", type=int, default=POOL, help="candidates to choose from")
    parser.add_argument("--unlabelled", action="store_true", help="learn from the candidates that are not chosen too")
    parser.add_argument("--ways", nargs="+", choices=tuple(WAYS), default=tuple(WAYS))
    options = parser.parse_args(argv)
    start, test, results = begin("review_labels", options)
    results |= {"pool": options.pool, "unlabelled": options.unlabelled}
    known = {(row["seed"], row["way"]) for row in results.get("curves", [])}
    for seed in range(options.seeds):
        if known >= {(seed, way) for way in options.ways}:
            continue
        pool = draw(options.target, options.pool, LABEL_SEED + seed)
        for way in options.ways:
            if (seed, way) not in known:
                rows = WAYS[way](pool, start, options.labels)
                chosen, others = pool[rows], pool[np.setdiff1d(np.arange(len(pool)), rows)]
                tuned = (
                    tune_with_others(chosen, others, start, seed) if options.unlabelled else tune(chosen, start, seed)
                )
                found = {"labels": len(chosen), "seed": seed, "way": way, "real": int(chosen.label.sum())}
                keep(options.json, results, {**found, **measure(tuned, test)})
    print(table(results))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
