"""Mosaics of triplets."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.data import flags
from space2vec.data.arrays import on_host
from space2vec.data.ids import NO_ID
from space2vec.data.stamps import CHANNELS, Stamps
from space2vec.data.tables import Scores
from space2vec.errors.text import NAME, one_line
from space2vec.plot.figure import LITERAL_TEXT, new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

__all__ = ["BLOCKS", "mosaic", "select_rows"]

#: The blocks of a mosaic, and what each title says.
BLOCKS: dict[str, str] = {
    "best": "best: highest scores",
    "doubtful": "most doubtful: scores nearest 0.5",
    "worst": "worst: lowest scores",
}
#: Neither grey nor black nor white: what is no number.
_BLANK_COLOUR = "#3b6ea5"
_LINE_COLOUR = "#d55e00"
_STAMP_INCHES = 1.05
#: Characters of an id above a triplet.
_ID_WIDTH = 32


def select_rows(score: ArrayLike, rows: int, select: str = "best-worst-doubtful") -> dict[str, NDArray[np.intp]]:
    """Choose the rows of a mosaic.

    Parameters
    ----------
    score : array_like of float (n,)
        Scores; rows without one (NaN) are never chosen.
    rows : int
        Candidates a block, at most.
    select : str
        Blocks out of :data:`BLOCKS`, joined by hyphens.

    Returns
    -------
    dict of str to ndarray
        Row numbers by block: best from the highest score down, worst from the lowest up, doubtful from the nearest to
        0.5 on. Equal scores keep the order of the input. A block is empty only if no row has a score.

    Raises
    ------
    ValueError
        If a block is unknown or ``rows`` is below 1.
    """
    blocks = select.split("-")
    if len(set(blocks)) != len(blocks) or any(block not in BLOCKS for block in blocks):
        raise ValueError(f"select must name blocks out of {', '.join(BLOCKS)}, joined by hyphens; given {select!r}")
    if rows < 1:
        raise ValueError(f"rows must be at least 1; given {rows}")
    values = np.asarray(score, dtype=np.float64)
    scored = np.nonzero(~np.isnan(values))[0]
    keys = {"best": -values, "worst": values, "doubtful": np.abs(values - 0.5)}
    return {block: scored[np.argsort(keys[block][scored], kind="stable")][:rows] for block in blocks}


def mosaic(
    stamps: Stamps,
    scores: Scores | Mapping[str, Any] | ArrayLike | None = None,
    *,
    select: str = "best-worst-doubtful",
    rows: int = 12,
    columns: int = 3,
    path: str | PathLike[str] | None = None,
) -> Figure:
    """Draw triplets, with their scores, as one looks at candidates: each plane stretched by ZScale, blanks in blue.

    Parameters
    ----------
    stamps : Stamps
        The candidates.
    scores : Scores, array_like of float (n,), or dict, optional
        One score a candidate; of a single one, a row of the scores too, as ``scores[3]``. Without scores the first
        candidates are drawn in their order.
    select : str
        Which blocks, in which order, see :func:`select_rows`.
    rows : int
        Candidates a block, at most.
    columns : int
        Candidates side by side.
    path : path, optional
        Where to save the picture; its suffix tells the format.

    Returns
    -------
    matplotlib.figure.Figure
        Above each triplet stand its ids, its score and its flags. Corner marks point at the candidate.

    Raises
    ------
    ValueError
        If there are no candidates, the numbers of stamps and scores differ, the scores are of other candidates, or a
        block is unknown.

    Examples
    --------
    >>> stamps = s2v.simulate(20, seed=2).stamps
    >>> scores = s2v.load("default").score(stamps)
    >>> figure = s2v.plot.mosaic(stamps, scores)
    """
    if len(stamps) == 0:
        raise ValueError("there are no candidates to draw")
    if columns < 1:
        raise ValueError(f"columns must be at least 1; given {columns}")
    score, bits = _scores_and_flags(stamps, scores)
    if score is None:
        if rows < 1:
            raise ValueError(f"rows must be at least 1; given {rows}")
        chosen = {"first candidates": np.arange(min(rows, len(stamps)))}
    else:
        found = select_rows(score, rows, select)
        chosen = {BLOCKS[block]: index for block, index in found.items() if len(index)}
        if not chosen:
            chosen = {"no candidate has a score": np.arange(min(rows, len(stamps)))}
    lines = [-(-len(index) // columns) for index in chosen.values()]
    heights = [0.45 + line * (_STAMP_INCHES + 0.38) for line in lines]
    figure = new_figure(figsize=(columns * (3 * _STAMP_INCHES + 0.35), sum(heights)), facecolor="white", dpi=110)
    parts = np.atleast_1d(np.asarray(figure.subfigures(len(chosen), 1, height_ratios=heights), dtype=object))
    for part, (title, index), line, height in zip(parts, chosen.items(), lines, heights, strict=True):
        _draw_block(part, title, stamps, score, bits, index, line, columns, height)
    if path is not None:
        save(figure, path)
    return figure


def _scores_and_flags(
    stamps: Stamps, scores: Scores | Mapping[str, Any] | ArrayLike | None
) -> tuple[NDArray[np.float64] | None, NDArray[np.uint32]]:
    if scores is None:
        return None, stamps.flags
    values: Any = scores
    raised = stamps.flags
    ids: list[Any] | None = None
    if isinstance(scores, Scores):
        values, raised, ids = on_host(scores.score), scores.flags, scores.candidate_id.tolist()
    elif isinstance(scores, Mapping):
        values, raised = [scores["score"]], np.array([flags.bits(scores["flags"])], dtype=np.uint32)
        ids = [scores["candidate_id"]] if "candidate_id" in scores else None
    values = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if values.shape != (len(stamps),):
        raise ValueError(f"scores must have one value for each of {len(stamps)} stamps; given shape {values.shape}")
    for row, (one, other) in enumerate(zip(stamps.candidate_id.tolist(), ids or (), strict=False)):
        if str(one) != str(other) and {one, other}.isdisjoint((NO_ID, None)):
            ours, theirs = one_line(one, NAME), one_line(other, NAME)
            raise ValueError(
                f"the scores are of other candidates than the stamps: row {row} is {theirs}, and {ours} among the "
                "stamps; choose the same rows of both, or give scores.score to go by their order"
            )
    return values, raised


def _draw_block(
    part: SubFigure,
    title: str,
    stamps: Stamps,
    score: NDArray[np.float64] | None,
    bits: NDArray[np.uint32],
    index: NDArray[np.intp],
    lines: int,
    columns: int,
    height: float,
) -> None:
    part.text(0.008, 1.0 - 0.2 / height, title, fontsize=11, fontweight="bold", va="center")
    # A narrow empty column keeps triplets apart.
    ratios = ([1.0] * 3 + [0.12]) * columns
    grid = part.add_gridspec(
        lines, 4 * columns, width_ratios=ratios, left=0.008, right=1.0, top=1.0 - 0.68 / height, bottom=0.06 / height,
        wspace=0.04, hspace=0.36,
    )  # fmt: skip
    for k, row in enumerate(index.tolist()):
        line, column = divmod(k, columns)
        for position, channel in enumerate(CHANNELS):
            axes = part.add_subplot(grid[line, 4 * column + position])
            _draw_plane(axes, stamps.plane(row, channel), tuple(stamps.centre[row].tolist()))
            if line == 0 and column == 0:
                axes.text(0.03, 0.03, channel, transform=axes.transAxes, fontsize=6.5, color="white", va="bottom",
                          bbox={"facecolor": "black", "alpha": 0.6, "pad": 1.0, "linewidth": 0})  # fmt: skip
            if position == 0:
                axes.set_title(_caption(stamps, score, bits, row), fontsize=6.5, loc="left", pad=2.5, linespacing=1.1,
                               **LITERAL_TEXT)  # fmt: skip


def _caption(stamps: Stamps, score: NDArray[np.float64] | None, bits: NDArray[np.uint32], row: int) -> str:
    ids = "  ".join(one_line(text, _ID_WIDTH) for text in (stamps.object_id[row], stamps.candidate_id[row]))
    told = "" if score is None else "no score" if np.isnan(score[row]) else f"P(real) {score[row]:.3f}"
    names = ", ".join(flags.names(int(bits[row])))
    return f"{ids}\n{'  '.join(filter(None, (told, names)))}"


def _draw_plane(axes: Axes, plane: NDArray[np.float32] | None, centre: tuple[int, int]) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_linewidth(0.4)
    axes.set_facecolor(_BLANK_COLOUR)
    if plane is None:
        axes.set_box_aspect(1)
        axes.text(0.5, 0.5, "missing", transform=axes.transAxes, ha="center", va="center", fontsize=7, color="white")
        return
    low, high = _zscale(plane)
    axes.imshow(np.ma.masked_invalid(plane), cmap=_grey(), vmin=low, vmax=high, origin="lower", interpolation="nearest")
    row, column = centre
    reach = 0.11 * max(plane.shape)
    # Two strokes that stop short of the candidate, right and above, as on a finding chart.
    near, far = 0.7 * reach, 1.6 * reach
    for x, y in (([column + near, column + far], [row, row]), ([column, column], [row + near, row + far])):
        axes.plot(x, y, color=_LINE_COLOUR, linewidth=0.8, solid_capstyle="butt")
    axes.set_xlim(-0.5, plane.shape[1] - 0.5)
    axes.set_ylim(-0.5, plane.shape[0] - 0.5)


def _grey() -> Any:
    from matplotlib import colormaps

    return colormaps["gray"].with_extremes(bad=_BLANK_COLOUR)


def _zscale(plane: NDArray[np.float32]) -> tuple[float, float]:
    """Return IRAF's ZScale limits; what it cannot do (few or equal pixels) gets a range around the median."""
    from astropy.visualization import ZScaleInterval

    values = plane[np.isfinite(plane)].astype(np.float64)
    if values.size == 0:
        return 0.0, 1.0
    low, high = (float(limit) for limit in ZScaleInterval().get_limits(values))
    return (low, high) if high > low else (low - 1.0, low + 1.0)
