"""Can a network beat the forest? Both are trained on the same rows and measured on others, and in microseconds.

    python -m benchmarks.accuracy.forest_vs_network [--only des pixels alerts robustness] [--pictures docs/accuracy]

``des``
    Real labels: cross-validation on the labelled DES rows. The paper's forest, five LightGBM models averaged
    (``pip install lightgbm``; left out where it is absent), tablenet.
``pixels``
    Stamps, simulated (--surveys) and hybrid (fakes in real stamps), split by object: a forest on all features of the
    stamps, stampnet, and the networks of braai, Rubin and space2vec 2018, each trained once, on both.
``alerts``
    Real ZTF alerts in folds by object: agreement with braai, which is no accuracy; and the share of alerts that are
    real by construction which pass.
``robustness``
    What blank rows and columns, empty stamps, edges, turns and shifts do to the scores of --model files or names.

``--device cuda`` trains the networks on a GPU; cost is measured on the processor in any case.

Every figure has its bootstrap interval over objects, every pair its paired test on the same resamples. Parts that run
replace their own entries of the JSON file and leave the others. The data folder is $SPACE2VEC_DATA, or --data.
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
from benchmarks.accuracy.kept import Kept
from benchmarks.programs import REPOSITORY, processor, tell, versions
from space2vec.simulation.hybrid import hybrid
from space2vec.studies import contenders
from space2vec.studies.contenders import TrainingEffort
from space2vec.studies.packaged.networks import real_alerts

PARTS = ("des", "pixels", "alerts", "robustness")
RESULTS = REPOSITORY / "benchmarks" / "results" / "forest_vs_network.json"
#: Of what is simulated here: no other script of this repository has skies from it on.
SEED = 7100
PACKAGES = ("lightgbm", "numpy", "onnxruntime", "scikit-learn", "torch")
MODELS = tuple(dict.fromkeys((*contenders.COLUMNS, *contenders.PIXELS)))


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(description="Forest against network.")
    effort = TrainingEffort()
    made.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    made.add_argument("--models", nargs="+", choices=MODELS, default=MODELS, metavar="NAME", help=", ".join(MODELS))
    made.add_argument("--data", type=Path, default=Path(os.environ.get("SPACE2VEC_DATA", "../shared/data")))
    made.add_argument("--surveys", nargs="*", choices=("ztf", "des", "rubin"), default=("ztf",))
    made.add_argument("--simulated", type=int, default=24000, metavar="N", help="candidates of each survey")
    made.add_argument("--hybrid", type=int, default=16000, metavar="N", help="fakes in real stamps, and real bogus")
    made.add_argument("--folds", type=int, default=10, help="of des")
    made.add_argument("--alert-folds", type=int, default=4, help="of alerts")
    made.add_argument("--alert-models", nargs="+", choices=tuple(contenders.PIXELS), default=("forest", "stampnet"))
    made.add_argument("--beside", type=int, default=20000, metavar="N", help="variants beside real alerts, and more")
    made.add_argument("--model", nargs="+", default=["default"], help="names or files, for robustness")
    made.add_argument("--epochs", type=int, help="of every network (default: its trainer's; with real alerts 10)")
    made.add_argument("--trees", type=int, default=effort.trees)
    made.add_argument("--seed", type=int, default=effort.seed)
    made.add_argument("--threads", type=int, default=effort.threads, help="to train with")
    made.add_argument("--device", default=effort.device, help="of PyTorch, to train networks on")
    made.add_argument("--bootstrap", type=int, default=2000)
    made.add_argument("--kept", type=Path, metavar="FOLDER", help="where scores and models are kept")
    made.add_argument("--json", type=Path, default=RESULTS)
    made.add_argument("--pictures", type=Path, metavar="FOLDER", help="where to draw")
    return made


def tell_epoch(metrics: dict[str, float]) -> None:
    """Print what an epoch came to."""
    tell("  " + ", ".join(f"{name} {value:.5g}" for name, value in metrics.items()))


def pixels(arguments: argparse.Namespace, effort: TrainingEffort) -> dict[str, Any]:
    """Run the part on stamps."""
    sets = {}
    for survey in arguments.surveys:
        rows = pixel_sets.simulated(arguments.simulated, (survey,), SEED)
        sets[f"simulated {survey}"] = rows, f"{len(rows)} simulated candidates of {survey}, as the survey is"
    if arguments.hybrid and (arguments.data / "ztf").is_dir():
        rows = hybrid(real_alerts(arguments.data), arguments.hybrid, seed=SEED)
        sets["hybrid"] = rows, f"{len(rows)} hybrids, fakes in real ZTF stamps against real bogus (braai below 0.3)"
    return pixel_sets.run(sets, effort, arguments.bootstrap, arguments.models, Kept(arguments.kept))[0]


def alerts(arguments: argparse.Namespace, effort: TrainingEffort) -> dict[str, Any]:
    """Run the part on real alerts."""
    held = alert_folds.read(arguments.data)
    count = arguments.beside
    record, scores = alert_folds.run(
        held,
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
        record["disagreements"] = accuracy_pictures.disagreements(held.rows, scores["stampnet"], "stampnet", picture)
    return record


def robust(arguments: argparse.Namespace, effort: TrainingEffort) -> dict[str, Any]:
    """Measure what stamps go through in practice, on simulated candidates with the truth and on real alerts."""
    night = s2v.simulate(min(arguments.simulated, 2000), seed=SEED + 20)
    sets = {"simulated": (night.stamps, night.labels)}
    if (arguments.data / "ztf").is_dir():
        held = alert_folds.read(arguments.data).rows
        whole = (held.stamps.shape == 63).all(axis=(1, 2))
        sets["ztf, braai's labels"] = (held.stamps[whole], held.label[whole])
    found = {}
    for name in arguments.model:
        model = s2v.load(name)
        found[Path(name).stem] = {
            kind: robustness.measured(model, stamps, label, seed=effort.seed, bootstrap=arguments.bootstrap)
            for kind, (stamps, label) in sets.items()
        }
        for kind, figures in found[Path(name).stem].items():
            print(f"{name}, {kind}: {json.dumps({k: figures[k] for k in figures if k != 'edge less whole'})}")
            edge = figures["edge less whole"]["differences"]["auc"]
            print(f"  AUC at edges {edge['a']:.4f}, whole {edge['b']:.4f}")
    return found


def main() -> None:
    """Run the parts, print, and write the record."""
    arguments = parser().parse_args()
    names = ("trees", "epochs", "seed", "threads", "device")
    effort = TrainingEffort(**{name: getattr(arguments, name) for name in names}, progress=tell_epoch)
    for folder in (arguments.pictures, arguments.json.parent):
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
    record = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
    for part in arguments.only:
        if part == "des":
            found = des_folds.run(
                arguments.data, effort, arguments.folds, arguments.bootstrap, arguments.models, Kept(arguments.kept)
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
