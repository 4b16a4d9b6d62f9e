"""The record of a measurement as a table and as a plot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from space2vec.shown_text import NAME, one_line

__all__ = ["figure", "plot", "table"]

_WIDTH = 22
_COLOURS = {"one core": "0.55", "all cores": "0.25", "gpu in place": "tab:green", "gpu with transfers": "tab:blue"}


def figure(value: float) -> str:
    """Return a rate in three digits: ``9.77 k``."""
    for power, letter in ((9, "G"), (6, "M"), (3, "k")):
        if value >= 10**power:
            return f"{value / 10**power:.3g} {letter}"
    return f"{value:.3g}"


def cell(column: Mapping[str, Any]) -> str:
    """Return what a column says: the rate, as many times one core, and the share of a limit."""
    if "not run" in column:
        return "not run"
    words = f"{figure(column['rate'][1])}/s"
    if "times one core" in column:
        words += f" x{column['times one core'][1]:.3g}"
    if "share" in column:
        words += f" {100 * column['share']['value']:.0f} %"
    return words


def table(record: Mapping[str, Any]) -> str:
    """Return the figures in words: a line a stage, medians of the rounds."""
    gpu = record["gpu"]
    names = list(next(iter(record["results"].values()))["columns"]) if record["results"] else []
    lines = [f"{record['device']}, {record['cores']} cores ({record['isa']}); triplets of {record['side']}x"
             f"{record['side']}; median of {record['rounds']} rounds; load of the machine before: "
             f"{record['load before']:.1f}",
             f"GPU: {gpu['name']}" if "name" in gpu else f"GPU: not run: {gpu['not run']}", ""]  # fmt: skip
    lines.append(f"{'':26}" + "".join(f"{name:>{_WIDTH}}" for name in names) + f"{'pays from':>12}")
    reasons: dict[str, None] = {}
    for stage, found in record["results"].items():
        cells = "".join(f"{cell(column):>{_WIDTH}}" for column in found["columns"].values())
        even = found.get("break even", {}).get("all cores", "")
        lines.append(f"{stage:26}{cells}{'never' if even is None else even!s:>12}".rstrip())
        reasons |= {f"{stage}: {column['not run']}": None for column in found["columns"].values()
                    if "not run" in column and column["not run"] != gpu.get("not run")}  # fmt: skip
    lines += ["", "xN: times one core; %: of the measured copy bandwidth, with transfers of the link's;"
              " pays from: rows of a batch from which on the GPU with transfers is faster than all cores"]  # fmt: skip
    lines += [f"not run: {reason}" for reason in reasons]
    return "\n".join(lines)


def plot(record: Mapping[str, Any], path: Path) -> None:
    """Draw the rates of all stages and columns, with their middle halves.

    Raises
    ------
    ImportError
        If matplotlib is absent.
    """
    from space2vec.plot.figure import AS_IT_STANDS, new_figure, save

    results = record["results"]
    drawing = new_figure(figsize=(9, 0.34 * len(results) + 1.6), layout="constrained")
    axes = drawing.add_subplot()
    names = list(_COLOURS)
    for k, name in enumerate(names):
        at, rates, below, above = [], [], [], []
        for row, found in enumerate(results.values()):
            column = found["columns"][name]
            if "not run" not in column:
                low, middle, high = column["rate"]
                at.append(row + (k - 1.5) * 0.19)
                rates.append(middle)
                below.append(middle - low)
                above.append(high - middle)
        if rates:
            axes.errorbar(rates, at, xerr=[below, above], fmt="o", ms=4, lw=1, color=_COLOURS[name], label=name)
    axes.set_yticks(range(len(results)), list(results))
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("rows a second")
    axes.grid(axis="x", lw=0.4, alpha=0.5)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False)
    axes.set_ylim(len(results) - 0.4, -1.4)
    gpu = record["gpu"]
    title = one_line(f"{record['device']}; {gpu.get('name') or 'no GPU: ' + gpu['not run']}", NAME)
    axes.set_title(title, fontsize=9, **AS_IT_STANDS)
    save(drawing, path, dpi=140)
