"""The kernels in Numba, for machines without the compiled extension; results are the same to the bit.

Each module is a twin of the file of the same name in ``cpp/kernel``: the same operations in the same order and
precision. ``model`` and the modules that it imports are twins of files in ``cpp/src``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.feature_sets import measure_all
from space2vec.backends.numba.model import Model
from space2vec.backends.numba.recipe_rows import RecipeRows
from space2vec.backends.numba.row_rule import NO_MODEL, join_flag_rows
from space2vec.backends.numba.stamp import batch_of
from space2vec.backends.numba.stamp_features import features_rows
from space2vec.backends.numba.steps import normalise_rows, numbered_chain
from space2vec.backends.numba.team import parallel_for
from space2vec.backends.numba.views import view_recipe, view_rows
from space2vec.plans.recipe import Recipe
from space2vec.registry import RecipeName

if TYPE_CHECKING:
    from space2vec.data.stamps import Stamps

__all__ = ["Model", "compose", "features", "isa", "join_flags", "normalise", "prepare"]

Steps = list[tuple[int, list[float]]]


def isa() -> str:
    """Return ``"numba"``, where the compiled extension returns the name of an instruction set."""
    return "numba"


def features(
    stamps: Stamps, sets: int, paper: bool, values: NDArray[np.float32], flags: NDArray[np.uint32], threads: int
) -> None:
    """Write the features of the sets of a batch; see :class:`space2vec.backends.interfaces.Kernels`."""
    batch, kernel = batch_of(stamps), measure_all(sets)

    def work(begin: int, end: int) -> None:
        features_rows(batch, kernel, paper, values, flags, begin, end)

    parallel_for(len(flags), threads, work)


def join_flags(offset: NDArray[np.int64], raised: NDArray[np.uint32], flags: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return the flags of reader and kernels together; see :class:`space2vec.backends.interfaces.Kernels`."""
    joined = np.empty(len(flags), dtype=np.uint32)
    join_flag_rows(offset, raised, flags, joined)
    return joined


def prepare(
    stamps: Stamps, recipe: RecipeName, planes: NDArray[np.float32], flags: NDArray[np.uint32], threads: int
) -> None:
    """Write the planes of a recipe; see :class:`space2vec.backends.interfaces.Kernels`."""
    batch, rows = batch_of(stamps), RecipeRows(Recipe(recipe))

    def work(begin: int, end: int) -> None:
        rows.prepare(batch, NO_MODEL, planes, flags, begin, end)

    parallel_for(len(flags), threads, work)


def compose(
    stamps: Stamps,
    side: int,
    channels: list[int],
    steps: Steps,
    planes: NDArray[np.float32],
    flags: NDArray[np.uint32],
    threads: int,
) -> None:
    """Write the planes of a square around the candidate; see :class:`space2vec.backends.interfaces.Kernels`."""
    batch, views = batch_of(stamps), view_recipe(channels, [steps])

    def work(begin: int, end: int) -> None:
        view_rows(batch, views, NO_MODEL, planes, flags, begin, end)

    parallel_for(len(flags), threads, work)


def normalise(
    pixels: NDArray[np.float32],
    mask: NDArray[np.uint8] | None,
    steps: Steps,
    fill: float,
    out: NDArray[np.float32],
    flags: NDArray[np.uint32],
    threads: int,
) -> None:
    """Write normalised planes; see :class:`space2vec.backends.interfaces.Kernels`."""
    kinds, parameters = numbered_chain(steps)
    n, size = len(pixels), pixels.shape[1] * pixels.shape[2]
    masked = np.empty((0, size), dtype=np.uint8) if mask is None else mask.reshape(n, size)
    rows, target, level = pixels.reshape(n, size), out.reshape(n, size), np.float32(fill)

    def work(begin: int, end: int) -> None:
        normalise_rows(rows, masked, kinds, parameters, level, target, flags, begin, end)

    parallel_for(n, threads, work)
