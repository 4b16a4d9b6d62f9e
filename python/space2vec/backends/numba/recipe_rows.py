"""Rows prepared by a recipe: one of chains of steps, or another recipe of the registry."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.recipe import prepare_rows
from space2vec.backends.numba.row_rule import ModelNeeds
from space2vec.backends.numba.stamp import Batch
from space2vec.backends.numba.views import ViewRecipe, view_recipe, view_rows
from space2vec.data.channels import CHANNELS
from space2vec.plans.recipe import Recipe
from space2vec.plans.steps import numbered_steps
from space2vec.registry import RECIPES

__all__ = ["RecipeRows"]


class RecipeRows:
    """Prepares rows by a recipe.

    Parameters
    ----------
    recipe : Recipe
        The recipe.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._channels = [CHANNELS.index(name) for name in recipe.channels]
        self._views: ViewRecipe | None = None
        if recipe.steps:
            self._views = view_recipe(self._channels, [numbered_steps(chain) for chain in recipe.chains])
        else:
            self._number = tuple(RECIPES).index(recipe.name)

    def prepare(
        self,
        batch: Batch,
        needs: ModelNeeds,
        planes: NDArray[np.float32],
        flags: NDArray[np.uint32],
        begin: int,
        end: int,
    ) -> None:
        """Write planes (n, channel, height, width) and flags (n,) of rows begin to end of a batch."""
        if self._views is not None:
            view_rows(batch, self._views, needs, planes, flags, begin, end)
            return
        first, second, third = self._channels
        prepare_rows(batch, self._number, (first, second, third), needs.flags_measured, planes, flags, begin, end)
