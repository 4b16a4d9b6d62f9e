"""Recipes: how pixels are prepared for a model."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from space2vec import backend
from space2vec import flags as flag_bits
from space2vec.registry import RECIPES, RecipeEntry
from space2vec.stamps import Stamps

__all__ = ["Prepared", "Recipe", "prepare"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Planes ready for a model.

    Attributes
    ----------
    planes : ndarray of float32 (n, channel, height, width)
        The prepared pixels; a row that cannot be prepared is NaN throughout.
    flags : ndarray of uint32 (n,)
        Flags a row, see :mod:`space2vec.flags`.
    recipe : Recipe
        What they were prepared by; its ``channels`` name the channel axis.
    """

    planes: NDArray[np.float32]
    flags: NDArray[np.uint32]
    recipe: Recipe


class Recipe:
    """A way to prepare stamps, known by its name and version.

    Parameters
    ----------
    name : str
        A name of :data:`space2vec.registry.RECIPES`.
    version : int, optional
        The version that is asked for, as a model file states it; the current one by default.

    Raises
    ------
    ValueError
        If there is no recipe of that name, or not of that version.
    """

    def __init__(self, name: str, version: int | None = None) -> None:
        if name not in RECIPES:
            raise ValueError(f"unknown recipe {name!r}; known recipes: {', '.join(RECIPES)}")
        if version not in (None, RECIPES[name].version):
            raise ValueError(f"recipe {name!r} has version {RECIPES[name].version} here; version {version} was asked")
        self._entry: RecipeEntry = RECIPES[name]

    @property
    def name(self) -> str:
        """The name."""
        return self._entry.name

    @property
    def version(self) -> int:
        """The version."""
        return self._entry.version

    @property
    def channels(self) -> tuple[str, ...]:
        """The planes along the channel axis of the output, in order."""
        return self._entry.channels

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape (channel, height, width) of one prepared triplet."""
        return len(self._entry.channels), self._entry.height, self._entry.width

    @property
    def definition(self) -> str:
        """What is done to the pixels."""
        return self._entry.definition

    def __repr__(self) -> str:
        return f"Recipe({self.name!r}, version={self.version})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and self._entry == other._entry

    def __hash__(self) -> int:
        return hash(self._entry)


def prepare(stamps: Stamps, recipe: Recipe | str, *, threads: int | None = None) -> Prepared:
    """Prepare stamps by a recipe.

    Parameters
    ----------
    stamps : Stamps
        The candidates; they are not changed.
    recipe : Recipe or str
        The recipe, or its name.
    threads : int, optional
        Number of threads; one a usable core by default.

    Returns
    -------
    Prepared
        Planes (n, channel, height, width) float32, flags, and the recipe.

    Raises
    ------
    TypeError
        If ``stamps`` are no :class:`Stamps`.
    ValueError
        If the recipe is unknown or ``threads`` is not positive.
    BackendError
        If no backend can run here.
    """
    how = recipe if isinstance(recipe, Recipe) else Recipe(recipe)
    if not isinstance(stamps, Stamps):
        raise TypeError(f"stamps must be space2vec.Stamps; given {type(stamps).__name__}. Wrap arrays in Stamps(...)")
    planes = np.empty((len(stamps), *how.shape), dtype=np.float32)
    flags = np.empty(len(stamps), dtype=np.uint32)
    backend.active().prepare(
        stamps.buffer,
        stamps.offset,
        stamps.shape,
        stamps.centre,
        math.nan if stamps.saturation is None else stamps.saturation,
        how.name,
        planes,
        flags,
        backend.thread_count(threads),
    )
    return Prepared(planes, flag_bits.joined(stamps.flags, flags, stamps.offset), how)
