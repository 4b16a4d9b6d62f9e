"""The usual values of the columns of a network: what its file keeps of the rows that it was trained on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.model_files import tensor_file
from space2vec.models.network import Network

__all__ = ["ColumnScales", "column_scales"]


class ColumnScales(NamedTuple):
    """The median of each column's training rows (k,), and half the width of the central 68 % (k,)."""

    median: NDArray[np.float64]
    spread: NDArray[np.float64]


def column_scales(network: Network) -> ColumnScales | None:
    """Return the scales of a network's columns; None if its file does not have them.

    They are those of :class:`space2vec.architectures.feature_input.FeatureInput`.
    """
    k = len(network.feature_names)
    if not k or network.is_custom:
        return None
    tensors = tensor_file.decode(network.file)[1]
    for prefix in ("scale.", "scaled."):
        if prefix + "median" in tensors:
            # A tablenet has further columns, derived from these.
            return ColumnScales(*(tensors[prefix + name][:k].astype(np.float64) for name in ColumnScales._fields))
    return None
