"""Simulated nights of several surveys: sizes, signs, blanks, levels; wider conditions; GalSim as an engine."""

import sys

import numpy as np
import pytest

from space2vec.simulation import KINDS, SURVEYS, simulate, write_packets
from space2vec.simulation.artifacts import ARTIFACTS
from space2vec.simulation.engine import NumpyEngine, engine_by_name
from space2vec.simulation.exposure import draw_exposure, draw_log_uniform
from space2vec.simulation.psf import Psf, zogy_filters
from space2vec.simulation.scene import draw_scene
from space2vec.simulation.sky import Galaxies, Stars, expose
from space2vec.simulation.starlight import bleed, draw_spikes
from space2vec.simulation.transients import TRANSIENTS, add_host


@pytest.fixture(scope="module")
def nights():
    return {name: simulate(60, survey=name, seed=6) for name in SURVEYS}


def of_kind(kind, survey, n=12, seed=0, **more):
    return simulate(n, survey=survey, seed=seed, kinds={kind: 1.0}, real_fraction=float(KINDS[kind]), **more)


def noise_of(plane):
    return 1.4826 * np.nanmedian(np.abs(plane - np.nanmedian(plane)))


def lag_one(plane):
    """Return the correlation of neighbours along a row, of the pixels that are neither bright nor blank."""
    flat = plane - np.nanmedian(plane)
    flat = np.where(np.abs(flat) < 3 * noise_of(plane), flat, np.nan)
    return np.nanmean(flat[:, 1:] * flat[:, :-1]) / np.nanmean(flat**2)


# Each survey


@pytest.mark.parametrize("name", SURVEYS)
def test_stamps_have_the_sizes_of_their_survey(nights, name):
    sides = nights[name].stamps.shape[:, 0]
    wanted = set(SURVEYS[name].sizes)
    if SURVEYS[name].pads:
        assert {tuple(side) for side in sides.tolist()} <= {(size, size) for size in wanted}
        assert (nights[name].stamps.centre == sides // 2).all()
    else:
        assert set(sides.max(axis=1).tolist()) == wanted
    if len(wanted) > 1:
        assert len({size for side in sides.tolist() for size in side}) > 1
    assert simulate(3, survey=name, size=41, seed=1, kinds={"hostless": 1, "cosmic_ray": 1}).stamps.shape.max() == 41


@pytest.mark.parametrize("name", SURVEYS)
def test_each_survey_repeats_by_its_seed(name):
    first, again, other = (simulate(6, survey=name, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.stamps.buffer, again.stamps.buffer)
    assert first.survey == name
    assert repr(first.records) == repr(again.records)
    assert repr(first.records) != repr(other.records)


@pytest.mark.parametrize("name", SURVEYS)
def test_labels_kinds_and_ids_of_each_survey(nights, name):
    night = nights[name]
    assert night.labels.sum() == 30
    assert [KINDS[kind] for kind in night.kinds] == night.labels.astype(bool).tolist()
    assert np.isfinite(night.flux).tolist() == night.labels.astype(bool).tolist()
    assert len(set(night.stamps.candidate_id.tolist())) == len(night) == len(set(night.stamps.object_id))


@pytest.mark.parametrize("name", SURVEYS)
def test_catalogue_of_each_survey(nights, name):
    catalogue = nights[name].stamps.catalogue
    assert {"MAG", "SNR", "A_IMAGE", "B_IMAGE", "ELLIPTICITY", "BAND", "CCDID", "GFLUX"} <= set(catalogue)
    assert (catalogue["SNR"] > 4.9).all()
    low, high = {"ztf": (18, 21), "des": (21.5, 25), "rubin": (21.5, 25)}[name]
    assert low < np.median(catalogue["MAG"]) < high
    assert set(catalogue["BAND"]) <= set(SURVEYS[name].bands)
    assert (catalogue["A_IMAGE"] >= catalogue["B_IMAGE"] - 1e-4).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SURVEYS)
def test_every_kind_of_every_survey_can_be_drawn(kind, name):
    night = of_kind(kind, name, 2, seed=5)
    assert night.kinds.tolist() == [kind] * 2


@pytest.mark.parametrize("name", SURVEYS)
def test_flux_is_recovered_in_the_difference(name):
    night = of_kind("hostless", name, 40, seed=3)
    measured = {
        "ztf": lambda r: (10 ** (-0.4 * (r["magpsf"] - r["magzpsci"])), r["sigmapsf"] / 1.0857),
        "des": lambda r: (np.nan, 1 / r["SNR"]),
        "rubin": lambda r: (abs(r["psfFlux"]), 1 / r["snr"]),
    }[name]
    flux, error = np.array([measured(record) for record in night.records]).T
    # DES gives a magnitude; its zero point differs from exposure to exposure, so that ratios are left to compare.
    if name == "des":
        pull = np.diff(np.array([r["MAG"] + 2.5 * np.log10(f) for r, f in zip(night.records, night.flux, strict=True)]))
        within_one = np.diff([record["ID"] // 1000 for record in night.records]) == 0
        assert within_one.sum() > 25
        scatter = 1.0857 * np.hypot(error[1:], error[:-1])
        assert (np.abs(pull / scatter)[within_one] < 4).mean() > 0.94
        return
    pull = (flux - night.flux) / (error * flux)
    # Near the limit those are found that the noise lifts.
    assert -0.3 < np.median(pull) < 0.9
    assert (np.abs(pull) < 4).mean() > 0.94
    # The stamp holds it too: an aperture over the five brightest.
    for row in np.argsort(night.flux)[-5:]:
        plane = night.stamps.plane(row, "difference").astype(np.float64)
        y, x = night.stamps.centre[row]
        rows, columns = np.ogrid[: plane.shape[0], : plane.shape[1]]
        inside = (rows - y) ** 2 + (columns - x) ** 2 <= 64
        held = np.nansum(plane[inside] - np.nanmedian(plane))
        assert abs(held - night.flux[row]) < 5 * noise_of(plane) * np.sqrt(inside.sum()) + 0.12 * night.flux[row]


def test_signs_of_faded_sources():
    assert {r["isdiffpos"] for r in of_kind("variable", "ztf", 16).records} == {"t", "f"}
    rubin = of_kind("variable", "rubin", 16)
    negative = np.array([record["isNegative"] for record in rubin.records])
    assert 0 < negative.sum() < 16
    for row in range(16):
        y, x = rubin.stamps.centre[row]
        plane = rubin.stamps.plane(row, "difference")
        near = np.nanmedian(plane[y - 1 : y + 2, x - 1 : x + 2]) - np.nanmedian(plane)
        assert (near < 0) == negative[row] == (rubin.records[row]["psfFlux"] < 0)
    des = of_kind("variable", "des", 16).stamps
    middle = [np.median(des.plane(row, "difference")[24:27, 24:27]) for row in range(16)]
    assert min(middle) > 0


def test_stamps_at_the_border_are_filled_up_with_the_blanks_of_their_survey():
    for name in ("des", "rubin"):
        border = of_kind("edge", name, 8, seed=2)
        for row in range(8):
            # In lines that are blank as a whole; a pixel may be 0 by chance.
            blanks = [
                (plane == 0) if name == "des" else np.isnan(plane)
                for plane in (border.stamps.plane(row, channel) for channel in border.stamps.channels)
            ]
            off = blanks[0].all(axis=0)[None, :] | blanks[0].all(axis=1)[:, None]
            assert 0.2 < off.mean() < 0.6
            assert all(blank[off].all() for blank in blanks)


def test_masked_pixels_are_treated_as_each_survey_does(nights):
    def whole_rows(plane, blank):
        return blank(plane).sum() > 20

    des, rubin = nights["des"].stamps, nights["rubin"].stamps
    inner = [r for r in range(60) if not (des.plane(r, "template") == 0).sum() > 20]
    assert any(whole_rows(des.plane(r, "difference"), lambda p: p == 0) for r in inner)
    cut = [r for r in range(60) if np.isnan(rubin.plane(r, "science")).any()]
    assert all(np.isnan(rubin.plane(r, "science")).sum() > 20 for r in cut)
    assert len(cut) < 12


def test_skies_are_subtracted_where_the_survey_does_so(nights):
    for name, survey in SURVEYS.items():
        stamps = nights[name].stamps
        level = [np.nanmedian(stamps.plane(r, "science")) / noise_of(stamps.plane(r, "science")) for r in range(60)]
        assert (np.median(np.abs(level)) < 1.0) == survey.sky_subtracted


def test_a_template_has_less_noise_than_a_science_image_and_more_correlated(nights):
    for night in nights.values():
        quiet, alike = [], []
        for row in range(60):
            science, template = (night.stamps.plane(row, channel) for channel in ("science", "template"))
            if night.kinds[row] == "hostless":
                quiet.append(noise_of(template) / noise_of(science))
                alike.append(lag_one(template) - lag_one(science))
        assert np.median(quiet) < 0.7
        assert np.median(alike) > 0.1


def test_a_satellite_crosses_the_stamp_and_an_asteroid_does_not():
    ends = {}
    for kind in ("satellite", "asteroid"):
        night = of_kind(kind, "ztf", 10, seed=4)
        far = []
        for row in range(10):
            plane = night.stamps.plane(row, "difference")
            y, x = night.stamps.centre[row]
            rows, columns = np.ogrid[: plane.shape[0], : plane.shape[1]]
            ring = np.abs(np.hypot(rows - y, columns - x) - 12.0) < 1.5
            smooth = sum(np.roll(plane, k, axis) for k in (-1, 0, 1) for axis in (0, 1)) / 6
            far.append((np.nanmax(smooth[ring]) - np.nanmedian(plane)) / noise_of(plane))
        ends[kind] = np.median(far)
    assert ends["satellite"] > 1.5 * ends["asteroid"]


def test_template_defects_leave_holes_or_pits():
    night = of_kind("template_defect", "rubin", 16)
    assert {record["isNegative"] for record in night.records} == {True, False}
    assert (np.array([record["isNegative"] for record in night.records])).mean() > 0.5


# What bright stars do


def test_bleeding_keeps_the_charge_along_the_row():
    image = np.full((9, 41), 10.0)
    image[4, 20] = 5000.0
    spilt = bleed(image, 1000.0)
    assert spilt.max() == 1000.0
    assert spilt.sum() == pytest.approx(image.sum())
    np.testing.assert_array_equal(spilt[[0, 1, 2, 3, 5, 6, 7, 8]], 10.0)
    np.testing.assert_allclose(spilt[4], spilt[4, ::-1])


def test_spikes_form_a_cross():
    image = np.zeros((81, 81))
    draw_spikes(image, 40.0, 40.0, 1e6, 2.0, 0.0)
    assert image[40, 60] == pytest.approx(image[60, 40])
    assert image[40, 60] > 20 * image[52, 52]
    assert 0 < image.sum() < 0.01 * 1e6


# Wider conditions


def test_randomise_widens_what_exposures_are_drawn_from():
    plain, wide = (
        [draw_exposure(np.random.default_rng(k), SURVEYS["ztf"], randomise=r) for k in range(150)] for r in (0.0, 1.0)
    )
    for name in ("seeing", "sky", "gain", "star_density", "galaxy_density"):
        first, second = (np.log([getattr(e, name) for e in each]) for each in (plain, wide))
        assert second.max() - second.min() > 1.3 * (first.max() - first.min()), name
    long = [np.std([e.psf.covariance[-1] / e.psf.sigma_x[-1] ** 2 for e in each]) for each in (plain, wide)]
    assert long[1] > 2 * long[0]
    stretch = [
        np.std([draw_scene(e, np.random.default_rng(k), 60).shift[0] for k, e in enumerate(each)])
        for each in (plain, wide)
    ]
    assert stretch[1] > 1.5 * stretch[0]


def test_a_range_widens_in_its_logarithm():
    rng = np.random.default_rng(0)
    for randomise, (low, high) in {0.0: (2.0, 8.0), 1.0: (1.0, 16.0)}.items():
        drawn = [draw_log_uniform(rng, (2.0, 8.0), randomise) for _ in range(2000)]
        assert low <= min(drawn) < 1.1 * low
        assert 0.9 * high < max(drawn) <= high
    assert draw_log_uniform(rng, (5.0, 5.0)) == pytest.approx(5.0)
    assert draw_log_uniform(rng, (5.0, 5.0), 1.0) != 5.0


def test_a_randomised_night_differs_and_repeats():
    plain, wide, again = (simulate(8, survey="des", seed=2, randomise=r) for r in (0.0, 1.0, 1.0))
    np.testing.assert_array_equal(wide.stamps.buffer, again.stamps.buffer)
    assert not np.array_equal(plain.stamps.buffer, wide.stamps.buffer)


def test_hosts_are_of_every_kind():
    exposure = draw_exposure(np.random.default_rng(0), SURVEYS["des"])
    profiles, ratios, neighbours = set(), [], 0
    for seed in range(80):
        scene = draw_scene(exposure, np.random.default_rng(seed), 60)
        stars, galaxies = len(scene.stars.x), len(scene.galaxies.x)
        add_host(scene, np.random.default_rng(seed), 30.0, 30.0)
        profiles.add(scene.galaxies.profile[galaxies:][:2])
        ratios.append(scene.galaxies.ratio[galaxies])
        neighbours += len(scene.stars.x) > stars
        assert scene.jitter.shape == (2, len(scene.stars.x))
    assert {("exponential",), ("de_vaucouleurs",), ("exponential", "de_vaucouleurs")} <= profiles
    assert min(ratios) < 0.22 < 0.9 < max(ratios)
    assert 5 < neighbours < 40


# Noise and filters


def test_resampled_noise_keeps_its_variance_and_is_correlated():
    light = np.full((400, 400), 100.0)
    white, shifted = (
        expose(np.random.default_rng(0), light, gain=4.0, read_noise=0.0, resampling=r) for r in ((0, 0), (0.5, 0.2))
    )
    assert white.std() == pytest.approx(5.0, rel=0.01)
    assert shifted.std() == pytest.approx(5.0, rel=0.02)
    flat = shifted - 100.0
    # (1 - f) f / ((1 - f)^2 + f^2)
    assert (flat[1:] * flat[:-1]).mean() / 25 == pytest.approx(0.5, abs=0.02)
    assert (flat[:, 1:] * flat[:, :-1]).mean() / 25 == pytest.approx(0.16 / 0.68, abs=0.02)


def test_zogy_whitens_the_difference_and_keeps_flux():
    science, template = Psf.moffat(2.4, 3.5), Psf.moffat(2.0, 3.5)
    first, second = zogy_filters(science.transform(64), template.transform(64), 5.0, 2.0)
    assert first[0, 0] == pytest.approx(1.0)
    assert second[0, 0] == pytest.approx(1.0, abs=1e-6)
    power = (5.0 * first) ** 2 + (2.0 * second) ** 2
    np.testing.assert_allclose(power, power[0, 0])
    # A source that did not change leaves nothing.
    left = first * science.transform(64) - second * template.transform(64)
    assert np.abs(left).max() < 1e-9


# Engines


@pytest.mark.parametrize("ellipticity", [(0.0, 0.0), (0.1, 0.0), (0.0, 0.1)])
def test_galsim_and_numpy_draw_the_same_stars_and_discs(ellipticity):
    """Of the peak: a Moffat profile to 2 %, an exponential galaxy to 3 %."""
    pytest.importorskip("galsim")
    galsim, plain = engine_by_name("galsim"), NumpyEngine()
    one, nothing = np.ones(1), np.zeros(0)
    star = Stars(30.3 * one, 28.6 * one, 1000.0 * one), Galaxies(*[nothing] * 6, ())
    disc = (
        Stars(nothing, nothing, nothing),
        Galaxies(30.3 * one, 28.6 * one, 1000.0 * one, 3.0 * one, 0.5 * one, 0.6 * one, ("exponential",)),
    )
    for fwhm in (2.2, 4.0):
        profiles = galsim.psf(fwhm, 3.5, ellipticity, obscured=0.0), plain.psf(fwhm, 3.5, ellipticity)
        for sources, tolerance in ((star, 0.02), (disc, 0.03)):
            theirs, ours = galsim.draw(profiles[0], *sources, 61), plain.draw(profiles[1], *sources, 61)
            np.testing.assert_allclose(ours, theirs, atol=tolerance * theirs.max())
            assert theirs.sum() == pytest.approx(ours.sum(), rel=1e-3)
        np.testing.assert_allclose(profiles[0].transform(60), profiles[1].transform(60), atol=0.01)


def test_a_night_by_galsim_has_optics_and_repeats():
    pytest.importorskip("galsim")
    first, again = (simulate(4, survey="des", seed=1, engine="galsim") for _ in range(2))
    np.testing.assert_array_equal(first.stamps.buffer, again.stamps.buffer)
    assert first.labels.sum() == 2
    engine = engine_by_name("galsim")
    plain, seen = (engine.psf(4.0, 5.0, (0.0, 0.0), obscured=share).transform(60) for share in (0.0, 0.3))
    # Optics take from the high frequencies and leave the flux.
    assert seen[0, 0] == pytest.approx(1.0, abs=1e-3)
    assert (seen[0, 3:20] < plain[0, 3:20]).all()


# Errors


def test_without_galsim_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "galsim", None)
    with pytest.raises(ImportError, match=r"GalSim.*\[sim\]"):
        simulate(1, engine="galsim")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"survey": "sdss"}, "survey must be one of ztf, des, rubin; given 'sdss'"),
        ({"engine": "povray"}, "engine must be one of numpy, galsim; given 'povray'"),
        ({"randomise": -0.1}, "randomise must lie between 0 and 3"),
        ({"survey": "rubin", "size": 30}, "size must be odd"),
    ],
)
def test_what_is_unknown_raises(arguments, told):
    with pytest.raises(ValueError, match=told):
        simulate(3, **arguments)


def test_packets_are_written_of_ztf_alone(tmp_path, nights):
    with pytest.raises(ValueError, match="this night is of the survey rubin"):
        write_packets(nights["rubin"], tmp_path)


@pytest.mark.parametrize("name", SURVEYS)
def test_an_empty_night_of_each_survey(name):
    empty = simulate(0, survey=name)
    assert len(empty) == len(empty.stamps) == 0


def test_the_shares_of_kinds_add_up_to_one():
    assert sum(artifact.share for artifact in ARTIFACTS.values()) == pytest.approx(1.0)
    assert sum(kind.share for kind in TRANSIENTS.values()) == pytest.approx(1.0)
