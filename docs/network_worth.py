"""Write docs/network-worth.md from what network_worth.py and integer_accuracy.py measured: ``make pages``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "benchmarks" / "results"

INTRODUCTION = """\
# What the network is worth a microsecond

<!-- Written by docs/network_worth.py from network_worth.json and integer_accuracy.json: `make pages`. -->

Variants of `stampnet` that see fewer columns, planes or views, or are narrower, trained alike by
`benchmarks/accuracy/network_worth.py`: the same rows, {epochs} epochs, seeds {seeds} unless the table says that there
is one, once on each half of the objects and tested on the other half. These courses are short and see few rows: they
rank variants, and are no figures of a packaged model.

The chain is what an alert takes on one core, in microseconds: reading ({reading}), features and planes ({parts}), and
the network ({network}).

Agreement is with braai's score above 0.5, on real alerts of objects that the network has not seen; accuracy on hybrids
and on simulated candidates of three surveys is against the truth. Behind a figure stands the 95 % interval of its
difference to `all`, paired over objects; it does not hold what another seed does, which the last column tells.

![1 - AUC against microseconds](accuracy/network_worth.png)
"""
CHOICE = """\
## What follows

{choice}
"""
INTEGERS = """\
## Integers against floats

What `benchmarks/accuracy/integer_accuracy.py` measures: each packaged network as floats and in integers
([how](integer-networks.md)), on rows that the integers were not calibrated with. `stampnet` multiplies {stampnet:,}
times a candidate, `tablenet` {tablenet:,} times. Limits: AUC lost {auc:g}, median change {median:g}, decisions at 0.5
that change {decisions:.1%}.
"""
FILLERS = """\
Rows with fillers are alerts whose template holds -3.4e38 where it has no pixel: 87 units below the sky, which no byte
can hold. `stampnet` is trained with a `reach`, beyond which pixels count as at it, in floats as in integers.
"""
CASCADE = """\
## The cascade

`stampnet-fast` asks a network that sees science and difference (43 columns, trained on the rows of `stampnet` with its
opinion), and `stampnet` of those candidates whose first score lies from {low:g} to {high:g}: 30 % of the alerts and
variants of validation, which are harder than alerts as they come. What `benchmarks/accuracy/cascade.py` measures of it
beside `stampnet`, both in integers. The first multiplies {first:,} times a candidate, the second, in doubt, {second:,}
times. As above, both have learned from most of the alerts, the night among them.

`space2vec score` takes 1.70 million instructions an alert of the night with `stampnet-fast`, and 2.05 with `stampnet`;
in one interleaved run of `benchmarks/speed/chain.py` on a busy machine (10,000 alerts, 7 rounds) 0.84 of its time, and
1.11 times that of the forest of the eighteen. What both networks see of a candidate in doubt is measured and prepared
twice.
"""
CHANGE = """\
## The packaged network

`stampnet` was trained anew: on the columns of `lean`, with a `reach`, and with half of each target from a network of
all columns that learned from the same rows. What `benchmarks/accuracy/model_change.py` measures of it beside the one
that was packaged before (sha256 {before}), both on the same rows, in integers and in floats. From 874 of the 987
alerts, the night among them, both have learned: there, it shows how much each keeps of what it has seen. The 161 alerts
called `more` neither has seen, nor the simulated candidates; hybrids are made anew of all alerts.
"""
#: Written by hand, from the tables.
CHOSEN = """\
- **Columns.** Planes alone lose much everywhere. Which of the columns are there matters little: without the fit,
  LACOSMIC and COLMEDS nothing is lost, and 17 us are saved. `lean` leaves out the moments of the science plane as well:
  nothing on alerts and hybrids, 0.0009 of AUC on simulated candidates, 24 us in all. Leaving out all eighteen of
  autoScan saves as much, loses nothing on hybrids and simulated candidates, and perhaps something on alerts; of that
  there is one seed. `stampnet` is trained on the columns of `lean`.
- **Planes.** Without the template 36 us more are saved; against `lean`, false positives at MDR 4 % of simulated
  candidates rise from 6.0 to 6.6 %, and hybrids lose 0.007 of AUC. Its columns without its plane save 8 us alone: it is
  inflated for them. The template stays.
- **Views.** Either view alone saves 9 to 15 us, costs up to 0.0005 of AUC on simulated candidates against `lean`, and
  nothing that shows on alerts and hybrids. Both stay; were one to go, contrast is the one to keep.
- **Widths.** 24, 48, 64 gain on simulated candidates what `lean` lost, for 8 us; 8, 16, 32 lose on hybrids, for 5 us
  less. 16, 32, 64 stay.
- **Cascades.** The difference plane alone is a poor judge, and what it settles stays wrong: with 40 % in doubt, 99 us,
  AUC on simulated candidates falls by 0.011. The network that never sees a template is better at the same price. A
  cascade that opens the template last, for 30 % of the candidates, takes 112 us and has the false positives of `all`
  at MDR 4 %, at 0.0016 of its AUC: this one is `stampnet-fast`, and not the default.
"""

COLUMNS = ("night, AUC", "alerts, AUC", "hybrid, AUC", "simulated, AUC", "simulated, FPR at MDR 4 %")
PARTS = ("read", "inflate", "features", "prepare", "network", "chain")
OF_INTEGERS = (
    "network", "rows of", "rows", "with fillers", "median change", "95 %", "largest", "decisions that change",
    "AUC lost", "FPR at MDR 4 %, floats", "integers",
)  # fmt: skip


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    names = list(head)
    lines = [names, ["---"] * len(names), *(list(row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


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
        told = f"{spread:.4f}" if len(record["seeds"]) > 1 else "one seed"
        rows.append((f"`{name}`", seen, f"{us:.0f}", *cells, told))
    return table(("variant", "columns", "us", *COLUMNS, "largest difference of AUC between seeds"), rows)


def of_parts(results: Mapping[str, Any]) -> str:
    """Return what the parts of the chain take."""
    taken = {name: record["microseconds"] for name, record in results.items()}
    return table(("us", *PARTS), ((f"`{name}`", *(f"{us[part]:.1f}" for part in PARTS)) for name, us in taken.items()))


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
    """Return the table of the network before and now."""
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
    """Return the table of the cascade beside the network that it asks in doubt."""
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
    return table(("rows of", "rows", "in doubt", "million multiplications", *head), rows)


def of_first(record: Mapping[str, Any]) -> str:
    """Return a sentence on what integers change of the first network of the cascade."""
    parts = [part["first, integers and floats"] for part in record["results"].values()]
    median, lost = max(part["change"]["median"] for part in parts), max(part["auc lost"] for part in parts)
    decided = max(part["decisions that change"][1] for part in parts)
    return (
        f"Integers change the scores of the first network by {median:.5f} at most in the median of a set, and "
        f"{decided:.2%} of its\ndecisions at 0.5 at most; its AUC loses {lost:.5f} at most.\n"
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
        "What the parts of the chain take:\n",
        of_parts(worth["results"]),
        CHOICE.format(choice=choice.strip()) if choice else "",
        f"Measured {worth['date'][:10]} on {worth['machine']}.\n",
        CHANGE.format(before=change["before"]["sha256"][:12]),
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
