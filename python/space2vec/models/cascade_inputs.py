"""The inputs of the first network of a cascade, which are some of those of the second one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from space2vec.backends.interfaces import Network

__all__ = ["first_inputs"]


def first_inputs(cascade: Network, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Select the inputs of the first network of a cascade from those of the second one."""
    first = cascade.first
    assert first is not None
    assert cascade.needs.recipe is not None
    assert first.needs.recipe is not None
    recipe, channels = cascade.needs.recipe, first.needs.recipe.channels
    positions = [recipe.channels.index(channel) for channel in channels]
    planes = [view * len(recipe.channels) + position for view in range(recipe.views) for position in positions]
    selected = [inputs[0][:, planes]]
    if first.feature_names:
        selected.append(inputs[1][:, [cascade.feature_names.index(name) for name in first.feature_names]])
    return [np.ascontiguousarray(array) for array in selected]
