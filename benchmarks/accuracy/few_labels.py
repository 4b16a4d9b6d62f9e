"""Learning curves: fine-tuning with few labels of a survey that the network has not seen, or training from nothing.

The network to start from is trained on simulated candidates of one survey, so that the other survey is new to it; the
packaged one has seen simulations of all three. Each seed draws other candidates, of which the first are labelled. All
networks are measured on the same candidates, on which none was trained. The figures are those of simulations: they
compare ways of training, and promise nothing for a real survey. ``--json`` keeps each figure as it is measured, and a
run goes on after those that the file has.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from space2vec import compute, evaluation, simulation
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.models.forest import Forest
from space2vec.models.load import load
from space2vec.models.network import Network
from space2vec.registry import library_version
from space2vec.training import train_forest, train_network, tune_forest
from space2vec.training.loop import FitSettings
from space2vec.training.tuning import tuning_settings

RESULTS = Path(__file__).resolve().parents[1] / "results" / "few_labels_rubin.json"
FPR = "fpr at mdr 4%"
FIGURES = ("auc", FPR)
#: Seeds of the rows that are tested on and of those that the first network learns from; labels have 1000 + seed.
TEST_SEED, BASE_SEED, LABEL_SEED = 900, 700, 1000


#: Candidates that are drawn for each seed; the first of them are labelled.
POOL = 1000


def draw(survey: str, count: int, seed: int) -> LabelledStamps:
    """Simulate candidates of a survey, with varied seeing and depth."""
    night = simulation.simulate(count, survey=survey, seed=seed)
    return LabelledStamps(night.stamps, night.labels, night.kinds)


def measure(model: Network | Forest, test: LabelledStamps) -> dict[str, float]:
    """Return the figures of a model on the rows that are tested on."""
    measured = evaluation.evaluate(model.score(test.stamps, threads=1).score, test.label, bootstrap=0)
    return {name: round(float(measured[name]), 5) for name in FIGURES}


def first_network(options: argparse.Namespace) -> Network:
    """Load the network to start from, or train it on simulated candidates of one survey."""
    if options.base not in simulation.SURVEYS:
        network = load(options.base)
        assert isinstance(network, Network)
        return network
    rows = draw(options.base, options.base_rows, BASE_SEED)
    settings = FitSettings(epochs=options.base_epochs)
    return train_network(rows, fit_settings=settings, threads=1, name=f"{options.base} alone")


def tune(few: LabelledStamps, start: Network, seed: int, **how: Any) -> Network:
    """Fine-tune by the default settings, without the networks that calibrate, which change no order of scores."""
    return train_network(
        few, start=start, fit_settings=replace(tuning_settings(len(few)), seed=seed), threads=1, folds=0, **how
    )


def tune_with_others(few: LabelledStamps, others: LabelledStamps, start: Network, seed: int) -> Network:
    """Fine-tune on labels and on what the network that they give says of candidates without labels."""
    how = replace(tuning_settings(len(few) + len(others)), seed=seed)
    return train_network(few, start=start, unlabelled=others.stamps, fit_settings=how, threads=1, folds=0)


def from_nothing(few: LabelledStamps, seed: int) -> Network:
    """Train from random weights, with the epochs and small batches that suit few rows, on all of them."""
    how = replace(tuning_settings(len(few)), seed=seed, learning_rate=FitSettings().learning_rate)
    return train_network(few, fit_settings=how, threads=1, folds=0)


def forest_from_nothing(few: LabelledStamps, seed: int) -> Forest:
    """Train a forest on the columns of the packaged one."""
    names = load("forest").feature_names
    return train_forest(_columns(few, names), few.label, names, imputation="none", seed=seed, n_jobs=1)


def tuned_forest(few: LabelledStamps, seed: int) -> Forest:
    """Begin with the packaged forest, which was trained on ZTF alone."""
    start = load("forest")
    assert isinstance(start, Forest)
    return tune_forest(start, _columns(few, start.feature_names), few.label, seed=seed, n_jobs=1)


def _columns(few: LabelledStamps, names: tuple[str, ...]) -> NDArray[np.float32]:
    return compute.features(few.stamps, set="all", threads=1).select(names)


def curves(
    start: Network, target: str, labels: list[int], seeds: int, ways: list[str], known: set[tuple[int, int, str]]
) -> Iterator[tuple[dict[str, Any], Network | Forest]]:
    """Yield the models of each number of labels, seed and way, but for the known ones."""
    makers: dict[str, Callable[[LabelledStamps, LabelledStamps, int], Network | Forest]] = {
        "forest, tuned": lambda few, _, seed: tuned_forest(few, seed),
        "forest from nothing": lambda few, _, seed: forest_from_nothing(few, seed),
        "fine-tuned": lambda few, _, seed: tune(few, start, seed),
        "fine-tuned, nothing frozen": lambda few, _, seed: tune(few, start, seed, frozen=()),
        "fine-tuned, the others unlabelled": lambda few, others, seed: tune_with_others(few, others, start, seed),
        "from nothing": lambda few, _, seed: from_nothing(few, seed),
    }
    for seed in range(seeds):
        wanted = [(count, seed, way) for count in labels for way in ways]
        if known >= set(wanted):
            continue
        most = draw(target, max(POOL, *labels), LABEL_SEED + seed)
        for count, _, way in wanted:
            if (count, seed, way) not in known:
                yield {"labels": count, "seed": seed, "way": way}, makers[way](most[:count], most[count:], seed)


def table(results: dict[str, Any]) -> str:
    """Return the figures as lines of text: the mean over seeds, and the lowest and highest."""
    before = f"before {results['before'][FPR]:.2%}, packaged forest {results['forest before'][FPR]:.2%}"
    lines = [f"{results['base']} -> {results['target']}, FPR at MDR 4 %; {before}"]
    for count in sorted({row["labels"] for row in results["curves"]}):
        for way in dict.fromkeys(row["way"] for row in results["curves"]):
            values = [row[FPR] for row in results["curves"] if (row["labels"], row["way"]) == (count, way)]
            if values:
                shown = f"{np.mean(values):7.2%}  ({min(values):.2%} .. {max(values):.2%}, {len(values)} seeds)"
                lines.append(f"{count:>5} labels, {way:<27} {shown}")
    return "\n".join(lines)


def kept_results(path: Path | None, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the results of a run to go on with, or new ones; ValueError if the file has others."""
    if path is None or not path.exists():
        return dict(settings)
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if {name: kept.get(name) for name in settings} != settings:
        raise ValueError(f"{path} has results of other settings")
    return kept


def keep(path: Path | None, results: dict[str, Any], found: dict[str, Any]) -> None:
    """Add a figure to the results, show it, and write them."""
    results.setdefault("curves", []).append(found)
    print(found, file=sys.stderr, flush=True)
    if path is not None:
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all benchmarks of few labels share."""
    parser.add_argument("--base", default="ztf", help="survey of the network to start from, its file, or stampnet")
    parser.add_argument("--target", default="rubin", help="survey of the labels")
    parser.add_argument("--base-rows", type=int, default=2500, help="rows that the network to start from learns from")
    parser.add_argument("--base-epochs", type=int, default=14)
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds")
    parser.add_argument("--test", type=int, default=1500, help="rows to test on")
    parser.add_argument("--json", type=Path, help=f"where the results go, such as {RESULTS}")


def begin(name: str, options: argparse.Namespace) -> tuple[Network, LabelledStamps, dict[str, Any]]:
    """Return the network to start from, the rows to test on, and the results so far."""
    start = first_network(options)
    test = draw(options.target, options.test, TEST_SEED)
    results = kept_results(options.json, {
        "benchmark": name, "version": library_version(), "base": start.name, "base id": start.id,
        "target": options.target, "test rows": len(test), "before": measure(start, test),
        "forest before": measure(load("forest"), test),
    })  # fmt: skip
    print(f"before: {results['before']}", file=sys.stderr, flush=True)
    return start, test, results


def main(argv: list[str] | None = None) -> int:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--labels", type=int, nargs="+", default=[50, 200, 1000])
    parser.add_argument(
        "--ways", nargs="+", default=["fine-tuned", "from nothing", "forest, tuned", "forest from nothing"]
    )
    options = parser.parse_args(argv)
    start, test, results = begin("few_labels", options)
    known = {(row["labels"], row["seed"], row["way"]) for row in results.get("curves", [])}
    for found, network in curves(start, options.target, options.labels, options.seeds, options.ways, known):
        keep(options.json, results, {**found, **measure(network, test)})
    print(table(results))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
