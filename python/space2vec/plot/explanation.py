"""Draw an explanation: the planes, the pixels that raised and lowered the score, and the strongest features."""

from __future__ import annotations

import textwrap
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec.data.ids import id_keys
from space2vec.data.stamps import CHANNELS, Stamps
from space2vec.errors.text import one_line
from space2vec.explanation.text import heading, score_of, usual_of, value_of
from space2vec.plot.figure import COLOURS, LITERAL_TEXT, new_figure, save
from space2vec.plot.triplets import draw_plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from space2vec.explanation.values import Explanation, FeatureEffect, PixelEffects

__all__ = ["explanation"]

#: The colours of what raises P(real) and of what lowers it; contours are solid and dashed.
_RAISES, _LOWERS = COLOURS[0], COLOURS[1]
#: The smallest effect that is drawn in full colour, so that a score that nothing moves has a pale map.
_LEAST = 0.01
#: The most characters of the name and of the meaning of a feature.
_NAME, _MEANING = 28, 50


def explanation(
    explained: Explanation, stamps: Stamps | None = None, *, features: int = 10, path: str | PathLike[str] | None = None
) -> Figure:
    """Draw what moved a score: the planes of the candidate, a map over each of them, and bars of the features.

    Blue pixels and bars raise P(real), orange ones lower it; the contours of a map, at half of the largest effect, are
    solid where pixels raise it and dashed where they lower it.

    Parameters
    ----------
    explained : Explanation
        The explanation, see :func:`space2vec.explain`.
    stamps : Stamps, optional
        The candidate, one row; without it there are bars alone.
    features : int, optional
        The most features to draw.
    path : path, optional
        Where to save the picture, in the format of its suffix.

    Returns
    -------
    matplotlib.figure.Figure
        Beside a bar are the value of the feature and the range in which the central 68 % of the training rows are.

    Raises
    ------
    ValueError
        If the stamps are not one row, or are of another candidate than the explanation.

    Examples
    --------
    >>> stamps = s2v.simulate(20, seed=2).stamps
    >>> figure = s2v.plot.explanation(s2v.explain("default", stamps, 3), stamps[3])
    """
    if stamps is not None:
        if len(stamps) != 1:
            raise ValueError(f"an explanation is of one candidate; given {len(stamps)} stamps")
        candidate = id_keys(stamps.candidate_id)[0]
        if candidate != explained.candidate_id:
            raise ValueError(f"the explanation is of candidate {explained.candidate_id}, the stamps are of {candidate}")
    shown = explained.features[:features]
    wide = {"planes": 5.9 if stamps is not None else 0.0, "bars": 6.6 if shown else 0.0}
    height = 5.0 if stamps is not None else 1.3 + 0.34 * len(shown)
    figure = new_figure(figsize=(max(sum(wide.values()), 5.9), height), facecolor="white", dpi=120)
    figure.text(0.012, 1 - 0.2 / height, heading(explained), fontsize=10.5, fontweight="bold", va="center",
                **LITERAL_TEXT)  # fmt: skip
    figure.text(0.012, 1 - 0.44 / height, score_of(explained), fontsize=9, va="center", **LITERAL_TEXT)
    parts = [part for part in wide.items() if part[1]]
    if parts:
        boxes = figure.subfigures(1, len(parts), width_ratios=[size for _, size in parts], squeeze=False)[0]
        for box, (what, _) in zip(boxes, parts, strict=True):
            if what == "planes" and stamps is not None:
                _draw_planes(box, stamps.to_host(), explained.pixels, height)
            else:
                _draw_bars(box, shown, explained, height)
    save(figure, path)
    return figure


def _draw_planes(part: SubFigure, stamps: Stamps, pixels: PixelEffects | None, height: float) -> None:
    """Draw the planes, and below each of them the same plane under the map of its effects."""
    grid = part.add_gridspec(
        2, 3, left=0.02, right=0.98, top=1 - 0.85 / height, bottom=0.62 / height, wspace=0.05, hspace=0.06
    )
    centre: tuple[int, int] = tuple(stamps.centre[0].tolist())
    maps = {} if pixels is None else pixels.maps
    limit = max([_LEAST, *(float(np.nanmax(np.abs(plane))) for plane in maps.values() if np.isfinite(plane).any())])
    for position, channel in enumerate(CHANNELS):
        plane = stamps.plane(0, channel)
        above, below = (part.add_subplot(grid[line, position]) for line in range(2))
        draw_plane(above, plane, centre)
        above.set_title(channel, fontsize=9, pad=3)
        draw_plane(below, plane, centre, under_map=True)
        if channel in maps:
            _draw_map(below, maps[channel], limit)
        elif plane is not None:
            words = "the model does\nnot look at it" if pixels is not None else "no map"
            below.text(0.5, 0.06, words, transform=below.transAxes, ha="center", va="bottom", fontsize=7.5,
                       color="white", bbox={"facecolor": "black", "alpha": 0.65, "pad": 2, "linewidth": 0})  # fmt: skip
    if maps:
        _draw_scale(part.add_axes((0.2, 0.4 / height, 0.6, 0.09 / height)), limit)


def _colours(effect: NDArray[np.floating], limit: float) -> NDArray[np.float64]:
    """Return colours (..., 4) of effects: the sign is the hue, the size the opacity."""
    from matplotlib.colors import to_rgb

    share = np.clip(np.nan_to_num(effect) / limit, -1.0, 1.0)
    colours = np.where(share[..., None] >= 0, np.array(to_rgb(_RAISES)), np.array(to_rgb(_LOWERS)))
    return np.concatenate([colours, 0.9 * np.abs(share)[..., None] ** 0.6], axis=-1)


def _draw_map(axes: Axes, effect: NDArray[np.float32], limit: float) -> None:
    """Draw the map of a plane over it, with contours at half of the largest effect of all planes."""
    axes.imshow(_colours(effect, limit), origin="lower", interpolation="nearest")
    known = np.nan_to_num(effect)
    if np.abs(known).max() > limit / 2:
        levels = [level for level in (-limit / 2, limit / 2) if known.min() < level < known.max()]
        lines = ["--" if level < 0 else "-" for level in levels]
        axes.contour(known, levels=levels, linestyles=lines, colors="white", linewidths=1.0)
    axes.set_xlim(-0.5, effect.shape[1] - 0.5)
    axes.set_ylim(-0.5, effect.shape[0] - 0.5)


def _draw_scale(axes: Axes, limit: float) -> None:
    """Draw the scale of the maps."""
    ramp = np.linspace(-limit, limit, 201)[None]
    axes.set_facecolor("0.55")
    axes.imshow(_colours(ramp, limit), extent=(-limit, limit, 0, 1), aspect="auto", origin="lower")
    axes.set_yticks([])
    axes.set_xticks([-limit, 0, limit], [f"{-limit:.2g}", "0", f"+{limit:.2g}"], fontsize=7.5)
    axes.tick_params(length=2, pad=1.5)
    axes.set_xlabel("P(real) with the pixels minus without: lower  |  higher", fontsize=8, labelpad=1)


def _draw_bars(part: SubFigure, features: tuple[FeatureEffect, ...], explained: Explanation, height: float) -> None:
    """Draw a bar for each feature, with its name and meaning on the left, its value and usual range on the right."""
    axes = part.add_axes((0.43, 0.62 / height, 0.3, 1 - 1.47 / height))
    effects = [feature.effect for feature in features]
    place = np.arange(len(features))
    axes.barh(place, effects, height=0.62, color=[_RAISES if effect > 0 else _LOWERS for effect in effects])
    axes.axvline(0, color="0.3", linewidth=0.8)
    limit = 1.08 * max(_LEAST / 2, max(map(abs, effects)))
    axes.set(xlim=(-limit, limit), ylim=(len(features) - 0.4, -0.6), yticks=[])
    axes.tick_params(labelsize=7.5, length=2)
    axes.locator_params(axis="x", nbins=5)
    axes.grid(axis="x", linewidth=0.4, alpha=0.6)
    axes.set_axisbelow(True)
    for spine in ("top", "left", "right"):
        axes.spines[spine].set_visible(False)
    how = "exact share of the score" if explained.method == "paths" else "P(real) minus that with the usual value"
    axes.set_xlabel(f"effect on P(real): {how}", fontsize=8, labelpad=2)
    title = "strongest features"
    if explained.baseline is not None:
        title += f", from P(real) {explained.baseline:.3f} before any of them"
    part.text(0.02, 1 - 0.72 / height, title, fontsize=9, va="center")
    transform = axes.get_yaxis_transform()
    for y, feature in enumerate(features):
        meaning = textwrap.shorten(feature.meaning, _MEANING, placeholder=" …") if feature.meaning else ""
        shift = 0.16 if meaning else 0.0
        axes.text(-0.03, y - shift, one_line(feature.name, _NAME), transform=transform, ha="right", va="center",
                  fontsize=8, fontweight="bold", **LITERAL_TEXT)  # fmt: skip
        axes.text(-0.03, y + 0.2, meaning, transform=transform, ha="right", va="center", fontsize=6.5, color="0.25")
        usual = usual_of(feature)
        shift = 0.16 if usual else 0.0
        axes.text(1.03, y - shift, value_of(feature), transform=transform, va="center", fontsize=8, **LITERAL_TEXT)
        axes.text(1.03, y + 0.2, usual, transform=transform, va="center", fontsize=6.5, color="0.25")
