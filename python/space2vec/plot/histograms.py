"""Draw the distributions of features among real and bogus candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec import evaluation
from space2vec.data.tables import Features
from space2vec.errors.text import one_line
from space2vec.plot.figure import COLOURS, LITERAL_TEXT, label_of, new_figure, save, set_literal_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from space2vec.data.types import Argument

__all__ = ["distributions"]

Values: TypeAlias = NDArray[np.float64]

_KINDS = {"real": COLOURS[0], "bogus": COLOURS[1]}
_BINS = 32
#: Tails are heavy if the range (1st to 99th percentile) is more than this many interquartile ranges.
_HEAVY = 15.0


def distributions(
    samples: Mapping[str, tuple[Features, ArrayLike]],
    names: Sequence[str] | None = None,
    *,
    columns: int = 4,
    path: str | PathLike[str] | None = None,
) -> Figure:
    """Draw how features are distributed among real and among bogus candidates, a panel for each feature.

    Parameters
    ----------
    samples : mapping of str to (Features, label)
        Tables and labels (n,), 1 real and 0 bogus, by the name to show in the legend. The first sample is drawn filled,
        the others as outlines.
    names : sequence of str, optional
        The features to draw; by default those of the first table.
    columns : int
        Number of panels side by side.
    path : path, optional
        Where to save the picture.

    Returns
    -------
    matplotlib.figure.Figure
        Heights are square roots of shares, so that small bins remain visible. The axis of values runs from the 1st to
        the 99th percentile; values beyond are counted in the outermost bins. If the tails are heavy, the axis is linear
        near 0 and logarithmic far from it. The title has the AUC of the feature in the first sample: the share of pairs
        of a real and a bogus candidate in which the real one has the larger value. Below the panel is the share of
        candidates without a value.

    Raises
    ------
    ValueError
        If there is nothing to draw, or a table and its labels do not fit (:func:`space2vec.evaluation.evaluate`).
    KeyError
        If a table lacks one of the features.
    """
    if not samples:
        raise ValueError("there are no samples to draw")
    if columns < 1:
        raise ValueError(f"columns must be at least 1; given {columns}")
    names = next(iter(samples.values()))[0].names if names is None else tuple(names)
    if not names:
        raise ValueError("there are no features to draw")
    columns = min(columns, len(names))
    lines = -(-len(names) // columns)
    entries = 2 * len(samples)
    figure = new_figure(figsize=(2.1 * columns, 1.55 * lines + 0.1 + 0.17 * -(-entries // columns)), facecolor="white",
                    layout="constrained", dpi=120)  # fmt: skip
    for k, name in enumerate(names):
        parts = {}
        for sample, (table, label) in samples.items():
            value, real = evaluation.check_scores(table[name], label)
            parts[sample] = value[real], value[~real]
        _draw_distribution(figure.add_subplot(lines, columns, k + 1), name, parts)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    legend = figure.legend(handles, labels, loc="outside upper left", ncols=columns, fontsize=7, frameon=False,
                           columnspacing=1.0, handlelength=1.4, borderaxespad=0.2)  # fmt: skip
    set_literal_text(legend)
    save(figure, path)
    return figure


def _draw_distribution(axes: Axes, name: str, samples: Mapping[str, tuple[Values, Values]]) -> None:
    """Draw one panel from the values of the real and of the bogus candidates of each sample."""
    finite = {sample: tuple(part[np.isfinite(part)] for part in pair) for sample, pair in samples.items()}
    edges, width = _bins([part for pair in finite.values() for part in pair if part.size])
    for k, pair in enumerate(finite.values()):
        style: dict[str, Argument] = {"linewidth": 1.0, "linestyle": ("-", "--", ":")[(k - 1) % 3]}
        if k == 0:
            style = {"fill": True, "alpha": 0.45, "linewidth": 0.0}
        for (kind, colour), part in zip(_KINDS.items(), pair, strict=True):
            share = np.histogram(np.clip(part, edges[0], edges[-1]), edges)[0] / max(part.size, 1)
            axes.stairs(np.sqrt(share), edges, color=colour, label=label_of(f"{kind}, {list(samples)[k]}"), **style)
    axes.set(yticks=[], ylim=(0.0, None))
    _scale(axes, edges, width)
    first, shown = next(iter(samples.values())), next(iter(finite.values()))
    title = one_line(name, 40) + (f"   AUC {_auc(*shown):.2f}" if all(part.size for part in shown) else "")
    axes.set_title(title, fontsize=7.5, pad=3, **LITERAL_TEXT)
    lacking = [1.0 - part.size / whole.size for part, whole in zip(shown, first, strict=True)]
    if any(lacking):
        shares = ", ".join(f"{kind} {100 * share:.3g} %" for kind, share in zip(_KINDS, lacking, strict=True))
        axes.set_xlabel(f"no value: {shares}", fontsize=6.5, labelpad=1)


def _auc(real: Values, bogus: Values) -> float:
    """Return the area under the ROC curve of a feature."""
    label = np.repeat([1, 0], [real.size, bogus.size])
    _, missed, passed = evaluation.mdr_fpr(np.concatenate([real, bogus]), label)
    return float(-np.diff(passed) @ (1.0 - 0.5 * (missed[1:] + missed[:-1])))


def _bins(parts: Sequence[Values]) -> tuple[Values, float]:
    """Return the edges of the bins, and the half-width of the linear part of the axis: infinite without heavy tails."""
    if not parts:
        return np.array([0.0, 1.0]), np.inf
    low, high = (min(np.percentile(part, 1) for part in parts), max(np.percentile(part, 99) for part in parts))
    values = np.concatenate(parts)
    if high - low < 2 * _BINS and (values == np.rint(values)).all():
        return np.arange(np.floor(low) - 0.5, np.ceil(high) + 1.0), np.inf
    if high == low:
        return np.array([low - 0.5, low + 0.5]), np.inf
    quartiles = np.percentile(values, [25, 75])
    if np.ptp(quartiles) * _HEAVY < high - low:
        width = float(np.median(np.abs(values[values != 0.0])))
        ends = np.arcsinh(np.array([low, high]) / width)
        # A logarithmic axis helps only if the tails are those of a distribution around 0.
        if np.ptp(np.arcsinh(quartiles / width)) / np.ptp(ends) > np.ptp(quartiles) / (high - low):
            return width * np.sinh(np.linspace(ends[0], ends[1], _BINS + 1)), width
    return np.linspace(low, high, _BINS + 1), np.inf


def _scale(axes: Axes, edges: NDArray[np.float64], width: float) -> None:
    """Set the axis of values; a logarithmic one gets marks at round values that do not overlap."""
    axes.tick_params(labelsize=6.5, length=2.5)
    axes.locator_params(axis="x", nbins=5, integer=bool(edges[1] - edges[0] == 1.0))
    if width < np.inf:
        axes.set_xscale("asinh", linear_width=width)
        place = np.arcsinh(edges[[0, -1]] / width)
        decades = 10.0 ** np.arange(np.floor(np.log10(width)), np.log10(np.abs(edges).max()) + 1.0)
        marks: list[float] = []
        for mark in (0.0, *(sign * step * decade for step in (1, 3) for decade in decades[::-1] for sign in (1, -1))):
            near = np.abs(np.arcsinh(np.array(marks) / width) - np.arcsinh(mark / width))
            if edges[0] <= mark <= edges[-1] and (near > 0.15 * np.ptp(place)).all():
                marks.append(mark)
        axes.set_xticks(marks, [f"{mark:g}" for mark in marks])
        axes.minorticks_off()
    axes.set_xlim(edges[0], edges[-1])
