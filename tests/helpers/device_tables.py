"""Tables of a device and of the host side by side, and a forest for both."""

from __future__ import annotations

from typing import Any

import numpy as np

from space2vec import model_files, registry
from space2vec.model_files.trees import Trees
from space2vec.models.forest import Forest

__all__ = ["alike", "stump"]


def alike(table: Any, other: Any) -> bool:
    """Tell whether two tables are the same to the bit."""
    first, second = table.to_arrow(), other.to_arrow()
    if first.schema != second.schema:
        return False
    for name in first.column_names:
        a, b = (rows[name].combine_chunks() for rows in (first, second))
        if name in ("object_id", "candidate_id", "flags"):
            same = a == b
        else:
            same = np.asarray(a, np.float32).tobytes() == np.asarray(b, np.float32).tobytes()
        if not same:
            return False
    return True


def stump() -> Forest:
    """Return a forest of two trees on the eighteen features."""
    tree = Trees(np.array([0, 3, 6]), np.array([2, 0, 0, 2, 0, 0], np.int32),
                 np.array([0, 0, 0, 5, 0, 0], np.int16), np.array([1, 0, 0, 0, 1, 1], np.uint8),
                 np.array([0.1, 0.2, 0.9, 2.0, 0.4, 0.6], np.float32))  # fmt: skip
    names = registry.AUTOSCAN_STAMP
    return Forest(tree, model_files.Header("forest", "stump", names, "autoscan-stamp", registry.FEATURES_VERSION))
