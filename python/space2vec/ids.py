"""Ids of candidates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NO_ID", "join_ids"]

#: The candidate id of a row whose id is unknown, such as a file that cannot be read; null in Arrow tables.
NO_ID = -1


def join_ids(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Join ids of several batches; integers become text where they meet text, and an unknown one ``None``."""
    if len({ids.dtype.kind for ids in parts}) == 1:
        return np.concatenate(parts)
    names = [ids.astype(str).astype(object) for ids in parts]
    for text, ids in zip(names, parts, strict=True):
        if ids.dtype.kind in "iu":
            text[ids == NO_ID] = None
    return np.concatenate(names)
