"""Write docs/accuracy.md from results of benchmarks/accuracy, forest_vs_network and yardsticks: ``make pages``.

The benchmark itself draws the pictures in docs/accuracy (``--pictures docs/accuracy``). One table compares each
requirement with its measurement: met or missed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from markdown_table import table

from space2vec.evaluation import HEADLINES
from space2vec.evaluation.metrics import format_metric

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "benchmarks" / "results" / "forest_vs_network.json"
YARDSTICKS = RESULTS.with_name("yardsticks.json")
FPR, SUM = "fpr at mdr 4%", "sum over .4 .5 .6"
#: Figures of the yardsticks.
KNOWN, SURE = "known real that pass at FPR 2.5 %", "FPR at MDR 4 % where braai is sure"
SURE_AUC = "AUC where braai is sure"

INTRODUCTION = """\
# Accuracy: forest against network

<!-- Written by docs/accuracy.py from benchmarks/results/{forest_vs_network,yardsticks}.json: `make pages`. -->

This page compares random forests and neural networks on the same candidates: with real labels, on simulated and hybrid
stamps, and on real ZTF alerts.

**In all sections but the last, `stampnet` has an older structure than the packaged one.** It takes 67 feature columns
in addition to the planes; the packaged `stampnet`, which the last section measures, takes 54, and was trained anew.
[Accuracy and cost of the parts of the network](network-worth.md) compares the two on the same rows.

A missed detection is a real candidate with a score below the threshold, a false positive a bogus candidate at or
above it. MDR and FPR are the fractions of real and bogus candidates for which this happens. "Sum over .4 .5 .6" is
MDR + FPR, summed over the thresholds 0.4, 0.5 and 0.6. After each figure, in brackets, is its 95 % bootstrap
interval, resampled by object. Differences of two models are paired: both are computed on the same resamples, with a
two-sided p value. McNemar's exact test counts the bogus candidates that only one of two models rejects, each model at
its own threshold of MDR 4 %. `benchmarks/accuracy/forest_vs_network.py` makes these measurements.

What the figures mean depends on the rows:

- **Real labels** (DES) measure accuracy. The rows are a sample of one survey; accuracy on another survey will differ.
- **Simulated and hybrid stamps** measure accuracy on what the simulator or the injection of fakes produces, of models
  that were trained on the same kind of stamps. They rank models, and do not predict the accuracy of a real night.
- **Real alerts** measure agreement with ZTF's network braai, not accuracy: if a model and braai differ, either may be
  right. Known asteroids and classified transients are certainly real. The fraction of them above the threshold is a
  detection rate for such sources, which are brighter and better isolated than most.
"""

SECTIONS = {
    "des": "Real labels",
    "pixels": "Pixels",
    "alerts": "Real alerts",
    "robustness": "Robustness",
}

DES = """\
{data}, {folds}-fold cross-validation. `forest` is that of the autoScan paper (100 trees, entropy), `lightgbm` is the
mean of five seeds, and `tablenet` is one network ([what was tried to make it better](table-tries.md)). Cost: {cost}.
"""
PIXELS = """\
{data}; {test} of them to test on. All models were trained on the same {train} rows, drawn from all these sets
together, of other objects. `forest` takes all features of the stamps; `stampnet` and the networks of braai and Rubin
were trained by the same program. The decision to train on all sets together was made after each had been tried alone:
on hybrids alone, which contain few bogus alerts, the forest was ahead of `stampnet`, 4.6 % against 14.8; on
simulations alone it had 2.4 against 1.2. Cost: {cost}. End to end begins with stamps in memory.
"""
ALERTS = """\
{data}, {folds} folds by object; the label is braai's score above 0.5. Each model was trained on the alerts of the
other folds and on additional rows ({beside}); `simulation alone` saw no real alert. `rb` is ZTF's own forest, whose
score is in the packets. `braai, stamps turned` is braai's score of the same stamps, rotated by 90 degrees.
Orientation says nothing about a candidate, so this is about the best agreement that a score independent of it can
reach. The additional rows were chosen with two of the folds in view.
"""
ROBUST = """\
How much does a score change if the stamp changes in a way that means nothing? *Pile-up*: rows and columns of the
stamps are made blank, scores are counted in bins of 0.001, and the largest increase of a bin is given as a fraction
of the rows; it shows scores that collect at one value. *Flip, rotation, shift* (by one pixel): the median and the
95th percentile of the absolute change of the score. *Edge, whole*: AUC of the same candidates with stamps that are
cut off at an edge, and with whole stamps.
"""
#: What was seen in the picture of the worst disagreements; to be looked at again whenever it is drawn anew.
DISAGREEMENTS = """\
The picture was inspected by eye. Where `stampnet` has the higher score, two candidates are faint spots among crowded
stars, and two lie on a galaxy or a bright source, one of them next to masked columns: these may be real. The other
two are stars whose difference is half positive and half negative, residuals of the subtraction, and braai is right.
Where braai has the higher score, two are spots sharper than the stars of the stamp, with nothing in the template:
cosmic rays rather than sources. The other four lie on a star, in fields where neighbours have left stronger
residuals; they may be variable stars, and then `stampnet` is wrong.
"""


YARDSTICK = """\
If a model and braai differ, either may be right, which limits what agreement with braai can show. This section measures
on two classes of alerts whose labels are reliable without inspection by eye (`benchmarks/accuracy/yardsticks.py`):

- **Known real**: alerts of objects that are known to be real (variables and transients classified by ALeRCE, and
  objects with a spectrum), whatever braai says of them. The column `known real` is the fraction of them with a score
  at or above the threshold that 2.5 % of the sure bogus alerts reach.
- **Sure**: alerts of which braai is sure, real above .9 and bogus below .1. No sure bogus alert is known to be real.
  `FPR` (at MDR 4 %) and `AUC` are measured on these; they are agreement with braai. braai itself is in the table for
  its column `known real` only.

Intervals are resampled by object, with a new threshold in each resample. If a fraction is the same in all resamples,
its interval is the exact one of a binomial fraction: 0 of 141 allow 2.6 %.

The tables by stratum use each model's thresholds of all alerts. **NaN near the core**: a pixel is missing at most
five rows and columns from the candidate. **Edge**: the stamp ends, or has no pixels, less than 31 pixels from the
candidate. **Clean**: the stamp is whole, without missing pixels. Sources are peaks above ten times the noise of the
template; SNR and FWHM are those of the catalogue.

Three recipes of training are compared on **five folds** of objects (`space2vec.studies.packaged.cross_validation`):
`today`, that of the first `stampnet`; `hardened`, which also learns what objects are known to be real, and from missing
pixels, wider pixels, other scales and hard kinds of bogus; and `moderate`, with smaller shares of these changes. Each
alert is scored by a network that has seen no alert of its object. So few real alerts cannot tell the recipes apart.
**Changed alerts** (`benchmarks/accuracy/changed_alerts.py`) are the same alerts, each three times, after a change that
says nothing of the candidate, again scored by the network of their fold; below them are simulated candidates of other
seeds than those of training. Both new recipes are better than `today` with missing pixels, in wider pixels and on hard
kinds, worse on usual simulated candidates, and not told apart from it elsewhere. `moderate` mends nearly as much and
costs less than half: it is the recipe of the packaged `stampnet`, which learned from a quarter more simulated
candidates besides.
"""


class Check(NamedTuple):
    """A requirement: the rows it is measured on, what is measured, bound and figure in words, and if it is met."""

    where: str
    what: str
    asked: str
    measured: str
    met: bool


def figure(name: str, metric: Mapping[str, float]) -> str:
    """Return a metric with its interval."""
    value, low, high = (format_metric(name, metric[key]) for key in ("value", "low", "high"))
    return f"{value} ({low} .. {high})"


def p_value(p: float, bootstrap: int) -> str:
    """Return a p value as text, not below the smallest that so many resamples can show."""
    least = 2 / (bootstrap + 1)
    return f"{least:.1g} or less" if p <= least * 1.01 else f"{p:.2g}"


def of_models(record: Mapping[str, Any]) -> str:
    """Return the table of all models of a record."""
    costs = record.get("cost", {})
    rows = []
    for name, found in record["models"].items():
        cells = [f"`{name}`", *(figure(metric, found["metrics"][metric]) for metric in HEADLINES)]
        if costs:
            own = costs[name].get("after preparation")
            cells += [f"{costs[name]['end to end'][1]:.3g}", *([f"{own[1]:.3g}"] if own else [])]
        rows.append(cells)
    head = ["model", "AUC", "FPR at MDR 4 %", "MDR at FPR 1 %", "MDR at FPR 2.5 %", "sum over .4 .5 .6"]
    if costs:
        two = any("after preparation" in cost for cost in costs.values())
        head += ["us end to end", *(["us after preparation"] if two else [])]
    return table(head, rows)


def paired(record: Mapping[str, Any]) -> str:
    """Return the table of paired differences of a record."""
    rows = []
    for rival, others in record["against"].items():
        for name, found in others.items():
            d, t = found["differences"][FPR], found["passed"]
            rows.append((f"`{name}`", f"`{rival}`", figure(FPR, d), p_value(d["p"], found["bootstrap"]),
                         f"{t['only_a']} to {t['only_b']}", f"{t['p']:.2g}"))  # fmt: skip
    head = (
        "model",
        "rival",
        "difference of FPR at MDR 4 %",
        "p",
        "bogus rejected by only one (model to rival)",
        "p by McNemar",
    )
    return table(head, rows)


def value(record: Mapping[str, Any], model: str, metric: str) -> float:
    """Return a metric of a model."""
    return float(record["models"][model]["metrics"][metric]["value"])


def des_checks(record: Mapping[str, Any]) -> Iterator[Check]:
    """Yield the requirements on the DES rows."""
    if "tablenet" not in record["models"]:
        return
    for metric, bound in ((FPR, 0.039), (SUM, 0.23)):
        got = value(record, "tablenet", metric)
        least = format_metric(metric, bound)
        yield Check("DES", f"`tablenet`, {metric}", f"{least} or less", format_metric(metric, got), got <= bound)
        for rival in ("forest", "lightgbm"):
            if rival in record["models"]:
                other = value(record, rival, metric)
                yield Check("DES", f"`tablenet`, {metric}", f"less than `{rival}`: {format_metric(metric, other)}",
                            format_metric(metric, got), got < other)  # fmt: skip
    found = record["against"]["forest"]["tablenet"]
    p = max(found["differences"][FPR]["p"], found["passed"]["p"])
    yield Check(
        "DES", "`tablenet` against `forest`, the larger p of the two tests", "0.001 or less", f"{p:.1g}", p <= 1e-3
    )


def pixel_checks(title: str, record: Mapping[str, Any]) -> Iterator[Check]:
    """Yield the requirements on a set of stamps."""
    models = record["models"]
    if "stampnet" not in models:
        return
    got = value(record, "stampnet", FPR)
    for rival, share, words in (("forest", 0.5, "half of `forest`"), ("braai", 1.0, "`braai`")):
        if rival in models:
            bound = share * value(record, rival, FPR)
            wanted = f"at most {words}: {format_metric(FPR, bound)}"
            yield Check(title, f"`stampnet`, {FPR}", wanted, format_metric(FPR, got), got <= bound)
    us = record["cost"]["stampnet"]["after preparation"][1]
    yield Check(title, "`stampnet`, us after preparation, batch 64", "40 or less", f"{us:.3g}", us <= 40)
    if "braai" in models:
        bound = record["cost"]["braai"]["after preparation"][1] / 10
        yield Check(
            title, "`stampnet`, us after preparation", f"a tenth of `braai`: {bound:.3g}", f"{us:.3g}", us <= bound
        )


def alert_checks(record: Mapping[str, Any]) -> Iterator[Check]:
    """Yield the requirements on real alerts."""
    for part in ("all", "night"):
        if "stampnet" in record[part]["models"]:
            got = value(record[part], "stampnet", "auc")
            yield Check(f"alerts, {part}", "`stampnet`, AUC against braai", "0.98 or more", f"{got:.4f}", got >= 0.98)
    if "stampnet" in record["real by construction"]:
        share = record["real by construction"]["stampnet"]["all"]["share"][0]
        yield Check("alerts", "`stampnet`, certainly real alerts above the threshold of FPR 2.5 %", "98 % or more",
                    f"{100 * share:.1f} %", share >= 0.98)  # fmt: skip


def robust_checks(record: Mapping[str, Any]) -> Iterator[Check]:
    """Yield the requirements on the robustness of scores."""
    for name, sets in record.items():
        for kind, found in sets.items():
            where = f"`{name}`, {kind}"
            pile = found["pile up"]["excess"]
            yield Check(where, "pile-up of scores with blank rows and columns", "at most 5 % of the rows",
                        f"{100 * pile:.1f} %", pile <= 0.05)  # fmt: skip
            empty = sum(score is not None for score in found["scores of empty stamps"])
            yield Check(where, "empty stamps that are scored", "none", str(empty), empty == 0)
            for move, moved in found["moves"].items():
                yield Check(where, f"median change under a {move}", "less than 0.02", f"{moved['median']:.4f}",
                            moved["median"] < 0.02)  # fmt: skip
            edge = found["edge less whole"]["differences"]["auc"]
            yield Check(where, "AUC at an edge, minus that of whole stamps", "-0.01 or more", f"{edge['value']:+.4f}",
                        edge["value"] >= -0.01)  # fmt: skip


def checks(results: Mapping[str, Any]) -> list[Check]:
    """Return the requirements that the results cover."""
    found: list[Check] = []
    if "des" in results:
        found += des_checks(results["des"]["results"])
    for title, record in results.get("pixels", {}).get("results", {}).items():
        found += pixel_checks(title, record)
    if "alerts" in results:
        found += alert_checks(results["alerts"]["results"])
    if "robustness" in results:
        found += robust_checks(results["robustness"]["results"])
    return found


def real_by_construction(record: Mapping[str, Any]) -> str:
    """Return the table of detection rates of alerts that are certainly real."""
    rows = []
    for name, found in record["real by construction"].items():
        cells = [f"`{name}`", f"{found['threshold']:.3f}"]
        for kind in ("asteroid", "transient", "all"):
            share, low, high = (f"{100 * v:.1f} %" for v in found[kind]["share"])
            cells.append(f"{share} ({low} .. {high}) of {found[kind]['alerts']}")
        rows.append(cells)
    return table(("model", "threshold of FPR 2.5 %", "asteroids", "transients", "both"), rows)


def robust_table(record: Mapping[str, Any]) -> str:
    """Return the table of robustness."""
    rows = []
    for name, sets in record.items():
        for kind, found in sets.items():
            moves = [f"{m['median']:.4f}, {m['high']:.3f}" for m in found["moves"].values()]
            edge = found["edge less whole"]["differences"]["auc"]
            rows.append((f"`{name}`", kind, f"{100 * found['pile up']['excess']:.1f} %", *moves,
                         f"{edge['a']:.4f}, {edge['b']:.4f}"))  # fmt: skip
    return table(("model", "stamps", "pile-up", "flip", "rotation", "shift", "edge, whole"), rows)


def share(cell: Mapping[str, Any], *, rows: str = "") -> str:
    """Return a share with its interval, and of how many rows of a class, or a dash where there are too few."""
    if cell["value"] is None:
        return f"- of {cell[rows]}" if rows else "-"
    value, low, high = (f"{100 * cell[key]:.1f}" for key in ("value", "low", "high"))
    return f"{value} % ({low} .. {high})" + (f" of {cell[rows]}" if rows else "")


def difference(cell: Mapping[str, float], bootstrap: int) -> str:
    """Return a difference of shares with its interval and p."""
    value, low, high = (100 * cell[key] for key in ("value", "low", "high"))
    return f"{value:+.1f} % ({low:.1f} .. {high:.1f}), p {p_value(cell['p'], bootstrap)}"


def yardstick_section(title: str, held: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paragraphs of one entry of the yardsticks."""
    for place, (part, record) in enumerate(held["results"].items()):
        yield f"### {title[0].upper()}{title[1:]}: {'all alerts' if part == 'all' else part}\n"
        counts = ", ".join(f"{record[name]} {name}" for name in ("known real", "sure real", "sure bogus"))
        note = f" {held['note']}" if held.get("note") and place == 0 else ""
        yield f"{record['alerts']} alerts of {record['objects']} objects: {counts}.{note}\n"
        rows = []
        for name, found in record["models"].items():
            auc, low, high = (f"{found[SURE_AUC][key]:.4f}" for key in ("value", "low", "high"))
            rows.append((f"`{name}`", share(found[KNOWN]), share(found[SURE]), f"{auc} ({low} .. {high})"))
        yield table(("model", "known real at FPR 2.5 %", "FPR at MDR 4 %", "AUC"), rows)
        pairs = [
            (f"`{name}`", f"`{rival}`", *(difference(found[key], held["bootstrap"]) for key in (KNOWN, SURE)))
            for rival, others in record["against"].items()
            for name, found in others.items()
        ]
        if pairs:
            yield table(("model", "rival", "difference of known real", "difference of FPR"), pairs)
        if part == "all":
            yield table(("model", "stratum", "FPR", "MDR", "known real"), strata_rows(record, held["strata"]))
    packages = ", ".join(f"{name} {version}" for name, version in held["versions"].items())
    yield f"Measured {held['date'][:10]} on {held['device']}; {packages}; {held['bootstrap']} resamples.\n"


def strata_rows(record: Mapping[str, Any], strata: Iterable[str]) -> Iterator[Iterable[str]]:
    """Yield the rows of the table of strata; braai would agree with itself in all of them."""
    columns = (("FPR", "bogus"), ("MDR", "real"), ("known real that pass", "real"))
    for name, found in record["models"].items():
        for stratum in strata if name != "braai" else ():
            yield f"`{name}`", stratum, *(share(found[f"{figure}: {stratum}"], rows=of) for figure, of in columns)


def section(part: str, held: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paragraphs of a part."""
    record = held["results"]
    if part == "des":
        yield DES.format(data=record["data"], folds=record["folds"], cost=record["cost is"])
        yield of_models(record)
        yield paired(record)
    elif part == "pixels":
        for title, own in record.items():
            yield f"### {title[0].upper()}{title[1:]}\n"
            yield PIXELS.format(data=own["data"], train=own["train"], test=own["test"], cost=own["cost is"])
            yield of_models(own)
            yield paired(own)
    elif part == "alerts":
        beside = "; ".join(record["beside"]) or "nothing"
        yield ALERTS.format(data=record["data"], folds=record["folds"], beside=beside)
        for name, words in (("all", "All alerts"), ("night", "The alerts of one whole night, without selection")):
            yield f"{words}:\n"
            yield of_models(record[name])
        yield paired(record["all"])
        yield "Detection rates of certainly real alerts at the threshold of FPR 2.5 % (bogus by braai's label):\n"
        yield real_by_construction(record)
        if record.get("disagreements"):
            yield "![the alerts on which stampnet and braai differ most](accuracy/disagreements.png)\n"
            yield DISAGREEMENTS
    else:
        yield ROBUST
        yield robust_table(record)
    packages = ", ".join(f"{name} {version}" for name, version in held["versions"].items())
    yield f"Measured {held['date'][:10]} on {held['device']}; {packages}; {held['bootstrap']} resamples.\n"


def document(results: Mapping[str, Any], yardsticks: Mapping[str, Any] | None = None) -> str:
    """Return the text of docs/accuracy.md, of the results of both benchmarks."""
    parts = [INTRODUCTION]
    asked = checks(results)
    if asked:
        missed = [check for check in asked if not check.met]
        parts.append(
            f"## Requirements and results\n\n{len(asked) - len(missed)} of {len(asked)} requirements are met.\n"
        )
        rows = [(c.where, c.what, c.asked, c.measured, "met" if c.met else "**missed**") for c in asked]
        parts.append(table(("rows", "quantity", "required", "measured", ""), rows))
    if "des" in results or "pixels" in results:
        parts.append("![false positives against cost](accuracy/accuracy_cost.png)\n")
    for part, title in SECTIONS.items():
        if part in results:
            parts += [f"## {title}\n", *section(part, results[part])]
    if yardsticks:
        parts += ["## Reliable labels\n", YARDSTICK]
        for title, held in yardsticks.items():
            parts += yardstick_section(title, held)
    return "\n".join(part for part in parts if part)


def main() -> None:
    """Write the document."""
    results, yardsticks = (json.loads(path.read_text(encoding="utf-8")) for path in (RESULTS, YARDSTICKS))
    text = document(results, yardsticks)
    (HERE / "accuracy.md").write_text(text, encoding="utf-8")
    print(f"docs/accuracy.md from {RESULTS.name} and {YARDSTICKS.name}")


if __name__ == "__main__":
    main()
