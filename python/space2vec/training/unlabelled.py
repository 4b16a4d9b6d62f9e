"""Self-training: candidates without a label, whose targets are what a network says that was fitted to the labels."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import Stamps
from space2vec.model_files.needs import Needs
from space2vec.training.fit_rows import prepare, targets

__all__ = ["WEIGHT", "Unlabelled", "with_opinions"]

#: The weight of a candidate without a label in the loss; that of a labelled one is 1. The opinion of a network that has
#: seen few labels is worth less than a label.
WEIGHT = 0.5
#: The kind of the rows without a label.
_KIND = "unlabelled"


class Unlabelled(NamedTuple):
    """Candidates without a label that can be scored, and what a network takes of them."""

    stamps: Stamps
    inputs: tuple[NDArray[np.float32], ...]

    @classmethod
    def of(cls, needs: Needs, stamps: Stamps, threads: int | None) -> Unlabelled | None:
        """Prepare candidates; None if none of them can be scored."""
        if not len(stamps):
            return None
        inputs, row = prepare(needs, stamps, threads)
        return cls(stamps[row], inputs) if len(row) else None


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
    opinions = LabelledStamps(
        unlabelled,
        (score > 0.5).astype(np.int8),
        np.full(len(unlabelled), _KIND),
        weight=np.full(len(unlabelled), WEIGHT, np.float32),
        teacher=score.astype(np.float32),
    )
    return LabelledStamps.concatenate([replace(rows, teacher=targets(rows, teacher).astype(np.float32)), opinions])
