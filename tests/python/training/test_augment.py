"""Augmentation: copies of stamps in which the candidate is what and where it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import space2vec as s2v
from space2vec.training.augment import Augmentation, augment

NOTHING = Augmentation(symmetries=False, shift=0, noise=0.0, edge=0.0, blank=0.0, without_template=0.0)


def marked(n: int = 300, height: int = 21, width: int = 31, row: int = 7, column: int = 22) -> s2v.Stamps:
    """Return stamps with noise, and a pixel of 100 where the candidate is."""
    pixels = np.random.default_rng(0).normal(size=(n, 3, height, width)).astype(np.float32)
    pixels[:, :, row, column] = 100.0
    return s2v.Stamps(pixels, centre=np.tile([row, column], (n, 1)))


def test_nothing_changes_where_nothing_may() -> None:
    stamps = marked(5)
    copies = augment(stamps, np.random.default_rng(1), NOTHING)
    np.testing.assert_array_equal(copies.pixels, stamps.pixels)
    np.testing.assert_array_equal(copies.centre, stamps.centre)


def test_the_candidate_keeps_its_place_through_symmetries_edges_and_blanks() -> None:
    stamps = marked()
    how = Augmentation(shift=0, noise=0.0, edge=1.0, blank=1.0, without_template=0.0)
    copies = augment(stamps, np.random.default_rng(1), how)
    shapes = set()
    for row in range(len(copies)):
        plane = copies.plane(row, "difference")
        assert plane is not None
        assert plane[tuple(copies.centre[row])] == 100.0
        shapes.add(plane.shape)
    assert len(shapes) > 30
    assert any(shape[0] > 21 for shape in shapes), "some are turned on their side"
    blank = [np.isnan(copies.plane(row, "science")).any() for row in range(len(copies))]  # type: ignore[arg-type]
    assert 0.3 < np.mean(blank) < 1.0, "an edge may cut a blank away"


def test_all_eight_symmetries_occur_and_are_those_of_numpy() -> None:
    pixels = np.arange(3 * 25, dtype=np.float32).reshape(1, 3, 5, 5)
    stamps = s2v.Stamps(np.repeat(pixels, 200, axis=0))
    how = Augmentation(shift=0, noise=0.0, edge=0.0, blank=0.0, without_template=0.0)
    found = {augment(stamps, np.random.default_rng(2), how).pixels[k].tobytes() for k in range(200)}
    turned = [np.rot90(pixels[0], k, (1, 2)) for k in range(4)]
    expected = {plane.tobytes() for t in turned for plane in (t, t[..., ::-1])}
    assert found == expected
    assert len(expected) == 8


def test_noise_is_the_same_in_science_and_difference_and_of_the_size_asked() -> None:
    stamps = marked(50)
    how = Augmentation(symmetries=False, shift=0, noise=1.0, most_noise=2.0, edge=0.0, blank=0.0, without_template=0.0)
    change = augment(stamps, np.random.default_rng(3), how).pixels - stamps.pixels
    np.testing.assert_allclose(change[:, 0], change[:, 2], atol=2e-5)
    assert not change[:, 1].any()
    size = change[:, 2].std(axis=(1, 2))
    assert size.min() < 0.4
    assert 1.3 < size.max() < 2.5


def test_shift_and_missing_template() -> None:
    stamps = marked(400)
    how = Augmentation(symmetries=False, shift=2, noise=0.0, edge=0.0, blank=0.0, without_template=0.25)
    copies = augment(stamps, np.random.default_rng(4), how)
    moved = copies.centre - stamps.centre
    assert set(moved.ravel().tolist()) == {-2, -1, 0, 1, 2}
    missing = copies.offset[:, 1] < 0
    assert 0.18 < missing.mean() < 0.32
    assert (copies.offset[:, [0, 2]] >= 0).all()


def test_the_same_state_gives_the_same_copies() -> None:
    stamps = marked(20)
    first, again, other = (augment(stamps, np.random.default_rng(s), Augmentation()) for s in (5, 5, 6))
    np.testing.assert_array_equal(first.buffer, again.buffer)
    assert first.buffer.shape != other.buffer.shape or not np.array_equal(first.buffer, other.buffer, equal_nan=True)


@pytest.mark.parametrize("size", [1, 3, 9])
def test_small_stamps_and_planes_that_are_missing(size: int) -> None:
    planes = [[None, None, np.ones((size, size), np.float32)], [None, None, None]] * 20
    copies = augment(s2v.Stamps(planes), np.random.default_rng(7), Augmentation(edge=1.0, blank=1.0, noise=1.0))
    assert len(copies) == 40
    assert copies.channels == ("difference",)


def test_fill_values_stay_missing_where_planes_are_scaled() -> None:
    pixels = np.random.default_rng(3).normal(size=(200, 3, 33, 33)).astype(np.float32)
    pixels[:, :, 0, 0] = np.finfo(np.float32).max
    how = replace(NOTHING, scale=1.0)
    copies = augment(s2v.Stamps(pixels), np.random.default_rng(3), how).pixels
    largest = np.abs(copies[:, :, 0, 0])
    assert (largest > 1e30).all(), "a pixel without a value is not taken for a bright one"
    assert np.isinf(largest).any()
    assert np.isfinite(copies[:, :, 1:, 1:]).all()
