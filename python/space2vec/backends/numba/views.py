"""Recipes of several chains, each of which prepares every plane once, as in ``cpp/kernel/views.hpp``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.compose import prepare_square
from space2vec.backends.numba.math import NAN, ZERO
from space2vec.backends.numba.row_rule import ModelNeeds, absent_planes, lacks_only_optional
from space2vec.backends.numba.stamp import FLAG, Batch, Plane, Triplet, triplet_of
from space2vec.backends.numba.stamp_flags import flag_stamp
from space2vec.backends.numba.steps import numbered_chain
from space2vec.backends.numba.team import jit

__all__ = ["ViewRecipe", "view_recipe", "view_rows"]


class ViewRecipe(NamedTuple):
    """The planes of a recipe in order, and its chains: all their steps, and where each chain begins and the last ends.

    In the output the planes of the first chain come first.
    """

    channels: NDArray[np.int64]
    kinds: NDArray[np.int64]
    parameters: NDArray[np.float64]
    start: NDArray[np.int64]


def view_recipe(channels: Sequence[int], chains: Sequence[Iterable[tuple[int, Sequence[float]]]]) -> ViewRecipe:
    """Return a recipe of planes (positions in the registry's order) and chains of normalisers (number, parameters)."""
    kinds, parameters = zip(*(numbered_chain(chain) for chain in chains), strict=True)
    start = np.cumsum([0, *(len(chain) for chain in kinds)], dtype=np.int64)
    return ViewRecipe(np.array(channels, dtype=np.int64), np.concatenate(kinds), np.concatenate(parameters), start)


@jit
def _prepare_views(triplet: Triplet, recipe: ViewRecipe, needs: ModelNeeds, out: Plane) -> int:
    """Write the planes of every chain, or NaN throughout; an optional absent plane is 0. Return the flags."""
    channels, present, used = recipe.channels.size, 0, 0
    for channel in recipe.channels:
        used |= 1 << channel
    flags = 0 if needs.flags_measured else flag_stamp(triplet, used)
    absent_allowed = lacks_only_optional(needs, absent_planes(triplet))
    for k in range(channels):
        if triplet.plane[recipe.channels[k]].size > 0:
            present += 1
        else:
            flags |= FLAG.missing
    refused = flags & FLAG.missing if present == 0 or not absent_allowed else 0
    planes = 0 if refused else (recipe.start.size - 1) * channels
    for plane in range(planes):
        channel, view = recipe.channels[plane % channels], plane // channels
        if triplet.plane[channel].size == 0:
            out[plane] = ZERO
            continue
        begin, end = recipe.start[view], recipe.start[view + 1]
        met, bad = prepare_square(triplet, channel, recipe.kinds[begin:end], recipe.parameters[begin:end], out[plane])
        flags |= met
        refused |= bad
    if refused:
        out[:] = NAN
    return flags | refused


@jit
def view_rows(
    batch: Batch, recipe: ViewRecipe, needs: ModelNeeds, planes: Plane, flags: NDArray[np.uint32], begin: int, end: int
) -> None:
    """Prepare rows begin to end of a batch for a model of these needs."""
    for row in range(begin, end):
        flags[row] = _prepare_views(triplet_of(batch, row), recipe, needs, planes[row])
