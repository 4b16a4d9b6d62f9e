"""Self-training: candidates without a label, whose targets are what a network says that was fitted to the labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec import backends
from space2vec.data.labelled_stamps import LabelledStamps

if TYPE_CHECKING:
    from space2vec.data.stamps import Stamps
    from space2vec.model_files.needs import Needs

__all__ = ["WEIGHT", "scored_alone", "with_opinions"]

#: The weight of a candidate without a label in the loss; that of a labelled one is 1. The opinion of a network that has
#: seen few labels is worth less than a label.
WEIGHT = 0.5
#: The kind of the rows without a label.
_KIND = "unlabelled"


def scored_alone(needs: Needs, stamps: Stamps, threads: int | None) -> Stamps:
    """Return the candidates that can be scored."""
    return stamps[np.flatnonzero(backends.on_host().inputs(needs, stamps, threads).scored)]


def with_opinions(
    rows: LabelledStamps, teacher: float, unlabelled: Stamps, score: NDArray[np.floating]
) -> LabelledStamps:
    """Join labelled rows and candidates without a label; the targets of all are in ``teacher``, to be taken whole.

    Parameters
    ----------
    rows : LabelledStamps
        Labelled rows.
    teacher : float
        Share of the teacher's score in the target of a labelled row that has one.
    unlabelled : Stamps
        Candidates without a label (m,).
    score : ndarray of float (m,)
        What a network says of them.

    Returns
    -------
    LabelledStamps
        The labelled rows, then the others, whose label is the more likely one.
    """
    known = np.isfinite(rows.teacher)
    target = np.where(known, (1.0 - teacher) * rows.label + teacher * np.nan_to_num(rows.teacher), rows.label)
    opinions = LabelledStamps(
        unlabelled,
        (score > 0.5).astype(np.int8),
        np.full(len(unlabelled), _KIND),
        weight=np.full(len(unlabelled), WEIGHT, np.float32),
        teacher=score.astype(np.float32),
    )
    return LabelledStamps.concatenate([replace(rows, teacher=target.astype(np.float32)), opinions])
