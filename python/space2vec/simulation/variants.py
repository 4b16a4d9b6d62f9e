"""Variants of real alerts: changed stamps of known candidates, for a teacher to score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import Stamps
from space2vec.simulation.triplet import Array, Triplet, measure_triplet

__all__ = ["variants"]

#: Shares of the rows whose change is put on another still sky, whose change is scaled, that get noise, that have what
#: changed in another alert too, that are shifted.
_MOVED, _SCALED, _NOISY, _JOINED, _SHIFTED = 0.45, 0.6, 0.5, 0.15, 0.5
#: Least and largest share of the other alert's change.
_JOINED_BY = (0.1, 1.0)
#: Least and largest factor of a change; the most noise, in units of the difference's; the farthest shift, pixel.
_FACTORS, _MOST_NOISE, _FARTHEST = (0.4, 2.0), 1.5, 2


def variants(
    real: LabelledStamps,
    n: int,
    *,
    seed: int = 0,
    first: int = 0,
    bogus_share: float = 0.5,
    progress: Callable[[int], object] | None = None,
) -> LabelledStamps:
    """Make variants of real alerts.

    What changed (the difference) is made brighter or fainter, put on the still sky of another alert in one of its eight
    symmetries, gets more noise, and now and then what changed in another alert; the whole is turned, flipped and
    shifted. Only a teacher can label a variant (:func:`space2vec.training.teacher.teach`): variants show a student how
    the teacher scores such stamps. A variant may hold pixels of another alert: split by object first, then make
    variants.

    Parameters
    ----------
    real : LabelledStamps
        Real alerts.
    n : int
        Rows to make.
    seed : int, optional
        The same seed gives the same rows.
    first : int, optional
        Number of the first row: rows depend on their number and the seed alone.
    bogus_share : float, optional
        Share of the rows that are made of alerts labelled bogus, where there are both.
    progress : callable, optional
        Called with 1 after each row.

    Returns
    -------
    LabelledStamps
        Kind ``variant``; label, object id and group of the alert; no teacher, no catalogue.

    Raises
    ------
    ValueError
        If a number is out of range, or none of the alerts can be changed.
    """
    if n < 0 or first < 0:
        raise ValueError(f"n and first must not be negative; given {n} and {first}")
    if not 0.0 <= bogus_share <= 1.0:
        raise ValueError(f"bogus_share must lie between 0 and 1; given {bogus_share}")
    measured = [
        (row, triplet) for row in range(len(real)) if (triplet := measure_triplet(real.stamps, row)) is not None
    ]
    if not measured and n:
        raise ValueError(f"none of the {len(real)} alerts can be changed")
    classes = [[one for one in measured if real.label[one[0]] == label] for label in (0, 1)]
    planes, centres, rows = [], [], []
    for number in range(first, first + n):
        rng = np.random.default_rng([seed, number])
        among = classes[0 if rng.random() < bogus_share else 1] or measured
        row, triplet = among[int(rng.integers(len(among)))]
        other = measured[int(rng.integers(len(measured)))][1]
        stamp, centre = _variant(triplet, other, rng).planes(int(rng.integers(8)))
        planes.append(stamp)
        centres.append(centre)
        rows.append(row)
        if progress is not None:
            progress(1)
    index = np.array(rows, dtype=np.intp)
    stamps = Stamps(
        planes,
        object_id=real.stamps.object_id[index],
        candidate_id=np.arange(first, first + n),
        centre=np.array(centres, dtype=np.int32).reshape(n, 2),
    )
    return LabelledStamps(stamps, real.label[index], np.full(n, "variant"), group=real.group[index])


def _variant(triplet: Triplet, other: Triplet, rng: np.random.Generator) -> Triplet:
    alike = other.science.shape == triplet.science.shape
    if rng.random() < _MOVED:
        triplet = _on_the_sky(triplet, other if alike else triplet, int(rng.integers(1, 8)))
    if rng.random() < _SCALED:
        factor = float(np.exp(rng.uniform(*np.log(_FACTORS))))
        triplet = replace(triplet.changed((factor - 1.0) * triplet.change), noise=factor * triplet.noise)
    if rng.random() < _NOISY:
        triplet = triplet.noisier(rng.uniform(0.0, _MOST_NOISE), rng)
    if rng.random() < _JOINED and alike:
        triplet = triplet.changed(rng.uniform(*_JOINED_BY) * _turned(other.change, int(rng.integers(8))))
    if rng.random() < _SHIFTED:
        down, right = (int(by) for by in rng.integers(-_FARTHEST, _FARTHEST + 1, 2))
        middle = (triplet.centre[0] + down, triplet.centre[1] + right)
        inside = all(0 <= at < side for at, side in zip(middle, triplet.science.shape, strict=True))
        triplet = replace(triplet, centre=middle) if inside else triplet
    return triplet


def _on_the_sky(triplet: Triplet, other: Triplet, symmetry: int) -> Triplet:
    """Put what changed on what did not change in another, turned or flipped."""
    still = _turned(other.science - other.change, symmetry)
    return replace(triplet, science=still + triplet.change, template=_turned(other.template, symmetry))


def _turned(plane: Array, symmetry: int) -> Array:
    """Return a plane in one of the eight symmetries of a square; one that is no square is only flipped."""
    plane = plane[::-1] if symmetry & 1 else plane
    plane = plane[:, ::-1] if symmetry & 2 else plane
    return plane.T if symmetry & 4 and plane.shape[0] == plane.shape[1] else plane
