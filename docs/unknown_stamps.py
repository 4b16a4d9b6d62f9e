"""Write docs/unknown-stamps.md from what benchmarks/accuracy/out_of_distribution.py measured: ``make pages``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markdown_table import table

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "benchmarks" / "results" / "out_of_distribution.json"

INTRODUCTION = """\
# Stamps that a model does not know

<!-- Written by docs/unknown_stamps.py from benchmarks/results/out_of_distribution.json: `make pages`. -->

A score says nothing of stamps that are unlike all that the model learned from. Two flags of the library mark such rows,
`masked_core` and `no_flux_scale` ([what they mean and what to do](outputs.md#stamps-that-a-model-does-not-know)). This
page says what they find, measured by `benchmarks/accuracy/out_of_distribution.py` with `{model}`.

A score is wrong if it lies on the wrong side of 0.5. Usual candidates are real ZTF alerts that are known to be real or
of which braai is sure, and simulated candidates of ZTF, DES and Rubin. The other sets are such candidates after a
change, and keep their labels.
"""
FLAGS = """\
## The flags

Of usual candidates {usual} are flagged; at most 1 % should be. "Wrong scores flagged" is the share of the wrong
scores of a set whose row has one of the flags; "wrong among the rest" is the share of wrong scores of the other rows.
"""
TESTS = """\
## Against other tests

Each other test has the threshold that flags at most 1 % of usual candidates, of other objects than those by which it
learned what is usual. Shares of the wrong scores that each test flags:
"""
CONCLUSIONS = """\
The wrong scores of usual candidates are not strange: no test finds them, and the doubt of the score itself finds most.
What a distance flags is seldom what is wrong, because a network that learned from three surveys takes much for usual.
The flags need comparisons, counts and two sums alone, so that every backend gives the same bits. A masked core of the
template alone is not flagged, for the scores are as good without it.

Not found are planes divided by their MAD, exchanged planes, stars of another width and a difference of the other sign.
`score` warns of a batch whose planes were divided by their MAD ([reading](reading.md#units-of-planes)); for the others,
[calibrate](decisions.md#calibrate-a-model) on labels of the survey and look at the most extreme scores.
"""
#: The tests that are compared with the flags, and what they are.
OTHERS = {
    "flags": "the flags",
    "doubt": "score near 0.5",
    "columns beyond": "features outside their range",
    "features": "distance of the features",
    "vector": "distance of the last hidden layer",
    "planes": "distance of ten numbers of how the planes fit",
}


def per_cent(share: float | None) -> str:
    """Return a share in per cent; a dash where there is none."""
    return "-" if share is None else f"{100 * share:.1f} %"


def of_flags(results: Mapping[str, Any]) -> str:
    """Return the table of what the library's flags find in each set."""
    head = ("candidates", "rows", "wrong scores", "`masked_core`", "`no_flux_scale`", "wrong scores flagged",
            "wrong among the rest")  # fmt: skip
    rows = []
    for name, held in results.items():
        found, judged = held["tests"]["flags"], held["judged"] > 0
        raised = (per_cent(held["raised"][flag]) for flag in ("masked_core", "no_flux_scale"))
        caught = per_cent(found["wrong scores flagged"] if judged else None)
        rest = per_cent(found["wrong among the rest"] if judged and found["flagged"] < 1.0 else None)
        rows.append((name, f"{held['rows']:,}", per_cent(held["wrong"]), *raised, caught, rest))
    return table(head, rows)


def of_tests(results: Mapping[str, Any]) -> str:
    """Return the table of what other tests find in each set with labels."""
    rows = []
    for name, held in results.items():
        if held["judged"]:
            rows.append((name, *(per_cent(held["tests"][test]["wrong scores flagged"]) for test in OTHERS)))
    return table(("candidates", *OTHERS.values()), rows)


def document(record: Mapping[str, Any]) -> str:
    """Return the text of the page."""
    results = record["results"]
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return "\n".join(
        [
            INTRODUCTION.format(model=record["model"]),
            FLAGS.format(usual=per_cent(results["usual"]["tests"]["flags"]["flagged"])),
            of_flags(results),
            TESTS,
            of_tests(results),
            CONCLUSIONS,
            f"Measured {record['date'][:10]} on {record['device']}; {versions}.\n",
        ]
    )


def main() -> None:
    """Write the page."""
    text = document(json.loads(RESULTS.read_text(encoding="utf-8")))
    (HERE / "unknown-stamps.md").write_text(text, encoding="utf-8")
    print(f"docs/unknown-stamps.md from {RESULTS.name}")


if __name__ == "__main__":
    main()
