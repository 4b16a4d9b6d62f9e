"""The oracle itself, held against independent programs and formulas."""

import csv
import gzip
import io
import warnings

import numpy as np
import pytest

from oracle import autoscan, recipes, stamps
from oracle.window import cut, is_constant, is_null

REFUSALS = {"constant", "zero_scale", "missing", "off_shape", "bad_stamp"}


@pytest.fixture(scope="module")
def cases():
    return [case for _, case in stamps.named_cases()] + stamps.batch(300, seed=5)


def gaussian(amplitude, scale, x0, y0):
    y, x = np.mgrid[:51, :51]
    return amplitude * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * scale**2))


def as_bytes(case):
    return [None if plane is None else plane.tobytes() for plane in case.planes]


# Stamps


def test_made_stamps_are_the_same_for_the_same_seed():
    first, second, other = stamps.batch(60, seed=1), stamps.batch(60, seed=1), stamps.batch(60, seed=2)
    assert list(map(as_bytes, first)) == list(map(as_bytes, second))
    assert list(map(as_bytes, first)) != list(map(as_bytes, other))


def test_made_stamps_have_the_faults_their_names_say():
    named = dict(stamps.named_cases())
    assert len(named) >= 100
    plane = {name: case.planes[2] for name, case in named.items()}
    assert np.isnan(plane["all_nan:difference"]).all()
    assert is_null(plane["all_null:difference"]).all()
    assert np.isposinf(plane["infinities:difference"]).any()
    assert np.isneginf(plane["infinities:difference"]).any()
    assert 0 < np.abs(plane["denormal:difference"]).max() < np.finfo(np.float32).tiny
    assert np.nanmax(np.abs(plane["huge:difference"])) > 1e29
    assert np.signbit(plane["minus_zero:difference"][plane["minus_zero:difference"] == 0]).any()
    sizes = {case.planes[0].shape for case in stamps.batch(200) if case.planes[0] is not None}
    assert set(stamps.SIZES) <= sizes


# Windows and normalisations


def test_window_puts_the_candidate_on_its_middle_pixel():
    plane = np.arange(63 * 40, dtype=float).reshape(63, 40)
    window, outside, flags = cut(plane, 51, (31, 8))
    assert window[25, 25] == plane[31, 8]
    assert flags == {"padded"}
    assert outside.sum() == 51 * 17
    assert np.isnan(window[outside]).all()
    assert cut(np.zeros((51, 51)), 51)[2] == set()
    assert cut(np.zeros((63, 63)), 51)[2] == set()
    assert cut(np.zeros((21, 21)), 51)[2] == {"padded"}


def test_r_is_the_standardised_block_mean():
    mad_std = pytest.importorskip("astropy.stats").mad_std
    window = np.random.default_rng(0).normal(3, 2, (51, 51))
    r, scaled = autoscan.normalise_r(window)
    means = np.array([[window[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean() for j in range(25)] for i in range(25)])
    # astropy divides by the exact normal quantile, autoScan by its four figures 1.4826.
    assert scaled
    np.testing.assert_allclose(r, (means - np.median(means)) / mad_std(means), rtol=3e-6, atol=1e-12)


def test_nulls_enter_block_means_and_blocks_of_nulls_are_masked():
    window = np.ones((51, 51))
    window[0:2, 0:2] = 1e-30
    window[2:4, 2:4] = [[1e-30, 4], [4, 4]]
    window[4, 4] = np.nan
    means = autoscan.block_means(window)
    assert np.isnan(means[0, 0])
    assert np.isnan(means[2, 2])
    assert means[1, 1] == pytest.approx(3)


def test_b_is_masked_and_scaled_by_the_largest_raw_magnitude():
    window = np.random.default_rng(1).normal(10, 1, (51, 51))
    window[3, 3], window[4, 4], window[5, 5] = 1e-30, np.nan, -40
    b = autoscan.normalise_b(window)
    rest = np.delete(window, [3 * 51 + 3, 4 * 51 + 4])
    assert np.isnan(b[3, 3])
    assert np.isnan(b[4, 4])
    assert b[5, 5] == pytest.approx((-40 - np.median(rest)) / 40)


# Features


def test_aperture_is_that_of_sep():
    sep = pytest.importorskip("sep")
    rng = np.random.default_rng(2)
    for _ in range(20):
        window = rng.normal(5, 100, (51, 51)).astype(np.float32)
        flux = sep.sum_circle(window, [25.0], [25.0], 5.0, subpix=5)[0][0]
        assert autoscan.aperture_flux(window) == pytest.approx(flux, rel=1e-10, abs=1e-9)


def test_flux_ratio_in_both_conventions():
    template = np.random.default_rng(3).normal(0, 1e-3, (51, 51)) - gaussian(100, 2, 25, 25)
    difference = np.random.default_rng(4).normal(0, 1e-3, (51, 51)) + gaussian(50, 2, 25, 25)
    code = autoscan.features(difference, template, starts="original").values["FLUX_RATIO"]
    paper = autoscan.features(difference, template, convention="paper", starts="original").values["FLUX_RATIO"]
    assert code == pytest.approx(1.5, abs=1e-3)
    assert paper == pytest.approx(0.5, abs=1e-3)


def test_counts_by_hand():
    difference = np.kron(np.random.default_rng(5).normal(0, 1, (26, 26)), np.ones((2, 2)))[:51, :51]
    template = np.kron(np.random.default_rng(6).normal(0, 1, (26, 26)), np.ones((2, 2)))[:51, :51]
    values = autoscan.features(difference, template, starts="original").values

    def r(plane):
        c = plane[:50:2, :50:2].astype(np.float32).astype(float)
        return (c - np.median(c)) / (1.4826 * np.median(np.abs(c - np.median(c))))

    d, t = r(difference), r(template)
    for name, low, high in (("3", 10, 15), ("5", 9, 16)):
        box = slice(low, high)
        for k in (2, 3):
            assert values[f"N{k}SIG{name}"] == (d[box, box] <= -k).sum()
            assert values[f"N{k}SIG{name}SHIFT"] == (d[box, box] >= k).sum() - (t[box, box] >= k).sum()
    assert values["NUMNEGRN"] == (d[9:16, 9:16] < 0).sum()
    assert values["DIFFSUMRN"] == pytest.approx(d[10:15, 10:15].sum())


def test_conventions_differ_on_the_threshold_only():
    r = np.zeros((25, 25))
    r[10, 10:12], r[11, 10:13], r[9, 9] = -2, -3, -2
    code, paper = autoscan._counts(r, None, paper=False), autoscan._counts(r, None, paper=True)
    assert [code[name] for name in ("N2SIG3", "N2SIG5", "N3SIG3", "N3SIG5")] == [5, 6, 3, 3]
    assert [paper[name] for name in ("N2SIG3", "N2SIG5", "N3SIG3", "N3SIG5")] == [3, 3, 0, 0]


def test_l1_colmeds_and_lacosmic_by_hand():
    rng = np.random.default_rng(7)
    difference = rng.normal(0, 1, (51, 51))
    difference[rng.random((51, 51)) < 0.1] = np.nan
    values = autoscan.features(difference, difference, starts="original").values
    b = autoscan.normalise_b(cut(difference, 51)[0])
    good = b[~np.isnan(b)]
    assert values["L1"] == pytest.approx(np.sign(good.sum()) * np.abs(good).sum() / np.sqrt(abs(good.sum())))
    assert values["COLMEDS"] == pytest.approx(max(np.median(b[~np.isnan(b[:, j]), j]) for j in range(51)))
    assert values["MASKFRAC"] == pytest.approx(np.isnan(difference).mean())

    def median(image, half):
        # numpy's "symmetric" mirrors with the edge pixel, as SciPy's "reflect" does.
        wide = np.pad(image, half, mode="symmetric")
        n = 2 * half + 1
        return np.median(np.lib.stride_tricks.sliding_window_view(wide, (n, n)), axis=(2, 3))

    small = median(np.nan_to_num(b), 1)
    assert values["LACOSMIC"] == pytest.approx(good.max() / (small - median(small, 3)).max())


@pytest.mark.parametrize(
    ("amplitude", "scale", "x0", "y0"), [(1, 1.2, 25.2, 24.7), (-1, 3, 24.6, 25.4), (1, 8, 25, 25)]
)
def test_fit_recovers_a_gaussian(amplitude, scale, x0, y0):
    noise = np.random.default_rng(8).normal(0, 1e-3, (51, 51))
    best, original = autoscan.fit_best(gaussian(amplitude, scale, x0, y0) + noise)
    assert best.amplitude == pytest.approx(amplitude, rel=0.01)
    assert best.scale == pytest.approx(scale, rel=0.01)
    assert (best.x0, best.y0) == pytest.approx((x0, y0), abs=0.01)
    assert best.residual == pytest.approx((noise**2).sum(), rel=0.01)
    assert best.residual <= original.residual


def test_fit_is_not_worse_than_a_search_without_derivatives():
    from scipy.optimize import differential_evolution

    for index in (0, 1, 6, 7, 9):
        b = autoscan.normalise_b(stamps.realistic(index).planes[2].astype(float))

        def residual(p, b=b):
            shape = gaussian(1, np.exp(p[0]), p[1], p[2])
            return (b**2).sum() - (b * shape).sum() ** 2 / (shape**2).sum()

        bounds = [(np.log(0.25), np.log(300)), (24.5, 25.5), (24.5, 25.5)]
        found = differential_evolution(residual, bounds, seed=0, maxiter=60, popsize=10)
        assert autoscan.fit_best(b)[0].residual <= found.fun * (1 + 1e-4)


def test_features_of_every_made_stamp_are_finite_or_explained(cases):
    for case in cases:
        result = autoscan.features(
            case.planes[2], case.planes[1], science=case.planes[0], centre=case.centre, starts="original"
        )
        assert tuple(result.values) == autoscan.NAMES
        absent = {name for name, value in result.values.items() if np.isnan(value)}
        undefined = {"LACOSMIC", "L1", "FLUX_RATIO"}
        if not result.flags & {"constant", "zero_scale", "missing", "fit_failed"}:
            assert absent <= undefined, case.name
        if "constant" in result.flags:
            window = cut(case.planes[2], autoscan.SIZE, case.centre)[0]
            if is_constant(window[~autoscan.masked(window)]):
                assert absent == set(autoscan.NAMES) - {"MASKFRAC"}, case.name
            else:  # the template is
                assert {name for name in autoscan.NAMES if name.endswith("SHIFT")} <= absent, case.name
        if "missing" in result.flags and case.planes[2] is None:
            assert absent == set(autoscan.NAMES)


def test_flags_of_degenerate_stamps():
    good = stamps.realistic(2).planes[2]
    flat, empty = np.full((51, 51), 3.0), np.full((51, 51), np.nan)
    mostly = flat.copy()
    mostly[25, 25] = 9.0
    few = np.full((51, 51), np.nan)
    few[25, 24:28] = [1, 2, 3, 5]
    expected = [
        (flat, good, {"constant"}),
        (empty, good, {"constant", "nan_pixels", "masked_core"}),
        (None, good, {"missing"}),
        (good, None, {"missing"}),
        (good, flat, {"constant"}),
        (good, empty, {"constant", "nan_pixels"}),
        (good, mostly, {"zero_scale"}),
        (few, good, {"fit_failed", "zero_scale", "nan_pixels", "masked_core"}),
    ]
    for difference, template, flags in expected:
        assert autoscan.features(difference, template, starts="original").flags == flags
    bright = autoscan.features(good, good, science=flat, saturation=3.0, starts="original")
    assert bright.flags == {"saturated", "no_flux_scale"}  # one plane twice


# Recipes


def test_recipes_give_numbers_or_refuse(cases):
    for recipe, shape in recipes.SHAPES.items():
        for case in cases:
            planes, flags, refused = recipes.prepare(recipe, case.planes, case.centre)
            assert planes.shape == shape
            assert planes.dtype == np.float32
            assert refused == bool(flags & REFUSALS), (recipe, case.name, flags)
            assert np.isnan(planes).all() if refused else np.isfinite(planes).all(), (recipe, case.name)


def test_recipes_leave_their_input_alone():
    for recipe in recipes.SHAPES:
        planes = stamps.realistic(2, shape=(63, 63)).planes
        before = [plane.copy() for plane in planes]
        first = recipes.prepare(recipe, planes).planes
        assert all((a == b).all() for a, b in zip(planes, before, strict=True))
        assert (first == recipes.prepare(recipe, planes).planes).all()


def test_recipes_by_hand():
    science, template, difference = planes = stamps.realistic(2, shape=(63, 63)).planes
    centre = tuple(plane[6:57, 6:57].astype(float) for plane in planes)
    prepared = {name: recipes.prepare(name, planes).planes for name in recipes.SHAPES}
    for k, plane in enumerate(planes):
        np.testing.assert_allclose(prepared["braai"][k], plane / np.linalg.norm(plane.astype(float)), rtol=1e-6)
        np.testing.assert_array_equal(prepared["braai"][k], prepared["boom"][k])
        np.testing.assert_array_equal(prepared["braai"][k], prepared["btsbot"][k])
        crop = plane[21:42, 21:42].astype(float)
        np.testing.assert_allclose(prepared["alerce-stamp"][k], (crop - crop.min()) / np.ptp(crop), atol=1e-7)
    np.testing.assert_array_equal(prepared["transinet"], np.stack([difference, science, template])[:, 6:57, 6:57])
    mad = 1.4826 * np.median(np.abs(centre[2] - np.median(centre[2])))
    np.testing.assert_allclose(prepared["ayyar"], np.stack([centre[1], centre[0], centre[2]]) / mad, rtol=1e-6)
    acero = prepared["acero-3sigma"].astype(float)
    assert acero[0].mean() == pytest.approx(0, abs=1e-6)
    assert acero[0].std() == pytest.approx(1, abs=1e-6)
    for k in (1, 2):
        assert acero[k].mean() == pytest.approx(0.5, abs=1e-6)
        assert acero[k].std() == pytest.approx(1 / 6, abs=1e-6)
    for k, window in enumerate(centre):
        np.testing.assert_allclose(prepared["autoscan-b"][k], autoscan.normalise_b(window), atol=1e-7)
        np.testing.assert_allclose(prepared["autoscan-r"][k], autoscan.normalise_r(window)[0], rtol=1e-6)


def test_small_stamps_are_padded_where_their_recipe_says():
    planes = stamps.realistic(2, shape=(50, 63)).planes
    norm = [np.linalg.norm(plane.astype(float)) for plane in planes]
    braai, boom = recipes.prepare("braai", planes), recipes.prepare("boom", planes)
    assert braai.flags == boom.flags == {"padded"}
    np.testing.assert_allclose(braai.planes[0, :50], planes[0] / norm[0], rtol=1e-6)
    assert (braai.planes[:, 50:] == np.float32(1e-9)).all()
    np.testing.assert_allclose(boom.planes[0, 7:57], planes[0] / norm[0], rtol=1e-6)
    assert not boom.planes[:, :7].any()
    assert not boom.planes[:, 57:].any()
    assert recipes.prepare("alerce-stamp", planes).flags == {"off_shape"}


def test_large_stamps_are_cropped_around_the_candidate():
    plane = np.random.default_rng(9).normal(size=(80, 70))
    for centre, rows, columns in (((40, 35), 9, 4), ((2, 69), 0, 7)):
        prepared = recipes.prepare("braai", (plane,) * 3, centre)
        part = plane[rows : rows + 63, columns : columns + 63]
        assert prepared.flags == {"cropped", "no_flux_scale"}  # one plane thrice
        np.testing.assert_allclose(prepared.planes[1], part / np.linalg.norm(part), rtol=1e-5)


def test_btsbot_refuses_an_infinite_median():
    plane = np.random.default_rng(10).normal(size=(63, 63))
    plane[:40] = np.inf
    prepared = recipes.prepare("btsbot", (plane,) * 3)
    assert prepared.refused
    assert "bad_stamp" in prepared.flags
    assert not recipes.prepare("braai", (plane,) * 3).refused


def _conv(x, kernel, bias):
    """Return ReLU(valid 3x3 convolution) of (n, h, w, c)."""
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(1, 2))
    return np.maximum(np.tensordot(windows, kernel, axes=([4, 5, 3], [0, 1, 2])) + bias, 0)


def _pool(x, k):
    n, height, width, channels = x.shape
    x = x[:, : height // k * k, : width // k * k]
    return x.reshape(n, height // k, k, width // k, k, channels).max(axis=(2, 4))


def _braai_network(x, weights):
    """Score (n, 3, 63, 63) with braai_d6_m9."""
    layer = {f"conv{k}": (weights[f"conv{k}.kernel"], weights[f"conv{k}.bias"]) for k in (1, 2, 3, 4)}
    x = x.transpose(0, 2, 3, 1)
    x = _pool(_conv(_conv(x, *layer["conv1"]), *layer["conv2"]), 2)
    x = _pool(_conv(_conv(x, *layer["conv3"]), *layer["conv4"]), 4).reshape(len(x), -1)
    x = np.maximum(x @ weights["fc_1.kernel"] + weights["fc_1.bias"], 0)
    return 1 / (1 + np.exp(-(x @ weights["fc_out.kernel"] + weights["fc_out.bias"])[:, 0].astype(float)))


def _cutout(packet, channel):
    fits = pytest.importorskip("astropy.io.fits")
    raw = gzip.decompress(packet[f"cutout{channel.capitalize()}"]["stampData"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(io.BytesIO(raw)) as hdus:
            return np.array(hdus[0].data, dtype=np.float32)


def test_recipe_braai_with_the_published_network_gives_the_published_scores(data):
    fastavro = pytest.importorskip("fastavro")
    table, network = data / "ztf" / "night_20180713.csv", data / "braai" / "braai_d6_m9.npz"
    for path in (table, network):
        if not path.exists():
            pytest.skip(f"real data missing: {path}")
    with table.open() as file:
        rows = list(csv.DictReader(file))
    # Some of everything, and all the odd ones: cut at a chip edge, or with NaN pixels.
    odd = [r for r in rows if (r["height"], r["width"]) != ("63", "63") or r["nan_sci"] != "0" or r["nan_diff"] != "0"]
    chosen = odd[:25] + rows[::20]
    prepared = []
    for row in chosen:
        with (table.parent / "night_20180713" / row["file"]).open("rb") as file:
            packet = next(fastavro.reader(file))
        planes = [_cutout(packet, channel) for channel in recipes.CHANNELS]
        prepared.append(recipes.prepare("braai", planes))
    there = np.array([not p.refused for p in prepared])
    assert there.sum() >= 45
    scores = _braai_network(np.stack([p.planes for p in prepared])[there], dict(np.load(network)))
    published = np.array([float(row["braai_d6_m9"]) for row in chosen])[there]
    np.testing.assert_allclose(scores, published, atol=1e-4)
