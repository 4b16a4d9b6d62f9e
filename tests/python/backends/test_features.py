"""The stamp features against their definition: the SciPy transcription in float64, on real and made stamps."""

from typing import NamedTuple

import numpy as np
import pytest

import space2vec as s2v
from oracle import autoscan, stamps
from oracle.window import cut, is_constant
from space2vec import registry
from space2vec.data import flags as flag_bits
from space2vec.data.stamps import CHANNELS

#: Half the distance from 1 to the next float32, and the distance of denormal ones.
EPSILON, SMALLEST = 2.0**-24, 2.0**-149
#: Sums, ratios, medians and LACOSMIC agree to this, relatively.
CLOSE = 1e-4
#: A <g, g> below this times s^2 is the far wing of a model whose core is masked: float32 has lost it.
LEAST_NORM = 1e-10
BOXES = {"3": autoscan.BOX5, "5": autoscan.BOX7}


class Truth(NamedTuple):
    """What the transcription gives for a case: its result, windows of difference and template, B, and all fits."""

    case: stamps.Case
    result: autoscan.Result
    difference: np.ndarray | None
    template: np.ndarray | None
    b: np.ndarray | None
    fits: list


def norm(b, fit):
    """Return <g, g> of a fitted model over the usable pixels."""
    rows, columns = np.nonzero(~np.isnan(b))
    r2 = (columns - fit.x0) ** 2 + (rows - fit.y0) ** 2
    return float(np.exp(-r2 / max(fit.scale, 1e-6) ** 2).sum())


def truth_of(case):
    """Work out the truth of a case; the fits are those whose model's core is not masked, the best first."""
    science, template, difference = case.planes
    result = autoscan.features(difference, template, science=science, centre=case.centre, starts="original")
    windows = [None if plane is None else cut(plane, autoscan.SIZE, case.centre)[0] for plane in (difference, template)]
    b, fits = None, []
    if difference is not None and not is_constant(windows[0][~autoscan.masked(windows[0])]):
        b = autoscan.normalise_b(windows[0])
        if (~np.isnan(b)).sum() >= autoscan.FIT_PIXELS:
            starts = (*autoscan.PLAIN_STARTS, *autoscan.profile_starts(b))
            found = [autoscan.fit_from(b, start) for start in starts]
            fits = [f for f in found if np.isfinite(f.residual) and norm(b, f) > LEAST_NORM * f.scale**2]
    return Truth(case, result, *windows, b, sorted(fits))


def from_stamps(batch):
    """Return rows of stamps as cases."""
    return [
        stamps.Case(tuple(batch.plane(i, c) for c in CHANNELS), tuple(batch.centre[i].tolist()), batch.object_id[i])
        for i in range(len(batch))
    ]


@pytest.fixture(scope="module")
def synthetic():
    cases = [case for _, case in stamps.named_cases()] + stamps.batch(160, seed=21)
    return [truth_of(case) for case in cases + from_stamps(s2v.simulate(40, seed=22).stamps)]


@pytest.fixture(scope="module")
def real(data):
    ztf = sorted((data / "ztf" / "night_20180713").glob("*.avro"))[::7]
    small = [data / "ztf" / "brokers", data / "rubin"]
    missing = [str(path) for path in (*small, data / "ztf" / "night_20180713") if not path.is_dir()]
    if missing:
        pytest.skip(f"real data missing: {', '.join(missing)}")
    others = [path for folder in small for path in sorted(folder.rglob("*.avro"))[:3]]
    return [truth_of(case) for case in from_stamps(s2v.read([*ztf, *others]))]


def checkered(height, width, low, high):
    """Return a plane of two values in turn, ``low`` first."""
    return np.where(np.indices((height, width)).sum(axis=0) % 2, high, low).astype(np.float32)


def as_stamps(truths):
    return s2v.Stamps([t.case.planes for t in truths], centre=[t.case.centre for t in truths])


def doubtful(window, box, threshold):
    """Count the blocks of a box whose R is within float32 rounding of a threshold."""
    if window is None:
        return 0
    r, _ = autoscan.normalise_r(window)
    return int((np.abs(r[box] - threshold) <= 16 * EPSILON * (1 + abs(threshold))).sum())


def slack_of_count(name, truth):
    """Return by how much a count may differ: the blocks within float32 rounding of its threshold."""
    if name == "NUMNEGRN":
        return doubtful(truth.difference, autoscan.BOX7, 0.0)
    k, box = int(name[1]), BOXES[name[5]]
    if name.endswith("SHIFT"):
        return doubtful(truth.difference, box, k) + doubtful(truth.template, box, k)
    return doubtful(truth.difference, box, -k)


def is_lost(truth):
    """Tell whether the sum of B is lost: a median of an even number is rounded to float32, and so is every term."""
    values = truth.difference[~autoscan.masked(truth.difference)]
    median = np.median(values)
    return abs((values - median).sum()) < 2 / CLOSE * values.size * max(EPSILON * abs(median), SMALLEST)


def check_values(truth, result, given):
    """Check a row but for its fit: the same values are missing, counts are equal, the rest is close."""
    for name, expected in result.values.items():
        if name in autoscan.FIT:
            continue
        value = given[name]
        where = f"{truth.case.name}: {name} is {value}, not {expected}"
        if name == "L1" and truth.b is not None and is_lost(truth):
            continue
        assert np.isnan(value) == np.isnan(expected), where
        if name in autoscan.COUNTS and value != expected and not np.isnan(expected):
            assert abs(value - expected) <= slack_of_count(name, truth), where
        elif not np.isnan(expected):
            assert abs(value - expected) <= CLOSE * abs(expected) + 1e-30, where


def has_fit(truth):
    """Tell whether there are enough usable pixels for a fit."""
    return truth.b is not None and (~np.isnan(truth.b)).sum() >= autoscan.FIT_PIXELS


def is_one_source(truth):
    """Tell whether the data say what amplitude and width are: a significant source, and one minimum."""
    best, square = truth.fits[0], np.nansum(truth.b**2)
    pixels = (~np.isnan(truth.b)).sum()
    significant = (square - best.residual) * pixels > 50 * best.residual
    alike = [f for f in truth.fits if f.residual < best.residual + 0.01 * (square - best.residual)]
    single = all(abs(f.scale - best.scale) < 1e-3 * best.scale for f in alike)
    return 0.45 <= best.scale <= 40 and significant and single


def check_fit(truth, given):
    """Check the fit of a row; return whether amplitude and width could be compared."""
    if not has_fit(truth):
        assert all(np.isnan(given[name]) for name in autoscan.FIT), truth.case.name
    if not truth.fits:  # none, or the core of every model that SciPy finds is masked
        return False
    best, square = truth.fits[0], np.nansum(truth.b**2)
    assert given["GAUSS"] <= best.residual * (1 + 1e-3) + 1e-6 * square, (truth.case.name, given["GAUSS"], best)
    if not is_one_source(truth):
        return False
    assert given["AMP"] == pytest.approx(best.amplitude, rel=0.01), (truth.case.name, best)
    assert given["SCALE"] == pytest.approx(best.scale, rel=0.01), (truth.case.name, best)
    return True


def check(truths):
    """Check a batch in convention "code"; return the number of rows whose amplitude and width were compared."""
    table = s2v.features(as_stamps(truths), set="autoscan-stamp")
    compared = 0
    for truth, values, raised in zip(truths, table.values, table.flags, strict=True):
        given = dict(zip(table.names, map(float, values), strict=True))
        check_values(truth, truth.result, given)
        compared += check_fit(truth, given)
        expected = truth.result.flags - {"fit_failed"}
        if truth.b is not None and not has_fit(truth):
            expected |= {"fit_failed"}
        assert set(flag_bits.names(raised)) == expected, truth.case.name
    return compared


def test_synthetic_stamps(synthetic):
    assert check(synthetic) > 80


def test_real_stamps(real):
    assert len(real) >= 80
    assert check(real) > 40


def test_paper_convention(synthetic):
    code = s2v.features(as_stamps(synthetic), set="autoscan-stamp", convention="code")
    paper = s2v.features(as_stamps(synthetic), set="autoscan-stamp", convention="paper")
    for i, truth in enumerate(synthetic):
        science, template, difference = truth.case.planes
        low, names = {f"N{k}SIG{box}" for k in (2, 3) for box in BOXES}, code.names
        same = [column for column, name in enumerate(names) if name not in low | {"FLUX_RATIO"}]
        np.testing.assert_array_equal(paper.values[i, same], code.values[i, same])
        if difference is None or i % 2:
            continue
        result = autoscan.features(
            difference, template, science=science, centre=truth.case.centre, convention="paper", starts="original"
        )
        given = dict(zip(names, map(float, paper.values[i]), strict=True))
        check_values(truth, result, given)
    np.testing.assert_array_equal(paper.flags, code.flags)


def test_counts_at_a_threshold():
    """R is exactly -2 in the middle and -3 beside it: counted by the code, not by the paper."""
    blocks = checkered(25, 25, -3, 3)
    blocks[0, 0] = 0  # masked, which leaves as many of each: the median is 0 and the deviation 3
    scale = np.float32(1.4826) * np.float32(3)  # twice and three times that are float32 too
    blocks[12, 12], blocks[12, 14] = -2 * scale, -3 * scale
    plane = np.zeros((51, 51), np.float32)
    plane[:50, :50] = np.kron(blocks, np.ones((2, 2), np.float32))
    batch = s2v.Stamps([[plane] * 3])
    for convention, counts in (("code", [2, 1, 2, 1]), ("paper", [1, 0, 1, 0])):
        table = s2v.features(batch, set="autoscan-stamp", convention=convention)
        columns = [table.names.index(name) for name in ("N2SIG3", "N3SIG3", "N2SIG5", "N3SIG5")]
        assert table.values[0, columns].tolist() == counts


def test_numba_agrees_too(synthetic, monkeypatch):
    monkeypatch.setenv("SPACE2VEC_BACKEND", "numba")
    assert s2v.backends.kernels.active().isa() == "numba"
    assert check(synthetic[::8]) > 5


def test_a_case_by_hand():
    """Two pixels on a level of 1, one missing: of B are left 100 / 101 and -50 / 101, and R has no scale."""
    difference = np.ones((51, 51), np.float32)
    difference[25, 25], difference[10, 10], difference[0, 0] = 101, -49, np.nan
    template = np.ones((51, 51), np.float32)
    template[0, 0] = 2
    table = s2v.features(s2v.Stamps([[template, template, difference]]), set="autoscan-stamp")
    given = dict(zip(table.names, table.values[0].tolist(), strict=True))
    assert given["FLUX_RATIO"] == pytest.approx(100 / autoscan.aperture_weights().sum(), rel=1e-6)
    assert given["L1"] == pytest.approx(150 / 101 / np.sqrt(50 / 101), rel=1e-6)
    assert given["COLMEDS"] == 0.0
    assert given["MASKFRAC"] == np.float32(1 / 2601)
    assert given["AMP"] == pytest.approx(100 / 101, abs=1e-4)
    assert given["GAUSS"] == pytest.approx((50 / 101) ** 2, abs=1e-4)
    undefined = {name for name, value in given.items() if np.isnan(value)}
    assert undefined == {"LACOSMIC", "DIFFSUMRN", *autoscan.COUNTS}  # F is 0, as is the deviation of the block means
    assert flag_bits.names(table.flags[0]) == ["nan_pixels", "zero_scale"]


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan, 1e-30])
def test_a_template_of_one_value_is_not_scored(value):
    science, template, difference = stamps.realistic(2).planes
    table = s2v.features(s2v.Stamps([[science, np.full_like(template, value), difference]]), set="autoscan-stamp")
    assert "constant" in flag_bits.names(table.flags[0])
    assert "zero_scale" not in flag_bits.names(table.flags[0])
    assert table.flags[0] & flag_bits.UNSCORABLE
    assert not np.isnan(table["N2SIG3"][0])
    assert np.isnan(table["N2SIG3SHIFT"][0])


def test_saturation_is_of_the_science_plane_inside_the_window():
    case = stamps.realistic(2, shape=(63, 63))
    planes = [plane.copy() for plane in case.planes]
    for row, column, raised in ((31, 31, True), (6, 31, True), (5, 31, False), (56, 56, True), (31, 57, False)):
        science = np.zeros_like(planes[0])
        science[row, column] = 5.0
        batch = s2v.Stamps([[science, planes[1], planes[2]]], saturation=5.0)
        table = s2v.features(batch, set="autoscan-stamp")
        assert ("saturated" in flag_bits.names(table.flags[0])) == raised, (row, column)


def test_candidate_off_the_middle_is_put_on_the_middle():
    case = stamps.realistic(2, shape=(127, 127))
    moved = [np.roll(plane, (-20, 30), axis=(0, 1)) for plane in case.planes]
    batch = s2v.Stamps([case.planes, moved], centre=[(63, 63), (43, 93)])
    table = s2v.features(batch, set="autoscan-stamp")
    np.testing.assert_array_equal(table.values[0], table.values[1])


def test_scorable_rows():
    """Of every flag alone, and of all together."""
    values = [0, *(1 << flag.bit for flag in registry.FLAGS.values()), 2**32 - 1]
    expected = [True, *(flag.scored for flag in registry.FLAGS.values()), False]
    assert flag_bits.scorable(values).tolist() == expected
    assert flag_bits.scorable(np.array(values, np.uint32).reshape(1, -1)).shape == (1, len(values))
