"""Curves of missed detections against false positives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from space2vec import evaluate
from space2vec.plot.colours import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["mdr_fpr"]


def mdr_fpr(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike] | Sequence[ArrayLike]],
    *,
    path: str | PathLike[str] | None = None,
) -> Figure:
    """Draw missed detections against false positives, both logarithmic, one curve a classifier.

    Parameters
    ----------
    curves : mapping of str to (score, label)
        Scores and labels (1 real, 0 bogus) by the name to be shown.
    path : path, optional
        Where to save the picture.

    Returns
    -------
    matplotlib.figure.Figure
        A dot marks the threshold 0.5 of each curve. Rates of zero lie on the border of the plot.

    Raises
    ------
    ValueError
        If nothing is given, or scores and labels do not fit (:func:`space2vec.evaluate.mdr_fpr`).
    """
    from matplotlib.figure import Figure

    if not curves:
        raise ValueError("there are no curves to draw")
    rates = {name: evaluate.mdr_fpr(score, label) for name, (score, label) in curves.items()}
    smallest = min(float(rate[rate > 0.0].min()) for _, *pair in rates.values() for rate in pair)
    floor = 10.0 ** np.floor(np.log10(min(smallest, 0.01)))
    figure = Figure(figsize=(5.6, 5.2), facecolor="white", layout="constrained", dpi=120)
    axes = figure.add_subplot()
    for k, (name, (threshold, missed, passed)) in enumerate(rates.items()):
        colour = COLOURS[k % len(COLOURS)]
        style = ("-", "--", ":")[k // len(COLOURS) % 3]
        # Steps: between two thresholds no working point exists.
        axes.step(np.maximum(passed, floor), np.maximum(missed, floor), where="pre", color=colour, linestyle=style,
                  linewidth=1.4, label=name)  # fmt: skip
        half = int(np.searchsorted(threshold, 0.5))
        axes.plot(max(passed[half], floor), max(missed[half], floor), "o", color=colour, markersize=5,
                  clip_on=False)  # fmt: skip
    axes.set(xscale="log", yscale="log", xlim=(floor, 1.0), ylim=(floor, 1.0))
    axes.set_xlabel("false positive rate (bogus at or above the threshold)")
    axes.set_ylabel("missed detection rate (real below the threshold)")
    axes.grid(which="major", linewidth=0.4, alpha=0.6)
    axes.legend(fontsize=9, frameon=False, loc="lower left", title="dot: threshold 0.5", title_fontsize=8)
    axes.set_aspect("equal")
    if path is not None:
        figure.savefig(path)
    return figure
