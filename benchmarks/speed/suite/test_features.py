"""Features of candidates: the sets of space2vec, and the eighteen of autoScan by other packages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from benchmarks.speed.peers import Usual
from benchmarks.speed.suite.contenders import OURS, Bench, require_packages


@pytest.mark.parametrize("contender", OURS)
@pytest.mark.parametrize("name", ["autoscan-stamp", "s2v", "stamp"])
def test_features(bench: Bench, stamps: s2v.Stamps, name: Any, contender: str) -> None:
    values = bench.ours(f"features: {name}", contender, s2v.features, stamps, set=name)
    assert values.shape == (len(stamps), len(s2v.registry.feature_set(name)))
    assert np.isfinite(values).mean() > 0.8


def test_autoscan_by_scipy(bench: Bench, pixels: np.ndarray) -> None:
    require_packages("scipy")
    from oracle.autoscan import autoscan_original

    values = bench(
        "features: autoscan-stamp",
        "NumPy and SciPy, a plain transcription",
        lambda: [autoscan_original(triplet[2], triplet[1], True) for triplet in pixels],
    )
    assert len(values) == len(pixels)


def test_usual_features(bench: Bench, pixels: np.ndarray) -> None:
    """A pipeline of today measures a background, sources, eight apertures in two planes and a fit."""
    require_packages("sep", "scipy")
    planes = np.ascontiguousarray(pixels)
    values = bench(
        "features: autoscan-stamp",
        "sep and SciPy's curve_fit",
        lambda: [Usual.measure(triplet[2], triplet[1]) for triplet in planes],
    )
    assert len(values) == len(pixels)
