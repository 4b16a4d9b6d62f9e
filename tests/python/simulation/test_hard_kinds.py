"""The kinds of bogus and the conditions that occur only where they are asked for: each is what it is called."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from space2vec.simulation import KINDS, Night, simulate

#: Sum of rows and columns of the candidates of a night of 20.
CENTRES = 1240
HARD = ("crowded", "striped", "saturated_core", "ghost_spot")


def of_kind(kind: str, n: int = 16, seed: int = 0, **how: object) -> Night:
    return simulate(n, seed=seed, kinds={kind: 1.0}, real_fraction=float(KINDS[kind]), **how)  # type: ignore[arg-type]


def plane_of(night: Night, row: int, channel: str) -> np.ndarray:
    plane = night.stamps.plane(row, channel)
    assert plane is not None
    return plane


def near(night: Night, row: int, channel: str, half: int) -> np.ndarray:
    y, x = night.stamps.centre[row].tolist()
    return plane_of(night, row, channel)[max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1]


def noise_of(plane: np.ndarray) -> float:
    return float(1.4826 * np.nanmedian(np.abs(plane - np.nanmedian(plane))))


def peaks(plane: np.ndarray, times: float = 10.0) -> int:
    flat = np.nan_to_num(plane - np.nanmedian(plane))
    around = np.lib.stride_tricks.sliding_window_view(flat, (5, 5)).max((2, 3))
    return int(((flat[2:-2, 2:-2] >= around) & (flat[2:-2, 2:-2] > times * noise_of(plane))).sum())


def test_they_do_not_occur_unless_they_are_named_and_leave_other_nights_alone() -> None:
    night = simulate(400, seed=3)
    assert not np.isin(night.kinds, HARD).any()
    found = simulate(20, seed=5, randomise=0.3)
    # As it was before these kinds were there.
    assert found.kinds[:3].tolist() == ["nuclear", "mismatch", "hostless"]
    assert int(found.stamps.centre.sum()) == CENTRES
    assert {KINDS[kind] for kind in HARD} == {False}


@pytest.mark.parametrize("survey", ["ztf", "des", "rubin"])
@pytest.mark.parametrize("kind", HARD)
def test_each_is_detected_in_each_survey(kind: str, survey: str) -> None:
    night = of_kind(kind, 4, survey=survey)
    assert night.kinds.tolist() == [kind] * 4
    assert not night.labels.any()


def test_crowded_fields_have_many_stars_and_dipoles_that_overlap() -> None:
    crowded, single = of_kind("crowded"), of_kind("misregistered")
    counts = [[peaks(plane_of(night, row, "template")) for row in range(16)] for night in (crowded, single)]
    assert np.median(counts[0]) > 2 * np.median(counts[1])
    both = 0
    for row in range(16):
        here, noise = near(crowded, row, "difference", 4), noise_of(plane_of(crowded, row, "difference"))
        both += np.nanmax(here) > 4 * noise and np.nanmin(here) < -4 * noise
    assert both >= 10


def test_stripes_alternate_in_sign_from_line_to_line() -> None:
    def alternation(night: Night) -> float:
        """The mean product of the change from line to line with the change after it, normalised; -1 for stripes."""
        found = []
        for row in range(len(night)):
            here = np.nan_to_num(near(night, row, "difference", 8).astype(np.float64))
            steps = [np.diff(here, axis=axis) for axis in (0, 1)]
            products = (
                (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())
                for a, b in ((steps[0][1:], steps[0][:-1]), (steps[1][:, 1:], steps[1][:, :-1]))
            )
            found.append(min(products))
        return float(np.median(found))

    # Sources change their slope once; stripes at every line.
    assert alternation(of_kind("striped")) < min(alternation(of_kind("hostless")), -0.2)


def test_saturated_cores_have_missing_pixels_within_reach_of_the_candidate() -> None:
    def missing(night: Night) -> float:
        return float(np.mean([np.isnan(near(night, row, "science", 5)).any() for row in range(len(night))]))

    cores = of_kind("saturated_core")
    assert missing(cores) > 0.7
    assert missing(cores) > missing(of_kind("saturated"))
    places = [tuple(cores.stamps.centre[row]) for row in range(len(cores))]
    assert all(np.isfinite(plane_of(cores, row, "difference")[place]) for row, place in enumerate(places)), "detected"


def test_ghost_spots_are_wider_than_sources_and_absent_from_the_template() -> None:
    spots, points = of_kind("ghost_spot"), of_kind("hostless")

    def spread(night: Night) -> float:
        found = []
        for row in range(len(night)):
            here = near(night, row, "difference", 7).astype(np.float64)
            found.append(float(np.nansum(here[np.abs(here) < 0.5 * np.nanmax(here)]) / np.nansum(np.maximum(here, 0))))
        return float(np.median(found))

    wide = [record["fwhm"] for record in spots.records]
    assert np.median(wide) > np.median([record["fwhm"] for record in points.records])
    assert spread(spots) > spread(points)


@pytest.mark.parametrize("survey", ["des", "rubin"])
def test_undersampled_exposures_are_sharp_whatever_the_survey(survey: str) -> None:
    usual, sharp = (of_kind("hostless", 30, seed=2, survey=survey, size=51, undersampled=share) for share in (0.0, 1.0))

    def width(night: Night) -> float:
        """The median of the root mean square radius of the light, as a full width at half maximum in pixels."""
        found = []
        for row in range(len(night)):
            here = np.maximum(near(night, row, "difference", 4).astype(np.float64), 0.0)
            peak = np.nanmax(here)
            # The area above half of the maximum is that of a circle of this diameter.
            found.append(2.0 * np.sqrt(np.nansum(here > 0.5 * peak) / np.pi))
        return float(np.median(found))

    assert 1.0 < width(sharp) < 2.9 < width(usual)


def test_a_share_of_undersampled_exposures_keeps_the_kinds() -> None:
    without, some = (simulate(60, seed=7, survey="des", undersampled=share) for share in (0.0, 0.5))
    digests = [
        [hashlib.sha256(plane_of(night, row, "science").tobytes()).digest() for row in range(60)]
        for night in (without, some)
    ]
    assert without.kinds.tolist() == some.kinds.tolist()
    assert digests[0] != digests[1]
    with pytest.raises(ValueError, match="undersampled must lie between 0 and 1"):
        simulate(2, undersampled=1.5)
