"""The recipes against their definition: vectors by hand, and the float64 transcription on real and made stamps."""

import numpy as np
import pytest

import space2vec as s2v
from oracle import autoscan, recipes, stamps
from oracle.window import cut
from space2vec import registry
from space2vec.data import flags as flag_bits
from space2vec.data.stamps import CHANNELS

FLOAT_MAX = np.finfo(np.float32).max
#: The distance of denormal float32.
SMALLEST = 2.0**-149
#: float32 against float64: relative, and relative to what a plane is scaled to.
CLOSE = 2e-6


@pytest.fixture(scope="module")
def synthetic():
    night = s2v.simulate(25, seed=32).stamps
    return [case for _, case in stamps.named_cases()] + stamps.batch(300, seed=31) + from_stamps(night)


@pytest.fixture(scope="module")
def real(data):
    folder = data / "ztf" / "night_20180713"
    if not folder.is_dir():
        pytest.skip(f"real data missing: {folder}")
    return from_stamps(s2v.read(sorted(folder.glob("*.avro"))[::6]))


def from_stamps(batch):
    """Return rows of stamps as cases."""
    return [
        stamps.Case(tuple(batch.plane(i, c) for c in CHANNELS), tuple(batch.centre[i].tolist()), batch.object_id[i])
        for i in range(len(batch))
    ]


def allowance(name, case, expected):
    """Return how far each value of the planes may lie from the transcription's."""
    error = CLOSE * np.abs(expected) + CLOSE * min(1.0, float(np.abs(expected).max()))
    if name == "ayyar":  # a denormal deviation has few bits
        window = cut(case.planes[CHANNELS.index("difference")], autoscan.SIZE, case.centre)[0]
        values = window[~autoscan.masked(window)]
        deviation = np.median(np.abs(values - np.median(values)))
        error += np.abs(expected) * 4 * SMALLEST / deviation
    return error


def check(name, cases):
    """Check a recipe on cases; return how many rows were prepared."""
    given = s2v.prepare(s2v.Stamps([c.planes for c in cases], centre=[c.centre for c in cases]), name)
    for case, planes, raised in zip(cases, given.planes, given.flags, strict=True):
        truth = recipes.prepare(name, case.planes, case.centre)
        assert set(flag_bits.names(raised)) == truth.flags, (name, case.name)
        if truth.refused:
            assert np.isnan(planes).all(), (name, case.name)
            continue
        expected = truth.planes.astype(np.float64)
        away = np.abs(planes - expected) - allowance(name, case, expected)
        assert (away <= 0).all(), (name, case.name, away.max())
    return int((~np.isnan(given.planes[:, 0, 0, 0])).sum())


@pytest.mark.parametrize("name", registry.RECIPES)
def test_synthetic_stamps(name, synthetic):
    assert check(name, synthetic) > 60


@pytest.mark.parametrize("name", registry.RECIPES)
def test_real_stamps(name, real):
    assert check(name, real) > 60


def test_numba_agrees_too(synthetic, monkeypatch):
    monkeypatch.setenv("SPACE2VEC_BACKEND", "numba")
    for name in registry.RECIPES:
        check(name, synthetic[::9])


def prepare(name, *planes, **options):
    """Prepare one triplet and return its planes by channel."""
    prepared = s2v.prepare(s2v.Stamps([planes], **options), name)
    assert prepared.planes.shape[1:] == s2v.Recipe(name).shape
    return dict(zip(registry.RECIPES[name].channels, prepared.planes[0], strict=True))


def checkered(height, width, low, high):
    """Return a plane of two values in turn, ``low`` first."""
    return np.where(np.indices((height, width)).sum(axis=0) % 2, high, low).astype(np.float32)


WHOLE = {"braai", "boom", "btsbot", "ayyar", "acero-3sigma"}
#: Shape of a triplet, its candidate, and whether pixels lie beyond what a recipe of a whole stamp takes, by its side.
LARGER = [
    ((63, 63), (31, 31), {51: True, 63: False}),
    ((51, 51), (25, 25), {51: False, 63: False}),
    ((51, 51), (24, 25), {51: True, 63: False}),
    ((74, 63), (37, 31), {51: True, 63: True}),
    ((40, 90), (20, 5), {51: True, 63: True}),
    ((21, 21), (10, 10), {51: False, 63: False}),
]


@pytest.mark.parametrize("backend", ["native", "numba"])
@pytest.mark.parametrize("name", registry.RECIPES)
def test_only_recipes_of_the_whole_stamp_tell_what_they_leave_out(name, backend, monkeypatch):
    monkeypatch.setenv("SPACE2VEC_BACKEND", backend)
    assert registry.RECIPES[name].whole == (name in WHOLE)
    for shape, centre, beyond in LARGER:
        noise = np.random.default_rng(5).normal(size=(1, 3, *shape)).astype(np.float32)
        raised = flag_bits.names(s2v.prepare(s2v.Stamps(noise, centre=[centre]), name).flags[0])
        left_out = name in WHOLE and beyond[registry.RECIPES[name].height]
        assert ("cropped" in raised) == left_out, (shape, centre)


def test_windows_and_squares_are_cut_without_a_flag():
    stamps = s2v.Stamps(np.random.default_rng(6).normal(size=(4, 3, 63, 63)).astype(np.float32))
    own = s2v.Recipe.of("own", steps="median-mad", further=["asinh"], side=21)
    for flags in (
        s2v.features(stamps, set="all").flags,
        s2v.prepare(stamps, own).flags,
        s2v.load("forest").score(stamps).flags,
        s2v.load("default").score(stamps).flags,
    ):
        assert not (flags & flag_bits.bits(["cropped"])).any()


def test_every_recipe_has_a_vector():
    assert set(VECTORS) == set(registry.RECIPES)


def by_norm(name):
    """Stamps of one row of 3, 4 and bad pixels: the norm is 5."""
    plane = np.zeros((1, 4), np.float32)
    plane[0] = 3, np.nan, 4, 0
    planes = prepare(name, plane, 2 * plane, -plane)
    fill, row, column = (0.0, 31, 30) if name == "boom" else (1e-9, 0, 0)
    for channel, sign in (("science", 1), ("template", 1), ("difference", -1)):
        expected = np.full((63, 63), fill, np.float32)
        expected[row, column : column + 4] = sign * np.array([0.6, 0, 0.8, 0])
        np.testing.assert_allclose(planes[channel], expected, rtol=1e-6)


def alerce():
    """The range is 0 to 4 in the middle; what lies outside it counts nothing."""
    plane = checkered(63, 63, 0, 4)
    plane[31, 31], plane[31, 32], plane[0, 0] = 1, np.nan, 1000
    expected = checkered(21, 21, 0, 1)
    expected[10, 10], expected[10, 11] = 0.25, 0
    for given in prepare("alerce-stamp", plane, plane, plane).values():
        np.testing.assert_array_equal(given, expected)


def transinet():
    """Nothing is scaled; what is not finite becomes a number."""
    plane = checkered(51, 51, 1, -1)
    plane[0, :4] = np.nan, np.inf, -np.inf, 1e-30
    given = prepare("transinet", plane, 2 * checkered(51, 51, 1, -1), plane)
    np.testing.assert_array_equal(given["science"][0, :4], np.float32([0, FLOAT_MAX, -FLOAT_MAX, 1e-30]))
    np.testing.assert_array_equal(given["template"], 2 * checkered(51, 51, 1, -1))


def autoscan_r():
    """Blocks of 1 to 625 without 27: the median is 313.5, the median deviation from it 156.5 or so."""
    blocks = np.arange(1, 626, dtype=np.float32).reshape(25, 25)
    plane = np.zeros((51, 51), np.float32)
    plane[:50, :50] = np.kron(blocks, np.ones((2, 2), np.float32))
    plane[2, 2] = np.nan  # in block (1, 1)
    away = np.abs(np.delete(blocks.ravel(), 26) - 313.5)
    expected = (blocks - 313.5) / (1.4826 * np.median(away))
    expected[1, 1] = 0
    for given in prepare("autoscan-r", plane, plane, plane).values():
        np.testing.assert_allclose(given, expected, rtol=1e-6)


def autoscan_b():
    """The median is 1 and the largest magnitude 4; the null is 0."""
    plane = np.ones((51, 51), np.float32)
    plane[0, :4] = -4, 3, 1e-30, np.nan
    expected = np.zeros((51, 51), np.float32)
    expected[0, :2] = -1.25, 0.5
    for given in prepare("autoscan-b", plane, plane, plane).values():
        np.testing.assert_array_equal(given, expected)


def ayyar():
    """The difference's deviation from 0 is 2: all planes are divided by 2.9652."""
    difference = checkered(51, 51, -2, 2)
    difference[25, 25] = 0
    science = checkered(51, 51, 5, 7)
    science[0, 0] = np.nan
    given = prepare("ayyar", science, 3 * difference, difference)
    expected = science / np.float32(1.4826 * 2)
    expected[0, 0] = 0
    np.testing.assert_allclose(given["science"], expected, rtol=1e-6)
    np.testing.assert_allclose(given["template"], 3 * difference / (1.4826 * 2), rtol=1e-6)
    np.testing.assert_allclose(given["difference"], difference / (1.4826 * 2), rtol=1e-6)


def acero():
    """Mean 10 and deviation 2: the difference is -1 and 1, the others (2 * 3 - 2) / 12 and (2 * 3 + 2) / 12."""
    plane = checkered(51, 51, 8, 12)
    plane[25, 25] = np.nan  # as many of each
    away = np.where(np.isnan(plane), np.nan, checkered(51, 51, -1, 1))
    given = prepare("acero-3sigma", plane, plane, plane)
    np.testing.assert_allclose(given["difference"], np.nan_to_num(away), rtol=1e-6)
    for channel in ("science", "template"):
        np.testing.assert_allclose(given[channel], np.nan_to_num(0.5 + away / 6), rtol=1e-6)


def robust_asinh():
    """The median is 10 and the deviation 2: asinh of -1 and 1 over 1.4826; bad pixels and the border are 0."""
    plane = checkered(61, 61, 8, 12)
    plane[30, 30], plane[0, 0], plane[0, 1] = np.nan, 1e-30, 10
    expected = np.zeros((63, 63))
    expected[1:62, 1:62] = np.arcsinh((plane - 10) / (1.4826 * 2))
    expected[31, 31] = expected[1, 1] = 0
    for given in prepare("robust-asinh", plane, plane, plane).values():
        np.testing.assert_allclose(given, expected, rtol=1e-6)


def zscale():
    """A ramp has its own ends as limits."""
    plane = np.arange(63 * 63, dtype=np.float32).reshape(63, 63)
    for given in prepare("zscale", plane, plane, plane).values():
        assert given[0, 0] == 0
        np.testing.assert_allclose(given[0, 1:] / given[0, 1], np.arange(1, 63), rtol=1e-3)
        np.testing.assert_allclose(given[-1, -1], np.arcsinh(3968 / 2997), rtol=1e-6)


VECTORS = {
    "braai": lambda: by_norm("braai"),
    "boom": lambda: by_norm("boom"),
    "btsbot": lambda: by_norm("btsbot"),
    "alerce-stamp": alerce,
    "transinet": transinet,
    "autoscan-r": autoscan_r,
    "autoscan-b": autoscan_b,
    "ayyar": ayyar,
    "acero-3sigma": acero,
    "robust-asinh": robust_asinh,
    "zscale": zscale,
}


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_by_hand(name):
    VECTORS[name]()


def test_values_near_the_end_of_float32():
    for name in registry.RECIPES:
        largest = 1e38 if name == "ayyar" else 3e38  # a deviation must fit float32
        plane = checkered(63, 63, -largest, largest)
        plane[31, 31] = 0  # as many of each: the median is 0
        if name != "autoscan-r":  # its blocks would all be 0
            for given in prepare(name, plane, plane, plane).values():
                assert np.isfinite(given).all(), name
    plane = checkered(63, 63, -3e38, 3e38)
    np.testing.assert_array_equal(np.unique(prepare("alerce-stamp", plane, plane, plane)["science"]), [0, 1])
    np.testing.assert_array_equal(np.unique(prepare("autoscan-b", plane, plane, plane)["science"]), [0, 2])


@pytest.mark.parametrize("name", registry.RECIPES)
def test_some_planes_alone_come_out_as_in_the_whole(name, synthetic):
    recipe = s2v.Recipe(name)
    stamps = s2v.Stamps([case.planes for case in synthetic[::7]], centre=[case.centre for case in synthetic[::7]])
    if not recipe.steps:
        with pytest.raises(ValueError, match=f"recipe '{name}' does not prepare planes one by one"):
            recipe.of_planes(["difference"])
        return
    whole = s2v.prepare(stamps, recipe)
    there = ~np.isnan(whole.planes).any(axis=(1, 2, 3))
    for channels in (["difference"], ["difference", "science"]):
        part = s2v.prepare(stamps, recipe.of_planes(channels))
        assert part.recipe.channels == tuple(channels)
        order = [recipe.channels.index(channel) for channel in channels]
        np.testing.assert_array_equal(part.planes[there], whole.planes[there][:, order])
    assert there.sum() > 20
    with pytest.raises(ValueError, match="has no plane sky"):
        recipe.of_planes(["sky"])
