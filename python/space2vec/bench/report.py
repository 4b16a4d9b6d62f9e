"""Show the record of a measurement as a table or as a picture, CPU and GPU side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from space2vec.errors.text import NAME, one_line

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["columns_of", "figure", "has_other_load", "limiting_factor", "plot", "rows", "table"]

#: The heading of each column, and its colour.
_HEADS = {
    "one core": "one core",
    "all cores": "{cores} cores",
    "gpu in place": "GPU",
    "gpu with transfers": "GPU, copies",
}
_COLOURS = {"one core": "0.6", "all cores": "0.2", "gpu in place": "tab:green", "gpu with transfers": "tab:blue"}
#: A stage that reaches this share of the limit of its column, or more, is bound by it; otherwise by arithmetic.
_LIMITING_SHARE = 0.5
_LIMIT = {"one core": "memory", "all cores": "memory", "gpu in place": "its memory", "gpu with transfers": "the link"}
#: If the rate with transfers is this share of the rate in place, or more, copies cost little.
_CHEAP_COPIES = 0.7
#: A load average above this, before the measurement, means that other work used the cores.
_BUSY = 0.5


def figure(value: float) -> str:
    """Return a rate with three digits as text, such as ``9.77 k``."""
    for power, letter in ((9, "G"), (6, "M"), (3, "k")):
        if value >= 10**power:
            return f"{value / 10**power:.3g} {letter}"
    return f"{value:.3g}"


def columns_of(record: Mapping[str, Json]) -> list[str]:
    """Return the names of the columns in which something was measured."""
    stages = record["results"].values()
    return [name for name in _HEADS if any("rate" in found["columns"].get(name, ()) for found in stages)]


def has_other_load(record: Mapping[str, Json]) -> bool:
    """Return whether other work used the cores during the measurement."""
    return bool(record["load before"] > _BUSY)


def limiting_factor(found: Mapping[str, Json], names: Sequence[str]) -> str:
    """Return what bounds a stage, by the last column of `names` that was measured: memory, the link, or arithmetic."""
    measured = [name for name in names if "rate" in found["columns"].get(name, ())]
    if not measured:
        return ""
    name = measured[-1]
    column = found["columns"][name]
    if column.get("share", {"value": 0.0})["value"] >= _LIMITING_SHARE:
        return _LIMIT[name]
    if name == "gpu with transfers":
        in_place = found["columns"].get("gpu in place", {})
        if "rate" not in in_place:
            return "the CPU"  # it does a part that the GPU cannot do
        if column["rate"][1] < _CHEAP_COPIES * in_place["rate"][1]:
            return "copies and calls"
    return "arithmetic"


def rows(record: Mapping[str, Json]) -> tuple[list[str], list[list[str]]]:
    """Return the headings and the cells of the table: a row for each stage, medians of the rounds."""
    names = columns_of(record)
    cores, gpu = [name for name in names if "core" in name], [name for name in names if "gpu" in name]
    heads = ["rows a second", *(_HEADS[name].format(cores=record["cores"]) for name in names)]
    of, to = names[0] if names else "", names[-1] if names else ""
    if gpu and cores:
        of = cores[-1]
    ratio = len(names) > 1
    heads += [" / ".join(_HEADS[name].format(cores=record["cores"]) for name in (to, of))] if ratio else []
    heads += ["GPU pays from, rows"] if cores and "gpu with transfers" in names else []
    heads += ["CPU bound by"] if cores else []
    heads += ["GPU bound by"] if gpu else []
    cells = []
    for stage, found in record["results"].items():
        rates = {name: column["rate"][1] for name, column in found["columns"].items() if "rate" in column}
        row = [stage, *(figure(rates[name]) if name in rates else "-" for name in names)]
        if ratio:
            row.append(f"{rates[to] / rates[of]:.3g}x" if {to, of} <= rates.keys() else "-")
        if "GPU pays from, rows" in heads:
            even = found.get("break even", {}).get(cores[-1], "-")
            row.append("never" if even is None else str(even) if isinstance(even, int) else "-")
        row += [limiting_factor(found, part) or "-" for part in (cores, gpu) if part]
        cells.append(row)
    return heads, cells


def table(record: Mapping[str, Json]) -> str:
    """Return the record as text: the machine, a table with a line for each stage, and what was not run."""
    gpu = record["gpu"]
    lines = [f"CPU: {record['device']}, {record['cores']} cores ({record['isa']}), load {record['load before']:.1f}",
             f"GPU: {gpu['name'] if 'name' in gpu else 'not run: ' + gpu['not run']}",
             f"stamps of {record['side']}x{record['side']} pixels; medians of {record['rounds']} rounds"]  # fmt: skip
    if has_other_load(record):
        lines.append("other work used the cores: the figures of the CPU are too low")
    lines.append("")
    heads, cells = rows(record)
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    for row in (heads, *cells):
        others = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        lines.append("  ".join([row[0].ljust(widths[0]), *others]))
    if "gpu with transfers" in columns_of(record):
        lines += ["", "GPU: data and results stay in its memory. GPU, copies: from memory of the host and back.",
                  "GPU pays from: the batch from which on it is faster, copies included."]  # fmt: skip
    reasons = {
        f"not run: {stage}: {column['not run']}": None
        for stage, found in record["results"].items()
        for column in found["columns"].values()
        if "not run" in column and column["not run"] != gpu.get("not run")
    }
    return "\n".join([*lines, *reasons])


def plot(record: Mapping[str, Json], path: Path) -> None:
    """Draw the rates of all stages and columns, with bars from the first to the third quartile of the rounds.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.
    """
    from space2vec.plot.figure import LITERAL_TEXT, new_figure, save

    drawing = new_figure(figsize=(9, 0.3 * len(record["results"]) + 1.8), layout="constrained")
    from matplotlib.ticker import LogLocator, NullLocator

    results, names = record["results"], columns_of(record)
    axes = drawing.add_subplot()
    for at, found in enumerate(results.values()):
        rates = [column["rate"][1] for column in found["columns"].values() if "rate" in column]
        axes.plot([min(rates, default=1), max(rates, default=1)], [at, at], color="0.85", lw=3, zorder=0)
    for name in names:
        measured = [(at, *found["columns"][name]["rate"]) for at, found in enumerate(results.values())
                    if "rate" in found["columns"].get(name, ())]  # fmt: skip
        at, low, middle, high = np.array(measured).T
        label = _HEADS[name].format(cores=record["cores"])
        axes.errorbar(
            middle, at, xerr=[middle - low, high - middle], fmt="o", ms=6, lw=1, color=_COLOURS[name], label=label
        )
    axes.set_yticks(range(len(results)), list(results))
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.xaxis.set_major_formatter(lambda value, _: figure(value))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("rows a second")
    axes.grid(axis="x", lw=0.4, alpha=0.5)
    axes.set_ylim(len(results) - 0.4, -0.6)
    if names:
        drawing.legend(loc="outside upper center", ncols=len(names), frameon=False)
    gpu = record["gpu"]
    title = one_line(f"{record['device']}; {gpu.get('name') or 'no GPU: ' + gpu['not run']}", NAME)
    axes.set_title(title, fontsize=9, **LITERAL_TEXT)
    save(drawing, path, dpi=140)
