"""Learning curves: fine-tuning with few labels of a survey that the network has not seen, or training from nothing.

The network to start from is trained on simulated candidates of one survey, so that the other survey is new to it; the
packaged one has seen simulations of all three. Each seed draws other labels, of which a quarter is held out to stop the
fit and to calibrate it. All networks are measured on the same candidates, on which none was trained. The figures are
those of simulations: they compare ways of training, and promise nothing for a real survey.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from space2vec import evaluation, simulation
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.models.load import load
from space2vec.models.network import Network
from space2vec.registry import library_version
from space2vec.training import train_network
from space2vec.training.loop import FitSettings
from space2vec.training.tuning import tuning_settings

RESULTS = Path(__file__).resolve().parents[1] / "results" / "few_labels.json"
FIGURES = ("auc", "fpr at mdr 4%", "brier")
#: Seeds of the rows that are tested on and of those that the first network learns from; labels have 1000 + seed.
TEST_SEED, BASE_SEED, LABEL_SEED = 900, 700, 1000


def draw(survey: str, count: int, seed: int) -> LabelledStamps:
    """Simulate candidates of a survey, with varied seeing and depth."""
    night = simulation.simulate(count, survey=survey, seed=seed)
    return LabelledStamps(night.stamps, night.labels, night.kinds)


def measure(network: Network, test: LabelledStamps) -> dict[str, float]:
    """Return the figures of a network on the rows that are tested on."""
    measured = evaluation.evaluate(network.score(test.stamps).score, test.label, bootstrap=0)
    return {name: round(float(measured[name]), 5) for name in FIGURES}


def base_network(survey: str, rows: int, epochs: int, threads: int) -> Network:
    """Train the network to start from on simulated candidates of one survey."""
    settings = FitSettings(epochs=epochs)
    return train_network(draw(survey, rows, BASE_SEED), fit_settings=settings, threads=threads, name=f"{survey} alone")


def curves(
    start: Network, target: str, labels: list[int], seeds: list[int], test: LabelledStamps, threads: int
) -> list[dict[str, Any]]:
    """Train with each number of labels and seed, from the network and from nothing, and measure."""
    found = []
    for count in labels:
        for seed in seeds:
            few = draw(target, count, LABEL_SEED + seed)
            how = replace(tuning_settings(count), seed=seed)
            ways: dict[str, dict[str, Any]] = {
                "fine-tuned": {"start": start, "fit_settings": how},
                "fine-tuned, nothing frozen": {"start": start, "fit_settings": how, "frozen": ()},
                "from nothing": {"fit_settings": replace(how, learning_rate=FitSettings().learning_rate)},
            }
            for way, arguments in ways.items():
                figures = measure(train_network(few, threads=threads, **arguments), test)
                found.append({"labels": count, "seed": seed, "way": way, **figures})
                print(found[-1], file=sys.stderr, flush=True)
    return found


def table(results: dict[str, Any]) -> str:
    """Return the figures as lines of text: the mean over seeds, and the lowest and highest."""
    before = results["before"]["fpr at mdr 4%"]
    lines = [f"{results['base']} -> {results['target']}, FPR at MDR 4 %; before {before:.2%}"]
    for count in dict.fromkeys(row["labels"] for row in results["curves"]):
        for way in dict.fromkeys(row["way"] for row in results["curves"]):
            values = [row["fpr at mdr 4%"] for row in results["curves"] if (row["labels"], row["way"]) == (count, way)]
            lines.append(
                f"{count:>5} labels, {way:<27} {np.mean(values):7.2%}  ({min(values):.2%} .. {max(values):.2%})"
            )
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="ztf", help="survey of the network to start from, or packaged")
    parser.add_argument("--target", default="rubin", help="survey of the labels")
    parser.add_argument("--base-rows", type=int, default=6000, help="rows that the network to start from learns from")
    parser.add_argument("--base-epochs", type=int, default=24)
    parser.add_argument("--labels", type=int, nargs="+", default=[50, 200, 1000])
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds")
    parser.add_argument("--test", type=int, default=4000, help="rows to test on")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help=f"where the results go, such as {RESULTS}")
    arguments = parser.parse_args(argv)
    if arguments.base == "packaged":
        start = load("stampnet")
        assert isinstance(start, Network)
    else:
        start = base_network(arguments.base, arguments.base_rows, arguments.base_epochs, arguments.threads)
    test = draw(arguments.target, arguments.test, TEST_SEED)
    results: dict[str, Any] = {
        "benchmark": "few_labels",
        "version": library_version(),
        "base": arguments.base,
        "target": arguments.target,
        "base rows": arguments.base_rows,
        "test rows": len(test),
        "before": measure(start, test),
    }
    print(f"before: {results['before']}", file=sys.stderr, flush=True)
    seeds = list(range(arguments.seeds))
    results["curves"] = curves(start, arguments.target, arguments.labels, seeds, test, arguments.threads)
    print(table(results))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
