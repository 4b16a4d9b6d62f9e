"""What the network is worth a microsecond.

    python -m benchmarks.accuracy.network_worth --data FOLDER --kept FOLDER [--json FILE]

Variants of stampnet that see fewer columns, planes or views, or are narrower, are trained alike: on the same rows, with
the same course, once on each half of the objects and for each seed, and tested on the other half. Beside accuracy
stands what the whole chain takes for each. A cascade asks a network of the difference plane first, and opens the other
planes only where that one is in doubt. What is trained is kept: a run that was stopped goes on.
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

from benchmarks.accuracy.worth_cost import FIXED, INFLATE, NETWORK, Cost, measured, multiplications
from benchmarks.accuracy.worth_figures import SETS, Scored, compare, joined
from benchmarks.accuracy.worth_rows import SURVEYS, Half, Rows, halves
from benchmarks.accuracy.worth_variants import VARIANTS, kept_scores, scores_path
from benchmarks.programs import print_progress, processor, versions

#: The variant that the others are held against.
BASE = "all"
#: What cascades ask first, and then of what is in doubt.
CASCADES = {
    "the difference first": ("difference alone", "lean"),
    "the template last": ("lean, no template", "lean"),
    "the template last, without autoscan's": ("without autoscan's, no template", "without autoscan's"),
}
#: Shares of the candidates that a cascade may leave in doubt.
DOUBTS = (0.1, 0.2, 0.3, 0.4, 0.6)
EPOCHS = 10


def cascaded(
    first: Mapping[str, NDArray[Any]], second: Mapping[str, NDArray[Any]], doubt: float
) -> tuple[dict[str, NDArray[np.float32]], dict[str, float]]:
    """Return the scores of a cascade, and the share of each set that is in doubt.

    In doubt is what the first network scores between two thresholds, as far from 0.5 as leaves this share of the
    validation rows within.
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
    """Train what is not kept, measure, print a table, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--kept", type=Path, required=True, help="where rows and scores are kept, about 2 GB")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--only", nargs="+", choices=tuple(VARIANTS), default=tuple(VARIANTS), metavar="VARIANT")
    parser.add_argument("--threads", type=int, default=1, help="threads that train (default: 1)")
    parser.add_argument("--bootstrap", type=int, default=400)
    parser.add_argument("--quick", action="store_true", help="few rows and epochs: only whether it runs")
    parser.add_argument("--kept-only", action="store_true", help="train nothing: take the seeds that are kept")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    share, epochs, bootstrap = (0.02, 1, 10) if given.quick else (1.0, EPOCHS, given.bootstrap)
    both = halves(given.data, given.kept, share)
    folder = given.kept / ("scores_quick" if given.quick else "scores")
    folder.mkdir(exist_ok=True)
    names = list(dict.fromkeys([BASE, *itertools.chain(*CASCADES.values()), *given.only]))
    scores = {
        (name, seed): [kept_scores(name, both, number, seed, epochs, folder) for number in (0, 1)]
        for seed in given.seeds
        for name in names
        if not given.kept_only or all(scores_path(name, number, seed, epochs, folder).exists() for number in (0, 1))
    }
    trained = {name: [seed for seed in given.seeds if (name, seed) in scores] for name in names}
    cost = measured()
    truth = truths(both)
    candidates: dict[str, list[Scored]] = {}
    about: dict[str, dict[str, Any]] = {}
    for name in filter(trained.get, names):
        candidates[name] = [joined(scores[name, seed], truth) for seed in trained[name]]
        about[name] = {**describe(name, cost), "seeds": trained[name]}
    for (how, (first, second)), doubt in itertools.product(CASCADES.items(), DOUBTS):
        title = f"cascade, {how}, {doubt:.0%} in doubt"
        parts, shares = [], []
        both_trained = [seed for seed in trained[first] if seed in trained[second]]
        if not both_trained:
            continue
        for seed in both_trained:
            made = [cascaded(a, b, doubt) for a, b in zip(scores[first, seed], scores[second, seed], strict=True)]
            parts.append(joined([scored for scored, _ in made], truth))
            shares += [share for _, share in made]
        candidates[title] = parts
        left = {name: round(float(np.mean([share[name] for share in shares])), 4) for name in shares[0]}
        about[title] = {
            "first": first, "second": second, "in doubt": left, "seeds": both_trained,
            "microseconds": _rounded(cost.cascade(VARIANTS[first], VARIANTS[second], left["alerts"])),
        }  # fmt: skip
    figures = compare(candidates, BASE, bootstrap)
    results = {name: {**about[name], "figures": figures[name]} for name in candidates}
    show(results)
    if given.picture:
        from benchmarks.accuracy.accuracy_pictures import worth_of_microseconds

        worth_of_microseconds(results, given.picture)
    if given.json:
        record = {
            "benchmark": "network_worth",
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": processor(), "versions": versions(("numpy", "torch")),
            "seeds": given.seeds, "epochs": epochs, "rows learned": [len(Rows.read(half.learned[0])) for half in both],
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
        given.json.write_text(json.dumps(record, indent=1) + "\n")


def truths(both: Sequence[Half]) -> list[dict[str, Rows]]:
    """Return the rows of the tests of each half, without their planes."""
    found: list[dict[str, Rows]] = []
    for half in both:
        own = {name: Rows.read(path) for name, path in half.tests.items()}
        found.append(
            {
                name: replace(rows, planes=rows.planes[:, :0], features=rows.features[:, :0])
                for name, rows in own.items()
            }
        )
    return found


def describe(name: str, cost: Cost) -> dict[str, Any]:
    """Return what a variant is, and what it takes."""
    own = VARIANTS[name]
    return {
        "columns": len(own.columns), "planes": list(own.planes), "views": len(own.views), "width": list(own.width),
        "inflated": list(own.needed), "multiplications": multiplications(own),
        "microseconds": _rounded(cost.parts(own)),
    }  # fmt: skip


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in values.items()}


def show(results: Mapping[str, Any]) -> None:
    """Print a line a variant: the chain, and each set's figure with the interval of its difference to the base."""
    print(f"{'':36s}{'us':>7s}" + "".join(f"{title:>34s}" for title in SETS))
    for name, record in results.items():
        cells = []
        for title in SETS:
            own = record["figures"][title]
            low, high = own["difference"][1:]
            cells.append(f"{own['value']:.4f} ({low:+.4f} .. {high:+.4f})")
        print(f"{name:36s}{record['microseconds']['chain']:7.1f}" + "".join(f"{cell:>34s}" for cell in cells))


if __name__ == "__main__":
    assert set(SURVEYS) == {"ztf", "des", "rubin"}
    print_progress("rows and scores that are kept are taken as they are")
    main()
