"""Alerts a second from files to scores: the usual chains, the best that Python offers, and space2vec.

    python -m benchmarks.speed.chain --night FOLDER --braai WEIGHTS [--before FOLDER] [--alerts 20000] [--rounds 5]
        [--json FILE]

FOLDER holds Avro files of one alert each; a temporary folder gets links to them until it holds as many as
``--alerts``. Every contender is a process of its own that waits while the others run; they take turns. The chains of
``peers.py`` run on a sample. All chains of forests have the same forest of 100 full trees on the 38 columns of
autoScan, eighteen of which come from the pixels; the usual chain of a network is ZTF's braai in ONNX Runtime.
space2vec runs as ``space2vec score``, on one core and on two, with the forest and with ``default``; ``--before`` names
a folder that holds an older version (``python`` of a built checkout), whose chains then run too. The stages of
space2vec are measured by leaving out all later ones; the floor is libdeflate alone on the two planes that the forest
needs. Memory is the peak of the whole process.

The peers: ``pip install --group benchmark``.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import math
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.programs import processor, versions
from benchmarks.speed.chain_contenders import CONTENDERS, make_braai, make_forest, make_night, worker
from benchmarks.speed.rounds import Contender, quartiles, run_round, start_all

PACKAGES = ("astropy", "deflate", "fastavro", "numba", "numpy", "onnxruntime", "scikit-learn", "scipy", "sep")
#: The contender that the others are compared with.
FIRST = "default"


def contender(name: str, folder: Path, older: Path | None) -> Contender:
    """Return the command of a contender, which is this module as a worker."""
    environment = {}
    if name.startswith("best python"):
        environment["SPACE2VEC_BACKEND"] = "numba"
    if CONTENDERS[name].before:
        environment["PYTHONPATH"] = os.pathsep.join((str(older), os.environ.get("PYTHONPATH", "")))
    return Contender([sys.executable, "-m", __spec__.name, "--worker", name, "--folder", folder], environment)


def summary(rounds: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return the times of each contender, and ratios taken within a round."""
    results: dict[str, Any] = {}
    keys = ("seconds", "processor_seconds", "system_seconds")
    per_alert = {
        name: {key: [turn[key] / turn["alerts"] * 1e6 for turn in turns] for key in keys}
        for name, turns in rounds.items()
    }
    for name, turns in rounds.items():
        wall, system = per_alert[name]["seconds"], per_alert[name]["system_seconds"]
        results[name] = {
            "alerts_of_a_round": turns[0]["alerts"],
            "alerts_a_second": quartiles([1e6 / value for value in wall]),
            "microseconds": quartiles(wall),
            "processor_microseconds": quartiles(per_alert[name]["processor_seconds"]),
            "system_microseconds": quartiles(system),
            "stages_microseconds": {
                stage: float(np.median([turn["stages"][stage] for turn in turns])) for stage in turns[0]["stages"]
            },
            "peak_megabytes": max(turn["peak_megabytes"] for turn in turns),
        }
        if turns[0]["note"]:
            results[name]["forest"] = turns[0]["note"]
        if FIRST in rounds:
            ours = per_alert[FIRST]["seconds"]
            results[name]["times_as_long_as_default"] = quartiles([a / b for a, b in zip(wall, ours, strict=True)])
    return results


def find_stage_times(results: dict[str, Any]) -> dict[str, float]:
    """Return the microseconds of processor time that each stage of space2vec takes an alert."""
    order = [*(name for name in CONTENDERS if name.startswith("read")), FIRST]
    if not all(name in results for name in order):
        return {}
    spent = [results[name]["processor_microseconds"][1] for name in order]
    labels = ["read and walk", "inflate and FITS", "features, planes, network", "table, writing, start"]
    steps = [spent[0], *(b - a for a, b in itertools.pairwise(spent))]
    return dict(zip(labels, steps, strict=True))


def print_results(results: dict[str, Any]) -> None:
    """Print the results as a table."""
    print(f"{'':28}{'alerts/s':>10}{'us':>9}{'us of CPU':>11}{'system':>8}{'x default':>11}{'MB':>7}")
    for name, figures in results.items():
        ratio = figures.get("times_as_long_as_default", [math.nan] * 3)[1]
        print(
            f"{name:28}{figures['alerts_a_second'][1]:10.0f}{figures['microseconds'][1]:9.1f}"
            f"{figures['processor_microseconds'][1]:11.1f}{figures['system_microseconds'][1]:8.1f}"
            f"{ratio:11.2f}{figures['peak_megabytes']:7.0f}"
        )
        for stage, spent in figures["stages_microseconds"].items():
            print(f"    {stage:24}{'':10}{spent:9.1f}")
    stages = find_stage_times(results)
    for stage, spent in stages.items():
        print(f"space2vec: {stage:24}{spent:9.1f} us  {spent / sum(stages.values()):5.0%}")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--night", type=Path, help="the real alerts: a folder of Avro files")
    parser.add_argument("--braai", type=Path, help="the published weights of braai (.npz)")
    parser.add_argument("--before", type=Path, help="a folder that holds an older version, built")
    parser.add_argument("--alerts", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, help="run these alone")
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--worker", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker, arguments.folder)
        return
    if arguments.night is None:
        parser.error("--night is needed")
    names = list(arguments.only or CONTENDERS)
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        (folder / "night").mkdir()
        make_night(arguments.night, folder / "night", arguments.alerts)
        make_forest(folder / "night", folder)
        if arguments.braai and "usual, braai" in names:
            make_braai(arguments.braai, folder)
        names = [name for name in names if arguments.before or not CONTENDERS[name].before]
        running = start_all({name: contender(name, folder, arguments.before) for name in names})
        rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in running}
        for _ in range(arguments.rounds):
            for name, process in running.items():
                rounds[name].append(json.loads(run_round(process)))
        for process in running.values():
            process.communicate()
    results = summary(rounds)
    device = processor()
    print(f"{device}, {arguments.alerts} alerts, {arguments.rounds} rounds, medians")
    print_results(results)
    if arguments.json:
        record = {
            "benchmark": "chain",
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "device": device,
            "versions": versions(PACKAGES),
            "alerts": arguments.alerts,
            "quantiles": [0.25, 0.5, 0.75],
            "results": results,
            "stages_of_default_microseconds": find_stage_times(results),
        }
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
