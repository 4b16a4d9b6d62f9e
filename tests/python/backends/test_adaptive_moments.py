"""Groups moments and position of the set s2v against GalSim and the oracle, and what must not converge."""

import numpy as np
import pytest

import space2vec as s2v
from helpers.windows import galsim_moments, measure, simulate_window, source
from oracle import adaptive_moments as oracle
from oracle import stamps
from oracle.noise import window
from oracle.shapes import box, in_noise
from space2vec.registry import FEATURES

OF_DIFFERENCE = ("difference_a", "difference_b", "difference_angle", "difference_ellipticity", "kurtosis")
NAMES = tuple(name for name, entry in FEATURES.items() if entry.group in ("moments", "position"))


def assert_as_galsim(images):
    values, flags = measure(images)
    assert not (flags & s2v.flags.bits("moments_failed")).any()
    for row, image in enumerate(images):
        other = galsim_moments(image)
        assert not other.error_message
        q, sigma = other.observed_shape.q, other.moments_sigma
        expected = {
            "difference_a": sigma / np.sqrt(q),
            "difference_b": sigma * np.sqrt(q),
            "difference_ellipticity": 1 - q,
            "kurtosis": other.moments_rho4,
            "centroid_offset": np.hypot(other.moments_centroid.x - 12, other.moments_centroid.y - 12),
        }
        for name, wanted in expected.items():
            np.testing.assert_allclose(values[name][row], wanted, rtol=1e-5, atol=5e-6, err_msg=f"{name}, row {row}")
        turned = values["difference_angle"][row] - np.degrees(other.observed_shape.beta.rad)
        apart = (turned + 90) % 180 - 90  # an angle is as good as its ellipticity
        assert abs(apart) * values["difference_ellipticity"][row] < 1e-3, row


@pytest.mark.parametrize("snr", [12, 30, 1000])
def test_moments_are_those_of_galsim(snr):
    rng = np.random.default_rng(snr)
    assert_as_galsim([simulate_window(rng, snr) for _ in range(150)])


def test_moments_of_clean_sources_are_those_of_galsim():
    rng = np.random.default_rng(1)
    assert_as_galsim([simulate_window(rng, 1e5) for _ in range(100)])


def test_moments_without_masked_pixels_are_those_of_galsim():
    rng = np.random.default_rng(2)
    images = [np.where(rng.random((51, 51)) < 0.05, np.float32(np.nan), simulate_window(rng, 50)) for _ in range(100)]
    assert_as_galsim(images)


def test_moments_are_those_of_the_oracle():
    rng = np.random.default_rng(3)
    images = [simulate_window(rng, snr) for snr in (15, 100, 3000) for _ in range(15)]
    values, _ = measure(images)
    for row, image in enumerate(images):
        x0, y0, m, kurtosis = oracle.moments(box(in_noise(image.astype(float))[0], (25, 25), 12))
        found = [values[name][row] for name in OF_DIFFERENCE]
        np.testing.assert_allclose(found[:2] + found[4:], [*oracle.ellipse(m)[:2], kurtosis], rtol=1e-5)
        np.testing.assert_allclose(found[3], oracle.ellipse(m)[3], atol=5e-6)
        np.testing.assert_allclose(found[2], oracle.ellipse(m)[2], atol=1e-3 / found[3])
        np.testing.assert_allclose(values["centroid_offset"][row], np.hypot(x0 - 12, y0 - 12), rtol=1e-5, atol=1e-6)


def test_what_converges_is_a_fixed_point_within_bounds():
    pytest.importorskip("numba")
    from space2vec.backends.numba.adaptive_moments import adaptive_moments

    cases = [case for _, case in stamps.named_cases()] + stamps.batch(200, seed=29)
    converged = 0
    for case in cases:
        for plane in case.planes:
            d = in_noise(window(plane, case.centre))[0]
            if d is None:
                continue
            core = np.full((25, 32), np.nan, np.float32)
            core[:, 4:29] = box(d, (25, 25), 12)
            found = adaptive_moments(core)
            if not found.converged:
                continue
            converged += 1
            m = np.array([[found.at.m.xx, found.at.m.xy], [found.at.m.xy, found.at.m.yy]])
            pixels = core[:, 4:29].astype(float)
            assert oracle.distance(pixels, 12 + found.at.x, 12 + found.at.y, m) < 1e-5, case.name
            assert np.hypot(found.at.x, found.at.y) <= 6
            smallest, largest = np.linalg.eigvalsh(m)
            assert smallest >= 0.09 * (1 - 1e-9)
            assert largest <= 100 * (1 + 1e-9)
    assert converged > 200


def failing():
    rng = np.random.default_rng(4)
    noise = rng.normal(size=(51, 51)).astype(np.float32)
    pixel = noise.copy()
    pixel[25, 25] = 1e6
    line = noise.copy()
    line[:, 25] += 1e4
    middle = np.hypot(*(np.mgrid[:51, :51] - 25)) < 20
    return {
        "one pixel": pixel,
        "a column": line,
        "beyond 6 px": noise + np.float32(1e3) * source((34, 25), 2, 0, 0).astype(np.float32),
        "no usable pixel": np.where(middle, np.float32(np.nan), noise),
        "one usable pixel": np.where(
            middle & (np.arange(51 * 51).reshape(51, 51) != 25 * 52), np.float32(np.nan), pixel
        ),
    }


@pytest.mark.parametrize("what", failing())
def test_what_is_no_source_is_flagged(what):
    values, flags = measure([failing()[what]])
    assert flags[0] & s2v.flags.bits("moments_failed")
    for name in NAMES:
        assert np.isnan(values[name]).all(), name


@pytest.mark.parametrize("angle", [-80, -45, 0, 30, 45, 90])
def test_angles_are_from_the_x_axis_towards_the_y_axis(angle):
    noise = np.random.default_rng(5).normal(0, 1e-3, (51, 51))
    image = (100 * source((25.2, 24.9), 2.0, 0.4, angle) + noise).astype(np.float32)
    values, _ = measure([image, image.T.copy()])
    apart = (values["difference_angle"][0] - angle + 90) % 180 - 90
    assert abs(apart) < 0.05
    mirrored = (90 - angle - values["difference_angle"][1] + 90) % 180 - 90
    assert abs(mirrored) < 0.05
    assert ((values["difference_angle"] > -90) & (values["difference_angle"] <= 90)).all()
    np.testing.assert_allclose(values["difference_ellipticity"], 0.4, atol=2e-3)
    np.testing.assert_allclose(values["kurtosis"], 2.0, rtol=1e-3)


def test_positions():
    noise = np.random.default_rng(6).normal(0, 0.01, (2, 51, 51))
    difference = 100 * source((26.0, 27.0), 1.6, 0.2, 10) + noise[0]
    science = 100 * source((25.0, 23.0), 1.8, 0.1, 60) + noise[1]
    values, _ = measure([difference.astype(np.float32)], [science.astype(np.float32)])
    np.testing.assert_allclose(values["centroid_offset"], np.hypot(1, 2), atol=2e-3)
    np.testing.assert_allclose(values["plane_offset"], np.hypot(1, 4), atol=2e-3)
    np.testing.assert_allclose(values["width_ratio"], 1.6 / 1.8, rtol=2e-3)


@pytest.mark.parametrize("scale", [1e-30, 1e34])
def test_pixels_of_any_size(scale):
    rng = np.random.default_rng(7)
    images = [simulate_window(rng, 40) for _ in range(20)]
    one, _ = measure(images)
    other, _ = measure([(image * np.float32(scale)) for image in images])
    for name in (*OF_DIFFERENCE, "centroid_offset"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-4, err_msg=name)


def test_a_science_plane_alone_has_moments_that_the_difference_lacks():
    rng = np.random.default_rng(8)
    noise = rng.normal(size=(51, 51)).astype(np.float32)
    values, flags = measure([noise - np.float32(30)], [simulate_window(rng, 200)])
    values_too, _ = measure([simulate_window(rng, 200)], [noise])
    assert np.isfinite(values["science_a"]).all()
    assert np.isfinite(values_too["difference_a"]).all()
    assert not flags[0] & s2v.flags.bits("no_psf")
