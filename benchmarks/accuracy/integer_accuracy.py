"""What integers do to the scores of the packaged networks.

    python -m benchmarks.accuracy.integer_accuracy --data FOLDER --kept FOLDER [--json FILE]

Each network is turned into integers by rows of one half of the objects and measured on the other half, which it was not
calibrated with; the float network is the same on both. The integers of the packaged files themselves are measured too:
they were calibrated with rows like those that the network learned from.
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

#: The most that integers may change, and what is counted.
LIMITS = {"auc lost": 0.001, "median change": 0.002, "decisions that change": 0.002}
#: Beyond so many of the farthest byte a pixel holds no flux but a filler.
_FILLER = 3.0
METRICS = ("auc", "fpr at mdr 4%")

Scores = NDArray[np.float32]
Inputs = tuple[NDArray[np.float32], ...]


def scorer(network: Network, integers: IntegerNetwork | None) -> Callable[[Inputs], Scores]:
    """Return what gives the scores of a network in integers, or, without any, in floating point."""
    run = Network(network.module, network.header, integers)
    return lambda inputs: run.predict(*inputs, threads=1)


def taken(network: Network, rows: Rows) -> Inputs:
    """Return what a network of stamps takes of rows that have all columns."""
    columns = [COLUMNS.index(name) for name in network.feature_names]
    return rows.planes.astype(np.float32), np.ascontiguousarray(rows.features[:, columns])


def compared(
    float_: Scores, integers: Scores, label: NDArray[Any], group: NDArray[Any], bootstrap: int
) -> dict[str, Any]:
    """Return the record of a set: what changed, and the figures of both with their paired difference."""
    change = np.abs(float_.astype(np.float64) - integers)
    decided = (float_ >= 0.5) != (integers >= 0.5)
    found = compare_models(
        {"float": float_, "integers": integers}, label, group=group, against=("float",), bootstrap=bootstrap
    )
    median, most, largest = (_round(q) for q in np.quantile(change, (0.5, 0.95, 1.0)))
    return {
        "rows": len(label), "real": int(np.sum(label)),
        "change": {"median": median, "95 %": most, "largest": largest},
        "decisions that change": [int(decided.sum()), _round(decided.mean())],
        "auc lost": _round(_auc(float_, label) - _auc(integers, label)),
        "figures": figures(found),
    }  # fmt: skip


def figures(found: ModelTable) -> dict[str, Any]:
    """Return the metrics of both, and the paired difference of each: value, low, high."""
    models, differences = found.evaluations, found.comparisons["float"]["integers"].differences
    return {
        metric: {
            **{name: _three(own.metrics[metric]) for name, own in models.items()},
            "difference": _three(differences[metric]),
        }
        for metric in METRICS
    }


def _three(metric: Any) -> list[float]:
    return [_round(metric.value), _round(metric.low), _round(metric.high)]


def _auc(score: Scores, label: NDArray[Any]) -> float:
    return s2v.evaluation.evaluate(score, label, bootstrap=0)["auc"]


def _round(value: Any) -> float:
    return round(float(value), 6)


def of_stampnet(network: Network, found: list[Half], bootstrap: int) -> dict[str, Any]:
    """Measure the network of stamps on every set, the alerts of both halves together."""
    scored: dict[str, list[tuple[Scores, Scores, Scores, Rows, NDArray[np.bool_]]]] = {}
    packaged = None if network.integers is None else scorer(network, network.integers)
    floats = scorer(network, None)
    for number, half in enumerate(found):
        learned = Rows.read(half.learned[0])
        some = np.random.default_rng(number).permutation(len(learned))[:CALIBRATION_ROWS]
        calibration = learned[some]
        integers = quantise(network.module, [*taken(network, calibration)])
        score, reach = scorer(network, integers), 127.0 / integers.tensors["planes.scale"]
        for name, path in half.tests.items():
            rows = Rows.read(path)
            if number and name not in PAIRED:
                continue
            print_progress(f"half {number}: {name}, {len(rows)} rows")
            given = taken(network, rows)
            filled = (np.abs(given[0]).max(axis=(2, 3)) > _FILLER * reach).any(axis=1)
            own = given if packaged is None else packaged(given)
            scored.setdefault(name, []).append((floats(given), score(given), own, rows, filled))
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
                **compared(before[here], after[here], label[here], group[here], bootstrap),
                "rows with fillers": int(filled[here].sum()),
            }
            if packaged is not None:
                record[title]["integers of the file"] = _short(
                    compared(before[here], own[here], label[here], group[here], 1)
                )
    return record


def _short(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in ("change", "decisions that change", "auc lost")}


def of_tablenet(network: Network, data: Path, bootstrap: int) -> dict[str, Any]:
    """Measure the network of columns on the DES rows, each half by integers that the other calibrated."""
    x, label = labelled_des(data)
    rows = np.asarray(x, dtype=np.float32)
    group = np.arange(len(rows)).astype(str)
    after = np.empty(len(rows), dtype=np.float32)
    sides = split(group, (0.5, 0.5), 19)
    for own, other in (sides, sides[::-1]):
        after[other] = scorer(network, quantise(network.module, [rows[own][:CALIBRATION_ROWS]]))((rows[other],))
    before = scorer(network, None)((rows,))
    record = compared(before, after, np.asarray(label), group, bootstrap)
    if network.integers is not None:
        own = scorer(network, network.integers)((rows,))
        record["integers of the file"] = _short(compared(before, own, np.asarray(label), group, 1))
    return {"des": record}


def main() -> None:
    """Measure both networks, and say which limits hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--kept", type=Path, required=True, help="where prepared rows are kept, about 2 GB")
    parser.add_argument("--bootstrap", type=int, default=1000)
    parser.add_argument("--quick", action="store_true", help="few rows: only whether it runs")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    share, bootstrap = (0.02, 20) if given.quick else (1.0, given.bootstrap)
    results = {}
    for name in ("stampnet", "tablenet"):
        network = s2v.load(name)
        assert isinstance(network, Network)
        if name == "stampnet":
            found = of_stampnet(network, halves(given.data, given.kept, share), bootstrap)
        else:
            found = of_tablenet(network, given.data, bootstrap)
        results[name] = {
            "model": network.id,
            "multiplications": None if network.integers is None else network.integers.multiplications,
            "sets": found,
        }
        for title, record in found.items():
            kept = {
                "auc lost": record["auc lost"], "median change": record["change"]["median"],
                "decisions that change": record["decisions that change"][1],
            }  # fmt: skip
            missed = [what for what, most in LIMITS.items() if kept[what] > most]
            end = f"missed: {', '.join(missed)}" if missed else "within"
            print(f"{name}, {title}: {record['rows']} rows, {kept}, {end}")
            record["missed"] = missed
    if given.json:
        record = {
            "benchmark": "integer_accuracy",
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": processor(), "versions": versions(("numpy", "torch", "onnxruntime", "numba")),
            "limits": LIMITS,
            "labels": "alerts, night: braai above 0.5, which is agreement; more: known to be real, else braai's; "
            "hybrid and simulated: the truth; des: real labels",
            "results": results,
        }  # fmt: skip
        given.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
