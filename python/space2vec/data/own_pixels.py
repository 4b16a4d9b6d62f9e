"""Copy selected stamps, so that the pixels of the others can be freed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from space2vec.data.stamps import Stamps

__all__ = ["without_other_pixels"]


def without_other_pixels(stamps: Stamps) -> Stamps:
    """Copy stamps on the host without the pixels of other candidates, from which they were selected."""
    sizes = np.where(stamps.offset >= 0, stamps.shape.astype(np.int64).prod(axis=2), 0)
    if sizes.sum() == stamps.buffer.size:
        return stamps
    pieces: Iterable[NDArray[np.float32]] = (
        stamps.buffer[start : start + size]
        for start, size in zip(stamps.offset.ravel().tolist(), sizes.ravel().tolist(), strict=True)
        if size
    )
    ends = np.cumsum(sizes.ravel()).reshape(sizes.shape)
    copy = Stamps.of_buffer(
        np.concatenate([np.empty(0, np.float32), *pieces]),
        np.where(stamps.offset >= 0, ends - sizes, -1),
        stamps.shape,
        stamps.centre,
        object_id=stamps.object_id,
        candidate_id=stamps.candidate_id,
        catalogue=stamps.catalogue,
        flags=stamps.flags,
        columns=stamps.columns,
    )
    copy.saturation = stamps.saturation
    return copy
