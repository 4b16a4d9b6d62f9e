"""How robust scores are against faults of real stamps: blank rows and columns, empty stamps, edges, orientation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.data.stamps import CHANNELS, Stamps
from space2vec.evaluation.comparison import Comparison, compare
from space2vec.models.load import Model

__all__ = [
    "Move",
    "Pile",
    "blank_lines",
    "cut_at_edge",
    "edge_accuracy",
    "empty_scores",
    "measure",
    "moves",
    "pile_up",
    "transformed",
]

Plane = NDArray[np.float32]

#: Pixels around the candidate that an edge leaves.
_MARGIN = 6
#: Scores that differ by less count as one value.
_BIN = 1e-3


@dataclass(frozen=True)
class Pile:
    """The share of scores in the fullest bin of 0.001, before and after rows and columns are blanked.

    ``excess`` is the largest gain of a bin, as a share of the scored rows, and ``at`` the middle of that bin. Scores
    that pile up at one value raise it to their share; scores that lie at 0 and 1 before and after do not.
    """

    before: float
    after: float
    excess: float
    at: float
    scored: int


@dataclass(frozen=True)
class Move:
    """The absolute change of scores: its median and its 95 % quantile, over rows that have both scores."""

    median: float
    high: float
    rows: int


def _with_planes(
    stamps: Stamps, change: Callable[[Plane, int], Plane], centre: NDArray[np.int32] | None = None
) -> Stamps:
    """Return the stamps with each plane changed by ``change(plane, row)``; ids, columns and flags stay."""
    planes = [
        [None if (plane := stamps.plane(row, name)) is None else change(plane, row) for name in CHANNELS]
        for row in range(len(stamps))
    ]
    return Stamps(
        planes,
        object_id=stamps.object_id,
        candidate_id=stamps.candidate_id,
        catalogue=stamps.catalogue,
        flags=stamps.flags,
        centre=stamps.centre if centre is None else centre,
        saturation=stamps.saturation,
    )


def transformed(stamps: Stamps) -> Iterator[tuple[str, Stamps]]:
    """Yield the stamps flipped, rotated and shifted: ``flip``, ``rotation`` or ``shift``, and the stamps.

    The candidate's position turns with the pixels. A shift moves the pixels by one, repeats the border, and leaves the
    position.
    """
    shapes = stamps.shape[np.arange(len(stamps)), np.argmax(stamps.offset >= 0, axis=1)]
    (height, width), (y, x) = shapes.T, stamps.centre.T
    turns: list[tuple[str, Callable[[Plane], Plane], tuple[NDArray[Any], NDArray[Any]]]] = [
        ("flip", lambda p: p[::-1], (height - 1 - y, x)),
        ("flip", lambda p: p[:, ::-1], (y, width - 1 - x)),
        ("rotation", lambda p: np.rot90(p), (width - 1 - x, y)),
        ("rotation", lambda p: np.rot90(p, 2), (height - 1 - y, width - 1 - x)),
        ("rotation", lambda p: np.rot90(p, 3), (x, height - 1 - y)),
    ]
    for name, turn, centre in turns:
        yield name, _with_planes(stamps, lambda p, _, turn=turn: turn(p), np.stack(centre, axis=1))  # type: ignore[misc]
    for before, after in (((1, 0), (0, 0)), ((0, 1), (0, 0)), ((0, 0), (1, 0)), ((0, 0), (0, 1))):

        def shifted(plane: Plane, _: int, ends: Any = (before, after)) -> Plane:
            (top, bottom), (left, right) = ends
            padded = np.pad(plane, ends, mode="edge")
            return padded[bottom : padded.shape[0] - top, right : padded.shape[1] - left]

        yield "shift", _with_planes(stamps, shifted)


def moves(model: Model, stamps: Stamps) -> dict[str, Move]:
    """Measure how much scores change under flips, rotations and shifts by one pixel.

    Parameters
    ----------
    model : Model
        The model to measure.
    stamps : Stamps
        Candidates of square stamps; those without a score do not count.

    Returns
    -------
    dict of str to Move
        By ``flip``, ``rotation`` and ``shift``, over all changes of each kind.
    """
    score = model.score(stamps).score
    found: dict[str, list[NDArray[np.float32]]] = {}
    for name, other in transformed(stamps):
        found.setdefault(name, []).append(np.abs(model.score(other).score - score))
    moved = {name: np.concatenate(parts) for name, parts in found.items()}
    moved = {name: values[~np.isnan(values)] for name, values in moved.items()}
    return {
        name: Move(float(np.median(values)), float(np.quantile(values, 0.95)), len(values))
        if len(values)
        else Move(np.nan, np.nan, 0)
        for name, values in moved.items()
    }


def _sides(stamps: Stamps, seed: int) -> Iterator[tuple[slice, slice]]:
    """Yield, for each stamp, the rows and columns that an edge leaves; the edge spares the pixels of the candidate."""
    rng = np.random.default_rng(seed)
    for row in range(len(stamps)):
        size = stamps.shape[row].max(axis=0)
        axis, low = int(rng.integers(2)), bool(rng.integers(2))
        place, whole = int(stamps.centre[row, axis]), int(size[axis])
        room = (place if low else whole - 1 - place) - _MARGIN
        lost = int(rng.integers(1, room + 1)) if room > 0 else 0
        kept = slice(lost, whole) if low else slice(0, whole - lost)
        yield (kept, slice(None)) if axis == 0 else (slice(None), kept)


def blank_lines(stamps: Stamps, seed: int = 0) -> Stamps:
    """Return the stamps with NaN in the rows or columns beyond an edge, and in one more row or column at random."""
    sides = list(_sides(stamps, seed))
    rng = np.random.default_rng(seed + 1)
    lines = rng.random((len(stamps), 2))

    def blank(plane: Plane, row: int) -> Plane:
        out = np.full_like(plane, np.nan)
        out[sides[row]] = plane[sides[row]]
        axis = int(lines[row, 0] < 0.5)
        bad = int(lines[row, 1] * plane.shape[axis])
        out[(slice(None), bad) if axis else (bad, slice(None))] = np.nan
        return out

    return _with_planes(stamps, blank)


def cut_at_edge(stamps: Stamps, seed: int = 0) -> Stamps:
    """Return the stamps cut at an edge, smaller and off centre, as at the border of a detector."""
    sides = list(_sides(stamps, seed))
    lost = np.array([[side.start or 0 for side in pair] for pair in sides], dtype=np.int32).reshape(-1, 2)
    return _with_planes(stamps, lambda plane, row: plane[sides[row]], stamps.centre - lost)


def pile_up(model: Model, stamps: Stamps, seed: int = 0) -> Pile:
    """Measure whether scores gather at one value once rows and columns are blank (:func:`blank_lines`).

    Parameters
    ----------
    model : Model
        The model to measure.
    stamps : Stamps
        The candidates, whole.
    seed : int, optional
        The seed of the rows and columns that are blanked.

    Returns
    -------
    Pile
        NaN shares where no row has both scores.
    """
    before, after = model.score(stamps).score, model.score(blank_lines(stamps, seed)).score
    both = ~np.isnan(before) & ~np.isnan(after)
    if not both.any():
        return Pile(np.nan, np.nan, np.nan, np.nan, 0)
    shares = [np.histogram(score[both], round(1 / _BIN), (0.0, 1.0))[0] / both.sum() for score in (before, after)]
    gain = shares[1] - shares[0]
    at = int(gain.argmax())
    return Pile(float(shares[0].max()), float(shares[1].max()), float(gain[at]), (at + 0.5) * _BIN, int(both.sum()))


def empty_scores(model: Model, side: int = 63) -> NDArray[np.float32]:
    """Return the scores (3,) of stamps that are all 0, all 7 and all NaN; each must be NaN, for there is no source."""
    planes = np.empty((3, 3, side, side), dtype=np.float32)
    planes[:] = np.array([0.0, 7.0, np.nan])[:, None, None, None]
    return model.score(Stamps(planes)).score


def edge_accuracy(
    model: Model, stamps: Stamps, label: ArrayLike, *, seed: int = 0, bootstrap: int = 1000
) -> Comparison:
    """Compare the scores of the same candidates cut_at_edge at an edge (a) and whole (b).

    Parameters
    ----------
    model, stamps
        As for :func:`pile_up`.
    label : array_like (n,)
        1 for real, 0 for bogus.
    seed, bootstrap : int, optional
        Seed of the cuts and of the resamples of objects, and the number of resamples.

    Raises
    ------
    ValueError
        As :func:`space2vec.evaluation.compare`.
    """
    edge, whole = model.score(cut_at_edge(stamps, seed)).score, model.score(stamps).score
    return compare(edge, whole, label, group=stamps.object_id.astype(np.str_), bootstrap=bootstrap, seed=seed)


def measure(model: Model, stamps: Stamps, label: ArrayLike, *, seed: int = 0, bootstrap: int = 1000) -> dict[str, Any]:
    """Return all measures of the robustness of a model, ready for JSON."""
    return {
        "pile up": asdict(pile_up(model, stamps, seed)),
        "scores of empty stamps": [None if np.isnan(s) else float(s) for s in empty_scores(model)],
        "moves": {name: asdict(move) for name, move in moves(model, stamps).items()},
        "edge less whole": edge_accuracy(model, stamps, label, seed=seed, bootstrap=bootstrap).to_dict(),
    }
