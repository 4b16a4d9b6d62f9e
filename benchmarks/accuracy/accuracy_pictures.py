"""Pictures of comparisons: accuracy against cost, and the alerts on which a model and braai disagree most."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import space2vec as s2v
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.plot.figure import COLOURS

_METRIC = "fpr at mdr 4%"
#: How many alerts are shown that the model scores higher than braai, and as many lower.
_SHOWN = 6


def accuracy_against_cost(panels: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Draw the FPR at MDR 4 % of every model, with its interval, against the microseconds a candidate takes.

    Each record becomes a panel. It has ``models`` (metrics by model) and ``cost`` (microseconds by model, ``end to
    end``).
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    figure = Figure(figsize=(4.6 * len(panels), 3.9), facecolor="white", layout="constrained", dpi=110)
    for axes, (title, record) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for k, (name, cost) in enumerate(record["cost"].items()):
            low_cost, us, high_cost = cost["end to end"]
            metric = record["models"][name]["metrics"][_METRIC]
            value, low, high = (100 * metric[key] for key in ("value", "low", "high"))
            axes.errorbar(us, value, xerr=[[us - low_cost], [high_cost - us]], yerr=[[value - low], [high - value]],
                          fmt="o", color=COLOURS[k % len(COLOURS)], capsize=2, markersize=5)  # fmt: skip
            axes.annotate(name, (us, value), xytext=(6, 5), textcoords="offset points", fontsize=8)
        axes.set(xscale="log", yscale="log", title=title)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("microseconds of one core a candidate, end to end")
        axes.set_ylabel("false positives at MDR 4 %, %")
        axes.grid(which="both", linewidth=0.3, alpha=0.5)
        axes.margins(x=0.35, y=0.22)
    save(figure, path)


#: The sets that become panels, and the first word of the name of each cascade.
_WORTH = ("night, AUC", "hybrid, AUC", "simulated, AUC")
_CASCADE = "cascade"


def worth_of_microseconds(results: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Draw 1 - AUC of every variant against the microseconds of the chain: a panel a set, a bar over the seeds."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    figure = Figure(figsize=(4.8 * len(_WORTH), 5.6), facecolor="white", layout="constrained", dpi=110)
    for panel, (axes, title) in enumerate(zip(figure.subplots(1, len(_WORTH)), _WORTH, strict=True)):
        chained: dict[str, list[tuple[float, float]]] = {}
        number = 0
        for name, record in results.items():
            us, seeds = record["microseconds"]["chain"], [1.0 - value for value in record["figures"][title]["seeds"]]
            middle = float(np.mean(seeds))
            if name.startswith(_CASCADE):
                chained.setdefault(name.rpartition(", ")[0], []).append((us, middle))
                continue
            number += 1
            axes.errorbar(us, middle, yerr=[[middle - min(seeds)], [max(seeds) - middle]], fmt="o", capsize=2,
                          markersize=5, color=COLOURS[number % len(COLOURS)],
                          label="" if panel else f"{number}  {name}")  # fmt: skip
            axes.annotate(str(number), (us, middle), xytext=(5, 3), textcoords="offset points", fontsize=8)
        for (name, points), style in zip(chained.items(), ("k.--", "k.:", "k.-."), strict=False):
            axes.plot(*zip(*points, strict=True), style, linewidth=0.8, label="" if panel else name)
        axes.set(title=title.removesuffix(", AUC"), yscale="log", ylabel="1 - AUC")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 4, 5, 6, 8)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("microseconds of one core an alert, the whole chain")
        axes.grid(which="both", linewidth=0.3, alpha=0.5)
        axes.margins(x=0.1, y=0.1)
    figure.legend(loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    save(figure, path)


def disagreements(rows: LabelledStamps, score: np.ndarray, name: str, path: Path) -> list[dict[str, Any]]:
    """Draw the alerts on which a model and braai disagree most; return their ids and scores."""
    teacher = rows.teacher.astype(np.float64)
    surplus = np.where(np.isnan(score), 0.0, score - teacher)
    order = np.argsort(surplus, kind="stable")
    chosen = [row for row in (*order[::-1][:_SHOWN], *order[:_SHOWN]) if abs(surplus[row]) > 0]
    stamps = rows.stamps[np.array(chosen)]
    stamps.object_id = np.array(
        [f"{rows.stamps.object_id[row]}  braai {teacher[row]:.3f}  {name} {score[row]:.3f}" for row in chosen],
        dtype=object,
    )
    figure = s2v.plot.mosaic(stamps, rows=len(chosen), columns=2)
    figure.subfigs[0].texts[0].set_text(f"First {name} is higher than braai, then braai")
    save(figure, path)
    return [
        {"object": str(rows.group[row]), "candidate": str(rows.stamps.candidate_id[row]), "kind": str(rows.kind[row]),
         "braai": round(float(teacher[row]), 4), name: round(float(score[row]), 4)}
        for row in chosen
    ]  # fmt: skip


def save(figure: Any, path: Path) -> None:
    """Save a figure as a small PNG with a palette."""
    from io import BytesIO

    from PIL import Image

    memory = BytesIO()
    figure.savefig(memory, format="png")
    image = Image.open(memory).convert("RGB")
    image.quantize(255, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, optimize=True)
