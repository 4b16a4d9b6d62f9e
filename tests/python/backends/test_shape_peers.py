"""Apertures, profiles, DAOFIND and medians against SEP, photutils and NumPy, on sources without and with noise."""

import numpy as np
import pytest
from scipy.stats import median_abs_deviation

import space2vec as s2v
from oracle import shapes
from space2vec.backends.numba import daofind

#: SEP and photutils decide by rounding about subpixels whose centre lies on the circle; a circle that is smaller by so
#: much has none, and is that of the features.
INSIDE = 1e-6


def moffat(rng, noise):
    """Return a science, a template and their difference with a source somewhere near the middle."""
    y, x = np.mgrid[:51, :51] - 25.0
    dy, dx = rng.normal(0, 0.6, 2)
    squeeze, turn, width = rng.uniform(0.6, 1.0), rng.uniform(0, np.pi), rng.uniform(1.2, 3.0)
    u = (x - dx) * np.cos(turn) + (y - dy) * np.sin(turn)
    v = ((y - dy) * np.cos(turn) - (x - dx) * np.sin(turn)) / squeeze
    source = 300 * (1 + (u**2 + v**2) / width**2) ** -2.5
    host = 500 * np.exp(-((y - rng.uniform(-6, 6)) ** 2 + (x - rng.uniform(-6, 6)) ** 2) / 18)
    template = 200 + host + rng.normal(0, noise, (51, 51))
    science = 200 + host + source + rng.normal(0, noise, (51, 51))
    return [plane.astype(np.float32) for plane in (science, template, science - template)]


@pytest.fixture(scope="module", params=[0.01, 1.0, 20.0], ids=["clean", "bright", "noisy"])
def night(request):
    rng = np.random.default_rng(5)
    triplets = [moffat(rng, request.param) for _ in range(40)]
    table = s2v.features(s2v.Stamps(triplets), set="s2v")
    return [planes[2] for planes in triplets], table


def in_sigma(plane):
    pixels = plane.astype(np.float64)
    return (pixels - np.median(pixels)) / (1.4826 * median_abs_deviation(pixels, axis=None))


def columns(table, names):
    return np.stack([table.values[:, table.names.index(name)] for name in names], axis=1)


def peak(d):
    y, x = np.unravel_index(np.argmax(d[22:29, 22:29]), (7, 7))
    return int(y) + 22, int(x) + 22


def test_apertures_are_those_of_sep(night):
    sep = pytest.importorskip("sep")
    planes, table = night
    expected = []
    for plane in planes:
        d = in_sigma(plane)
        flux = {r: sep.sum_circle(d, [25.0], [25.0], r - INSIDE, subpix=5)[0][0] for r in (2, 3, 5, 8)}
        area = {r: sep.sum_circle(np.ones_like(d), [25.0], [25.0], r - INSIDE, subpix=5)[0][0] for r in flux}
        expected.append([*(flux[r] / np.sqrt(area[r]) for r in flux), flux[2] / flux[5]])
    got = columns(table, ("snr_2", "snr_3", "snr_5", "snr_8", "concentration"))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_subpixels_on_the_circle_are_all_that_sep_sees_otherwise(night):
    sep = pytest.importorskip("sep")
    planes, table = night
    for name, radius, on_it in (("snr_2", 2, 12), ("snr_3", 3, 12), ("snr_5", 5, 20), ("snr_8", 8, 12)):
        for plane, value in zip(planes, columns(table, [name]), strict=True):
            d = in_sigma(plane)
            flux, area = (sep.sum_circle(a, [25.0], [25.0], radius, subpix=5)[0][0] for a in (d, np.ones_like(d)))
            bound = on_it / 25 / area
            rim = np.abs(d[np.abs(shapes.RADIUS - radius) < 1]).max()
            assert abs(value - flux / np.sqrt(area)) <= bound * (rim * np.sqrt(area) + abs(value)) + 1e-4


def test_profiles_are_those_of_photutils(night):
    profiles = pytest.importorskip("photutils.profiles")
    planes, table = night
    expected = []
    for plane in planes:
        radii = np.array([0, 2, 3, 5, 8]) - [0, INSIDE, INSIDE, INSIDE, INSIDE]
        profile = profiles.RadialProfile(in_sigma(plane), (25, 25), radii, method="subpixel", subpixels=5).profile
        expected.append(profile[1:] / profile[0])
    got = columns(table, ("profile_3", "profile_5", "profile_8"))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_masked_profiles_are_those_of_photutils(night):
    profiles = pytest.importorskip("photutils.profiles")
    rng = np.random.default_rng(9)
    for plane in night[0][:10]:
        masked = np.where(rng.random(plane.shape) < 0.2, np.nan, plane).astype(np.float32)
        kept = masked[~np.isnan(masked)].astype(np.float64)
        d = (masked - np.median(kept)) / (1.4826 * median_abs_deviation(kept))
        radii = np.array([0, 2, 3, 5, 8]) - [0, INSIDE, INSIDE, INSIDE, INSIDE]
        profile = profiles.RadialProfile(
            np.nan_to_num(d), (25, 25), radii, mask=np.isnan(d), method="subpixel", subpixels=5
        ).profile
        table = s2v.features(s2v.Stamps([(None, None, masked)]), set="s2v")
        got = columns(table, ("profile_3", "profile_5", "profile_8"))[0]
        np.testing.assert_allclose(got, profile[1:] / profile[0], rtol=1e-5, atol=1e-6)


def test_sharpness_and_roundness_are_those_of_photutils(night):
    detection = pytest.importorskip("photutils.detection")
    planes, table = night
    seen = 0
    for plane, values in zip(planes, columns(table, ("sharpness", "roundness1", "roundness2")), strict=True):
        d = in_sigma(plane)
        y, x = peak(d)
        find = detection.DAOStarFinder(
            1e-3, 2.5, xycoords=np.array([[x, y]]), sharpness_range=None, roundness_range=None
        )
        found = find(d)
        if found is None or len(found) == 0:  # photutils gives no star without a height
            assert np.isnan(values[2])
            continue
        seen += 1
        expected = [found[name][0] for name in ("sharpness", "roundness1", "roundness2")]
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)
    assert seen > 30


def test_the_kernel_is_that_of_photutils():
    core = pytest.importorskip("photutils.detection.core")
    for kernel in (core._StarFinderKernel(2.5).data, shapes.star_kernel()[0]):
        own = [kernel[2, 2], kernel[2, 1], kernel[1, 1], kernel[2, 0]]
        np.testing.assert_allclose(daofind.KERNEL, own, rtol=1e-13)
    triangle = np.array([1.0, 2.0, 3.0, 2.0, 1.0])
    model = triangle @ shapes.star_kernel()[1]
    heights = [shapes.marginal_height(np.eye(5)[i], model) for i in (2, 1, 0)]
    np.testing.assert_allclose(daofind.FIT, heights, rtol=1e-12)


def test_medians_are_those_of_numpy(night):
    planes, table = night
    expected = []
    for plane in planes:
        d = in_sigma(plane)
        y, x = peak(d)
        expected.append([np.nanmedian(d[y]), np.nanmedian(d[:, x])])
    np.testing.assert_allclose(columns(table, ("row_median", "column_median")), expected, rtol=1e-5, atol=1e-6)
