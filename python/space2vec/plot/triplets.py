"""Draw mosaics of triplets: science, template and difference of the best, worst and most doubtful candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING

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
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure, SubFigure

    from space2vec.data.types import Cell, LibraryArray

__all__ = ["BLOCKS", "draw_blocks", "draw_plane", "mosaic", "select_rows"]

#: The blocks of a mosaic, and the title of each.
BLOCKS: dict[str, str] = {
    "best": "best: highest scores",
    "doubtful": "most doubtful: scores nearest 0.5",
    "worst": "worst: lowest scores",
}
#: The colour of NaN pixels and missing planes, which no pixel of a grey picture has.
_BLANK_COLOUR = "#3b6ea5"
_LINE_COLOUR = "#d55e00"
_STAMP_INCHES = 1.05
#: The most characters of an id above a triplet.
_ID_WIDTH = 32


def select_rows(score: ArrayLike, rows: int, select: str = "best-worst-doubtful") -> dict[str, NDArray[np.intp]]:
    """Choose the candidates of a mosaic by their scores.

    Parameters
    ----------
    score : array_like of float (n,)
        Scores; candidates without a score (NaN) are never chosen.
    rows : int
        The most candidates of a block.
    select : str
        Names of blocks (:data:`BLOCKS`), joined by hyphens.

    Returns
    -------
    dict of str to ndarray
        Row numbers by block: the best from the highest score down, the worst from the lowest up, the doubtful ones in
        order of their distance from 0.5. Equal scores keep the order of the input. A block is empty only if no
        candidate has a score.

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
    scores: Scores | Mapping[str, Cell] | ArrayLike | None = None,
    *,
    select: str = "best-worst-doubtful",
    rows: int = 12,
    columns: int = 3,
    path: str | PathLike[str] | None = None,
) -> Figure:
    """Draw triplets with their scores, as for inspection by eye: each plane scaled by ZScale, NaN pixels in blue.

    Parameters
    ----------
    stamps : Stamps
        The candidates.
    scores : Scores, array_like of float (n,), or dict, optional
        One score for each candidate; for a single candidate also a row of scores, such as ``scores[3]``. Without scores
        the first candidates are drawn in their order.
    select : str
        Which blocks to draw, in which order, see :func:`select_rows`.
    rows : int
        The most candidates of a block.
    columns : int
        Number of candidates side by side.
    path : path, optional
        Where to save the picture, in the format of its suffix.

    Returns
    -------
    matplotlib.figure.Figure
        Ids, score and flags are above each triplet. Two strokes, right of the candidate and above it, point at it.

    Raises
    ------
    ValueError
        If there are no candidates, the numbers of stamps and scores differ, the scores belong to other candidates, or a
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
    return draw_blocks(stamps, chosen, score=score, flags_of=bits, columns=columns, path=path)


def draw_blocks(
    stamps: Stamps,
    blocks: Mapping[str, NDArray[np.intp]],
    *,
    score: NDArray[np.float64] | None = None,
    flags_of: NDArray[np.uint32] | None = None,
    notes: Sequence[str] | None = None,
    columns: int = 3,
    path: str | PathLike[str] | None = None,
) -> Figure:
    """Draw triplets in blocks with titles, as of the kinds of a night.

    Parameters
    ----------
    stamps : Stamps
        The candidates.
    blocks : mapping of str to ndarray of int
        The rows of each block, by its title.
    score : ndarray of float (n,), optional
        P(real), NaN for no score.
    flags_of : ndarray of uint32 (n,), optional
        The flags of each candidate; those of the stamps by default.
    notes : sequence of str (n,), optional
        A text above each triplet, after its score.
    columns : int
        Number of candidates side by side.
    path : path, optional
        Where to save the picture, in the format of its suffix.

    Raises
    ------
    ValueError
        If there is no row to draw.
    """
    chosen = {title: index for title, index in blocks.items() if len(index)}
    if not chosen:
        raise ValueError("there are no candidates to draw")
    bits = stamps.flags if flags_of is None else flags_of
    captions = {
        row: _caption(stamps, score, bits, row, "" if notes is None else notes[row])
        for index in chosen.values()
        for row in index.tolist()
    }
    lines = [-(-len(index) // columns) for index in chosen.values()]
    heights = [0.45 + line * (_STAMP_INCHES + 0.38) for line in lines]
    figure = new_figure(figsize=(columns * (3 * _STAMP_INCHES + 0.35), sum(heights)), facecolor="white", dpi=110)
    parts = np.atleast_1d(np.asarray(figure.subfigures(len(chosen), 1, height_ratios=heights), dtype=object))
    for part, (title, index), line, height in zip(parts, chosen.items(), lines, heights, strict=True):
        _draw_block(part, title, stamps, captions, index, line, columns, height)
    if path is not None:
        save(figure, path)
    return figure


def _scores_and_flags(
    stamps: Stamps, scores: Scores | Mapping[str, Cell] | ArrayLike | None
) -> tuple[NDArray[np.float64] | None, NDArray[np.uint32]]:
    """Return the score and the flags of each candidate; raise if there are more or fewer scores than stamps."""
    if scores is None:
        return None, stamps.flags
    values: LibraryArray = scores
    raised = stamps.flags
    ids: list[Cell] | None = None
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
            in_stamps, in_scores = one_line(one, NAME), one_line(other, NAME)
            raise ValueError(
                f"the scores are of other candidates than the stamps: row {row} is {in_scores} in the scores and "
                f"{in_stamps} in the stamps; choose the same rows of both, or pass scores.score to ignore the ids"
            )
    return values, raised


def _draw_block(
    part: SubFigure,
    title: str,
    stamps: Stamps,
    captions: Mapping[int, str],
    index: NDArray[np.intp],
    lines: int,
    columns: int,
    height: float,
) -> None:
    """Draw one block of a mosaic: its title and its triplets."""
    part.text(0.008, 1.0 - 0.2 / height, title, fontsize=11, fontweight="bold", va="center", **LITERAL_TEXT)
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
            draw_plane(axes, stamps.plane(row, channel), tuple(stamps.centre[row].tolist()))
            if line == 0 and column == 0:
                axes.text(0.03, 0.03, channel, transform=axes.transAxes, fontsize=6.5, color="white", va="bottom",
                          bbox={"facecolor": "black", "alpha": 0.6, "pad": 1.0, "linewidth": 0})  # fmt: skip
            if position == 0:
                axes.set_title(captions[row], fontsize=6.5, loc="left", pad=2.5, linespacing=1.1,
                               **LITERAL_TEXT)  # fmt: skip


def _caption(stamps: Stamps, score: NDArray[np.float64] | None, bits: NDArray[np.uint32], row: int, note: str) -> str:
    """Return the text above a triplet: ids, score, note and flags."""
    ids = "  ".join(one_line(text, _ID_WIDTH) for text in (stamps.object_id[row], stamps.candidate_id[row]))
    score_text = "" if score is None else "no score" if np.isnan(score[row]) else f"P(real) {score[row]:.3f}"
    names = ", ".join(flags.names(int(bits[row])))
    return f"{ids}\n{'  '.join(filter(None, (score_text, one_line(note, _ID_WIDTH), names)))}"


def draw_plane(
    axes: Axes, plane: NDArray[np.float32] | None, centre: tuple[int, int], *, under_map: bool = False
) -> None:
    """Draw one plane, or the word missing, with two strokes that point at the candidate.

    Under a map of colours there are no strokes, and NaN pixels are hatched instead of blue.
    """
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
    grey = _grey()
    if under_map:
        axes.patch.set(facecolor="0.8", edgecolor="0.35", hatch="////")
        grey = grey.with_extremes(bad=(0.0, 0.0, 0.0, 0.0))
    axes.imshow(np.ma.masked_invalid(plane), cmap=grey, vmin=low, vmax=high, origin="lower", interpolation="nearest")
    if not under_map:
        _point_at(axes, plane.shape, centre)
    axes.set_xlim(-0.5, plane.shape[1] - 0.5)
    axes.set_ylim(-0.5, plane.shape[0] - 0.5)


def _point_at(axes: Axes, shape: tuple[int, ...], centre: tuple[int, int]) -> None:
    """Draw two strokes that stop short of the candidate, right of it and above it, as on a finding chart."""
    row, column = centre
    reach = 0.11 * max(shape)
    near, far = 0.7 * reach, 1.6 * reach
    for x, y in (([column + near, column + far], [row, row]), ([column, column], [row + near, row + far])):
        axes.plot(x, y, color=_LINE_COLOUR, linewidth=0.8, solid_capstyle="butt")


def _grey() -> Colormap:
    """Return a grey colour map that shows NaN in blue."""
    from matplotlib import colormaps

    return colormaps["gray"].with_extremes(bad=_BLANK_COLOUR)


def _zscale(plane: NDArray[np.float32]) -> tuple[float, float]:
    """Return IRAF's ZScale limits; of pixels that are all equal, a range of 2 around their value."""
    from astropy.visualization import ZScaleInterval

    values = plane[np.isfinite(plane)].astype(np.float64)
    if values.size == 0:
        return 0.0, 1.0
    low, high = (float(limit) for limit in ZScaleInterval().get_limits(values))
    return (low, high) if high > low else (low - 1.0, low + 1.0)
