"""Missing pixels: patterns of NaN that are gathered from real stamps or simulated, and put on stamps of either class.

Surveys mask saturated stars, bad columns and edges, and most of what is masked is bogus. A network that learns from
such stamps alone takes a missing pixel for the sign of a bogus; one that sees the same patterns on both classes does
not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from space2vec.data.stamps import CHANNELS, Stamps

__all__ = ["LARGEST", "MissingPatterns", "gather_patterns", "simulate_pattern"]

Mask = NDArray[np.bool_]

#: The number of pixels that patterns reach from the candidate to every side.
_REACH = 31
#: A pattern is near the core if one of its pixels is at most this number of rows and columns from the candidate.
_CORE = 5
#: Nothing can be told of a candidate of which more than this share of the 5 x 5 pixels around it is missing.
_MOST_OF_CORE = 0.6
#: Larger values are no light: some templates hold -3.4e38 where they have no pixel.
LARGEST = 1e30
#: The most patterns that are gathered.
_MOST_PATTERNS = 1500
#: Planes that a simulated pattern is in, and how often: all, those of the science image, those of the template.
_PLANES = (((True, True, True), 0.6), ((True, False, True), 0.3), ((False, True, True), 0.1))


@dataclass(frozen=True)
class MissingPatterns:
    """Patterns of missing pixels around candidates.

    Attributes
    ----------
    near : ndarray of bool (n, 3, 63, 63)
        Patterns with pixels near the candidate, which is in the middle; by science, template, difference.
    far : ndarray of bool (m, 3, 63, 63)
        The others.
    """

    near: Mask
    far: Mask

    def __len__(self) -> int:
        return len(self.near) + len(self.far)

    def draw(self, rng: np.random.Generator) -> Mask:
        """Draw a pattern (3, 63, 63) in one of the eight symmetries: gathered or simulated, near the core or not.

        Half of the patterns are simulated, all if none were gathered; half of the gathered ones are near the core.
        """
        held = [part for part in (self.near, self.far) if len(part)]
        if not held or rng.random() < 0.5:
            return simulate_pattern(rng)
        part = held[int(rng.integers(len(held)))]
        pattern: Mask = np.rot90(part[int(rng.integers(len(part)))], int(rng.integers(4)), (1, 2))
        return pattern[:, :, ::-1] if rng.random() < 0.5 else pattern

    def blank(
        self, planes: list[NDArray[np.float32] | None], centre: tuple[int, int], rng: np.random.Generator
    ) -> list[NDArray[np.float32] | None]:
        """Return copies of a candidate's planes with NaN where a pattern is; unchanged if too little would be left."""
        pattern = self.draw(rng)
        core = np.s_[2, _REACH - 2 : _REACH + 3, _REACH - 2 : _REACH + 3]
        if pattern[core].mean() > _MOST_OF_CORE:
            return planes
        copies: list[NDArray[np.float32] | None] = []
        for plane, mask in zip(planes, pattern, strict=True):
            if plane is None:
                copies.append(None)
                continue
            copy = plane.copy()
            part, of_pattern = _common(plane.shape, centre)
            copy[part][mask[of_pattern]] = np.nan
            copies.append(copy)
        return copies


def gather_patterns(stamps: Stamps) -> MissingPatterns:
    """Gather the patterns of missing pixels of stamps: NaN, infinite, and too large to be light.

    At most 1,500 stamps that have some are taken, evenly over all rows.
    """
    found = [pattern for pattern in _patterns(stamps) if pattern.any()]
    step = max(-(-len(found) // _MOST_PATTERNS), 1)
    taken = np.array(found[::step]).reshape(-1, len(CHANNELS), 2 * _REACH + 1, 2 * _REACH + 1)
    middle = slice(_REACH - _CORE, _REACH + _CORE + 1)
    near = taken[:, :, middle, middle].any((1, 2, 3))
    return MissingPatterns(taken[near], taken[~near])


def _patterns(stamps: Stamps) -> Iterator[Mask]:
    """Yield the missing pixels (3, 63, 63) around each candidate; pixels outside its stamp are not missing."""
    for row in range(len(stamps)):
        pattern = np.zeros((len(CHANNELS), 2 * _REACH + 1, 2 * _REACH + 1), dtype=bool)
        centre = (int(stamps.centre[row, 0]), int(stamps.centre[row, 1]))
        for k, name in enumerate(CHANNELS):
            plane = stamps.plane(row, name)
            if plane is not None:
                part, of_pattern = _common(plane.shape, centre)
                with np.errstate(invalid="ignore"):
                    pattern[k][of_pattern] = ~(np.abs(plane[part]) < LARGEST)
        yield pattern


def _common(shape: tuple[int, ...], centre: tuple[int, int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the rows and columns that a plane and a pattern have in common: of the plane, and of the pattern."""
    first = [max(at - _REACH, 0) for at in centre]
    last = [max(min(at + _REACH + 1, side), start) for at, side, start in zip(centre, shape, first, strict=True)]
    of_plane = tuple(slice(start, stop) for start, stop in zip(first, last, strict=True))
    of_pattern = tuple(
        slice(start - at + _REACH, stop - at + _REACH) for at, start, stop in zip(centre, first, last, strict=True)
    )
    return of_plane, of_pattern


def simulate_pattern(rng: np.random.Generator) -> Mask:
    """Draw a pattern of missing pixels (3, 63, 63) as surveys have them, the candidate in the middle.

    It is the core of a saturated star with the trail of its charge, a block, one to three rows or columns, the track of
    a cosmic ray, or all that lies beyond an edge. It may cover the candidate.
    """
    rows, columns = np.mgrid[-_REACH : _REACH + 1, -_REACH : _REACH + 1]
    angle = rng.uniform(0.0, 2.0 * np.pi)
    kind = int(rng.integers(5))
    if kind == 0:
        away, radius = rng.uniform(0.0, 14.0), rng.uniform(0.8, 7.0)
        y, x = away * np.sin(angle), away * np.cos(angle)
        mask = np.hypot(rows - y, columns - x) <= radius
        if rng.random() < 0.5:
            half, trail = int(rng.integers(0, 2)), rng.uniform(1.0, 4.0) * radius
            mask |= (np.abs(rows - round(y)) <= half) & (np.abs(columns - x) <= trail)
    elif kind == 1:
        top, left = rng.integers(-20, 18, 2)
        height, width = rng.integers(2, 26, 2)
        mask = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    elif kind == 2:
        first, wide = int(rng.integers(-9, 10)), int(rng.integers(1, 4))
        mask = (columns >= first) & (columns < first + wide)
        if rng.random() < 0.3:
            mask &= rows >= int(rng.integers(-20, 5))
    elif kind == 3:
        away, length, slope = rng.uniform(0.0, 9.0), rng.uniform(1.0, 12.0), rng.uniform(0.0, np.pi)
        y, x = rows - away * np.sin(angle), columns - away * np.cos(angle)
        along, across = y * np.sin(slope) + x * np.cos(slope), y * np.cos(slope) - x * np.sin(slope)
        mask = (np.abs(along) <= 0.5 * length) & (np.abs(across) <= rng.uniform(0.5, 1.5))
    else:
        mask = columns > int(rng.integers(2, 16))
    mask = np.rot90(mask, int(rng.integers(4)))
    planes = _PLANES[int(rng.choice(len(_PLANES), p=[share for _, share in _PLANES]))][0]
    return np.array([mask if hit else np.zeros_like(mask) for hit in planes])
