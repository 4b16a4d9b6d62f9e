"""Alert packets: files to planes, and files to scores, beside the chains of peers.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from benchmarks.speed.peers import BestPython, Usual
from benchmarks.speed.suite.contenders import Bench, require_packages
from space2vec.reading import batches

DECODE = "decode: alert files to planes"
CHAIN = "chain: alert files to scores of a forest"


def test_decode(bench: Bench, alerts: list[Path]) -> None:
    assert len(bench(DECODE, "space2vec", lambda: s2v.read(alerts, threads=1))) == len(alerts)


def test_usual_decode(bench: Bench, alerts: list[Path]) -> None:
    found = bench(DECODE, "fastavro, gzip, Astropy", lambda: [Usual.decode(path) for path in alerts])
    assert {len(planes) for planes in found} == {3}


def test_best_decode(bench: Bench, alerts: list[Path]) -> None:
    require_packages("deflate")
    best = BestPython(lambda values: values)
    found = bench(
        DECODE, "fastavro, libdeflate, two planes", lambda: [best.decode(path.read_bytes()) for path in alerts]
    )
    assert {len(planes) for planes in found} == {2}


def test_chain(bench: Bench, alerts: list[Path], forest: tuple[Any, s2v.Forest]) -> None:
    def score() -> np.ndarray:
        return np.concatenate([batch.rows.score for batch in batches(alerts, model=forest[1], threads=1)])

    assert np.isfinite(bench(CHAIN, "space2vec", score)).all()


@pytest.mark.parametrize("model", ["default", "stampnet-fast"])
def test_chain_of_networks(bench: Bench, alerts: list[Path], model: str) -> None:
    network = s2v.load(model)

    def score() -> np.ndarray:
        return np.concatenate([batch.rows.score for batch in batches(alerts, model=network, threads=1)])

    assert np.isfinite(bench(CHAIN, f"space2vec, {model}", score)).all()


def test_usual_chain(bench: Bench, alerts: list[Path]) -> None:
    """The random-forest pipeline as it stands in many surveys: fastavro to scikit-learn, an alert at a time."""
    require_packages("sep", "scipy", "sklearn")
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(0)
    fitted = RandomForestClassifier(100, random_state=1).fit(rng.normal(size=(2000, 38)), rng.random(2000) < 0.5)
    usual = Usual(fitted)
    assert set(bench(CHAIN, "fastavro, sep, SciPy, scikit-learn", lambda: usual.run(alerts))) >= {"decode", "forest"}
