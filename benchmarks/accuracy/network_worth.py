"""How much accuracy each part of the network buys for its microseconds.

    python -m benchmarks.accuracy.network_worth --data FOLDER --kept FOLDER [--json FILE]

Variants of stampnet that see fewer columns, planes or views, or are narrower, are trained in the same way: on the same
rows, with the same schedule, once on each half of the objects and for each seed, and tested on the other half. The
record holds the accuracy of each, and the time of its whole chain. A cascade asks a network of the difference plane
first, and unpacks the other planes only for candidates that this network doubts. The folder --kept holds everything
that is trained, so a stopped run continues.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.accuracy.worth_cost import FIXED, INFLATE, NETWORK, Cost, measure_cost, multiplications
from benchmarks.accuracy.worth_figures import SETS, Scored, compare, join_halves
from benchmarks.accuracy.worth_rows import SURVEYS, Half, Rows, halves
from benchmarks.accuracy.worth_variants import VARIANTS, load_or_train, scores_path
from benchmarks.programs import print_progress, processor, versions

#: The variant that the others are compared with.
BASE = "all"
#: The first network of each cascade, and the second, for candidates in doubt.
CASCADES = {
    "the difference first": ("difference alone", "lean"),
    "the template last": ("lean, no template", "lean"),
    "the template last, without autoscan's": ("without autoscan's, no template", "without autoscan's"),
}
#: Shares of the candidates that a cascade may leave in doubt.
DOUBTS = (0.1, 0.2, 0.3, 0.4, 0.6)
EPOCHS = 10


def cascade_scores(
    first: Mapping[str, NDArray[Any]], second: Mapping[str, NDArray[Any]], doubt: float
) -> tuple[dict[str, NDArray[np.float32]], dict[str, float]]:
    """Return the scores of a cascade, and the share of each set that is in doubt.

    A candidate is in doubt if the first network scores it between two thresholds. They are as far from 0.5 as puts the
    share `doubt` of the validation rows between them.
    """
    far = np.quantile(np.abs(_logit(first["validation"])), doubt)
    scores, shares = {}, {}
    for name, early in first.items():
        within = np.abs(_logit(early)) < far
        scores[name] = np.where(within, second[name], early)
        shares[name] = float(within.mean())
    return scores, shares


def _logit(score: NDArray[Any]) -> NDArray[np.float64]:
    p = np.clip(score.astype(np.float64), 1e-7, 1 - 1e-7)
    return np.asarray(np.log(p / (1.0 - p)))


def main() -> None:
    """Train the missing variants, measure all, print a table, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--kept", type=Path, required=True, help="folder that keeps rows and scores, about 2 GB")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--only", nargs="+", choices=tuple(VARIANTS), default=tuple(VARIANTS), metavar="VARIANT")
    parser.add_argument("--threads", type=int, default=1, help="threads that train (default: 1)")
    parser.add_argument("--bootstrap", type=int, default=400)
    parser.add_argument("--quick", action="store_true", help="few rows and epochs, to try the script")
    parser.add_argument("--kept-only", action="store_true", help="train nothing; use the seeds that the folder holds")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    share, epochs, bootstrap = (0.02, 1, 10) if options.quick else (1.0, EPOCHS, options.bootstrap)
    both = halves(options.data, options.kept, share)
    folder = options.kept / ("scores_quick" if options.quick else "scores")
    folder.mkdir(exist_ok=True)
    names = list(dict.fromkeys([BASE, *itertools.chain(*CASCADES.values()), *options.only]))
    scores = {
        (name, seed): [load_or_train(name, both, number, seed, epochs, folder) for number in (0, 1)]
        for seed in options.seeds
        for name in names
        if not options.kept_only or all(scores_path(name, number, seed, epochs, folder).exists() for number in (0, 1))
    }
    trained = {name: [seed for seed in options.seeds if (name, seed) in scores] for name in names}
    cost = measure_cost()
    truth = read_truth(both)
    candidates: dict[str, list[Scored]] = {}
    about: dict[str, dict[str, Any]] = {}
    for name in filter(trained.get, names):
        candidates[name] = [join_halves(scores[name, seed], truth) for seed in trained[name]]
        about[name] = {**describe(name, cost), "seeds": trained[name]}
    for (how, (first, second)), doubt in itertools.product(CASCADES.items(), DOUBTS):
        title = f"cascade, {how}, {doubt:.0%} in doubt"
        parts, shares = [], []
        both_trained = [seed for seed in trained[first] if seed in trained[second]]
        if not both_trained:
            continue
        for seed in both_trained:
            results_of_seed = [
                cascade_scores(a, b, doubt) for a, b in zip(scores[first, seed], scores[second, seed], strict=True)
            ]
            parts.append(join_halves([scored for scored, _ in results_of_seed], truth))
            shares += [share for _, share in results_of_seed]
        candidates[title] = parts
        left = {name: round(float(np.mean([share[name] for share in shares])), 4) for name in shares[0]}
        about[title] = {
            "first": first, "second": second, "in doubt": left, "seeds": both_trained,
            "microseconds": _rounded(cost.cascade(VARIANTS[first], VARIANTS[second], left["alerts"])),
        }  # fmt: skip
    figures = compare(candidates, BASE, bootstrap)
    results = {name: {**about[name], "figures": figures[name]} for name in candidates}
    print_table(results)
    if options.picture:
        from benchmarks.accuracy.accuracy_pictures import worth_of_microseconds

        worth_of_microseconds(results, options.picture)
    if options.json:
        record = {
            "benchmark": "network_worth",
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": processor(), "versions": versions(("numpy", "torch")),
            "seeds": options.seeds, "epochs": epochs,
            "rows learned": [len(Rows.read(half.learned[0])) for half in both],
            "labels": "alerts, night: braai above 0.5, which is agreement; hybrid, simulated: the truth",
            "interval": f"2.5 and 97.5 % of {bootstrap} resamples of objects, the mean over the seeds",
            "microseconds": {
                "reading": f"{FIXED:g}, and {INFLATE:g} a plane that is inflated: Zen 4, one core, other runs",
                "features and planes": "the kernels, v4, lowest of many rounds on this machine",
                "network": f"{NETWORK:g} for a million multiplications, in integers",
                "stages": _rounded(cost.stage), "a plane in a view": [round(value, 2) for value in cost.view],
            },
            "results": results,
        }  # fmt: skip
        options.json.write_text(json.dumps(record, indent=1) + "\n")


def read_truth(both: Sequence[Half]) -> list[dict[str, Rows]]:
    """Return the rows of the tests of each half, without their planes."""
    found: list[dict[str, Rows]] = []
    for half in both:
        tests = {name: Rows.read(path) for name, path in half.tests.items()}
        found.append(
            {
                name: replace(rows, planes=rows.planes[:, :0], features=rows.features[:, :0])
                for name, rows in tests.items()
            }
        )
    return found


def describe(name: str, cost: Cost) -> dict[str, Any]:
    """Return the inputs, the size and the microseconds of a variant."""
    variant = VARIANTS[name]
    return {
        "columns": len(variant.columns), "planes": list(variant.planes), "views": len(variant.views),
        "width": list(variant.width),
        "inflated": list(variant.needed), "multiplications": multiplications(variant),
        "microseconds": _rounded(cost.parts(variant)),
    }  # fmt: skip


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in values.items()}


def print_table(results: Mapping[str, Any]) -> None:
    """Print a line a variant: the time of the chain, and each figure with the interval of its difference."""
    print(f"{'':36s}{'us':>7s}" + "".join(f"{title:>34s}" for title in SETS))
    for name, record in results.items():
        cells = []
        for title in SETS:
            figure = record["figures"][title]
            low, high = figure["difference"][1:]
            cells.append(f"{figure['value']:.4f} ({low:+.4f} .. {high:+.4f})")
        print(f"{name:36s}{record['microseconds']['chain']:7.1f}" + "".join(f"{cell:>34s}" for cell in cells))


if __name__ == "__main__":
    assert set(SURVEYS) == {"ztf", "des", "rubin"}
    print_progress("rows and scores in the folder are used as they are")
    main()
