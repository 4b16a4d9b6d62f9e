"""The packaged cascade beside its second network, which scores the candidates that the first one doubts.

    python -m benchmarks.accuracy.cascade --data FOLDER --kept FOLDER [--json FILE]

The sets are those of docs/accuracy.md that the data folder holds, and the comparison is paired over objects. The record
also has the share of each set that is in doubt, and the multiplications of each network. A folder keeps the prepared
rows, as for ``network_worth.py``.
"""

from __future__ import annotations

import argparse
import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np

import space2vec as s2v
from benchmarks.accuracy.integer_accuracy import METRICS, compare_integers, make_scorer, network_inputs
from benchmarks.accuracy.worth_rows import Rows, halves, test_sets
from benchmarks.programs import processor, versions
from space2vec.evaluation import compare_models
from space2vec.model_files.header import is_in_doubt
from space2vec.models.cascade_inputs import first_inputs
from space2vec.models.network import Network

NAMES = ("stampnet-fast", "stampnet", "first alone")


def main() -> None:
    """Measure the cascade, its second network, and its first network alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--kept", type=Path, required=True, help="folder that keeps prepared rows")
    parser.add_argument("--bootstrap", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cascade, second = s2v.load("stampnet-fast"), s2v.load("stampnet")
    assert isinstance(cascade, Network)
    assert isinstance(second, Network)
    results: dict[str, Any] = {}
    for title, rows in test_sets(halves(options.data, options.kept)):
        results[title] = measure(cascade, second, rows, options.bootstrap)
        print(title, json.dumps(results[title]))
    if options.json:
        assert cascade.first is not None
        pair = {"first": cascade.first, "second": cascade}
        record = {
            "benchmark": "cascade",
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": processor(), "versions": versions(("numpy",)),
            "models": {name: s2v.load(name).id for name in NAMES[:2]}, "doubt": cascade.header.doubt,
            "multiplications": {
                name: network.integers.multiplications for name, network in pair.items() if network.integers is not None
            },
            "results": results,
        }  # fmt: skip
        options.json.write_text(json.dumps(record, indent=1) + "\n")


def measure(cascade: Network, second: Network, rows: list[Rows], bootstrap: int) -> dict[str, Any]:
    """Compare the models on the rows of a set; return its record."""
    assert cascade.first is not None
    assert cascade.header.doubt is not None
    runs = dict(zip(NAMES, (cascade, second), strict=False))
    score = {
        name: np.concatenate([network.predict(*network_inputs(network, side), threads=1) for side in rows])
        for name, network in runs.items()
    }
    early = np.concatenate([
        cascade.first.predict(*first_inputs(cascade, network_inputs(cascade, side)), threads=1) for side in rows
    ])  # fmt: skip
    score[NAMES[2]] = early
    label, group = (np.concatenate([getattr(side, what) for side in rows]) for what in ("label", "group"))
    found = compare_models(score, label, group=group, against=(NAMES[1],), bootstrap=bootstrap)
    figures = {
        metric: {
            **{name: round(float(found.evaluations[name].metrics[metric].value), 5) for name in NAMES},
            "difference": [
                round(float(getattr(found.comparisons[NAMES[1]][NAMES[0]].differences[metric], at)), 5)
                for at in ("value", "low", "high")
            ],
        }
        for metric in METRICS
    }
    doubtful = is_in_doubt(cascade.header.doubt, early)
    floats = make_scorer(cascade.first, None)
    without = np.concatenate([floats(tuple(first_inputs(cascade, network_inputs(cascade, side)))) for side in rows])
    change = compare_integers(without, early, label, group, 1)
    return {
        "rows": len(label), "in doubt": round(float(doubtful.mean()), 4), "figures": figures,
        "first, integers and floats": {name: change[name] for name in ("change", "decisions that change", "auc lost")},
    }  # fmt: skip


if __name__ == "__main__":
    main()
