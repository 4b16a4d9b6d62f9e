"""Effects of features on the score of a network: the score with a usual value in the place of the candidate's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.models.network import Network

__all__ = ["replacement_effects"]


def replacement_effects(
    network: Network,
    planes: NDArray[np.float32] | None,
    columns: NDArray[np.float32],
    score: float,
    median: NDArray[np.float32],
    threads: int | None,
) -> NDArray[np.float64]:
    """Return, for each column (k,), the score of a candidate minus the score with the column's median in its place.

    Parameters
    ----------
    network : Network
        The network that gave the score.
    planes : ndarray of float32 (1, channel, height, width) or None
        The prepared planes of the candidate, if the network takes any.
    columns : ndarray of float32 (1, k)
        Its columns.
    score : float
        Its score.
    median : ndarray of float32 (k,)
        The medians of the columns.
    threads : int or None
        Number of threads; one per usable core by default.
    """
    changed = np.repeat(columns, len(median), axis=0)
    np.fill_diagonal(changed, median)
    inputs = [changed] if planes is None else [np.repeat(planes, len(median), axis=0), changed]
    return score - network.predict(*inputs, threads=threads, device="cpu").astype(np.float64)
