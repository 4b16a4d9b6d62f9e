"""A retrained ``stampnet`` beside the one before it, paired over objects, and beside its own float network.

    python -m benchmarks.accuracy.model_change --data FOLDER --kept FOLDER --before FILE [--model NAME|FILE]
                                               [--json FILE]

The sets are those of docs/accuracy.md that the data folder holds: real alerts (labelled by braai above 0.5, so figures
are agreement; both networks may have learned from them), the 163 alerts that neither network has seen, hybrids, and
simulated candidates of three surveys. A folder keeps the prepared rows, as for ``network_worth.py``.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

import space2vec as s2v
from benchmarks.accuracy.integer_accuracy import LIMITS, METRICS, compare_integers, make_scorer, network_inputs
from benchmarks.accuracy.worth_rows import halves, test_sets
from benchmarks.programs import processor, versions
from space2vec.evaluation import compare_models
from space2vec.models.load import packaged
from space2vec.models.network import Network


def main() -> None:
    """Measure both networks on every set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--kept", type=Path, required=True, help="folder that keeps prepared rows")
    parser.add_argument("--before", type=Path, required=True, help="the model file of the network before")
    parser.add_argument("--model", default="stampnet")
    parser.add_argument("--bootstrap", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    new, old = s2v.load(options.model), s2v.load(options.before)
    assert isinstance(new, Network)
    assert isinstance(old, Network)
    file = packaged().get(options.model, Path(options.model)).read_bytes()
    runs = [(old, make_scorer(old, None)), (new, make_scorer(new, None)), (new, make_scorer(new, new.integers))]
    results: dict[str, Any] = {}
    for title, rows in test_sets(halves(options.data, options.kept)):
        before, floats, integers = (
            np.concatenate([score(network_inputs(network, side)) for side in rows]) for network, score in runs
        )
        label, group = (np.concatenate([getattr(side, what) for side in rows]) for what in ("label", "group"))
        found = compare_models({"before": before, "now": integers}, label, group=group, against=("before",),
                        bootstrap=options.bootstrap)  # fmt: skip
        results[title] = {
            "rows": len(label),
            "before and now": {
                metric: {
                    "before": found.evaluations["before"].metrics[metric].value,
                    "now": found.evaluations["now"].metrics[metric].value,
                    "difference": [
                        round(float(getattr(found.comparisons["before"]["now"].differences[metric], at)), 5)
                        for at in ("value", "low", "high")
                    ],
                }
                for metric in METRICS
            },
            "integers and floats": compare_integers(floats, integers, label, group, options.bootstrap),
        }
        change = results[title]["integers and floats"]
        print(title, len(label), {m: (round(r["before"], 4), round(r["now"], 4), r["difference"])
                                  for m, r in results[title]["before and now"].items()})  # fmt: skip
        print("   integers:", change["change"], change["decisions that change"], "auc lost", change["auc lost"])
    if options.json:
        record = {
            "benchmark": "model_change",
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": processor(), "versions": versions(("numpy", "torch")), "limits": LIMITS,
            "before": {"id": old.id, "sha256": hashlib.sha256(options.before.read_bytes()).hexdigest()},
            "now": {"id": new.id, "sha256": hashlib.sha256(file).hexdigest()},
            "results": results,
        }  # fmt: skip
        options.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
