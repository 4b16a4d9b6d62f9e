"""Write docs/network-worth.md from what network_worth.py and integer_accuracy.py measured: ``make pages``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markdown_table import table

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "benchmarks" / "results"

INTRODUCTION = """\
# Accuracy and cost of the parts of the network

<!-- Written by docs/network_worth.py from network_worth.json and integer_accuracy.json: `make pages`. -->

Which inputs of `stampnet` are worth their time? This page compares variants of it that take fewer feature columns,
image planes or views of the planes, or have narrower layers. A *view* is a scaling of the planes: in units of the
noise, or of the contrast; `stampnet` takes both.

All variants were trained in the same way by `benchmarks/accuracy/network_worth.py`: on the same rows, for {epochs}
epochs, with the seeds {seeds} unless the table says "one seed", once on each half of the objects and tested on the
other half. These trainings are short and use few rows. Their figures rank variants, and are not those of a packaged
model.

Cost is the time of one alert on one core in microseconds: reading ({reading}), features and planes ({parts}), and the
network ({network}).

On real alerts (`night`, `alerts`) the AUC measures agreement with braai's score above 0.5, for objects that the network
has not seen. On hybrids and on simulated candidates of three surveys it measures accuracy. In brackets is the 95 %
interval of the difference from `all`, paired by object. It does not include the variation between training seeds, which
the last column shows.

![1 - AUC against microseconds](accuracy/network_worth.png)
"""
CHOICE = """\
## Conclusions

{choice}
"""
INTEGERS = """\
## Integers against floats

The packaged networks run in integers ([how](integer-networks.md)). `benchmarks/accuracy/integer_accuracy.py` compares
each of them with the same network in floating point, on rows that were not used to calibrate the integers.
For one candidate `stampnet` multiplies {stampnet:,} times, and `tablenet` {tablenet:,} times. The limits that
integers must keep: at most {auc:g} of AUC lost, a median change of {median:g}, and {decisions:.1%} of the decisions at
0.5 changed.
"""
FILLERS = """\
"With fillers" counts alerts whose template contains -3.4e38 where it has no pixel. After scaling that is 87 units below
the sky, more than a byte can represent. `stampnet` is therefore trained with a limit (`reach`) to which pixels are
clipped, in floats as in integers.
"""
CASCADE = """\
## The cascade

`stampnet-fast` first runs a small network that takes science and difference only (43 columns; it was trained on the
rows of `stampnet`, with its scores as targets). It runs `stampnet` only on candidates whose first score is uncertain,
by an interval that holds 30 % of the validation rows, which are harder than alerts as they come.
`benchmarks/accuracy/cascade.py` compares it with `stampnet`, both in integers. The figures are of the first version of
both, whose interval was from {low:g} to {high:g}. The first network multiplies {first:,}
times a candidate, the second, for uncertain candidates, {second:,} times. Both models were trained on most of the
alerts, including the night.

`space2vec score` takes 1.70 million instructions an alert of the night with `stampnet-fast`, and 2.05 with
`stampnet`. In one interleaved run of `benchmarks/speed/chain.py` on a busy machine (10,000 alerts, 7 rounds) it took
0.84 of the time of `stampnet`, and 1.11 times that of the forest on the eighteen autoScan features. For an uncertain
candidate, the inputs that both networks take are measured and prepared twice.
"""
CHANGE = """\
## The first packaged network

The first packaged `stampnet` (sha256 {now}) was trained on the columns of `lean`, with pixels clipped at `reach`, and
with targets of which half is the score of a network of all columns that was trained on the same rows.
`benchmarks/accuracy/model_change.py` compares it with one of all columns (sha256 {before}) on the same rows, in
integers and in floats. `stampnet v2` has the same structure, and learned from other rows ([Accuracy](accuracy.md)).

Both were trained on 874 of the 987 alerts, including the night; on those the table shows how well each reproduces its
training data. Neither has seen the 161 alerts called `more`, nor the simulated candidates. The hybrids were generated
anew from all alerts.
"""
#: Written by hand, from the tables.
CHOSEN = """\
- **Columns.** A network on planes alone is clearly worse on all rows. Which columns it has matters little. Without
  the fit, LACOSMIC and COLMEDS it loses nothing and saves 17 us. `lean` also omits the moments of the science plane:
  it loses nothing on alerts and hybrids and 0.0009 of AUC on simulated candidates, and saves 24 us in all. Omitting
  all eighteen autoScan columns saves as much, and loses nothing on hybrids and simulated candidates, but perhaps
  something on alerts (one seed). `stampnet` is trained on the columns of `lean`.
- **Planes.** Omitting the template saves 36 us more. Compared with `lean`, false positives of simulated candidates at
  MDR 4 % rise from 6.0 to 6.6 %, and hybrids lose 0.007 of AUC. Keeping the template's columns without its plane saves
  only 8 us, because the plane is inflated for them. `stampnet` keeps the template.
- **Views.** Omitting either view saves 9 to 15 us and costs up to 0.0005 of AUC on simulated candidates compared with
  `lean`, and nothing measurable on alerts and hybrids. `stampnet` keeps both; if one had to go, contrast should stay.
- **Widths.** Widths of 24, 48, 64 regain on simulated candidates what `lean` lost, for 8 us. Widths of 8, 16, 32 lose
  on hybrids and save 5 us. `stampnet` keeps 16, 32, 64.
- **Cascades.** A first network on the difference alone is poor, and its wrong decisions are final: with 40 % of the
  candidates uncertain it takes 99 us, and the AUC on simulated candidates falls by 0.011. The network that never uses
  a template is better at the same price. A cascade that uses the template last, for 30 % of the candidates, takes 112
  us; at MDR 4 % it has the false positives of `all`, with 0.0016 less AUC. It is packaged as `stampnet-fast`, and is
  not the default.
"""

COLUMNS = ("night, AUC", "alerts, AUC", "hybrid, AUC", "simulated, AUC", "simulated, FPR at MDR 4 %")
PARTS = ("read", "inflate", "features", "prepare", "network", "chain")
OF_INTEGERS = (
    "network", "rows of", "rows", "with fillers", "median change", "95 %", "largest", "decisions that change",
    "AUC lost", "FPR at MDR 4 %, floats", "integers",
)  # fmt: skip


def of_variants(results: Mapping[str, Any]) -> str:
    """Return the table of the variants and cascades."""
    rows = []
    for name, record in results.items():
        figures = record["figures"]
        cells = []
        for title in COLUMNS:
            value, (_, low, high) = figures[title]["value"], figures[title]["difference"]
            cells.append(f"{value:.4f}" if low == high == 0.0 else f"{value:.4f} ({low:+.4f} .. {high:+.4f})")
        spread = max(max(figures[title]["seeds"]) - min(figures[title]["seeds"]) for title in COLUMNS[:-1])
        us, seen = record["microseconds"]["chain"], str(record.get("columns", ""))
        between = f"{spread:.4f}" if len(record["seeds"]) > 1 else "one seed"
        rows.append((f"`{name}`", seen, f"{us:.0f}", *cells, between))
    return table(("variant", "columns", "us", *COLUMNS, "largest difference of AUC between seeds"), rows)


def of_parts(results: Mapping[str, Any]) -> str:
    """Return the table of the time of each step."""
    taken = {name: record["microseconds"] for name, record in results.items()}
    return table(
        ("variant", *PARTS), ((f"`{name}`", *(f"{us[part]:.1f}" for part in PARTS)) for name, us in taken.items())
    )


def of_integers(record: Mapping[str, Any]) -> str:
    """Return the table of integers against floats."""
    rows = []
    for network, own in record["results"].items():
        for title, part in own["sets"].items():
            change, (count, share) = part["change"], part["decisions that change"]
            before, after = (part["figures"]["fpr at mdr 4%"][kind] for kind in ("float", "integers"))
            rows.append((
                f"`{network}`", title, f"{part['rows']:,}", str(part.get("rows with fillers", "")),
                f"{change['median']:.5f}", f"{change['95 %']:.4f}", f"{change['largest']:.3f}",
                f"{count} ({share:.2%})", f"{part['auc lost']:+.5f}",
                f"{before[0]:.2%} ({before[1]:.2%} .. {before[2]:.2%})", f"{after[0]:.2%}",
            ))  # fmt: skip
    return table(OF_INTEGERS, rows)


def of_change(record: Mapping[str, Any]) -> str:
    """Return the table of the earlier and the present packaged network."""
    rows = []
    for title, part in record["results"].items():
        cells = [title, f"{part['rows']:,}"]
        for metric, form in (("auc", ".4f"), ("fpr at mdr 4%", ".2%")):
            own = part["before and now"][metric]
            value, low, high = (format(number, "+" + form) for number in own["difference"])
            cells += [format(own["before"], form), format(own["now"], form), f"{value} ({low} .. {high})"]
        rows.append(cells)
    head = ("AUC before", "now", "difference", "FPR at MDR 4 % before", "now", "difference")
    return table(("rows of", "rows", *head), rows)


def of_cascade(record: Mapping[str, Any]) -> str:
    """Return the table of the cascade and of its second network alone."""
    rows = []
    sizes = record["multiplications"]
    for title, part in record["results"].items():
        taken = sizes["first"] + part["in doubt"] * sizes["second"]
        cells = [title, f"{part['rows']:,}", f"{part['in doubt']:.1%}", f"{taken / 1e6:.2f}"]
        for metric, form in (("auc", ".4f"), ("fpr at mdr 4%", ".2%")):
            own = part["figures"][metric]
            value, low, high = (format(number, "+" + form) for number in own["difference"])
            cells += [
                format(own["stampnet"], form), format(own["stampnet-fast"], form), f"{value} ({low} .. {high})",
                format(own["first alone"], form),
            ]  # fmt: skip
        rows.append(cells)
    head = ("AUC of `stampnet`", "`stampnet-fast`", "difference", "first alone", "FPR at MDR 4 % of `stampnet`",
            "`stampnet-fast`", "difference", "first alone")  # fmt: skip
    return table(("rows of", "rows", "uncertain", "million multiplications", *head), rows)


def of_first(record: Mapping[str, Any]) -> str:
    """Return a sentence on how integers change the scores of the cascade's first network."""
    parts = [part["first, integers and floats"] for part in record["results"].values()]
    median, lost = max(part["change"]["median"] for part in parts), max(part["auc lost"] for part in parts)
    decided = max(part["decisions that change"][1] for part in parts)
    return (
        f"Integers change the scores of the first network by {median:.5f} at most in the median of a set, and "
        f"{decided:.2%} of its\ndecisions at 0.5 at most; it loses at most {lost:.5f} of AUC.\n"
    )


def document(
    worth: Mapping[str, Any],
    integers: Mapping[str, Any],
    change: Mapping[str, Any],
    cascade: Mapping[str, Any],
    choice: str = CHOSEN,
) -> str:
    """Return the text of docs/network-worth.md."""
    us, seeds = worth["microseconds"], " and ".join(map(str, worth["seeds"]))
    how = {"reading": us["reading"], "parts": us["features and planes"], "network": us["network"]}
    most = integers["limits"]
    limits = {"auc": most["auc lost"], "median": most["median change"], "decisions": most["decisions that change"]}
    sizes = {name: own["multiplications"] for name, own in integers["results"].items()}
    parts = [
        INTRODUCTION.format(epochs=worth["epochs"], seeds=seeds, **how),
        of_variants(worth["results"]),
        "The time of each step, in microseconds:\n",
        of_parts(worth["results"]),
        CHOICE.format(choice=choice.strip()) if choice else "",
        f"Measured {worth['date'][:10]} on {worth['machine']}.\n",
        CHANGE.format(**{part: change[part]["sha256"][:12] for part in ("before", "now")}),
        of_change(change),
        f"Measured {change['date'][:10]} on {change['machine']}.\n",
        CASCADE.format(**dict(zip(("low", "high"), cascade["doubt"], strict=True)), **cascade["multiplications"]),
        of_cascade(cascade),
        of_first(cascade),
        f"Measured {cascade['date'][:10]} on {cascade['machine']}.\n",
        INTEGERS.format(**sizes, **limits),
        of_integers(integers),
        FILLERS,
        f"Measured {integers['date'][:10]} on {integers['machine']}.\n",
    ]
    return "\n".join(part for part in parts if part)


def main() -> None:
    """Write the document."""
    worth, integers, change, cascade = (
        json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("network_worth", "integer_accuracy", "model_change", "cascade")
    )
    (HERE / "network-worth.md").write_text(document(worth, integers, change, cascade), encoding="utf-8")
    print("docs/network-worth.md from network_worth.json, integer_accuracy.json and model_change.json")


if __name__ == "__main__":
    main()
