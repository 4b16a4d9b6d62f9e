"""The kernels in Numba: what ``space2vec._core`` offers, with the same bits, for machines without the extension.

Each module follows the file of the same name in ``cpp/kernel``: the same operations in the same order and precision.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.fallback.forest import Forest
from space2vec.fallback.recipe import prepare_rows
from space2vec.fallback.stamp_features import features_rows
from space2vec.fallback.team import parallel_for
from space2vec.registry import RECIPES
from space2vec.stamps import CHANNELS

__all__ = ["Forest", "features", "isa", "prepare"]


def isa() -> str:
    """Return the name of this backend in the place of an instruction set."""
    return "numba"


def features(
    pixels: NDArray[np.float32],
    offset: NDArray[np.int64],
    shape: NDArray[np.int32],
    centre: NDArray[np.int32],
    saturation: float,
    sets: int,
    paper: bool,
    values: NDArray[np.float32],
    flags: NDArray[np.uint32],
    threads: int,
) -> None:
    """Write the features of the sets of a batch; see :class:`space2vec.backend.Kernels`."""
    level = np.float32(saturation)

    def work(begin: int, end: int) -> None:
        features_rows(pixels, offset, shape, centre, level, sets, paper, values, flags, begin, end)

    parallel_for(len(offset), threads, work)


def prepare(
    pixels: NDArray[np.float32],
    offset: NDArray[np.int64],
    shape: NDArray[np.int32],
    centre: NDArray[np.int32],
    saturation: float,
    recipe: str,
    planes: NDArray[np.float32],
    flags: NDArray[np.uint32],
    threads: int,
) -> None:
    """Write the planes of a recipe; see :class:`space2vec.backend.Kernels`."""
    level = np.float32(saturation)
    index = tuple(RECIPES).index(recipe)
    first, second, third = (CHANNELS.index(name) for name in RECIPES[recipe].channels)

    def work(begin: int, end: int) -> None:
        prepare_rows(pixels, offset, shape, centre, level, index, (first, second, third), planes, flags, begin, end)

    parallel_for(len(offset), threads, work)
