"""Write docs/few-labels.md from results of benchmarks/accuracy/few_labels.py and review_labels.py: ``make pages``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from markdown_table import table

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "benchmarks" / "results"
FPR = "fpr at mdr 4%"
#: The results, by the beginning of the names of their files, in the order of the page.
BENCHMARKS = ("few_labels", "few_labels_unlabelled", "review_labels", "review_labels_unlabelled")
#: Candidates that few_labels.py draws for each seed.
POOL = 1000
SURVEYS = {"rubin": "Rubin", "des": "DES"}

INTRODUCTION = """\
# Few labels: learning curves

<!-- Written by docs/few_labels.py from benchmarks/results/{few,review}_labels*.json: `make pages`. -->

How good does a model become with few labels of a survey that it has not seen? `benchmarks/accuracy/few_labels.py`
trains `stampnet` on simulated ZTF candidates alone, and fine-tunes it on labels of a simulated Rubin or DES, as
`space2vec train network --from` does by default. The same structure is trained from random weights on the same
labels, on all of them and for as many epochs too. "Nothing frozen" is `--freeze none`. The packaged forest, which has
learned from ZTF alone, is fitted to the labels as by `train forest --from forest`, and a forest of its columns is
trained on the labels alone. Each seed draws other candidates. All models are measured on the same further candidates.

The figures are false positive rates at a missed detection rate of 4 %: the mean over seeds, and in brackets the
lowest and the highest. They are those of simulations: they compare ways of training, and promise nothing for a real
survey.
"""

UNLABELLED = """\
## Candidates without a label

`space2vec train network --unlabelled N` learns from candidates without a label as well. Here {labels} of {pool}
candidates are labelled, and the others are not; the network to start from was trained anew. "The others unlabelled"
learns from the labels, and then from these and, with half their weight, from what it says of the others.
"""

REVIEW = """\
## Which candidates to label

`benchmarks/accuracy/review_labels.py` labels {labels} of {pool} candidates, of which half are real: the first ones
that `space2vec review` asks for, random ones, or the doubtful ones that are unlike each other, and fine-tunes the same
network as above.
"""


def cell(values: Iterable[float]) -> str:
    """Return the mean of rates, their range and number."""
    found = list(values)
    if not found:
        return "-"
    mean = f"{sum(found) / len(found):.1%}"
    return mean if len(found) == 1 else f"{mean} ({min(found):.1%} to {max(found):.1%}; {len(found)} seeds)"


def rates(record: Mapping[str, Any], **wanted: object) -> dict[int, float]:
    """Return the rates of the rows with these entries, by seed."""
    rows = (row for row in record["curves"] if all(row[name] == value for name, value in wanted.items()))
    return {row["seed"]: row[FPR] for row in rows}


def seeds_below(of_one: Mapping[int, float], rival: Mapping[int, float]) -> str:
    """Return in how many of the seeds that both have rates are below those of a rival; nothing if they share none."""
    both = of_one.keys() & rival.keys()
    return f"{sum(of_one[seed] < rival[seed] for seed in both)} of {len(both)} seeds" if both else ""


def by_survey(records: Mapping[str, Mapping[str, Any]], *first: Iterable[str]) -> str:
    """Return a table with a row for each way and a column for each survey, below rows that come first."""
    ways = dict.fromkeys(row["way"] for record in records.values() for row in record["curves"])
    rows = ([way, *(cell(rates(record, way=way).values()) for record in records.values())] for way in ways)
    return table(["", *(SURVEYS[name] for name in records)], [*first, *rows])


def of_survey(name: str, record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the learning curves of one survey, and what they say of the network with 200 labels."""
    counts = sorted({row["labels"] for row in record["curves"]})
    ways = list(dict.fromkeys(row["way"] for row in record["curves"]))
    yield f"## A simulated {name}\n"
    yield table(
        ["", "no labels", *(f"{count} labels" for count in counts)],
        (
            [way, before(record, way), *(cell(rates(record, labels=count, way=way).values()) for count in counts)]
            for way in ways
        ),
    )
    tuned, fresh = (rates(record, labels=200, way=way) for way in ("fine-tuned", "from nothing"))
    if tuned:
        ratio = sum(tuned.values()) / len(tuned) / record["before"][FPR]
        yield f"With 200 labels, fine-tuning leaves {ratio:.0%} of the rate of the network without labels."
    if seeds := seeds_below(tuned, fresh):
        yield f"It is below training from nothing in {seeds}."
    yield ""


def before(record: Mapping[str, Any], way: str) -> str:
    """Return the rate of the model that a way begins with."""
    start = {"fine-tuned": "before", "fine-tuned, nothing frozen": "before", "forest, tuned": "forest before"}.get(way)
    return "-" if start is None else f"{record[start][FPR]:.1%}"


def of_unlabelled(records: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield what candidates without a label gain."""
    if not records:
        return
    first = next(iter(records.values()))
    yield UNLABELLED.format(labels=first["curves"][0]["labels"], pool=POOL)
    yield by_survey(records, ["no labels", *(f"{record['before'][FPR]:.1%}" for record in records.values())])
    for name, record in records.items():
        with_others = rates(record, way="fine-tuned, the others unlabelled")
        for rival in ("fine-tuned", "from nothing"):
            if seeds := seeds_below(with_others, rates(record, way=rival)):
                yield f'{SURVEYS[name]}: with the others it is below "{rival}" in {seeds}.'
    yield ""


def of_review(records: Mapping[str, Mapping[str, Any]], unlabelled: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield what the choice of candidates gains."""
    if not records:
        return
    first = next(iter(records.values()))
    yield REVIEW.format(labels=first["curves"][0]["labels"], pool=first["pool"])
    yield from of_choices(records)
    if unlabelled:
        yield "The same where the candidates that are not chosen are learned from without labels (`--unlabelled`):\n"
        yield from of_choices(unlabelled)


def of_choices(records: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield a table of the ways of choosing, and how often the review is better than chance."""
    yield by_survey(records)
    for name, record in records.items():
        seeds = seeds_below(rates(record, way="review"), rates(record, way="random"))
        yield f"{SURVEYS[name]}: what the review asks for is better than random in {seeds}."
    yield ""


def document(
    curves: Mapping[str, Mapping[str, Any]],
    unlabelled: Mapping[str, Mapping[str, Any]],
    reviews: Mapping[str, Mapping[str, Any]],
    reviews_unlabelled: Mapping[str, Mapping[str, Any]],
) -> str:
    """Return the page."""
    parts = [INTRODUCTION]
    for name, record in curves.items():
        parts += of_survey(SURVEYS[name], record)
    return "\n".join([*parts, *of_unlabelled(unlabelled), *of_review(reviews, reviews_unlabelled)]).rstrip("\n") + "\n"


def read_results(benchmark: str) -> dict[str, dict[str, Any]]:
    """Return the results of a benchmark by survey, of the surveys that were measured."""
    files = {name: RESULTS / f"{benchmark}_{name}.json" for name in SURVEYS}
    return {name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items() if file.exists()}


def main() -> None:
    """Write the document."""
    text = document(*map(read_results, BENCHMARKS))
    (HERE / "few-labels.md").write_text(text, encoding="utf-8")
    print("docs/few-labels.md from the results of few_labels and review_labels")


if __name__ == "__main__":
    main()
