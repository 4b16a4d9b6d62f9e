"""More bogus from real stamps: residuals in the difference, away from the candidate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import Stamps
from space2vec.simulation.triplet import Triplet, measure_triplet

__all__ = ["mine_bogus"]

#: A detection is a pixel of that many times the noise, the highest within two pixels.
_PEAK = 6.0
#: Nearest and farthest that it lies from the candidate, pixel: nearer it may be the candidate.
_NEAREST, _FARTHEST = 10.0, 14


def mine_bogus(
    real: LabelledStamps,
    score: Callable[[Stamps], NDArray[np.float32]],
    *,
    seed: int = 0,
    each: int = 2,
    below: float = 0.3,
) -> LabelledStamps:
    """Cut stamps around the other detections in the differences of alerts, and keep what a teacher takes for bogus.

    Parameters
    ----------
    real : LabelledStamps
        Real alerts, whatever their label.
    score : callable
        Gives a teacher's P(real) of stamps, (n,).
    seed : int, optional
        The same seed gives the same rows.
    each : int, optional
        Detections of an alert, at most.
    below : float, optional
        The teacher's score below which a detection is taken for bogus.

    Returns
    -------
    LabelledStamps
        Label 0, kind ``residual``, the teacher's score; ids and group are those of the alert. The candidate of the
        alert is in the stamps too, off the middle; pixels beyond the alert's stamp are filled from its
        opposite side. Where light was lost the difference is turned over, as ZTF does.
    """
    planes, centres, rows = [], [], []
    for row in range(len(real)):
        triplet = measure_triplet(real.stamps, row)
        if triplet is None:
            continue
        rng = np.random.default_rng([seed, row])
        found = rng.permutation(np.array(_detections(triplet)).reshape(-1, 2))[:each]
        for y, x in found.tolist():
            shift = (y - triplet.centre[0], x - triplet.centre[1])
            sign = triplet.sign if triplet.difference[y, x] > 0.0 else -triplet.sign
            stamp, centre = triplet.turned(sign).moved(shift).planes(0)
            planes.append(stamp)
            centres.append(centre)
            rows.append(row)
    index = np.array(rows, dtype=np.intp)
    stamps = Stamps(
        planes,
        object_id=real.stamps.object_id[index],
        candidate_id=real.stamps.candidate_id[index],
        centre=np.array(centres, dtype=np.int32).reshape(len(rows), 2),
    )
    scores = score(stamps)
    whole = LabelledStamps(
        stamps,
        np.zeros(len(rows), np.int8),
        np.full(len(rows), "residual"),
        teacher=scores,
        group=real.group[index],
    )
    with np.errstate(invalid="ignore"):
        return whole[np.flatnonzero(scores < below)]


def _detections(triplet: Triplet) -> list[tuple[int, int]]:
    """Find the pixels of either sign that stand out of the difference, near the candidate but not of it."""
    size = np.abs(triplet.difference)
    found = []
    with np.errstate(invalid="ignore"):
        for y, x in np.argwhere(size > _PEAK * triplet.noise).tolist():
            dy, dx = y - triplet.centre[0], x - triplet.centre[1]
            if np.hypot(dy, dx) < _NEAREST or max(abs(dy), abs(dx)) > _FARTHEST:
                continue
            if size[y, x] >= np.nanmax(size[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3]):
                found.append((y, x))
    return found
