"""Write docs/table-tries.md from benchmarks/results/table_tries.json: ``make pages``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markdown_table import table

from space2vec.evaluation.metrics import format_metric

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "benchmarks" / "results" / "table_tries.json"
#: The metrics of the table, and their names in its head.
METRICS = {"fpr at mdr 4%": "FPR at MDR 4 %", "sum over .4 .5 .6": "sum over .4 .5 .6"}

INTRODUCTION = """\
# What was tried to make tablenet better

<!-- Written by docs/table_tries.py from benchmarks/results/table_tries.json: `make pages`. -->

`tablenet` learns from 10,000 labelled rows of DES, and from the scores of boosted trees that were trained without the
row. Each try below changes one thing of that, and is measured by {folds}-fold cross-validation on real labels;
`benchmarks/accuracy/table_tries.py` makes the measurements, and has the sources of the methods. Networks are run in
floating point here, and no interpolated row is set aside for validation. "Split" is the seed of the division into
folds; 0 is that of [Accuracy](accuracy.md). In brackets is the 95 % interval of a bootstrap over rows, of the first
split. "As it is, another seed" shows how much a figure changes when nothing but the random numbers do. Tries of the
script that the table lacks were not run yet.
"""


def figure(name: str, metric: Mapping[str, float], *, interval: bool) -> str:
    """Return a metric as text, with its interval where that is asked for."""
    value, low, high = (format_metric(name, metric[key]) for key in ("value", "low", "high"))
    return f"{value} ({low} .. {high})" if interval else value


def of_tries(tries: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table of the tries, with two columns for each split."""
    splits = sorted({split for found in tries.values() for split in found}, key=int)
    columns = [(split, metric) for split in splits for metric in METRICS]
    rows = []
    for name, found in tries.items():
        cells = [
            figure(metric, found[split]["metrics"][metric], interval=split == splits[0]) if split in found else "-"
            for split, metric in columns
        ]
        rows.append([name, *cells])
    return table(["try", *(f"{METRICS[metric]}, split {split}" for split, metric in columns)], rows)


def document(results: Mapping[str, Any]) -> str:
    """Return the text of docs/table-tries.md."""
    packages = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    measured = f"Measured {results['date']} on {results['processor']}; {packages}; 2000 resamples.\n"
    return "\n".join([INTRODUCTION.format(folds=results["folds"]), of_tries(results["tries"]), measured])


if __name__ == "__main__":
    (HERE / "table-tries.md").write_text(document(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
