"""Measures of robustness on models whose answer is known, and on the packaged forest."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from benchmarks.accuracy import robustness
from space2vec.data.stamps import Stamps


@dataclass
class Said:
    """A model that scores each candidate by a function of its difference and its place there."""

    of: Callable[[np.ndarray, tuple[int, int]], float]

    def score(self, stamps: Stamps, **_: Any) -> Any:
        scores = [self.of(stamps.plane(row, "difference"), tuple(stamps.centre[row])) for row in range(len(stamps))]
        return SimpleNamespace(score=np.array(scores, dtype=np.float32))


def at_place(plane: np.ndarray, place: tuple[int, int]) -> float:
    return float(plane[place])


@pytest.fixture
def stamps() -> Stamps:
    """Forty triplets whose difference holds (0, 1) noise, with ids, columns and places off the middle."""
    rng = np.random.default_rng(0)
    pixels = rng.random((40, 3, 21, 21)).astype(np.float32)
    centre = rng.integers(8, 13, (40, 2))
    names = [f"o{k // 2}" for k in range(40)]
    return Stamps(pixels, object_id=names, centre=centre, catalogue={"MAG": np.arange(40)}, saturation=9.0)


def test_the_place_turns_with_the_pixels(stamps: Stamps) -> None:
    kinds = []
    for name, other in robustness.transformed(stamps):
        kinds.append(name)
        np.testing.assert_array_equal(other.catalogue["MAG"], stamps.catalogue["MAG"])
        assert (other.object_id == stamps.object_id).all()
        assert other.saturation == 9.0
        for row in range(40):
            before, after = (s.plane(row, "science") for s in (stamps, other))
            assert after.shape == before.shape
            if name == "shift":
                assert (after != before).any()
                assert np.isin(after, before).all()
            else:
                assert after[tuple(other.centre[row])] == before[tuple(stamps.centre[row])]
                assert sorted(after.ravel()) == sorted(before.ravel())
    assert kinds == ["flip"] * 2 + ["rotation"] * 3 + ["shift"] * 4


def test_moves_are_those_of_the_score(stamps: Stamps) -> None:
    still = robustness.moves(Said(at_place), stamps)
    assert (still["flip"].high, still["rotation"].high) == (0.0, 0.0)
    assert (still["flip"].rows, still["rotation"].rows, still["shift"].rows) == (80, 120, 160)
    # Neighbours are independent and even in (0, 1): the difference of two has median 1 - sqrt(1/2).
    assert still["shift"].median == pytest.approx(1 - 0.5**0.5, abs=0.08)
    corner = robustness.moves(Said(lambda plane, _: float(plane[0, 0])), stamps)
    assert corner["flip"].median > 0.1
    none = robustness.moves(Said(lambda plane, _: np.nan), stamps)
    assert none["flip"].rows == 0
    assert np.isnan(none["flip"].median)


def test_a_shift_moves_by_one_pixel_every_way() -> None:
    pixels = np.zeros((1, 3, 5, 5), dtype=np.float32)
    pixels[..., 2, 2] = 1
    found = {
        tuple(int(k[0]) for k in np.nonzero(other.plane(0, "difference")))
        for name, other in robustness.transformed(Stamps(pixels))
        if name == "shift"
    }
    assert found == {(1, 2), (3, 2), (2, 1), (2, 3)}


def test_an_edge_leaves_the_candidate_and_takes_the_rest(stamps: Stamps) -> None:
    edge, blank = robustness.cut_at_edge(stamps, seed=3), robustness.blank_lines(stamps, seed=3)
    smaller = 0
    for row in range(40):
        before, after = stamps.plane(row, "difference"), edge.plane(row, "difference")
        y, x = edge.centre[row]
        assert after[y, x] == before[tuple(stamps.centre[row])]
        assert min(y, x, after.shape[0] - 1 - y, after.shape[1] - 1 - x) >= 6
        assert sum(now < 21 for now in after.shape) <= 1
        smaller += after.size < before.size
        nan = np.isnan(blank.plane(row, "difference"))
        # The edge's rows or columns and one more line.
        assert 21 <= nan.sum() <= 21 * 21 - after.size + 21
        assert (nan == np.isnan(blank.plane(row, "science"))).all()
        np.testing.assert_array_equal(blank.plane(row, "difference")[~nan], before[~nan])
    assert smaller == 40


def test_scores_that_gather_at_one_value_are_found(stamps: Stamps) -> None:
    many = Stamps.concatenate([stamps] * 5)

    def sound(plane: np.ndarray, _: tuple[int, int]) -> float:
        return float(np.nanmax(plane[8:13, 8:13]) ** 8)

    def gathers(plane: np.ndarray, place: tuple[int, int]) -> float:
        return 0.5 if np.isnan(plane).any() else sound(plane, place)

    assert robustness.pile_up(Said(sound), many).excess < 0.1
    bad = robustness.pile_up(Said(gathers), many)
    assert bad.excess == pytest.approx(1.0)
    assert bad.at == pytest.approx(0.5, abs=1e-3)
    # Certain scores stay certain: no pile.
    sure = robustness.pile_up(Said(lambda plane, _: 1.0), many)
    assert (sure.before, sure.after, sure.excess, sure.scored) == (1.0, 1.0, 0.0, 200)
    assert robustness.pile_up(Said(lambda plane, _: np.nan), many).scored == 0


def test_the_packaged_forest_is_measured() -> None:
    night = s2v.simulate(120, seed=8)
    found = json.loads(json.dumps(robustness.measure(s2v.load("default"), night.stamps, night.labels, bootstrap=20)))
    assert found["scores of empty stamps"] == [None, None, None]
    assert found["pile up"]["scored"] > 100
    assert found["pile up"]["excess"] < 0.2
    assert set(found["moves"]) == {"flip", "rotation", "shift"}
    assert 0 <= found["moves"]["flip"]["median"] < 0.1
    whole = found["edge less whole"]["differences"]["auc"]
    assert whole["b"] > 0.9
    assert whole["a"] > 0.6


def test_missing_planes_stay_missing() -> None:
    pixels = np.random.default_rng(1).random((2, 1, 9, 9)).astype(np.float32)
    single = Stamps(pixels, channels=["difference"])
    for change in (robustness.cut_at_edge, robustness.blank_lines):
        assert change(single).channels == ("difference",)
    assert {other.channels for _, other in robustness.transformed(single)} == {("difference",)}
