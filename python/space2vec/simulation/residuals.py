"""Bogus candidates mined from real stamps: subtraction residuals at some distance from the candidate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import Stamps
from space2vec.simulation.triplet import Triplet, measure_triplet

__all__ = ["mine_bogus"]

#: A detection is the highest pixel within two pixels, and at least this many times the noise.
_PEAK = 6.0
#: Smallest and largest distance of a detection from the candidate, in pixels. A nearer one may be the candidate itself.
_NEAREST, _FARTHEST = 10.0, 14


def mine_bogus(
    real: LabelledStamps,
    score: Callable[[Stamps], NDArray[np.float32]],
    *,
    seed: int = 0,
    each: int = 2,
    below: float = 0.3,
) -> LabelledStamps:
    """Cut stamps around other detections in the difference images of alerts, and keep those that a teacher calls bogus.

    Parameters
    ----------
    real : LabelledStamps
        Real alerts, of either label.
    score : callable
        Takes stamps and returns a teacher's P(real) (n,).
    seed : int, optional
        The same seed gives the same rows.
    each : int, optional
        Largest number of detections per alert.
    below : float, optional
        A detection with a lower score of the teacher counts as bogus.

    Returns
    -------
    LabelledStamps
        Rows of label 0 and kind ``residual``, with the teacher's score, and the ids and group of the alert. The alert's
        candidate is in the stamp too, away from its middle. Pixels outside the alert's stamp are filled from its
        opposite side. If the detection is negative, the sign of the difference is changed, as ZTF does.
    """
    planes, centres, rows = [], [], []
    for row in range(len(real)):
        triplet = measure_triplet(real.stamps, row)
        if triplet is None:
            continue
        rng = np.random.default_rng([seed, row])
        detections = rng.permutation(np.array(_detections(triplet)).reshape(-1, 2))[:each]
        for y, x in detections.tolist():
            shift = (y - triplet.centre[0], x - triplet.centre[1])
            sign = triplet.sign if triplet.difference[y, x] > 0.0 else -triplet.sign
            stamp = triplet.with_sign(sign).recentred(shift).oriented(0)
            planes.append(stamp.planes)
            centres.append(stamp.centre)
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
    """Find the peaks of either sign in the difference near the candidate, but not the candidate: row and column."""
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
