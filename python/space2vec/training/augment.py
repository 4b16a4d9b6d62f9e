"""Augmentation: random changes of stamps (rotations, noise, missing pixels, scale) that keep their labels true."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from space2vec.data.stamps import CHANNELS, Stamps
from space2vec.training.missing_pixels import LARGEST, MissingPatterns

__all__ = ["Augmentation", "augment"]

Plane = NDArray[np.float32]

_SCIENCE, _TEMPLATE, _DIFFERENCE = range(3)
#: Blank pixels and detector edges are more than this many pixels away from the candidate, in rows or in columns.
_CLEARANCE = 4


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Which random changes are made to stamps, and to what share of them.

    Attributes
    ----------
    symmetries : bool
        Rotate each stamp by a random multiple of 90 degrees and mirror half of them.
    shift : int
        Largest shift of the candidate's position, in pixels, along rows and along columns.
    noise : float
        Share of the stamps to which white noise is added, the same in the science and the difference plane.
    most_noise : float
        Largest standard deviation of the added noise, in units of the noise of the difference plane.
    edge : float
        Share of the stamps that are cut off at one side, as at the edge of a detector.
    blank : float
        Share of the stamps in which a block, a row or a column becomes NaN.
    without_template : float
        Share of the stamps whose template is removed.
    masks : float
        Share of the stamps on which a pattern of missing pixels is put, which may reach the candidate
        (:class:`space2vec.training.missing_pixels.MissingPatterns`).
    coarser : float
        Share of the stamps that are resampled to pixels 1.15 to 1.6 times as wide, as of an undersampled survey, unless
        they would become smaller than 33 pixels.
    scale : float
        Share of the stamps whose planes are multiplied: all by one factor from 0.001 to 1000, each by one of its own
        from 0.1 to 10, or each so that its noise is 1, as planes that were normalised one by one. Stamps of which a
        level of saturation is known are not.
    """

    symmetries: bool = True
    shift: int = 1
    noise: float = 0.1
    most_noise: float = 0.7
    edge: float = 0.05
    blank: float = 0.1
    without_template: float = 0.03
    masks: float = 0.0
    coarser: float = 0.0
    scale: float = 0.0


#: Smallest and largest width of coarser pixels, and the smallest side of a stamp of them.
_COARSER, _SMALLEST = (1.15, 1.6), 33
#: Smallest and largest factor of all planes, and of each plane.
_FACTORS, _OWN_FACTORS = (1e-3, 1e3), (0.1, 10.0)
#: A coarse pixel is missing if more than this share of it is.
_MISSING = 0.2
_NO_PATTERNS = MissingPatterns(*np.zeros((2, 0, len(CHANNELS), 63, 63), dtype=bool))


def augment(
    stamps: Stamps, rng: np.random.Generator, augmentation: Augmentation, patterns: MissingPatterns = _NO_PATTERNS
) -> Stamps:
    """Return a copy of stamps in which each stamp is changed at random.

    The copy has the same order, ids, catalogue columns and flags. The same state of `rng` gives the same copy. Stamps
    whose planes differ in size are copied unchanged. Half of the missing pixels of ``augmentation.masks`` are in the
    given patterns; all are simulated if there are none.
    """
    rows: list[list[Plane | None]] = []
    centre = stamps.centre.copy()
    for row in range(len(stamps)):
        planes = [stamps.plane(row, channel) for channel in CHANNELS]
        shapes = {plane.shape for plane in planes if plane is not None}
        if len(shapes) == 1:
            place = (int(centre[row, 0]), int(centre[row, 1]))
            if augmentation.coarser and rng.random() < augmentation.coarser:
                planes, place = _coarser(planes, place, rng.uniform(*_COARSER))
            if augmentation.masks and rng.random() < augmentation.masks:
                planes = patterns.blank(planes, place, rng)
            if augmentation.scale and stamps.saturation is None and rng.random() < augmentation.scale:
                planes = _scaled(planes, rng)
            shape = next(plane.shape for plane in planes if plane is not None)
            planes, centre[row] = _change(planes, shape, place, rng, augmentation)
        rows.append(planes)
    copies = Stamps(
        rows, object_id=stamps.object_id, candidate_id=stamps.candidate_id, flags=stamps.flags, centre=centre,
        catalogue=stamps.catalogue, saturation=stamps.saturation,
    )  # fmt: skip
    return copies


def _change(
    planes: list[Plane | None],
    shape: tuple[int, ...],
    centre: tuple[int, int],
    rng: np.random.Generator,
    augmentation: Augmentation,
) -> tuple[list[Plane | None], tuple[int, int]]:
    """Change the planes of one candidate; return them and its position (row, column)."""
    height, width = shape
    y, x = centre
    chances = rng.random(4)
    difference = planes[_DIFFERENCE]
    if chances[0] < augmentation.noise and difference is not None:
        noise = rng.standard_normal((height, width), dtype=np.float32)
        noise *= np.float32(rng.uniform(0.0, augmentation.most_noise) * _deviation(difference))
        planes = [p if p is None or k == _TEMPLATE else p + noise for k, p in enumerate(planes)]
    if chances[1] < augmentation.blank:
        block = _block(height, width, y, x, rng)
        planes = [None if plane is None else _with_blank(plane, block) for plane in planes]
    if chances[2] < augmentation.edge:
        rows, columns = _remainder(height, width, y, x, rng)
        planes = [None if plane is None else plane[rows, columns] for plane in planes]
        y, x = y - rows.start, x - columns.start
        height, width = rows.stop - rows.start, columns.stop - columns.start
    if augmentation.symmetries:
        turns, flip = int(rng.integers(4)), bool(rng.integers(2))
        for _ in range(turns):
            y, x, height, width = width - 1 - x, y, width, height
        planes = [None if plane is None else np.rot90(plane, turns) for plane in planes]
        if flip:
            planes, x = [None if plane is None else plane[:, ::-1] for plane in planes], width - 1 - x
    if augmentation.shift:
        down, right = rng.integers(-augmentation.shift, augmentation.shift + 1, 2).tolist()
        y, x = min(max(y + down, 0), height - 1), min(max(x + right, 0), width - 1)
    if chances[3] < augmentation.without_template:
        planes = [None if k == _TEMPLATE else plane for k, plane in enumerate(planes)]
    return planes, (y, x)


def _scaled(planes: list[Plane | None], rng: np.random.Generator) -> list[Plane | None]:
    """Multiply planes by a factor for all, by one for each, or by the inverse of the noise of each."""
    chance = rng.random()
    (low, high), (own_low, own_high) = np.log(_FACTORS), np.log(_OWN_FACTORS)
    common, own = np.exp(rng.uniform(low, high)), np.exp(rng.uniform(own_low, own_high, len(planes)))
    scaled: list[Plane | None] = []
    with np.errstate(over="ignore"):  # fill values, which are missing pixels before and after
        for plane, factor in zip(planes, own.tolist(), strict=True):
            if plane is None:
                scaled.append(None)
            elif chance < 0.5:
                scaled.append(plane * np.float32(common))
            elif chance < 0.75:
                scaled.append(plane * np.float32(factor))
            else:
                noise = _deviation(plane)
                scaled.append(plane / np.float32(noise) if noise > 0.0 else plane)
    return scaled


def _coarser(
    planes: list[Plane | None], centre: tuple[int, int], width: float
) -> tuple[list[Plane | None], tuple[int, int]]:
    """Resample planes to pixels that are wider by a factor, whose light is that of the area they cover.

    The middle of the candidate's pixel stays the middle of a pixel. Planes that would become too small are unchanged.
    """
    height, breadth = next(plane.shape for plane in planes if plane is not None)
    down, y = _overlap(height, centre[0], width)
    across, x = _overlap(breadth, centre[1], width)
    if min(len(down), len(across)) < _SMALLEST:
        return planes, centre
    coarse: list[Plane | None] = []
    for plane in planes:
        if plane is None:
            coarse.append(None)
            continue
        with np.errstate(invalid="ignore"):
            known = np.abs(plane) < LARGEST
        covered = down @ known.astype(np.float64) @ across.T / width**2
        light = down @ np.where(known, plane, 0.0).astype(np.float64) @ across.T
        missing = covered < 1.0 - _MISSING
        with np.errstate(invalid="ignore", divide="ignore"):
            coarse.append(np.where(missing, np.nan, light / covered).astype(np.float32))
    return coarse, (y, x)


def _overlap(side: int, place: int, width: float) -> tuple[NDArray[np.float64], int]:
    """Return how much of each pixel of a line lies in each wider pixel (wide, side), and the place among these."""
    before, after = int((place + 0.5) / width - 0.5), int((side - place - 0.5) / width - 0.5)
    edges = place + 0.5 + (np.arange(-before, after + 2) - 0.5) * width
    low, high = np.maximum(edges[:-1, None], np.arange(side)), np.minimum(edges[1:, None], np.arange(1, side + 1))
    return np.maximum(high - low, 0.0), before


def _deviation(plane: Plane) -> float:
    """Estimate the standard deviation of a plane's noise from the median deviation of every eleventh pixel."""
    some = plane.reshape(-1)[::11]
    some = some[np.isfinite(some)]
    if not len(some):
        return 0.0
    return 1.4826 * float(np.median(np.abs(some - np.median(some))))


def _block(height: int, width: int, y: int, x: int, rng: np.random.Generator) -> tuple[slice, slice]:
    """Draw the rows and columns of a block, a row or a column clear of the candidate; empty if none is found."""
    tall, wide = [(1, width), (height, 1), tuple(rng.integers(3, 16, 2).tolist())][int(rng.integers(3))]
    for _ in range(10):
        top, left = (
            int(rng.integers(0, height - min(tall, height) + 1)),
            int(rng.integers(0, width - min(wide, width) + 1)),
        )
        clear_y = top > y + _CLEARANCE or top + tall - 1 < y - _CLEARANCE
        clear_x = left > x + _CLEARANCE or left + wide - 1 < x - _CLEARANCE
        if clear_y or clear_x:
            return slice(top, top + tall), slice(left, left + wide)
    return slice(0, 0), slice(0, 0)


def _with_blank(plane: Plane, block: tuple[slice, slice]) -> Plane:
    """Return a copy of a plane in which a block is NaN."""
    copy = plane.copy()
    copy[block] = np.nan
    return copy


def _remainder(height: int, width: int, y: int, x: int, rng: np.random.Generator) -> tuple[slice, slice]:
    """Draw a detector edge near the candidate; return the rows and columns that are inside the detector."""
    rows, columns = slice(0, height), slice(0, width)
    side = int(rng.integers(4))
    room = (y, height - 1 - y, x, width - 1 - x)[side]
    if room <= _CLEARANCE:
        return rows, columns
    kept = int(rng.integers(_CLEARANCE, room + 1))
    if side < 2:
        rows = slice(y - kept, height) if side == 0 else slice(0, y + kept + 1)
    else:
        columns = slice(x - kept, width) if side == 2 else slice(0, x + kept + 1)
    return rows, columns
