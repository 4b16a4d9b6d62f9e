"""The kernels in Numba: what ``space2vec._core`` offers, with the same bits, for machines without the extension.

Each module follows the file of the same name in ``cpp/kernel``: the same operations in the same order and precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from space2vec.fallback.calibration import calibrate
from space2vec.fallback.compose import compose_rows
from space2vec.fallback.forest import Forest
from space2vec.fallback.recipe import prepare_rows
from space2vec.fallback.stamp_features import features_rows
from space2vec.fallback.steps import normalise_rows
from space2vec.fallback.team import parallel_for
from space2vec.registry import NORMALISERS, RECIPES, RecipeName
from space2vec.stamps import CHANNELS, Stamps

__all__ = ["Forest", "calibrate", "compose", "features", "isa", "normalise", "prepare"]

Steps = list[tuple[int, list[float]]]


def isa() -> str:
    """Return the name of this backend in the place of an instruction set."""
    return "numba"


def _batch(stamps: Stamps) -> tuple[Any, ...]:
    level = np.float32(np.nan if stamps.saturation is None else stamps.saturation)
    return stamps.buffer, stamps.offset, stamps.shape, stamps.centre, level


def features(
    stamps: Stamps,
    sets: int,
    paper: bool,
    values: NDArray[np.float32],
    flags: NDArray[np.uint32],
    threads: int,
) -> None:
    """Write the features of the sets of a batch; see :class:`space2vec.backend.Kernels`."""
    pixels, offset, shape, centre, level = _batch(stamps)

    def work(begin: int, end: int) -> None:
        features_rows(pixels, offset, shape, centre, level, sets, paper, values, flags, begin, end)

    parallel_for(len(stamps.offset), threads, work)


def prepare(
    stamps: Stamps,
    recipe: RecipeName,
    planes: NDArray[np.float32],
    flags: NDArray[np.uint32],
    threads: int,
) -> None:
    """Write the planes of a recipe; see :class:`space2vec.backend.Kernels`."""
    if entry := RECIPES[recipe].steps:
        steps = [(tuple(NORMALISERS).index(step.name), list(step.values)) for step in entry]
        side, channels = RECIPES[recipe].height, [CHANNELS.index(name) for name in RECIPES[recipe].channels]
        compose(stamps, side, channels, steps, planes, flags, threads)
        return
    pixels, offset, shape, centre, level = _batch(stamps)
    index = tuple(RECIPES).index(recipe)
    first, second, third = (CHANNELS.index(name) for name in RECIPES[recipe].channels)

    def work(begin: int, end: int) -> None:
        prepare_rows(pixels, offset, shape, centre, level, index, (first, second, third), planes, flags, begin, end)

    parallel_for(len(stamps.offset), threads, work)


def _columns(steps: Steps) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the numbers of the normalisers of a chain, and two parameters each."""
    parameters = np.zeros((len(steps), 2))
    for row, (_, values) in zip(parameters, steps, strict=True):
        row[: len(values)] = values
    return np.array([kind for kind, _ in steps], dtype=np.int64), parameters


def normalise(
    pixels: NDArray[np.float32],
    mask: NDArray[np.uint8] | None,
    steps: Steps,
    fill: float,
    out: NDArray[np.float32],
    flags: NDArray[np.uint32],
    threads: int,
) -> None:
    """Write normalised planes; see :class:`space2vec.backend.Kernels`."""
    kinds, parameters = _columns(steps)
    n, size = len(pixels), pixels.shape[1] * pixels.shape[2]
    masked = np.empty((0, size), dtype=np.uint8) if mask is None else mask.reshape(n, size)
    rows, target, level = pixels.reshape(n, size), out.reshape(n, size), np.float32(fill)

    def work(begin: int, end: int) -> None:
        normalise_rows(rows, masked, kinds, parameters, level, target, flags, begin, end)

    parallel_for(n, threads, work)


def compose(
    stamps: Stamps,
    side: int,
    channels: list[int],
    steps: Steps,
    planes: NDArray[np.float32],
    flags: NDArray[np.uint32],
    threads: int,
) -> None:
    """Write the planes of a chain on a square of ``side`` pixels; see :class:`space2vec.backend.Kernels`."""
    kinds, parameters = _columns(steps)
    pixels, offset, shape, centre, level = _batch(stamps)
    order = np.array(channels, dtype=np.int64)

    def work(begin: int, end: int) -> None:
        compose_rows(pixels, offset, shape, centre, level, order, kinds, parameters, planes, flags, begin, end)

    parallel_for(len(stamps.offset), threads, work)
