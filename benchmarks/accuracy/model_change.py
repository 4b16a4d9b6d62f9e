"""A retrained ``stampnet`` beside the one before it, paired over objects, and beside its own float network.

    python -m benchmarks.accuracy.model_change --data FOLDER --kept FOLDER --before FILE [--model NAME|FILE]
                                               [--json FILE]

Every set of docs/accuracy.md that is there: real alerts (braai's label above 0.5, which is agreement; both networks may
have learned from them), the 163 alerts of the data folder that neither has seen, hybrids, and simulated candidates of
three surveys. What an alert is prepared to is kept in a folder, as by ``network_worth.py``.
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
from benchmarks.accuracy.integer_accuracy import LIMITS, METRICS, compared, scorer, taken
from benchmarks.accuracy.worth_rows import halves, test_sets
from benchmarks.programs import processor, versions
from space2vec.evaluation import compare_models
from space2vec.models.load import packaged
from space2vec.models.network import Network


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--kept", type=Path, required=True, help="where prepared rows are kept")
    parser.add_argument("--before", type=Path, required=True, help="the model file before")
    parser.add_argument("--model", default="stampnet")
    parser.add_argument("--bootstrap", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    new, old = s2v.load(given.model), s2v.load(given.before)
    assert isinstance(new, Network)
    assert isinstance(old, Network)
    file = packaged().get(given.model, Path(given.model)).read_bytes()
    runs = [(old, scorer(old, None)), (new, scorer(new, None)), (new, scorer(new, new.integers))]
    results: dict[str, Any] = {}
    for title, rows in test_sets(halves(given.data, given.kept)):
        before, floats, integers = (
            np.concatenate([score(taken(network, side)) for side in rows]) for network, score in runs
        )
        label, group = (np.concatenate([getattr(side, what) for side in rows]) for what in ("label", "group"))
        found = compare_models({"before": before, "now": integers}, label, group=group, against=("before",),
                        bootstrap=given.bootstrap)  # fmt: skip
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
            "integers and floats": compared(floats, integers, label, group, given.bootstrap),
        }
        change = results[title]["integers and floats"]
        print(title, len(label), {m: (round(r["before"], 4), round(r["now"], 4), r["difference"])
                                  for m, r in results[title]["before and now"].items()})  # fmt: skip
        print("   integers:", change["change"], change["decisions that change"], "auc lost", change["auc lost"])
    if given.json:
        record = {
            "benchmark": "model_change",
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": processor(), "versions": versions(("numpy", "torch")), "limits": LIMITS,
            "before": {"id": old.id, "sha256": hashlib.sha256(given.before.read_bytes()).hexdigest()},
            "now": {"id": new.id, "sha256": hashlib.sha256(file).hexdigest()},
            "results": results,
        }  # fmt: skip
        given.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
