"""Write docs/likeness.md from benchmarks/results/vectors.json: ``make pages``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "benchmarks" / "results" / "vectors.json"
WAYS = {"vectors": "`vectornet`", "features": "67 features", "stampnet": "last layer of `stampnet`", "pixels": "pixels"}
SETS = {
    "three surveys": "three surveys",
    "ztf": "ZTF",
    "rubin": "Rubin",
    "des": "DES",
    "night": "a night of ZTF",
}
#: What was asked for: shares of the same kind, and for kinds that were left out.
ASKED, ASKED_LEFT_OUT = 0.72, 0.60

INTRODUCTION = """\
# Likeness: do vectors lay like candidates together?

<!-- Written by docs/likeness.py from benchmarks/results/vectors.json: `make pages`. -->

`vectornet` turns a stamp into 64 numbers of 8 bits. This page measures on candidates that it has not learned from
whether those of one kind, those of one object and those of one stamp lie together. All kinds are those of the
simulator, which draws 18 of them; all candidates here are of other seeds. Nearness is the cosine of the angle between
two descriptions. `benchmarks/accuracy/vectors.py` makes the measurements, `python -m
space2vec.studies.packaged.vectors` the network.

Compared are the vectors, the 67 features of a stamp (each scaled by its spread), the last hidden layer of `stampnet`,
and 32 principal components of the pixels around the candidate.
"""


def page(record: Mapping[str, Any]) -> str:
    """Return the page for the results of the benchmark."""
    parts = [INTRODUCTION, *_kinds(record), *_by_kind(record), *_left_out(record), *_repeated(record)]
    parts += [*_clusters(record), *_invariance(record), _PICTURES]
    return "\n".join(parts)


def _kinds(record: Mapping[str, Any]) -> Iterator[str]:
    yield "## Kinds among the nearest\n"
    yield (
        "The share of the ten nearest candidates that are of the same kind, mean over kinds. In the sets of surveys "
        "all kinds are equally frequent. The night has them in the shares of a survey: some occur a dozen times. "
        f"Asked for: {ASKED:.2f}.\n"
    )
    yield "| candidates | " + " | ".join(WAYS.values()) + " |\n|---|" + "---|" * len(WAYS)
    for name, title in SETS.items():
        means = [record["kinds"][name][way]["mean"] for way in WAYS]
        cells = [f"**{mean:.3f}**" if mean == max(means) else f"{mean:.3f}" for mean in means]
        yield f"| {record['rows'][name]:,} of {title} | " + " | ".join(cells) + " |"
    ceiling = record["ceiling"]
    yield (
        "\nA ceiling: a supervised classifier, taught by features and vectors of candidates that `vectornet` learned "
        f"from, names the right kind of {100 * ceiling['three surveys']:.1f} % (three surveys) and "
        f"{100 * ceiling['night']:.1f} % (night) of the candidates, mean over kinds.\n"
    )


def _by_kind(record: Mapping[str, Any]) -> Iterator[str]:
    yield "| kind | " + " | ".join(WAYS.values()) + " |\n|---|" + "---|" * len(WAYS)
    shares = {way: record["kinds"]["three surveys"][way]["by kind"] for way in WAYS}
    for kind in sorted(shares["vectors"], key=shares["vectors"].get):
        yield f"| {kind.replace('_', ' ')} | " + " | ".join(f"{shares[way][kind]:.2f}" for way in WAYS) + " |"
    yield ""


def _left_out(record: Mapping[str, Any]) -> Iterator[str]:
    found = record.get("left out")
    if not found:
        return
    mean, kinds = found["mean"], found["by kind"]
    yield "## Kinds that were not learned\n"
    yield (
        f"Each of {len(kinds)} kinds was left out of a training of its own; its share is measured among candidates of "
        "all kinds. These networks learned from a quarter of the rows for a third of the epochs, the network of the "
        f"columns beside as long from all kinds. Asked for: {ASKED_LEFT_OUT:.2f}.\n"
    )
    yield "| kind | left out, three surveys | learned | left out, night | learned |\n|---|---|---|---|---|"
    for kind, row in {**dict(sorted(kinds.items())), "**mean**": mean}.items():
        cells = [f"{row[name]:.2f}" for name in ("three surveys", "with it", "night", "night, with it")]
        yield f"| {kind.replace('_', ' ')} | " + " | ".join(cells) + " |"
    yield ""


def _repeated(record: Mapping[str, Any]) -> Iterator[str]:
    yield "## Alerts of one object\n"
    yield (
        f"{record['rows']['repeated']:,} simulated alerts, two of each object in different conditions and with other "
        "fluxes, among all other candidates: the share that has the other alert among its ten nearest.\n"
    )
    yield "| " + " | ".join(WAYS.values()) + " |\n|" + "---|" * len(WAYS)
    yield "| " + " | ".join(f"{record['repeated'][way]:.3f}" for way in WAYS) + " |\n"


def _clusters(record: Mapping[str, Any]) -> Iterator[str]:
    yield "## Clusters against kinds\n"
    yield "k-means of the three surveys into 18 clusters.\n"
    yield "| clusters of | adjusted Rand index | purity |\n|---|---|---|"
    for way, found in record["clusters"].items():
        yield f"| {WAYS[way]} | {found['adjusted Rand index']:.3f} | {found['purity']:.3f} |"
    yield ""


def _invariance(record: Mapping[str, Any]) -> Iterator[str]:
    yield "## Mirrored, turned and shifted stamps\n"
    others = record["invariance"]["two candidates"]["median cosine"]
    yield (
        "The cosine between the vectors of a candidate before and after its stamp was changed, and how often the "
        f"nearest to the changed candidate is itself. Between two candidates the median is {others:.2f}.\n"
    )
    yield "| change | median cosine | a tenth lies below | finds itself |\n|---|---|---|---|"
    for name, found in record["invariance"].items():
        if "own nearest" in found:
            yield (
                f"| {name} | {found['median cosine']:.3f} | {found['tenth of the lowest']:.3f} | "
                f"{100 * found['own nearest']:.1f} % |"
            )
    yield ""


_PICTURES = """\
## Look-alikes

Each line begins with a candidate; the six after it are the nearest of other objects. Science image, template and
difference side by side, drawn by `benchmarks/accuracy/vector_pictures.py`.

Real ZTF alerts, drawn at random:

![Real alerts and their look-alikes](accuracy/look_alikes_real.png)

Simulated candidates of three surveys, one of each kind, with the kinds of those that were found:

![Simulated candidates and their look-alikes](accuracy/look_alikes_simulated.png)
"""


def main() -> None:
    """Write the page."""
    (HERE / "likeness.md").write_text(page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
