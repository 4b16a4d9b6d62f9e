"""Recipes: triplets to the planes that a network takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from benchmarks.speed.suite.contenders import OURS, Bench


@pytest.mark.parametrize("contender", [name for name in OURS if name != "cuda from host"])
@pytest.mark.parametrize("recipe", ["braai", "robust-asinh", "stampnet"])
def test_prepare(bench: Bench, stamps: s2v.Stamps, recipe: Any, contender: str) -> None:
    chosen = s2v.load("stampnet").needs.recipe if recipe == "stampnet" else recipe

    def planes(stamps: s2v.Stamps, **where: Any) -> Any:
        return s2v.prepare(stamps, chosen, threads=where.get("threads")).planes

    assert np.isfinite(bench.ours(f"prepare: {recipe}", contender, planes, stamps)).mean() > 0.9


def test_braai_by_numpy(bench: Bench, pixels: np.ndarray) -> None:
    """The authors of the network make planes of unit length in 63x63, one candidate at a time."""

    def planes() -> np.ndarray:
        out = np.zeros((len(pixels), 3, 63, 63), np.float32)
        for row, triplet in enumerate(pixels):
            for channel, plane in enumerate(np.nan_to_num(triplet)):
                out[row, channel, 6:57, 6:57] = plane / (np.linalg.norm(plane) or 1.0)
        return out

    assert np.isfinite(bench("prepare: braai", "NumPy", planes)).all()
