"""Features of candidates: sets of ours, and the eighteen of autoScan as others compute them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from benchmarks.speed.peers import Usual
from benchmarks.speed.suite.contenders import OURS, Bench, needs


@pytest.mark.parametrize("contender", OURS)
@pytest.mark.parametrize("own", ["autoscan-stamp", "s2v", "stamp"])
def test_features(bench: Bench, stamps: s2v.Stamps, own: Any, contender: str) -> None:
    values = bench.ours(f"features: {own}", contender, s2v.features, stamps, set=own)
    assert values.shape == (len(stamps), len(s2v.registry.feature_set(own)))
    assert np.isfinite(values).mean() > 0.8


def test_autoscan_by_scipy(bench: Bench, pixels: np.ndarray) -> None:
    needs("scipy")
    from oracle.autoscan import autoscan_original

    values = bench(
        "features: autoscan-stamp",
        "NumPy and SciPy, a plain transcription",
        lambda: [autoscan_original(triplet[2], triplet[1], True) for triplet in pixels],
    )
    assert len(values) == len(pixels)


def test_usual_features(bench: Bench, pixels: np.ndarray) -> None:
    """What a pipeline of today measures: a background, sources, eight apertures in two planes and a fit."""
    needs("sep", "scipy")
    planes = np.ascontiguousarray(pixels)
    values = bench(
        "features: autoscan-stamp",
        "sep and SciPy's curve_fit",
        lambda: [Usual.measure(triplet[2], triplet[1]) for triplet in planes],
    )
    assert len(values) == len(pixels)
