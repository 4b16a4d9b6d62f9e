"""How much integers change the scores of the packaged networks.

    python -m benchmarks.accuracy.integer_accuracy --data FOLDER --kept FOLDER [--json FILE]

Rows of one half of the objects calibrate the integers of each network, and the other half measures them; the float
network is the same on both. The integers of the packaged files are measured too: they were calibrated with rows like
those that the network learned from.
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import space2vec as s2v
from benchmarks.accuracy.worth_rows import COLUMNS, PAIRED, Half, Rows, halves
from benchmarks.programs import print_progress, processor, versions
from space2vec.evaluation import ModelTable, compare_models
from space2vec.model_files.integer_network import IntegerNetwork
from space2vec.models.network import Network
from space2vec.models.quantise import CALIBRATION_ROWS, quantise
from space2vec.studies.packaged.forests import labelled_des
from space2vec.training.dataset import split

#: The largest changes by integers that are allowed.
LIMITS = {"auc lost": 0.001, "median change": 0.002, "decisions that change": 0.002}
#: A pixel beyond this many times the largest byte holds no flux but a filler.
_FILLER = 3.0
METRICS = ("auc", "fpr at mdr 4%")

Scores = NDArray[np.float32]
Inputs = tuple[NDArray[np.float32], ...]


def make_scorer(network: Network, integers: IntegerNetwork | None) -> Callable[[Inputs], Scores]:
    """Return a function that scores by a network in integers, or in floating point if there are none."""
    run = Network(network.module, network.header, integers)
    return lambda inputs: run.predict(*inputs, threads=1)


def network_inputs(network: Network, rows: Rows) -> Inputs:
    """Return the inputs of a network of stamps, from rows that have all columns."""
    columns = [COLUMNS.index(name) for name in network.feature_names]
    return rows.planes.astype(np.float32), np.ascontiguousarray(rows.features[:, columns])


def compare_integers(
    floats: Scores, integers: Scores, label: NDArray[Any], group: NDArray[Any], bootstrap: int
) -> dict[str, Any]:
    """Return the record of a set: the changes of scores, and the metrics of both with their paired difference."""
    change = np.abs(floats.astype(np.float64) - integers)
    decided = (floats >= 0.5) != (integers >= 0.5)
    found = compare_models(
        {"float": floats, "integers": integers}, label, group=group, against=("float",), bootstrap=bootstrap
    )
    median, most, largest = (_round(q) for q in np.quantile(change, (0.5, 0.95, 1.0)))
    return {
        "rows": len(label), "real": int(np.sum(label)),
        "change": {"median": median, "95 %": most, "largest": largest},
        "decisions that change": [int(decided.sum()), _round(decided.mean())],
        "auc lost": _round(_auc(floats, label) - _auc(integers, label)),
        "figures": paired_metrics(found),
    }  # fmt: skip


def paired_metrics(found: ModelTable) -> dict[str, Any]:
    """Return the metrics of both, and the paired difference of each: value and ends of the interval."""
    models, differences = found.evaluations, found.comparisons["float"]["integers"].differences
    return {
        metric: {
            **{name: _value_and_ends(model.metrics[metric]) for name, model in models.items()},
            "difference": _value_and_ends(differences[metric]),
        }
        for metric in METRICS
    }


def _value_and_ends(metric: Any) -> list[float]:
    return [_round(metric.value), _round(metric.low), _round(metric.high)]


def _auc(score: Scores, label: NDArray[Any]) -> float:
    return s2v.evaluation.evaluate(score, label, bootstrap=0)["auc"]


def _round(value: Any) -> float:
    return round(float(value), 6)


def measure_stampnet(network: Network, found: list[Half], bootstrap: int) -> dict[str, Any]:
    """Measure the network of stamps on every set; the alerts of both halves are one set."""
    scored: dict[str, list[tuple[Scores, Scores, Scores, Rows, NDArray[np.bool_]]]] = {}
    packaged = None if network.integers is None else make_scorer(network, network.integers)
    floats = make_scorer(network, None)
    for number, half in enumerate(found):
        learned = Rows.read(half.learned[0])
        some = np.random.default_rng(number).permutation(len(learned))[:CALIBRATION_ROWS]
        calibration = learned[some]
        integers = quantise(network.module, [*network_inputs(network, calibration)])
        score, reach = make_scorer(network, integers), 127.0 / integers.tensors["planes.scale"]
        for name, path in half.tests.items():
            rows = Rows.read(path)
            if number and name not in PAIRED:
                continue
            print_progress(f"half {number}: {name}, {len(rows)} rows")
            inputs = network_inputs(network, rows)
            filled = (np.abs(inputs[0]).max(axis=(2, 3)) > _FILLER * reach).any(axis=1)
            own = np.full(len(rows), np.nan, np.float32) if packaged is None else packaged(inputs)
            scored.setdefault(name, []).append((floats(inputs), score(inputs), own, rows, filled))
    record = {}
    for name, parts in scored.items():
        before, after, own, filled = (np.concatenate([part[k] for part in parts]) for k in (0, 1, 2, 4))
        rows = [part[3] for part in parts]
        label, group, kind = (np.concatenate([getattr(r, what) for r in rows]) for what in ("label", "group", "kind"))
        sets = {name: np.ones(len(label), dtype=np.bool_)}
        if name == "alerts":
            sets |= {"night": kind == "night", "alerts without fillers": ~filled}
        for title, here in sets.items():
            record[title] = {
                **compare_integers(before[here], after[here], label[here], group[here], bootstrap),
                "rows with fillers": int(filled[here].sum()),
            }
            if packaged is not None:
                record[title]["integers of the file"] = _short(
                    compare_integers(before[here], own[here], label[here], group[here], 1)
                )
    return record


def _short(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in ("change", "decisions that change", "auc lost")}


def measure_tablenet(network: Network, data: Path, bootstrap: int) -> dict[str, Any]:
    """Measure the network of columns on the DES rows, each half by integers that the other calibrated."""
    x, label = labelled_des(data)
    rows = np.asarray(x, dtype=np.float32)
    group = np.arange(len(rows)).astype(str)
    after = np.empty(len(rows), dtype=np.float32)
    sides = split(group, (0.5, 0.5), 19)
    for own, other in (sides, sides[::-1]):
        after[other] = make_scorer(network, quantise(network.module, [rows[own][:CALIBRATION_ROWS]]))((rows[other],))
    before = make_scorer(network, None)((rows,))
    record = compare_integers(before, after, np.asarray(label), group, bootstrap)
    if network.integers is not None:
        own = make_scorer(network, network.integers)((rows,))
        record["integers of the file"] = _short(compare_integers(before, own, np.asarray(label), group, 1))
    return {"des": record}


def main() -> None:
    """Measure both networks, and print which limits hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--kept", type=Path, required=True, help="folder that keeps prepared rows, about 2 GB")
    parser.add_argument("--bootstrap", type=int, default=1000)
    parser.add_argument("--quick", action="store_true", help="few rows, to try the script")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    share, bootstrap = (0.02, 20) if options.quick else (1.0, options.bootstrap)
    results = {}
    for name in ("stampnet", "tablenet"):
        network = s2v.load(name)
        assert isinstance(network, Network)
        if name == "stampnet":
            found = measure_stampnet(network, halves(options.data, options.kept, share), bootstrap)
        else:
            found = measure_tablenet(network, options.data, bootstrap)
        results[name] = {
            "model": network.id,
            "multiplications": None if network.integers is None else network.integers.multiplications,
            "sets": found,
        }
        for title, record in found.items():
            changes = {
                "auc lost": record["auc lost"], "median change": record["change"]["median"],
                "decisions that change": record["decisions that change"][1],
            }  # fmt: skip
            missed = [what for what, most in LIMITS.items() if changes[what] > most]
            end = f"missed: {', '.join(missed)}" if missed else "within"
            print(f"{name}, {title}: {record['rows']} rows, {changes}, {end}")
            record["missed"] = missed
    if options.json:
        record = {
            "benchmark": "integer_accuracy",
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": processor(), "versions": versions(("numpy", "torch", "onnxruntime", "numba")),
            "limits": LIMITS,
            "labels": "alerts, night: braai above 0.5, which is agreement; more: known to be real, else braai's; "
            "hybrid and simulated: the truth; des: real labels",
            "results": results,
        }  # fmt: skip
        options.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
