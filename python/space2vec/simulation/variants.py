"""Variants of real alerts: changed stamps of known candidates, which a teacher scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import Stamps
from space2vec.simulation.triplet import Array, Triplet, measure_triplet

__all__ = ["variants"]

#: Shares of the rows whose difference is added to the sky of another alert, whose difference is scaled, to which noise
#: is added, to which the difference of another alert is added, and that are shifted.
_OTHER_SKY, _SCALED, _NOISY, _SUMMED, _SHIFTED = 0.45, 0.6, 0.5, 0.15, 0.5
#: Smallest and largest factor by which the other alert's difference is scaled.
_OTHER_FACTORS = (0.1, 1.0)
#: Smallest and largest factor of the difference; largest added noise, in units of its noise; largest shift, pixels.
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
    """Make variants of real alerts, whose pixels are changed at random.

    The difference of an alert is scaled, added to the unchanging sky of another alert in one of its eight symmetries,
    and given more noise; sometimes the difference of another alert is added too. The result is rotated, mirrored and
    shifted. The label of the alert may no longer hold, so only a teacher can label a variant
    (:func:`space2vec.training.teacher.add_teacher_scores`): variants show a network how the teacher scores such stamps.
    A variant may hold pixels of two alerts: split by object first, then make variants.

    Parameters
    ----------
    real : LabelledStamps
        Real alerts, of either label.
    n : int
        Number of rows to make.
    seed : int, optional
        The same seed gives the same rows.
    first : int, optional
        Number of the first row. A row depends only on its number and the seed.
    bogus_share : float, optional
        Share of the rows that are made from alerts labelled bogus, if there are alerts of both labels.
    progress : callable, optional
        Called with 1 after each row.

    Returns
    -------
    LabelledStamps
        Rows of the kind ``variant``, with the label, object id and group of the alert, but without a teacher's score
        and catalogue columns.

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
    by_label = [[pair for pair in measured if real.label[pair[0]] == label] for label in (0, 1)]
    planes, centres, rows = [], [], []
    for number in range(first, first + n):
        rng = np.random.default_rng([seed, number])
        choices = by_label[0 if rng.random() < bogus_share else 1] or measured
        row, triplet = choices[int(rng.integers(len(choices)))]
        other = measured[int(rng.integers(len(measured)))][1]
        stamp = _variant(triplet, other, rng).oriented(int(rng.integers(8)))
        planes.append(stamp.planes)
        centres.append(stamp.centre)
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
    """Change a triplet at random, with pixels of another one."""
    same_shape = other.science.shape == triplet.science.shape
    if rng.random() < _OTHER_SKY:
        triplet = _on_sky_of(triplet, other if same_shape else triplet, int(rng.integers(1, 8)))
    if rng.random() < _SCALED:
        factor = float(np.exp(rng.uniform(*np.log(_FACTORS))))
        triplet = replace(triplet.with_light((factor - 1.0) * triplet.change), noise=factor * triplet.noise)
    if rng.random() < _NOISY:
        triplet = triplet.with_noise(rng.uniform(0.0, _MOST_NOISE), rng)
    if rng.random() < _SUMMED and same_shape:
        triplet = triplet.with_light(rng.uniform(*_OTHER_FACTORS) * _oriented(other.change, int(rng.integers(8))))
    if rng.random() < _SHIFTED:
        down, right = (int(pixels) for pixels in rng.integers(-_FARTHEST, _FARTHEST + 1, 2))
        middle = (triplet.centre[0] + down, triplet.centre[1] + right)
        inside = all(0 <= at < side for at, side in zip(middle, triplet.science.shape, strict=True))
        triplet = replace(triplet, centre=middle) if inside else triplet
    return triplet


def _on_sky_of(triplet: Triplet, other: Triplet, symmetry: int) -> Triplet:
    """Return a triplet with its own difference, and with the unchanging sky and the template of another one."""
    still = _oriented(other.science - other.change, symmetry)
    return replace(triplet, science=still + triplet.change, template=_oriented(other.template, symmetry))


def _oriented(plane: Array, symmetry: int) -> Array:
    """Return a plane in one of the eight symmetries of a square; a plane that is not square is only mirrored."""
    plane = plane[::-1] if symmetry & 1 else plane
    plane = plane[:, ::-1] if symmetry & 2 else plane
    return plane.T if symmetry & 4 and plane.shape[0] == plane.shape[1] else plane
