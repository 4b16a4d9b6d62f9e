"""How much the set s2v and each of its groups add to a forest on the eighteen autoScan features of stamps.

    python -m benchmarks.accuracy.feature_sets [--data FOLDER] [--simulated 3000] [--folds 10] [--trees 100]
                                               [--json FILE]

All contenders use the same alerts: a simulated night, whose truth is known, and the real ZTF alerts of the data folder,
which ZTF's network braai labels (above 0.5: real). Figures on the real alerts are agreement with braai, not accuracy.
A forest that saw neither the row nor another alert of its object scores each row; all contenders have the same folds.
The script compares the false positive rate at a missed detection rate of 4 % (and the AUC) on the simulated alerts, on
the real ones, and on both. Intervals come from 1,000 resamples of whole objects; a difference is taken within each
resample. Without the data folder the script uses the simulated alerts alone, and says so.

Contenders: the eighteen (`autoscan`); `s2v`; both (`stamp`); both without one group of s2v (`stamp - group`); the
eighteen and one group of s2v (`autoscan + group`).
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import space2vec as s2v
from space2vec import evaluation, registry, training

MDR = 0.04
_RESAMPLES = 1000


@dataclass
class Alerts:
    """Features (n, k), labels (n,) and objects (n,) of alerts."""

    x: NDArray[np.float32]
    real: NDArray[np.int64]
    group: NDArray[np.str_]


def _scorable(table: Any) -> NDArray[np.bool_]:
    return s2v.flags.scorable(table.flags)


def simulate_alerts(count: int) -> Alerts:
    """Return the features of a simulated night, labelled by the truth."""
    night = s2v.simulate(count, seed=41)
    table = s2v.features(night.stamps, set="stamp")
    rows = _scorable(table)
    return Alerts(table.values[rows], night.labels[rows].astype(np.int64), table.object_id[rows].astype(str))


def real_alerts(data: Path) -> Alerts:
    """Read the real alerts that braai has scored, each candidate once."""
    x, label, group, seen = [], [], [], set()
    for name in ("night_20180713", "brokers"):
        with (data / "ztf" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            score = {row["candid"]: float(row["braai_d6_m9"]) for row in csv.DictReader(file)}
        stamps = s2v.read(data / "ztf" / name, strict=False)
        table = s2v.features(stamps, set="stamp")
        for row in np.flatnonzero(_scorable(table)):
            candidate = str(table.candidate_id[row])
            if candidate in score and candidate not in seen:
                seen.add(candidate)
                x.append(table.values[row])
                label.append(int(score[candidate] > 0.5))
                group.append(str(table.object_id[row]))
    return Alerts(np.array(x), np.array(label), np.array(group))


def contenders() -> dict[str, tuple[str, ...]]:
    """Return the columns of each contender, by its name."""
    eighteen, s2v_set = registry.AUTOSCAN_STAMP, registry.S2V
    of_group: dict[str, list[str]] = {}
    for name in s2v_set:
        of_group.setdefault(registry.FEATURES[name].group, []).append(name)
    found = {"autoscan": eighteen, "s2v": s2v_set, "stamp": (*eighteen, *s2v_set)}
    for group, names in of_group.items():
        found[f"stamp - {group}"] = (*eighteen, *(name for name in s2v_set if name not in names))
    for group, names in of_group.items():
        found[f"autoscan + {group}"] = (*eighteen, *names)
    return found


def _fpr(score: NDArray[np.float32], real: NDArray[np.int64]) -> float:
    """Return the lowest FPR that a threshold with an MDR of at most 4 % reaches."""
    _, missed, passed = evaluation.mdr_fpr(score, real)
    return float(passed[missed <= MDR].min())


def _draws(group: NDArray[np.str_], seed: int = 0) -> list[NDArray[np.int64]]:
    """Return the rows of each resample of whole objects."""
    members = np.unique(group, return_inverse=True)[1]
    order = np.argsort(members, kind="stable")
    starts = np.searchsorted(members[order], np.arange(members.max() + 2))
    rng = np.random.default_rng(seed)
    objects = len(starts) - 1
    rows = [order[starts[k] : starts[k + 1]] for k in range(objects)]
    return [np.concatenate([rows[k] for k in rng.integers(0, objects, objects)]) for _ in range(_RESAMPLES)]


def figures(
    score: dict[str, NDArray[np.float32]], part: NDArray[np.bool_], real: NDArray[np.int64], group: NDArray[np.str_]
) -> dict[str, Any]:
    """Return the metrics of every contender on the rows where `part` is true, with differences."""
    rows = np.flatnonzero(part)
    truth, draws = real[rows], _draws(group[rows])
    result: dict[str, Any] = {"real": int(truth.sum()), "bogus": int((1 - truth).sum()), "contenders": {}}
    chosen = {name: every[rows] for name, every in score.items()}
    value = {name: _fpr(scores, truth) for name, scores in chosen.items()}
    resampled = {name: np.array([_fpr(scores[draw], truth[draw]) for draw in draws]) for name, scores in chosen.items()}
    for name, scores in chosen.items():
        auc = evaluation.evaluate(scores, truth, bootstrap=0).metrics["auc"].value
        row = {"fpr at mdr 4%": _with_interval(value[name], resampled[name]), "auc": round(auc, 4)}
        for other in ("autoscan", "stamp"):
            change = resampled[name] - resampled[other]
            row[f"fpr less that of {other}"] = _with_interval(value[name] - value[other], change)
        result["contenders"][name] = row
    return result


def _with_interval(value: float, draws: NDArray[np.float64]) -> list[float]:
    return [round(v, 4) for v in (value, *np.percentile(draws, [2.5, 97.5]).tolist())]


def main() -> None:
    parser = argparse.ArgumentParser(description="What the set s2v adds to a forest.")
    folder = os.environ.get("SPACE2VEC_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(folder))
    parser.add_argument("--simulated", type=int, default=3000, metavar="N")
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="contenders, beside autoscan and stamp")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    parts = {"simulated": simulate_alerts(arguments.simulated)}
    if (arguments.data / "ztf").is_dir():
        parts["ztf"] = real_alerts(arguments.data)
    else:
        print(f"no {arguments.data / 'ztf'}: real alerts are left out", file=sys.stderr)
    x = np.concatenate([part.x for part in parts.values()])
    real = np.concatenate([part.real for part in parts.values()])
    group = np.concatenate([np.char.add(f"{name} ", part.group) for name, part in parts.items()])
    source = np.concatenate([np.full(len(part.x), name) for name, part in parts.items()])

    columns = registry.FEATURE_SETS["stamp"]
    score: dict[str, NDArray[np.float32]] = {}
    for name, wanted in contenders().items():
        if arguments.only and name not in ("autoscan", "stamp", *arguments.only):
            continue
        inputs = x[:, [columns.index(column) for column in wanted]]
        score[name] = training.cross_validate(
            inputs, real, group=group, folds=arguments.folds,
            trees=arguments.trees, imputation="none", min_samples_leaf=2, n_jobs=-1,
        )  # fmt: skip
        print(f"{name}: {len(wanted)} columns", file=sys.stderr)

    places = {name: source == name for name in parts} | {"all": np.ones(len(x), dtype=bool)}
    results = {name: figures(score, part, real, group) for name, part in places.items()}
    for part, found in results.items():
        print(f"\n{part}: {found['real']} real, {found['bogus']} bogus")
        print(f"{'':28s} {'FPR at MDR 4 %':>26s} {'less autoscan':>24s} {'less stamp':>24s} {'AUC':>7s}")
        for name, row in found["contenders"].items():
            cells = [
                f"{100 * v[0]:7.2f} ({100 * v[1]:.2f} .. {100 * v[2]:.2f})"
                for v in (row["fpr at mdr 4%"], row["fpr less that of autoscan"], row["fpr less that of stamp"])
            ]
            print(f"{name:28s} {cells[0]:>26s} {cells[1]:>24s} {cells[2]:>24s} {row['auc']:7.4f}")
    if arguments.json:
        record = {
            "benchmark": "feature_sets",
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "device": platform.processor() or platform.machine(),
            "folds": arguments.folds,
            "trees": arguments.trees,
            "labels": "simulated: the truth; ztf: braai d6_m9 above 0.5 (agreement, not accuracy)",
            "interval": f"2.5 and 97.5 % of {_RESAMPLES} resamples of objects",
            "results": results,
        }
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
