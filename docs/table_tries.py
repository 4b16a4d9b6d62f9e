"""Write docs/table-tries.md from benchmarks/results/table_tries.json: ``make pages``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "benchmarks" / "results" / "table_tries.json"
FPR = "fpr at mdr 4%"
SUM = "sum over .4 .5 .6"

INTRODUCTION = """\
# What was tried to make tablenet better

<!-- Written by docs/table_tries.py from benchmarks/results/table_tries.json: `make pages`. -->

`tablenet` learns from 10,000 labelled rows of DES, and from the scores of boosted trees that were trained without the
row. Each try below changes one thing of that, and is measured by {folds}-fold cross-validation on real labels;
`benchmarks/accuracy/table_tries.py` makes the measurements, and has the sources of the methods. Networks are run in
floating point here. "Split" is the seed of the division into folds; 0 is that of [Accuracy](accuracy.md). In brackets
is the 95 % interval of a bootstrap over rows, of the first split. "As it is, another seed" shows how much a figure
changes when nothing but the random numbers do. Tries of the script that the table lacks were not run yet.
"""


def figure(name: str, found: Mapping[str, Any], interval: bool) -> str:
    """Return a metric as text, in percent if it is a rate."""
    held = found["metrics"][name]
    scale, digits, unit = (100.0, 2, " %") if name == FPR else (1.0, 4, "")
    text = f"{scale * held['value']:.{digits}f}{unit}"
    return f"{text} ({scale * held['low']:.{digits}f} .. {scale * held['high']:.{digits}f})" if interval else text


def rows(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of the table."""
    splits = sorted({split for found in results["tries"].values() for split in found}, key=int)
    head = ["try", *(f"{what}, split {split}" for split in splits for what in ("FPR at MDR 4 %", "sum over .4 .5 .6"))]
    yield from (f"| {' | '.join(head)} |", f"| {' | '.join(['---'] * len(head))} |")
    for name, found in results["tries"].items():
        cells = [
            figure(metric, found[split], split == splits[0]) if split in found else "-"
            for split in splits
            for metric in (FPR, SUM)
        ]
        yield f"| {name} | {' | '.join(cells)} |"


def document(results: Mapping[str, Any]) -> str:
    """Return the text of docs/table-tries.md."""
    packages = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    measured = f"Measured {results['date']} on {results['processor']}; {packages}; 2000 resamples.\n"
    return "\n".join([INTRODUCTION.format(folds=results["folds"]), *rows(results), "", measured])


if __name__ == "__main__":
    (HERE / "table-tries.md").write_text(document(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
