"""The planes of a triplet, by name, and in one buffer where their sizes differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from space2vec.pixels import as_plane_array, check_sides

__all__ = ["CHANNELS", "channel_positions", "lay_out"]

#: The planes of a triplet, in the order in which they are held.
CHANNELS: tuple[str, str, str] = ("science", "template", "difference")

_SYNONYMS = {"search": "science", "reference": "template", "diff": "difference"}


def channel_positions(channels: Sequence[str]) -> list[int]:
    """Return where the named planes stand in :data:`CHANNELS`."""
    wanted = [_SYNONYMS.get(name, name) for name in channels]
    unknown = [name for name in wanted if name not in CHANNELS]
    if unknown or len(set(wanted)) != len(wanted) or not wanted:
        raise ValueError(f"channels must be distinct names out of {', '.join(CHANNELS)}; given {tuple(channels)!r}")
    return [CHANNELS.index(name) for name in wanted]


def lay_out(
    candidates: Sequence[Sequence[Any]], positions: Sequence[int]
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int32]]:
    """Put the planes of candidates one after another into a buffer.

    Parameters
    ----------
    candidates : sequence of sequence of array_like (height, width)
        For each candidate a plane a channel, ``None`` for a missing one.
    positions : sequence of int
        Where the channels stand in :data:`CHANNELS`.

    Returns
    -------
    buffer : ndarray of float32
        Every plane, in C order.
    offset : ndarray of int64 (n, 3)
        The first pixel of each plane, -1 for a missing one.
    shape : ndarray of int32 (n, 3, 2)
        Height and width of each plane.
    """
    n = len(candidates)
    offset, shape = np.full((n, 3), -1, dtype=np.int64), np.zeros((n, 3, 2), dtype=np.int32)
    planes: list[NDArray[np.float32]] = []
    end = 0
    for row, candidate in enumerate(candidates):
        if not hasattr(candidate, "__len__"):
            raise TypeError(f"candidate {row} must be a sequence of planes; given {type(candidate).__name__}")
        if len(candidate) != len(positions):
            raise ValueError(f"candidate {row} has {len(candidate)} planes; channels names {len(positions)}")
        for position, values in zip(positions, candidate, strict=True):
            if values is None:
                continue
            what = f"the {CHANNELS[position]} plane of candidate {row}"
            plane = as_plane_array(values, what)
            if plane.ndim != 2:
                raise ValueError(f"{what} must have shape (height, width); given {plane.shape}")
            height, width = plane.shape
            check_sides(height, width, what)
            offset[row, position] = end
            shape[row, position] = plane.shape
            planes.append(plane.reshape(-1))
            end += plane.size
    return np.concatenate(planes) if planes else np.empty(0, dtype=np.float32), offset, shape
