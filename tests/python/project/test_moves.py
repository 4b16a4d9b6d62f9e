"""How often a call goes from one file of the package to another: a reader who follows it turns as many pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import space2vec as s2v
from helpers import host_device
from helpers.walks import follow, rooms_above
from space2vec import reading
from space2vec.backends import kernels
from space2vec.simulation import write_packets

_PACKAGE = Path(s2v.__file__).parent
#: The most moves of a call.
_MOST = 60
#: The most moves, and the most climbs to a room above, of reading and scoring three alerts.
_MOST_OF_ALERTS, _MOST_CLIMBS = 110, 3

pytestmark = pytest.mark.skipif(kernels.name() != "native", reason="Numba's twin is Python itself")


def moves(call: Callable[[], object]) -> list[tuple[str, str]]:
    """Return each move that a call makes from one file to another, by calling or by returning."""
    return follow(call, _PACKAGE).moves


@pytest.fixture(scope="module")
def stamps() -> s2v.Stamps:
    return s2v.simulate(8, seed=3).stamps


@pytest.mark.parametrize("name", ["stampnet", "tablenet", "forest", "autoscan"])
def test_score(name: str, stamps: s2v.Stamps) -> None:
    model = s2v.load(name)
    model.score(stamps)  # what is imported or made once is not counted
    assert 0 < len(moves(lambda: model.score(stamps))) < _MOST
    if model.header.recipe is None:
        table = s2v.features(stamps, set="all")
        assert 0 < len(moves(lambda: model.score(table))) < _MOST


def test_features_and_planes(stamps: s2v.Stamps) -> None:
    planes = np.random.default_rng(0).normal(size=(4, 21, 21)).astype(np.float32)
    for call in (
        lambda: s2v.features(stamps, set="all"),
        lambda: s2v.prepare(stamps, "braai"),
        lambda: s2v.normalise(planes, "zscale"),
    ):
        call()
        assert 0 < len(moves(call)) < _MOST


def test_features_never_climb_to_a_room_above(stamps: s2v.Stamps) -> None:
    s2v.features(stamps, set="stamp")
    assert not follow(lambda: s2v.features(stamps, set="stamp"), _PACKAGE).climbs(rooms_above(_PACKAGE))


def test_alerts_to_scores(tmp_path: Path) -> None:
    """Of the three climbs two ask the model that is handed down what it is, and one for its bytes."""
    pytest.importorskip("fastavro")
    write_packets(s2v.simulate(3, seed=1), tmp_path)
    model = s2v.load("stampnet")
    list(reading.batches(tmp_path, model=model))
    walk = follow(lambda: list(reading.batches(tmp_path, model=model)), _PACKAGE)
    assert 0 < len(walk.moves) < _MOST_OF_ALERTS
    assert len(walk.climbs(rooms_above(_PACKAGE))) <= _MOST_CLIMBS


@pytest.mark.parametrize("name", ["stampnet", "forest"])
def test_on_a_device(name: str, stamps: s2v.Stamps, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of stamps that lie there, and of those of the host, which go through a pipeline."""
    host_device.make(monkeypatch)
    model, there = s2v.load(name), stamps.to_device()
    for call in (
        lambda: model.score(stamps, device="cuda"),
        lambda: s2v.features(stamps, set="stamp", device="cuda"),
        lambda: model.score(there),
        lambda: s2v.features(there, set="stamp"),
        lambda: s2v.prepare(there, "braai"),
    ):
        call()
        assert 0 < len(moves(call)) < _MOST
