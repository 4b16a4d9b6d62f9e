"""Groups aperture, profile, daofind, hot_pixel, lobes, symmetry, template, lines against the oracle, and by hand."""

import numpy as np
import pytest

import space2vec as s2v
from oracle import shapes, stamps
from space2vec.registry import FEATURES

GROUPS = ("aperture", "profile", "daofind", "hot_pixel", "lobes", "symmetry", "template", "lines")
AT_PEAK = (
    *("peak_snr", "sharpness", "roundness1", "roundness2", "hot_pixel_likeness", "neighbour_ratio", "asymmetry"),
    *("row_median", "column_median"),
)
OF_TEMPLATE = ("template_snr", "template_distance", "template_gradient", "template_flux_ratio", "flux_balance")


def measured(planes, centre=None):
    """Return the features of one triplet by name."""
    table = s2v.features(s2v.Stamps([planes], centre=centre and [centre]), set="s2v")
    return dict(zip(table.names, table.values[0].tolist(), strict=True))


def assert_as_the_oracle(cases):
    table = s2v.features(s2v.Stamps([c.planes for c in cases], centre=[c.centre for c in cases]), set="s2v")
    for row, case in enumerate(cases):
        expected = shapes.features(case.planes, case.centre) if case.planes[2] is not None else {}
        for name in shapes.NAMES:
            with np.errstate(over="ignore"):
                wanted = np.float32(expected.get(name, np.nan))
            wanted = wanted if np.isfinite(wanted) else np.float32(np.nan)
            got = table.values[row, table.names.index(name)]
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-9, err_msg=f"{name}, {case.name}")


def test_names_are_those_of_the_groups():
    assert {name for name, entry in FEATURES.items() if entry.group in GROUPS and entry.set == "s2v"} == {
        *shapes.NAMES,
        "polarity",
    }


def test_values_are_those_of_the_oracle():
    assert_as_the_oracle([case for _, case in stamps.named_cases()] + stamps.batch(300, seed=17))


def test_masks_of_any_share():
    rng = np.random.default_rng(3)
    cases = []
    for share in (0.01, 0.1, 0.3, 0.6, 0.9, 0.97):
        for case in stamps.batch(12, seed=int(100 * share)):
            planes = tuple(None if p is None else np.where(rng.random(p.shape) < share, np.nan, p) for p in case.planes)
            cases.append(case._replace(planes=planes))
    assert_as_the_oracle(cases)


@pytest.mark.parametrize("scale", [1e-37, 1e37])
def test_pixels_of_any_size(scale):
    cases = []
    for case in stamps.batch(60, seed=23):
        with np.errstate(over="ignore", under="ignore"):
            planes = tuple(None if p is None else (p * np.float32(scale)).astype(np.float32) for p in case.planes)
        cases.append(case._replace(planes=planes))
    assert_as_the_oracle(cases)


def sky(seed=0, size=51):
    return np.random.default_rng(seed).normal(0, 1, (size, size)).astype(np.float32)


def star(y=0.0, x=0.0, sigma=1.3):
    v, u = np.mgrid[:51, :51] - 25
    return np.exp(-((v - y) ** 2 + (u - x) ** 2) / (2 * sigma**2))


def test_one_pixel():
    difference = 0.01 * sky()
    difference[25, 26] = 1000
    values = measured((sky(1), sky(2), difference))
    assert values["hot_pixel_likeness"] == pytest.approx(1, abs=1e-6)
    assert values["neighbour_ratio"] == pytest.approx(0, abs=1e-4)
    assert values["sharpness"] == pytest.approx(1 / 0.7102709120725929, rel=1e-4)
    assert values["roundness1"] == pytest.approx(0, abs=1e-4)
    assert values["roundness2"] == pytest.approx(0, abs=1e-4)
    assert values["concentration"] == pytest.approx(1, abs=1e-3)


def test_star_and_dipole():
    round_one = measured((sky(1), sky(2), 0.01 * sky() + 1000 * star()))
    assert round_one["asymmetry"] < 1e-3
    assert round_one["lobe_ratio"] < 1e-3
    dipole = measured((sky(1), sky(2), 0.01 * sky() + 1000 * (1.1 * star(-1.5) - star(1.5))))
    assert dipole["lobe_ratio"] == pytest.approx(1 / 2.1, rel=0.05)
    assert 3 < dipole["lobe_separation"] < 5
    assert dipole["asymmetry"] > 0.9


def test_a_source_in_the_template_and_the_change_of_its_flux():
    template = sky(2) + 2000 * star(3, -4)
    after = template + 500 * star(0, 0)
    values = measured((after, template, sky(3) * 0.1 + after - template))
    assert values["template_distance"] == 5
    assert values["template_flux_ratio"] == pytest.approx(0.25, rel=0.02)
    assert values["flux_balance"] == pytest.approx(1, rel=0.02)


def test_lines_through_the_peak():
    row, column = sky(), sky()
    row[24, :] += 20
    row[24, 25] += 200
    column[:, 27] += 20
    column[25, 27] += 200
    along, down = measured((None, None, row)), measured((None, None, column))
    assert along["row_median"] > 10
    assert along["column_median"] < 1
    assert down["row_median"] < 1
    assert down["column_median"] > 10


def test_a_masked_box_leaves_what_does_not_need_its_peak():
    difference = sky()
    difference[22:29, 22:29] = np.nan
    values = measured((sky(1), sky(2), difference))
    assert {name for name in shapes.NAMES if np.isnan(values[name])} >= set(AT_PEAK) | {"snr_2", "snr_3"}
    assert np.isfinite([values[name] for name in ("snr_5", "snr_8", "positive_snr", "template_snr")]).all()


def test_a_template_without_noise_has_no_features():
    for template in (None, np.zeros((51, 51)), np.full((51, 51), np.nan)):
        values = measured((sky(1), template, sky()))
        assert np.isnan([values[name] for name in OF_TEMPLATE]).all()
        assert np.isfinite(values["snr_5"])
    values = measured((np.ones((51, 51)), sky(2), sky()))
    assert np.isnan(values["flux_balance"])
    assert np.isfinite(values["template_flux_ratio"])


def test_stamps_smaller_than_the_circles():
    for size in (1, 3, 7, 12):
        assert_as_the_oracle([stamps.Case((sky(1, size), sky(2, size), sky(3, size)), (size // 2, 0), f"{size} px")])


def test_no_value_is_minus_zero():
    cases = [case for _, case in stamps.named_cases()] + stamps.batch(300, seed=7)
    table = s2v.features(s2v.Stamps([c.planes for c in cases], centre=[c.centre for c in cases]), set="s2v")
    assert not (np.signbit(table.values) & (table.values == 0)).any()
