"""Group psf of the set s2v: the star, widths and likenesses against the oracle, GalSim and SciPy."""

import numpy as np
import pytest

import space2vec as s2v
from helpers.windows import galsim_moments, measure, simulate_window, source
from oracle import adaptive_moments as oracle
from oracle.shapes import box, in_noise
from space2vec.registry import FEATURES

NAMES = tuple(name for name, entry in FEATURES.items() if entry.group == "psf")
STAR = (12.3, 37.8)


def with_star(rng, place=STAR, peak=80.0, sigma=1.5):
    """Return a science window with a source in the middle and a star."""
    star = peak * source(place, sigma, 0.1, 20)
    return (simulate_window(rng, 30) + star).astype(np.float32)


def expected(difference, science, saturation=np.inf):
    """Return the group by the oracle; the moments of the box around the star or the candidate, by short steps."""
    d, s = in_noise(difference.astype(float))[0], in_noise(science.astype(float))[0]
    values = {"science_likeness": oracle.science_likeness(d, s)}
    own = oracle.moments(box(d, (25, 25), 12))
    at_candidate = oracle.moments(box(s, (25, 25), 12))
    star = oracle.star(science, saturation)
    padded = np.pad(s, 12, constant_values=np.nan)
    psf = oracle.moments(padded[star[0] : star[0] + 25, star[1] : star[1] + 25]) if star else None
    psf = psf or at_candidate
    width = {name: np.linalg.det(found[2]) ** 0.25 for name, found in (("own", own), ("psf", psf))}
    values["psf_ratio"] = width["own"] / width["psf"]
    values["width_ratio"] = width["own"] / np.linalg.det(at_candidate[2]) ** 0.25
    values["psf_likeness"] = oracle.psf_likeness(d, own[0] + 13, own[1] + 13, psf[2])
    return values


@pytest.mark.parametrize("masked", [0.0, 0.05])
def test_values_are_those_of_the_oracle(masked):
    rng = np.random.default_rng(11)
    differences = [simulate_window(rng, 40) for _ in range(25)]
    sciences = [with_star(rng) for _ in differences]
    for image in differences + sciences:
        image[rng.random(image.shape) < masked] = np.nan
    values, flags = measure(differences, sciences)
    assert not (flags & (s2v.flags.bits("moments_failed") | s2v.flags.bits("no_psf"))).any()
    for row, (difference, science) in enumerate(zip(differences, sciences, strict=True)):
        for name, wanted in expected(difference, science).items():
            np.testing.assert_allclose(values[name][row], wanted, rtol=1e-5, err_msg=f"{name}, row {row}")


def test_widths_are_those_of_galsim():
    rng = np.random.default_rng(12)
    differences, sciences = [simulate_window(rng, 60) for _ in range(30)], [simulate_window(rng, 60) for _ in range(30)]
    values, _ = measure(differences, sciences)
    for row in range(30):
        ratio = galsim_moments(differences[row]).moments_sigma / galsim_moments(sciences[row]).moments_sigma
        np.testing.assert_allclose(values["width_ratio"][row], ratio, rtol=1e-5)


def test_the_star_gives_the_psf():
    rng = np.random.default_rng(13)
    values, _ = measure([simulate_window(rng, 500)], [with_star(rng, peak=1e5, sigma=2.2)])
    width = np.sqrt(values["difference_a"] * values["difference_b"])
    np.testing.assert_allclose(values["psf_ratio"], width / 2.2, rtol=2e-3)


@pytest.mark.parametrize(
    ("place", "used"),
    [(STAR, True), ((7, 44), True), ((25, 29), False), ((3, 25), False), ((2, 44), False), ((25, 48), False)],
)
def test_where_a_star_may_be(place, used):
    rng = np.random.default_rng(14)
    difference, science = simulate_window(rng, 60), simulate_window(rng, 0)
    science += np.float32(40) * source((25, 25), 1.3, 0, 0).astype(np.float32)
    dot = np.hypot(*(np.mgrid[:51, :51] - np.reshape(place, (2, 1, 1)))) < 3
    science[dot] += np.float32(3e3) * source(place, 2.0, 0, 0).astype(np.float32)[dot]
    values, _ = measure([difference], [science])
    assert (values["psf_ratio"][0] != values["width_ratio"][0]) == used
    np.testing.assert_allclose(values["psf_ratio"][0], expected(difference, science)["psf_ratio"], rtol=1e-5)


@pytest.mark.parametrize("saturation", [100.0, 2e4])
def test_a_saturated_pixel_is_no_star(saturation):
    rng = np.random.default_rng(20)
    difference, science = simulate_window(rng, 60), with_star(rng, peak=80)
    science[38, 12] = 1e4  # one pixel, which has no moments
    values, _ = measure([difference], [science], saturation=saturation)
    assert (values["psf_ratio"][0] == values["width_ratio"][0]) == (saturation > 1e4)
    wanted = expected(difference, science, saturation)["psf_ratio"]
    np.testing.assert_allclose(values["psf_ratio"][0], wanted, rtol=1e-5)


def test_without_a_star_the_candidate_gives_the_psf():
    rng = np.random.default_rng(15)
    science = (200 * source((25.1, 24.8), 1.7, 0.1, 0) + rng.normal(size=(51, 51))).astype(np.float32)
    science = np.where(np.hypot(*(np.mgrid[:51, :51] - 25)) > 5, np.clip(science, -3, 3), science)
    values, flags = measure([simulate_window(rng, 50)], [science])
    assert values["psf_ratio"][0] == values["width_ratio"][0]
    assert not flags[0] & s2v.flags.bits("no_psf")


def test_without_any_source_there_is_no_psf():
    rng = np.random.default_rng(16)
    science = np.clip(rng.normal(size=(51, 51)), -3, 3).astype(np.float32)
    science[20:31, 20:31] -= 20
    values, flags = measure([simulate_window(rng, 50)], [science])
    assert flags[0] & s2v.flags.bits("no_psf")
    assert np.isnan(values["psf_ratio"][0])
    assert np.isnan(values["psf_likeness"][0])
    assert np.isfinite(values["science_likeness"][0])


def test_no_psf_is_missed_where_there_is_no_science_plane():
    rng = np.random.default_rng(17)
    values, flags = measure([simulate_window(rng, 50)])
    assert not flags[0] & s2v.flags.bits("no_psf")
    for name in NAMES:
        assert np.isnan(values[name]).all(), name


def test_a_difference_without_moments_is_held_against_the_psf_in_the_middle():
    rng = np.random.default_rng(18)
    pixel = rng.normal(size=(51, 51)).astype(np.float32)
    pixel[25, 25] = 1e5
    science = with_star(rng, peak=1e4)
    values, flags = measure([pixel], [science])
    assert flags[0] & s2v.flags.bits("moments_failed")
    assert np.isnan(values["psf_ratio"][0])
    d, s = (in_noise(image.astype(float))[0] for image in (pixel, science))
    star = oracle.star(science, np.inf)
    padded = np.pad(s, 12, constant_values=np.nan)
    psf = oracle.moments(padded[star[0] : star[0] + 25, star[1] : star[1] + 25])
    np.testing.assert_allclose(values["psf_likeness"][0], oracle.psf_likeness(d, 25, 25, psf[2]), rtol=1e-5)


def test_the_same_plane_is_like_itself():
    rng = np.random.default_rng(19)
    image = simulate_window(rng, 80)
    values, _ = measure([image], [image])
    np.testing.assert_allclose(values["science_likeness"], 1.0)
    np.testing.assert_allclose(values["plane_offset"], 0.0)
    np.testing.assert_allclose(values["width_ratio"], 1.0)
