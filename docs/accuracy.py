"""Write docs/accuracy.md from the results of benchmarks/accuracy/forest_vs_network.py: ``make pages``.

The pictures in docs/accuracy are drawn by the benchmark itself (``--pictures docs/accuracy``). What was asked for is
held against what was measured in one table, met or missed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from space2vec.evaluation import HEADLINES
from space2vec.evaluation.metrics import format_metric

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "benchmarks" / "results" / "forest_vs_network.json"
FPR, SUM = "fpr at mdr 4%", "sum over .4 .5 .6"

INTRODUCTION = """\
# Accuracy: forest against network

<!-- Written by docs/accuracy.py from benchmarks/results/forest_vs_network.json: `make pages`. -->

What the packaged kinds of models do on the same rows, measured by `benchmarks/accuracy/forest_vs_network.py`. A real
candidate below the threshold is a missed detection (MDR), a bogus one at or above it a false positive (FPR). Behind
every figure stands its 95 % bootstrap interval, drawn over objects; differences are paired: the same resamples for
both, with a two-sided p, and McNemar's exact test on the bogus rows that one alone rejects, each model at its own
threshold of MDR 4 %.

What may be claimed of which figures:

- **Real labels** (DES): accuracy. The rows are a sample of one survey's; another survey's will differ.
- **Simulated and hybrid stamps**: accuracy on what the simulator or the injection makes, by models that were trained
  on more of the same. It ranks models; it is no promise for a real night.
- **Real alerts**: agreement with ZTF's network braai, never accuracy: where a model and braai differ, either may be
  right. Known asteroids and classified transients are real by construction; the share of them that passes is a
  detection rate of such sources, which are brighter and better isolated than most.
"""

SECTIONS = {
    "des": "Real labels",
    "pixels": "Pixels",
    "alerts": "Real alerts",
    "robustness": "What stamps go through",
}

DES = """\
{data}, {folds}-fold cross-validation. `forest` is the paper's (100 trees, entropy), `lightgbm` five seeds averaged,
`tablenet` one network. Cost: {cost}.
"""
PIXELS = """\
{data}; {test} of them to test on. All models were trained on the same {train} rows, of other objects of all these sets
together. `forest` has all features of the stamps; `stampnet` and the networks of braai and Rubin had the same trainer.
That they learn from all sets together was decided after each had been tried alone: on hybrids alone, which are made of
few bogus alerts, the forest was ahead of `stampnet`, 4.6 % against 14.8; on simulations alone it was 2.4 against 1.2.
Cost: {cost}.
"""
ALERTS = """\
{data}, {folds} folds by object; the label is braai's score above 0.5. Trained on the other folds' alerts and what
stands beside them ({beside}); `simulation alone` saw no real alert. `rb` is ZTF's own forest, as it stands in the
packets. `braai, stamps turned` is what braai itself says of the same stamps turned by 90 degrees: how a stamp is turned
tells nothing of the candidate, and a score that does not depend on it can hardly agree with braai better than that.
What stands beside the alerts was chosen with two of the folds in view.
"""
ROBUST = """\
`pile up`: the largest gain of any bin of 0.001 once rows and columns are blank, as a share of the rows: scores that
gather at one value show here. `moves`: absolute change of the score, median and 95 %, under flips, rotations and
shifts by one pixel. `edge`: AUC of the same candidates cut at an edge, and whole.
"""
#: What was seen in the picture of the worst disagreements; to be looked at again whenever it is drawn anew.
DISAGREEMENTS = """\
Looked at: where `stampnet` is the higher, two candidates are faint spots among crowded stars and two lie on a galaxy or
a bright source, one beside masked columns: these may be real. The other two are stars whose difference is half bright
and half dark, residuals of the subtraction: there braai is right. Where braai is the higher, two are spots sharper than
the stars of the stamp, with nothing in the template: cosmic rays rather than sources. The other four lie on a star, in
fields where neighbours have left stronger residuals; they may be variable stars, and then `stampnet` is wrong.
"""


class Check(NamedTuple):
    """Something that was asked for: where, what, the bound in words, the figure in words, and whether it holds."""

    where: str
    what: str
    asked: str
    measured: str
    met: bool


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    names = list(head)
    lines = ["| " + " | ".join(cells) + " |" for cells in (names, *map(list, rows))]
    return "\n".join([lines[0], "|" + "---|" * len(names), *lines[1:]]) + "\n"


def figure(name: str, metric: Mapping[str, float]) -> str:
    """Return a metric with its interval."""
    value, low, high = (format_metric(name, metric[key]) for key in ("value", "low", "high"))
    return f"{value} ({low} .. {high})"


def p_value(p: float, bootstrap: int) -> str:
    """Return a p in words; none is less than the resamples can tell."""
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
    head = ("model", "against", "difference of FPR at MDR 4 %", "p", "bogus rejected by one alone", "p by McNemar")
    return table(head, rows)


def value(record: Mapping[str, Any], model: str, metric: str) -> float:
    """Return a metric of a model."""
    return float(record["models"][model]["metrics"][metric]["value"])


def des_checks(record: Mapping[str, Any]) -> Iterator[Check]:
    """Yield what was asked for on the DES rows."""
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
    """Yield what was asked for on a set of stamps."""
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
    """Yield what was asked for on real alerts."""
    for part in ("all", "night"):
        if "stampnet" in record[part]["models"]:
            got = value(record[part], "stampnet", "auc")
            yield Check(f"alerts, {part}", "`stampnet`, AUC against braai", "0.98 or more", f"{got:.4f}", got >= 0.98)
    if "stampnet" in record["real by construction"]:
        share = record["real by construction"]["stampnet"]["all"]["share"][0]
        yield Check("alerts", "`stampnet`, real by construction that pass at FPR 2.5 %", "98 % or more",
                    f"{100 * share:.1f} %", share >= 0.98)  # fmt: skip


def robust_checks(record: Mapping[str, Any]) -> Iterator[Check]:
    """Yield what was asked for of scores under what stamps go through."""
    for name, sets in record.items():
        for kind, found in sets.items():
            where = f"`{name}`, {kind}"
            pile = found["pile up"]["excess"]
            yield Check(where, "scores that gather at one value once lines are blank", "5 % of the rows at most",
                        f"{100 * pile:.1f} %", pile <= 0.05)  # fmt: skip
            empty = sum(score is not None for score in found["scores of empty stamps"])
            yield Check(where, "empty stamps that are scored", "none", str(empty), empty == 0)
            for move, moved in found["moves"].items():
                yield Check(where, f"median change under a {move}", "less than 0.02", f"{moved['median']:.4f}",
                            moved["median"] < 0.02)  # fmt: skip
            edge = found["edge less whole"]["differences"]["auc"]
            yield Check(where, "AUC at edges, less that of whole stamps", "-0.01 or more", f"{edge['value']:+.4f}",
                        edge["value"] >= -0.01)  # fmt: skip


def checks(results: Mapping[str, Any]) -> list[Check]:
    """Return everything that was asked for and can be told from the results."""
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
    """Return the table of what passes of the alerts that are real by construction."""
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
    return table(("model", "stamps", "pile up", "flip", "rotation", "shift", "edge, whole"), rows)


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
        for name, words in (("all", "All alerts"), ("night", "The one night that nobody selected from")):
            yield f"{words}:\n"
            yield of_models(record[name])
        yield paired(record["all"])
        yield "Alerts that are real by construction, at the threshold of FPR 2.5 % (bogus by braai's label):\n"
        yield real_by_construction(record)
        if record.get("disagreements"):
            yield "![the alerts on which stampnet and braai differ most](accuracy/disagreements.png)\n"
            yield DISAGREEMENTS
    else:
        yield ROBUST
        yield robust_table(record)
    packages = ", ".join(f"{name} {version}" for name, version in held["versions"].items())
    yield f"Measured {held['date'][:10]} on {held['device']}; {packages}; {held['bootstrap']} resamples.\n"


def document(results: Mapping[str, Any]) -> str:
    """Return the text of docs/accuracy.md."""
    parts = [INTRODUCTION]
    asked = checks(results)
    if asked:
        missed = [check for check in asked if not check.met]
        parts.append(f"## Asked for, and measured\n\n{len(asked) - len(missed)} of {len(asked)} are met.\n")
        rows = [(c.where, c.what, c.asked, c.measured, "met" if c.met else "**missed**") for c in asked]
        parts.append(table(("where", "what", "asked for", "measured", ""), rows))
    if "des" in results or "pixels" in results:
        parts.append("![false positives against cost](accuracy/accuracy_cost.png)\n")
    for part, title in SECTIONS.items():
        if part in results:
            parts += [f"## {title}\n", *section(part, results[part])]
    return "\n".join(part for part in parts if part)


def main() -> None:
    """Write the document."""
    text = document(json.loads(RESULTS.read_text(encoding="utf-8")))
    (HERE / "accuracy.md").write_text(text, encoding="utf-8")
    print(f"docs/accuracy.md from {RESULTS.name}")


if __name__ == "__main__":
    main()
