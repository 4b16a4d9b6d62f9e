"""Variants of real alerts: their place, their planes and their ids."""

from __future__ import annotations

import numpy as np
import pytest

import space2vec as s2v
from space2vec.data.channels import CHANNELS
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.simulation.variants import variants
from space2vec.training.teacher import add_teacher_scores


@pytest.fixture(scope="module")
def alerts() -> LabelledStamps:
    night = s2v.simulate(40, seed=8)
    return LabelledStamps(night.stamps, night.labels, night.kinds)


def test_rows_depend_on_their_number_and_the_seed_alone(alerts: LabelledStamps) -> None:
    whole, tail, other = (
        variants(alerts, 12, seed=1),
        variants(alerts, 5, seed=1, first=7),
        variants(alerts, 12, seed=2),
    )
    for row in range(5):
        for channel in CHANNELS:
            np.testing.assert_array_equal(tail.stamps.plane(row, channel), whole.stamps.plane(row + 7, channel))
    assert whole.stamps.buffer.tobytes() != other.stamps.buffer.tobytes()


def test_the_difference_stays_science_less_a_still_sky_of_one_of_the_alerts(alerts: LabelledStamps) -> None:
    varied = variants(alerts, 60, seed=3)
    still = {}
    for row in range(len(alerts)):
        science, difference = (alerts.stamps.plane(row, name) for name in ("science", "difference"))
        assert science is not None
        assert difference is not None
        still[alerts.group[row]] = [np.nanmedian(science - difference), np.nanmedian(science + difference)]
    others = 0
    for row in range(len(varied)):
        science, difference = (varied.stamps.plane(row, name) for name in ("science", "difference"))
        assert science is not None
        assert difference is not None
        sky = [np.nanmedian(science - difference), np.nanmedian(science + difference)]
        away = {group: min(abs(a - b) for a in sky for b in held) for group, held in still.items()}
        assert min(away.values()) < 2.0, "DN: noise moves the median of a sky of 100 and more"
        others += away[varied.group[row]] >= 2.0
    assert 0.2 < others / len(varied) < 0.6


def test_the_candidate_stays_within_the_shift_that_is_said(alerts: LabelledStamps) -> None:
    varied = variants(alerts, 80, seed=4)
    away = varied.stamps.centre - varied.stamps.shape[:, 0] // 2
    whole = (varied.stamps.shape[:, 0] == 63).all(axis=1)
    assert np.abs(away[whole]).max() == 2


def test_half_of_them_are_made_of_bogus_and_ids_are_kept(alerts: LabelledStamps) -> None:
    few = alerts[np.flatnonzero((alerts.label == 1) | (np.cumsum(alerts.label == 0) <= 3))]
    varied = variants(few, 200, seed=5)
    assert 0.4 < (varied.label == 0).mean() < 0.6
    assert set(varied.group[varied.label == 0]) <= set(few.group[few.label == 0])
    assert (varied.kind == "variant").all()
    assert np.isnan(varied.teacher).all()


def test_a_teacher_scores_them(alerts: LabelledStamps) -> None:
    varied = add_teacher_scores(variants(alerts, 6, seed=6), lambda stamps: np.full(len(stamps), 0.25, np.float32))
    assert (varied.teacher == 0.25).all()


def test_what_cannot_be_made_is_told(alerts: LabelledStamps) -> None:
    with pytest.raises(ValueError, match="n and first must not be negative; given -1 and 0"):
        variants(alerts, -1)
    with pytest.raises(ValueError, match="bogus_share must lie between 0 and 1; given 2"):
        variants(alerts, 1, bogus_share=2)
    flat = LabelledStamps(s2v.Stamps(np.zeros((2, 3, 63, 63))), np.array([0, 1], np.int8), np.array(["a", "b"]))
    with pytest.raises(ValueError, match="none of the 2 alerts can be changed"):
        variants(flat, 3)
    assert len(variants(flat, 0)) == 0
