"""Draw curves of missed detections against false positives, and of real candidates against their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from space2vec import evaluation
from space2vec.plot.figure import COLOURS, label_of, new_figure, save, set_literal_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["mdr_fpr", "reliability"]

#: Number of points of the band around a curve, evenly spaced in the logarithm of the FPR.
_BAND_POINTS = 240
#: Markers, so that models differ in shape as well as in colour.
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
#: With more models than this, bars have no counts written on them, because the counts would overlap.
_NUMBERED = 2


def mdr_fpr(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike] | Sequence[ArrayLike]],
    *,
    group: Mapping[str, ArrayLike] | None = None,
    bootstrap: int = 0,
    seed: int = 0,
    path: str | PathLike[str] | None = None,
) -> Figure:
    """Draw missed detections against false positives, both on logarithmic axes, with a curve for each classifier.

    Parameters
    ----------
    curves : mapping of str to (score, label)
        Scores (n,) and labels (n,), 1 real and 0 bogus, by the name to show in the legend.
    group : mapping of str to array_like (n,), optional
        What each row belongs to, such as its object, by the same names: whole groups are resampled. Rows by default.
    bootstrap : int, optional
        Number of resamples for the band around each curve, the 95 % interval of the MDR at each FPR; none by default.
    seed : int, optional
        Seed of the resampling.
    path : path, optional
        Where to save the picture.

    Returns
    -------
    matplotlib.figure.Figure
        A dot marks the threshold 0.5 on each curve. Rates of zero are drawn on the border.

    Raises
    ------
    ValueError
        If there is no curve, or scores and labels do not fit (:func:`space2vec.evaluation.mdr_fpr`).
    """
    if not curves:
        raise ValueError("there are no curves to draw")
    rates = {name: evaluation.mdr_fpr(score, label) for name, (score, label) in curves.items()}
    smallest = min(float(rate[rate > 0.0].min()) for _, *pair in rates.values() for rate in pair)
    floor = 10.0 ** np.floor(np.log10(min(smallest, 0.01)))
    figure = new_figure(figsize=(5.6, 5.2), facecolor="white", layout="constrained", dpi=120)
    axes = figure.add_subplot()
    for k, (name, (threshold, missed, passed)) in enumerate(rates.items()):
        colour = COLOURS[k % len(COLOURS)]
        style = ("-", "--", ":")[k // len(COLOURS) % 3]
        if bootstrap:
            of = None if group is None else group[name]
            grid = np.geomspace(floor, 1.0, _BAND_POINTS)
            score, label = curves[name]
            low, high = evaluation.mdr_band(score, label, grid, group=of, bootstrap=bootstrap, seed=seed)
            axes.fill_between(grid, np.maximum(low, floor), np.maximum(high, floor), step="post", color=colour,
                              alpha=0.18, linewidth=0)  # fmt: skip
        # Drawn as steps, because there is no working point between two thresholds.
        axes.step(np.maximum(passed, floor), np.maximum(missed, floor), where="pre", color=colour, linestyle=style,
                  linewidth=1.4, label=label_of(name))  # fmt: skip
        half = int(np.searchsorted(threshold, 0.5))
        axes.plot(max(passed[half], floor), max(missed[half], floor), "o", color=colour, markersize=5,
                  clip_on=False)  # fmt: skip
    axes.set(xscale="log", yscale="log", xlim=(floor, 1.0), ylim=(floor, 1.0))
    axes.set_xlabel("false positive rate (bogus at or above the threshold)")
    axes.set_ylabel("missed detection rate (real below the threshold)")
    axes.grid(which="major", linewidth=0.4, alpha=0.6)
    shown = "dot: threshold 0.5" + ("; band: 95 % of resamples" if bootstrap else "")
    set_literal_text(axes.legend(fontsize=9, frameon=False, loc="lower left", title=shown, title_fontsize=8))
    axes.set_aspect("equal")
    save(figure, path)
    return figure


def reliability(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike] | Sequence[ArrayLike]],
    *,
    path: str | PathLike[str] | None = None,
) -> Figure:
    """Draw the share of real candidates at each score and, below it, the number of candidates.

    Parameters
    ----------
    curves : mapping of str to (score, label)
        Scores (n,) from 0 to 1 and labels (n,), 1 real and 0 bogus, by the name to show in the legend.
    path : path, optional
        Where to save the picture.

    Returns
    -------
    matplotlib.figure.Figure
        A point for each tenth of the range of scores, at the mean score of its candidates, with a 95 % interval. The
        points of scores that are probabilities lie on the diagonal. The legend shows the expected calibration error.

    Raises
    ------
    ValueError
        If there are no scores, or scores and labels do not fit (:func:`space2vec.evaluation.reliability`).
    """
    if not curves:
        raise ValueError("there are no scores to draw")
    found = {name: evaluation.reliability(score, label) for name, (score, label) in curves.items()}
    figure = new_figure(figsize=(5.6, 6.6), facecolor="white", layout="constrained", dpi=120)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color="0.6", linewidth=1.0, linestyle=":", label="scores that are probabilities")
    width = 1.0 / evaluation.BINS
    bar = 0.8 * width / len(found)
    for k, (name, bins) in enumerate(found.items()):
        colour, marker = COLOURS[k % len(COLOURS)], _MARKERS[k % len(_MARKERS)]
        filled = bins.count > 0
        score, share = bins.score[filled], bins.share[filled]
        reach = np.maximum([share - bins.low[filled], bins.high[filled] - share], 0.0)
        above.errorbar(score, share, reach, color=colour, marker=marker, markersize=5, linewidth=1.3, elinewidth=1.0,
                       capsize=2, label=label_of(f"{name} (calibration error {bins.error:.3f})"))  # fmt: skip
        place = width * np.arange(evaluation.BINS) + 0.1 * width + bar * (k + 0.5)
        bars = below.bar(place, bins.count, bar, color=colour)
        if len(found) <= _NUMBERED:
            size = 7 if len(found) == 1 else 5
            below.bar_label(bars, [str(count) if count else "" for count in bins.count], fontsize=size, padding=1)
    above.set(xlim=(0.0, 1.0), ylim=(-0.01, 1.01))
    above.set_ylabel("share that is real (bars: 95 % interval)")
    above.grid(linewidth=0.4, alpha=0.6)
    shown = above.get_legend_handles_labels()
    set_literal_text(figure.legend(*shown, fontsize=9, frameon=False, loc="outside upper center"))
    most = max(int(bins.count.max()) for bins in found.values())
    below.set(yscale="log", ylim=(0.7, 4.0 * most))
    below.set_xlabel("score: the probability that a candidate is real")
    below.set_ylabel("candidates")
    below.set_xticks(np.linspace(0.0, 1.0, evaluation.BINS + 1))
    save(figure, path)
    return figure
