"""The set s2v as a whole, and its groups mask and noise against the oracle."""

import numpy as np
import pytest

import space2vec as s2v
from oracle import noise, stamps
from space2vec.data.channels import CHANNELS
from space2vec.registry import FEATURE_SETS, FEATURES, S2V

SATURATION = 60000.0
OWN = (*(name for name in S2V if FEATURES[name].group in ("mask", "noise")), "polarity")


@pytest.fixture(scope="module")
def cases():
    return [case for _, case in stamps.named_cases()] + stamps.batch(300, seed=7)


@pytest.fixture(scope="module")
def table(cases):
    given = s2v.Stamps([c.planes for c in cases], centre=[c.centre for c in cases], saturation=SATURATION)
    return s2v.features(given, set="s2v")


def test_mask_and_noise_are_those_of_the_oracle(cases, table):
    for row, case in enumerate(cases):
        expected = {}
        if case.planes[2] is not None:
            expected = noise.features(case.planes, case.centre, SATURATION)
        for name in OWN:
            got = table.values[row, table.names.index(name)]
            wanted = np.float32(expected.get(name, np.nan))
            if not np.isfinite(wanted):
                wanted = np.float32(np.nan)
            np.testing.assert_allclose(got, wanted, rtol=1e-5, err_msg=f"{name}, row {row}")


def test_the_oracle_sees_every_feature_defined_somewhere(cases):
    seen = set()
    for case in cases:
        if case.planes[2] is not None:
            seen |= set(noise.features(case.planes, case.centre, SATURATION))
    assert seen == set(OWN)


def simulate(n=8, seed=0):
    return s2v.simulate(n, seed=seed).stamps


def channels_of(night, channels):
    planes = [[night.plane(row, c) if c in channels else None for c in CHANNELS] for row in range(len(night))]
    return s2v.Stamps(planes, centre=night.centre)


def test_a_difference_alone_gives_what_needs_no_other_plane():
    night = simulate()
    alone = s2v.features(channels_of(night, ("difference",)), set="s2v")
    whole = s2v.features(channels_of(night, CHANNELS), set="s2v")
    for column, name in enumerate(S2V):
        if FEATURES[name].planes == ("difference",):
            np.testing.assert_array_equal(alone.values[:, column], whole.values[:, column], err_msg=name)
        else:
            assert np.isnan(alone.values[:, column]).all(), name
    assert not (alone.flags & s2v.flags.UNSCORABLE).any()


@pytest.mark.parametrize("channels", [("science", "difference"), ("template", "difference"), ("science", "template")])
def test_a_pair_of_planes_is_flagged(channels):
    table = s2v.features(channels_of(simulate(3), channels), set="s2v")
    assert (table.flags & s2v.flags.bits("missing") != 0).all()


def test_every_feature_is_defined_for_a_bright_source():
    night = s2v.simulate(60, seed=3)
    good = (night.stamps.flags == 0) & night.labels.astype(bool)
    given = channels_of(night.stamps, CHANNELS)
    with_level = s2v.Stamps([[given.plane(row, c) for c in CHANNELS] for row in range(len(given))], saturation=1e9)
    table = s2v.features(with_level, set="s2v")
    shares = np.isfinite(table.values[good]).mean(axis=0)
    assert {name for name, share in zip(S2V, shares, strict=True) if share < 0.5} == set()


def test_a_faded_source_has_the_features_of_a_risen_one_and_the_other_polarity():
    night = simulate(20, seed=5)
    planes = [[night.plane(row, c) for c in CHANNELS] for row in range(len(night))]
    risen = s2v.features(s2v.Stamps(planes), set="s2v")
    fallen = s2v.features(s2v.Stamps([(s, t, -d) for s, t, d in planes]), set="s2v")
    signed = {"template_flux_ratio", "polarity"}
    for column, name in enumerate(S2V):
        sign = -1 if name in signed else 1
        np.testing.assert_array_equal(risen.values[:, column], sign * fallen.values[:, column], err_msg=name)


@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_units_do_not_matter(scale):
    night = simulate(20, seed=6)
    planes = [[night.plane(row, c) for c in CHANNELS] for row in range(len(night))]
    one = s2v.features(s2v.Stamps(planes), set="s2v")
    other = s2v.features(s2v.Stamps([[p * np.float32(scale) for p in row] for row in planes]), set="s2v")
    # Pixels that are rounded anew change what is a difference of nearly equal sums.
    np.testing.assert_allclose(one.values, other.values, rtol=2e-3, atol=1e-4)


def test_sets_are_those_of_the_registry():
    night = simulate(4)
    for name, columns in FEATURE_SETS.items():
        table = s2v.features(night, set=name)
        assert table.names == columns
    both = s2v.features(night, set="all")
    for name in ("autoscan", "s2v"):
        alone = s2v.features(night, set=name)
        np.testing.assert_array_equal(alone.values, both.select(alone.names))


def test_every_feature_is_documented():
    for name in FEATURE_SETS["stamp"]:
        entry = FEATURES[name]
        assert all((entry.definition, entry.tells, entry.reference, entry.group, entry.window, entry.planes)), name


@pytest.mark.parametrize("channel", [0, 1])
@pytest.mark.parametrize("value", [5.0, np.nan])
def test_a_plane_without_noise_is_flagged_and_the_row_kept(channel, value):
    planes = np.random.default_rng(2).normal(size=(1, 3, 63, 63)).astype(np.float32)
    planes[:, channel] = value
    table = s2v.features(s2v.Stamps(planes), set="s2v")
    assert table.flags[0] & s2v.flags.bits("zero_scale")
    assert not table.flags[0] & s2v.flags.UNSCORABLE
    assert np.isnan(table["noise_ratio"]).all()
    assert np.isfinite(table["peak_snr"]).all()
