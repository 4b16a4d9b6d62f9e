"""Missing pixels, coarser pixels and scale: what is put on stamps, where, and that the label stays true."""

from __future__ import annotations

import numpy as np
import pytest

import space2vec as s2v
from space2vec.data import flags
from space2vec.training.augment import Augmentation, augment
from space2vec.training.missing_pixels import MissingPatterns, gather_patterns, simulate_pattern

NOTHING: dict[str, float] = {"shift": 0, "noise": 0.0, "edge": 0.0, "blank": 0.0, "without_template": 0.0}


def changed(stamps: s2v.Stamps, seed: int = 0, patterns: MissingPatterns | None = None, **how: float) -> s2v.Stamps:
    augmentation = Augmentation(symmetries=False, **(NOTHING | how))  # type: ignore[arg-type]
    rng = np.random.default_rng(seed)
    return augment(stamps, rng, augmentation) if patterns is None else augment(stamps, rng, augmentation, patterns)


def noisy(n: int, height: int = 63, width: int = 63) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(n, 3, height, width)).astype(np.float32)


def test_patterns_are_gathered_around_the_candidate_and_sorted_by_their_distance() -> None:
    pixels = noisy(4, 40, 50)
    pixels[0, 1, 12, 20] = np.nan  # two rows below, five columns left of the candidate
    pixels[1, 2, 39, 49] = -3.4e38
    pixels[2, 0, 0, 0] = np.inf
    found = gather_patterns(s2v.Stamps(pixels, centre=np.tile([10, 25], (4, 1))))
    assert (len(found.near), len(found.far), len(found)) == (1, 2, 3)
    assert np.argwhere(found.near[0]).tolist() == [[1, 31 + 2, 31 - 5]]
    assert [np.argwhere(pattern).tolist() for pattern in found.far] == [
        [[2, 31 + 29, 31 + 24]],
        [[0, 31 - 10, 31 - 25]],
    ]
    assert len(gather_patterns(s2v.Stamps(noisy(2)))) == 0
    assert len(gather_patterns(s2v.Stamps([[None, None, None]]))) == 0


def test_many_stamps_give_patterns_of_all_of_them_evenly() -> None:
    pixels = np.zeros((3100, 3, 3, 3), np.float32)
    pixels[:, 0, 0, 0] = np.nan
    pixels[2000:, 0, 0, 1] = np.nan
    found = gather_patterns(s2v.Stamps(pixels))
    assert 1000 < len(found) <= 1500
    assert 0.3 < (found.near.sum((1, 2, 3)) == 2).mean() < 0.4


def test_a_gathered_pattern_is_put_on_others_in_every_symmetry() -> None:
    pattern = np.zeros((1, 3, 63, 63), bool)
    pattern[0, :, 31 + 3, 31 + 7] = True
    patterns = MissingPatterns(pattern, pattern[:0])
    stamps = s2v.Stamps(noisy(600))
    copies = changed(stamps, patterns=patterns, masks=1.0)
    places = []
    for row in range(600):
        missing = [np.argwhere(np.isnan(copies.plane(row, name))) for name in stamps.channels]  # type: ignore[arg-type]
        if [len(plane) for plane in missing] == [1, 1, 1]:
            places.append(tuple((missing[0][0] - 31).tolist()))
    assert set(places) == {(a * y, b * x) for y, x in ((3, 7), (7, 3)) for a in (1, -1) for b in (1, -1)}
    assert 0.4 < len(places) / 600 < 0.6, "the others are simulated"


def test_stamps_of_both_classes_get_the_same_patterns_and_can_still_be_scored() -> None:
    night = s2v.simulate(300, seed=8, survey="rubin")
    copies = changed(night.stamps, 3, gather_patterns(night.stamps), masks=1.0)
    near = np.zeros(300, bool)
    for row in range(300):
        y, x = copies.centre[row].tolist()
        plane = copies.plane(row, "difference")
        assert plane is not None
        near[row] = np.isnan(plane[y - 5 : y + 6, x - 5 : x + 6]).any()
        core = np.isnan(plane[y - 2 : y + 3, x - 2 : x + 3])
        assert core.mean() <= 0.6, "something of the candidate is left"
    real = night.labels == 1
    assert near[real].mean() > 0.2
    assert abs(near[real].mean() - near[~real].mean()) < 0.15
    scores = s2v.load("forest").score(copies)
    assert flags.scorable(scores.flags).mean() > 0.95


def test_simulated_patterns_are_of_every_size_and_some_reach_the_core() -> None:
    rng = np.random.default_rng(2)
    found = np.array([simulate_pattern(rng) for _ in range(400)])
    assert found.shape == (400, 3, 63, 63)
    inner = found[:, :, 26:37, 26:37].any((1, 2, 3))
    assert 0.3 < inner.mean() < 0.95
    planes = {tuple(pattern.any((1, 2)).tolist()) for pattern in found}
    assert {(True, True, True), (True, False, True), (False, True, True)} <= planes
    area = found.any(1).sum((1, 2))
    assert area.min() < 20
    assert area.max() > 1000


def test_coarser_pixels_keep_the_light_the_place_and_what_is_missing() -> None:
    pixels = np.zeros((40, 3, 71, 91), np.float32)
    pixels[:, :, 28:33, 48:53] = 4.0
    pixels[:, 1, 5:12, 5:12] = np.nan
    stamps = s2v.Stamps(pixels, centre=np.tile([30, 50], (40, 1)))
    copies = changed(stamps, coarser=1.0)
    sides = set()
    for row in range(40):
        plane, template = copies.plane(row, "difference"), copies.plane(row, "template")
        assert plane is not None
        assert template is not None
        assert plane.sum() == pytest.approx(100.0, rel=1e-5)
        rows, columns = np.indices(plane.shape)
        middle = [(at * plane).sum() / plane.sum() for at in (rows, columns)]
        assert middle == pytest.approx(copies.centre[row].tolist(), abs=1e-4)
        assert np.isnan(template).any()
        assert not np.isnan(plane).any()
        sides.add(plane.shape)
    assert len(sides) > 15
    heights = [side[0] for side in sides]
    assert min(heights) >= 71 / 1.6 - 2
    assert max(heights) <= 71 / 1.15


def test_coarser_pixels_are_sums_of_the_pixels_that_they_cover() -> None:
    """Against a transcription that cuts every pixel into squares."""
    from space2vec.training.augment import _coarser

    plane = noisy(1, 66, 67)[0, 0]
    (coarse, _, _), (y, x) = _coarser([plane, None, None], (33, 30), 1.25)
    assert coarse is not None
    fine = np.kron(plane.astype(np.float64), np.ones((8, 8))) / 64.0  # 10 of these are 1.25 pixels
    top, left = 33 * 8 + 4 - 5 - 10 * y, 30 * 8 + 4 - 5 - 10 * x
    expected = fine[top : top + 10 * coarse.shape[0], left : left + 10 * coarse.shape[1]]
    expected = expected.reshape(coarse.shape[0], 10, coarse.shape[1], 10).sum((1, 3))
    np.testing.assert_allclose(coarse, expected, rtol=1e-5, atol=1e-5)
    small, place = _coarser([plane[:40, :40], None, None], (20, 20), 1.5)
    assert small[0] is not None
    assert small[0].shape == (40, 40)
    assert place == (20, 20)


def test_scales_are_common_or_of_each_plane_or_of_its_noise() -> None:
    stamps = s2v.Stamps(noisy(300))
    copies = changed(stamps, scale=1.0)
    factors = np.median(copies.pixels / stamps.pixels, axis=(2, 3))
    for row in range(300):
        np.testing.assert_allclose(copies.pixels[row], stamps.pixels[row] * factors[row][:, None, None], rtol=1e-4)
    alike = np.ptp(factors, axis=1) < 1e-3 * factors.mean(1)
    unit = np.abs(np.log(factors)).max(1) < 0.3  # the noise was 1
    assert 0.4 < alike.mean() < 0.6
    assert 0.15 < (unit & ~alike).mean() < 0.35
    assert factors.min() < 0.01
    assert factors.max() > 100
    known = s2v.Stamps(noisy(20), saturation=1000.0)
    np.testing.assert_array_equal(changed(known, scale=1.0).pixels, known.pixels)


def test_without_a_share_nothing_else_is_drawn() -> None:
    stamps = s2v.Stamps(noisy(20))
    plain = augment(stamps, np.random.default_rng(4), Augmentation())
    given = augment(stamps, np.random.default_rng(4), Augmentation(), gather_patterns(stamps))
    np.testing.assert_array_equal(plain.buffer, given.buffer)
    assert Augmentation().masks == Augmentation().coarser == Augmentation().scale == 0.0
