"""Synthetic triplets and a synthetic forest to measure speed with, the same on every machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec import model_files, registry
from space2vec.model_files.trees import Trees
from space2vec.models.forest import Forest

__all__ = ["DEPTH", "TREES", "full_forest", "triplets"]

#: The number of trees of the forest, full binary trees, and their depth.
TREES, DEPTH = 100, 10
#: Number of different triplets; they are repeated if more are needed.
_DIFFERENT = 512


def triplets(n: int, side: int = 51, seed: int = 1) -> NDArray[np.float32]:
    """Draw triplets with a transient, a dipole, a cosmic ray, a saturated star or noise alone.

    Parameters
    ----------
    n : int
        Number of triplets; after 512 they repeat.
    side : int, optional
        Side of a plane in pixels.
    seed : int, optional
        Seed of the random numbers.

    Returns
    -------
    ndarray of float32 (n, 3, side, side)
        Science, template and difference.
    """
    rng = np.random.default_rng(seed)
    count = min(n, _DIFFERENT)
    y, x = np.mgrid[:side, :side].astype(np.float64)
    middle = side // 2

    def star(flux: NDArray[np.float64], dy: NDArray[np.float64], dx: NDArray[np.float64]) -> NDArray[np.float64]:
        away = (y - middle - dy[:, None, None]) ** 2 + (x - middle - dx[:, None, None]) ** 2
        return np.asarray(flux[:, None, None] * np.exp(-away / (2 * 1.6**2)))

    kind = np.arange(count) % 5
    near = rng.normal(0, 0.3, (2, count))
    far = rng.uniform(-15, 15, (2, count))
    template = 200 + rng.normal(0, 4, (count, side, side)) + star(rng.uniform(50, 3000, count), *far)
    science = template + rng.normal(0, 10, (count, side, side))
    science += star(np.where(kind == 0, rng.uniform(60, 2000, count), 0), *near)
    moved = star(np.where(kind == 1, rng.uniform(100, 1500, count), 0), *near)
    science += moved
    template += np.roll(moved, 1, axis=2)
    rays = np.flatnonzero(kind == 2)
    science[rays, middle, middle + rng.integers(-1, 2, len(rays))] += rng.uniform(300, 4000, len(rays))
    science = np.minimum(science + star(np.where(kind == 3, 9e4, 0.0), *near), 6e4)
    planes = np.stack([science, template, science - template], axis=1).astype(np.float32)
    return np.resize(planes, (n, *planes.shape[1:])) if n > count else planes


def full_forest(x: NDArray[np.float32], names: tuple[str, ...], trees: int = TREES, depth: int = DEPTH) -> Forest:
    """Return a forest of full trees whose thresholds are values of the rows x (n, k)."""
    rng = np.random.default_rng(2)
    right: list[int] = []

    def grow(level: int) -> None:
        right.append(1 << (depth - level) if level < depth else 0)
        for _ in range(2 if level < depth else 0):
            grow(level + 1)

    grow(0)
    jump = np.tile(np.array(right, np.int32), trees)
    split = jump > 0
    feature = np.where(split, rng.integers(0, x.shape[1], len(jump)), 0).astype(np.int16)
    at = np.nan_to_num(x[rng.integers(0, len(x), len(jump)), feature], posinf=0.0, neginf=0.0)
    value = np.where(split, at, rng.random(len(jump))).astype(np.float32)
    start = np.arange(trees + 1, dtype=np.int64) * len(right)
    header = model_files.Header("forest", "bench", names, "stamp", registry.FEATURES_VERSION)
    return Forest(Trees(start, jump, feature, split.astype(np.uint8), value), header)
