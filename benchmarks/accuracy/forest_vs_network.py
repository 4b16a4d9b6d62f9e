"""Can a network beat the forest? Train both on the same rows, and measure their accuracy on others and their cost.

    python -m benchmarks.accuracy.forest_vs_network [--only des pixels alerts robustness] [--pictures docs/accuracy]

``des``
    Cross-validation on the labelled rows of DES, whose labels are real: the paper's forest, five averaged LightGBM
    models (``pip install lightgbm``; left out if it is not installed) and tablenet.
``pixels``
    Simulated stamps (--surveys) and hybrid ones (fakes in real stamps), split by object: a forest on all features of
    the stamps, stampnet, and the networks of braai, Rubin and space2vec 2018, each trained once on all sets.
``alerts``
    Real ZTF alerts in folds by object: agreement with braai (which is not accuracy), and how many of the alerts that
    are real by construction pass.
``robustness``
    How blank rows and columns, empty stamps, edges, rotations and shifts change the scores of each --model.

``--device cuda`` trains the networks on a GPU; cost is always measured on the CPU.

Every figure has an interval by a bootstrap over objects, and every pair of models a paired test on the same resamples.
Each part replaces its entry of the JSON file and leaves the others. The data folder is --data, or $SPACE2VEC_DATA.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import space2vec as s2v
from benchmarks.accuracy import accuracy_pictures, alert_folds, des_folds, pixel_sets, robustness
from benchmarks.accuracy.result_cache import ResultCache
from benchmarks.programs import REPOSITORY, print_progress, processor, versions
from space2vec.simulation.hybrid import hybrid
from space2vec.studies import trainable_models
from space2vec.studies.packaged.alerts import real_alerts
from space2vec.studies.trainable_models import TrainingEffort

PARTS = ("des", "pixels", "alerts", "robustness")
RESULTS = REPOSITORY / "benchmarks" / "results" / "forest_vs_network.json"
#: The first seed of the simulations here; no other script of this repository uses seeds from it on.
SEED = 7100
PACKAGES = ("lightgbm", "numpy", "onnxruntime", "scikit-learn", "torch")
MODELS = tuple(dict.fromkeys((*trainable_models.COLUMNS, *trainable_models.PIXELS)))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    options = argparse.ArgumentParser(description="Forest against network.")
    effort = TrainingEffort()
    options.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    options.add_argument("--models", nargs="+", choices=MODELS, default=MODELS, metavar="NAME", help=", ".join(MODELS))
    options.add_argument("--data", type=Path, default=Path(os.environ.get("SPACE2VEC_DATA", "../shared/data")))
    options.add_argument("--surveys", nargs="*", choices=("ztf", "des", "rubin"), default=("ztf",))
    options.add_argument("--simulated", type=int, default=24000, metavar="N", help="candidates of each survey")
    options.add_argument("--hybrid", type=int, default=16000, metavar="N", help="fakes in real stamps, and real bogus")
    options.add_argument("--folds", type=int, default=10, help="folds of des")
    options.add_argument("--alert-folds", type=int, default=4, help="folds of alerts")
    options.add_argument(
        "--alert-models", nargs="+", choices=tuple(trainable_models.PIXELS), default=("forest", "stampnet")
    )
    options.add_argument(
        "--beside",
        type=int,
        default=20000,
        metavar="N",
        help="variants of the real alerts to train on with them, and as many other rows",
    )
    options.add_argument("--model", nargs="+", default=["default"], help="names or files, for robustness")
    options.add_argument("--epochs", type=int, help="of every network (default: its trainer's; with real alerts 10)")
    options.add_argument("--trees", type=int, default=effort.trees)
    options.add_argument("--seed", type=int, default=effort.seed)
    options.add_argument("--threads", type=int, default=effort.threads, help="threads to train with")
    options.add_argument("--device", default=effort.device, help="device of PyTorch to train networks on")
    options.add_argument("--bootstrap", type=int, default=2000)
    options.add_argument("--kept", type=Path, metavar="FOLDER", help="folder that keeps scores and models between runs")
    options.add_argument("--json", type=Path, default=RESULTS)
    options.add_argument("--pictures", type=Path, metavar="FOLDER", help="folder for pictures")
    return options


def print_epoch(metrics: dict[str, float]) -> None:
    """Print the metrics of an epoch."""
    print_progress("  " + ", ".join(f"{name} {value:.5g}" for name, value in metrics.items()))


def pixels(arguments: argparse.Namespace, effort: TrainingEffort) -> dict[str, Any]:
    """Run the part ``pixels``; return its entry of the record, ready for JSON."""
    sets = {}
    for survey in arguments.surveys:
        rows = pixel_sets.simulated(arguments.simulated, (survey,), SEED)
        sets[f"simulated {survey}"] = rows, f"{len(rows)} simulated candidates of {survey}, as the survey is"
    if arguments.hybrid and (arguments.data / "ztf").is_dir():
        rows = hybrid(real_alerts(arguments.data), arguments.hybrid, seed=SEED)
        sets["hybrid"] = rows, f"{len(rows)} hybrids, fakes in real ZTF stamps against real bogus (braai below 0.3)"
    return pixel_sets.run(sets, effort, arguments.bootstrap, arguments.models, ResultCache(arguments.kept))[0]


def alerts(arguments: argparse.Namespace, effort: TrainingEffort) -> dict[str, Any]:
    """Run the part ``alerts``; return its entry of the record, ready for JSON."""
    real = alert_folds.read(arguments.data)
    count = arguments.beside
    record, scores = alert_folds.run(
        real,
        arguments.data / "braai" / "braai_d6_m9.npz",
        pixel_sets.simulated(count // 4, ("ztf", "des", "rubin"), SEED + 10, randomise=0.3),
        {"variants": count, "hybrid": count // 2},
        replace(effort, epochs=effort.epochs or alert_folds.EPOCHS),
        arguments.alert_folds,
        arguments.bootstrap,
        arguments.alert_models,
    )
    if arguments.pictures and "stampnet" in scores:
        picture = arguments.pictures / "disagreements.png"
        record["disagreements"] = accuracy_pictures.disagreements(real.rows, scores["stampnet"], "stampnet", picture)
    return record


def robust(arguments: argparse.Namespace, effort: TrainingEffort) -> dict[str, Any]:
    """Run the part ``robustness`` on simulated candidates and real alerts; return its entry of the record."""
    night = s2v.simulate(min(arguments.simulated, 2000), seed=SEED + 20)
    sets = {"simulated": (night.stamps, night.labels)}
    if (arguments.data / "ztf").is_dir():
        real = alert_folds.read(arguments.data).rows
        whole = (real.stamps.shape == 63).all(axis=(1, 2))
        sets["ztf, braai's labels"] = (real.stamps[whole], real.label[whole])
    found = {}
    for name in arguments.model:
        model = s2v.load(name)
        found[Path(name).stem] = {
            kind: robustness.measure(model, stamps, label, seed=effort.seed, bootstrap=arguments.bootstrap)
            for kind, (stamps, label) in sets.items()
        }
        for kind, figures in found[Path(name).stem].items():
            print(f"{name}, {kind}: {json.dumps({k: figures[k] for k in figures if k != 'edge less whole'})}")
            edge = figures["edge less whole"]["differences"]["auc"]
            print(f"  AUC at edges {edge['a']:.4f}, whole {edge['b']:.4f}")
    return found


def main() -> None:
    """Run the parts, print their figures, and write the record."""
    arguments = parser().parse_args()
    names = ("trees", "epochs", "seed", "threads", "device")
    effort = TrainingEffort(**{name: getattr(arguments, name) for name in names}, progress=print_epoch)
    for folder in (arguments.pictures, arguments.json.parent):
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
    record = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
    for part in arguments.only:
        if part == "des":
            found = des_folds.run(
                arguments.data,
                effort,
                arguments.folds,
                arguments.bootstrap,
                arguments.models,
                ResultCache(arguments.kept),
            )
        else:
            found = {"pixels": pixels, "alerts": alerts, "robustness": robust}[part](arguments, effort)
        record[part] = {
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "device": processor(),
            "versions": versions(PACKAGES),
            "bootstrap": arguments.bootstrap,
            "results": found,
        }
        arguments.json.write_text(json.dumps(record, indent=1, default=float) + "\n")
    if arguments.pictures:
        panels = {"DES, real labels": record["des"]["results"]} if "des" in record else {}
        panels |= record.get("pixels", {}).get("results", {})
        if panels:
            accuracy_pictures.accuracy_against_cost(panels, arguments.pictures / "accuracy_cost.png")


if __name__ == "__main__":
    main()
