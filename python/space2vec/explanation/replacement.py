"""Effects of features on the score of a network: the score with a usual value in the place of the candidate's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from space2vec.explanation.values import UsualValues
from space2vec.model_files import tensor_file
from space2vec.models.network import Network

__all__ = ["replacement_effects", "usual_values"]


def usual_values(network: Network) -> list[UsualValues] | None:
    """Return the values of each column among a network's training rows; None if its file does not have them.

    They are kept by :class:`space2vec.architectures.feature_input.FeatureInput`.
    """
    k = len(network.feature_names)
    if not k or network.is_custom:
        return None
    tensors = tensor_file.decode(network.file)[1]
    prefix = next((name.removesuffix("median") for name in ("scale.median", "scaled.median") if name in tensors), None)
    if prefix is None:
        return None
    # A tablenet has further columns, derived from these.
    median, spread = (tensors[prefix + name][:k].astype(np.float64) for name in ("median", "spread"))
    return [UsualValues(*pair) for pair in zip(median.tolist(), spread.tolist(), strict=True)]


def replacement_effects(
    network: Network,
    planes: NDArray[np.float32] | None,
    columns: NDArray[np.float32],
    score: float,
    usual: Sequence[UsualValues],
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
    usual : sequence of UsualValues (k,)
        The usual values of the columns.
    threads : int or None
        Number of threads; one per usable core by default.
    """
    median = np.array([values.median for values in usual], dtype=np.float32)
    changed = np.repeat(columns, len(median), axis=0)
    np.fill_diagonal(changed, median)
    inputs = [changed] if planes is None else [np.repeat(planes, len(median), axis=0), changed]
    return score - network.predict(*inputs, threads=threads, device="cpu").astype(np.float64)
