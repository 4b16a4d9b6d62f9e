"""Repeated alerts: one object in several exposures."""

from __future__ import annotations

import numpy as np
import pytest

from space2vec.simulation import simulate_repeats
from space2vec.simulation.repeats import REPEATING


@pytest.mark.parametrize("survey", ["ztf", "des", "rubin"])
def test_alerts_of_an_object_show_its_field_again_and_not_its_noise(survey: str) -> None:
    night = simulate_repeats(8, 3, survey=survey, seed=4)
    assert len(night) == 24
    assert night.survey == survey
    assert night.kinds.tolist() == np.repeat([REPEATING[k % 4] for k in range(8)], 3).tolist()
    assert (night.labels == 1).all()
    assert (night.flux > 0).all()
    counts = np.unique(night.stamps.object_id.astype(str), return_counts=True)[1]
    assert counts.tolist() == [3] * 8
    assert len(np.unique(night.stamps.candidate_id)) == 24
    templates = [core(night.stamps.plane(row, "template"), night.stamps.centre[row]) for row in range(24)]
    likeness = np.corrcoef(templates)
    own = np.median([likeness[row, row + 1] for row in range(0, 24, 3)])
    assert own > np.median(np.abs(likeness[~np.equal.outer(np.arange(24) // 3, np.arange(24) // 3)])) + 0.2
    for first in range(0, 24, 3):
        assert not np.array_equal(night.stamps.plane(first, "science"), night.stamps.plane(first + 1, "science"))
        assert night.flux[first] != night.flux[first + 1]


def core(plane: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return the light around a candidate (64,) in blocks of 3 x 3 pixels, without its noise and its extremes."""
    row, column = centre.tolist()
    padded = np.pad(np.nan_to_num(plane - np.nanmedian(plane)), 12)[row : row + 24, column : column + 24]
    return np.arcsinh(padded.reshape(8, 3, 8, 3).mean(axis=(1, 3)) / np.nanstd(plane[::5, ::5])).ravel()


def test_the_same_seed_gives_the_same_alerts_and_a_number_of_objects_changes_none() -> None:
    first, again, more = simulate_repeats(3, 2, seed=1), simulate_repeats(3, 2, seed=1), simulate_repeats(5, 2, seed=1)
    for row in range(6):
        for plane in ("science", "template", "difference"):
            np.testing.assert_array_equal(first.stamps.plane(row, plane), again.stamps.plane(row, plane))
            np.testing.assert_array_equal(first.stamps.plane(row, plane), more.stamps.plane(row, plane))
    assert simulate_repeats(1, 1, seed=2).flux[0] != first.flux[0]


def test_no_objects_are_no_alerts_and_other_numbers_are_refused() -> None:
    assert len(simulate_repeats(0)) == 0
    with pytest.raises(ValueError, match="0 or more objects, and 1 or more alerts of each; given -1, 2"):
        simulate_repeats(-1)
    with pytest.raises(ValueError, match="given 1, 0"):
        simulate_repeats(1, 0)
    with pytest.raises(ValueError, match="survey must be one of ztf, des, rubin"):
        simulate_repeats(1, survey="hst")
    with pytest.raises(ValueError, match="randomise must lie between 0 and 3"):
        simulate_repeats(1, randomise=4.0)
