"""The normalisers against NumPy and Astropy, alone and in chains, and what they make of damaged planes."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.visualization import AsinhStretch
from hypothesis import given, settings
from hypothesis import strategies as st

import space2vec as s2v
from oracle import normalisers as oracle
from space2vec.data import flags as flag_bits
from space2vec.plans.steps import MOST_STEPS, chain
from space2vec.registry import NORMALISERS, Step

#: float32 against float64, relative, and relative to the spread of a plane.
CLOSE = 3e-6
CHAINS = {name: ((name, {}),) for name in NORMALISERS} | {
    "median-mad, asinh": (("median-mad", {}), ("asinh", {"softening": 0.1})),
    "zscale, asinh": (("zscale", {"clip": 1}), ("asinh", {"softening": 0.1})),
    "sigma-clip, other": (("sigma-clip", {"sigma": 2.0, "maxiters": 3}),),
    "zscale, other": (("zscale", {"contrast": 0.5}),),
    "percentile, other": (("percentile", {"low": 0.3, "high": 99.9}),),
    "three": (("sigma-clip", {}), ("asinh", {}), ("min-max", {})),
}


def synthetic_planes():
    """Return planes of many sizes: noise on skies, sources, integers, bad pixels, huge and tiny values."""
    rng = np.random.default_rng(21)
    planes = []
    for k in range(160):
        height, width = rng.integers(2, 70, 2) if k % 3 else (63, 63)
        plane = rng.normal(rng.choice([0, 100, 6e4]), rng.choice([1, 5, 30]), (height, width))
        if k % 2 == 0:
            plane[height // 2, width // 2] += 3000
            plane[: height // 4, : width // 4] += 50
        if k % 4 == 1:
            plane = np.round(plane)
        if k % 5 == 0:
            plane[rng.random(plane.shape) < 0.1] = rng.choice([np.nan, np.inf, -np.inf])
        planes.append((plane * (1e33 if k % 7 == 0 else 1e-33 if k % 11 == 0 else 1)).astype(np.float32))
    return planes


@pytest.fixture(scope="module")
def planes():
    night = s2v.simulate(20, seed=5).stamps
    return synthetic_planes() + [night.plane(row, "science") for row in range(len(night))]


@pytest.fixture(scope="module")
def real(data):
    folder = data / "ztf" / "night_20180713"
    if not folder.is_dir():
        pytest.skip(f"real data missing: {folder}")
    night = s2v.read(sorted(folder.glob("*.avro"))[::9])
    return [night.plane(row, channel) for row in range(len(night)) for channel in ("science", "difference")]


def check(planes, steps, masks=None):
    """Check planes against the oracle; return how many were normalised."""
    count = 0
    for k, plane in enumerate(planes):
        mask = None if masks is None else masks[k]
        expected, flags = oracle.normalise(plane, steps, mask)
        result = s2v.normalise(plane, steps, mask=mask, threads=1)
        assert set(flag_bits.names(result.flags)) == flags, (k, plane.shape)
        assert (np.isnan(result.planes) == np.isnan(expected)).all(), (k, plane.shape)
        if not np.isnan(expected).all():
            spread = min(1.0, float(np.nanmax(np.abs(expected))))
            away = np.abs(result.planes - expected) - CLOSE * (np.abs(expected) + spread)
            assert np.nanmax(away) <= 0, (k, plane.shape, float(np.nanmax(away)))
            count += 1
    return count


@pytest.mark.parametrize("steps", CHAINS.values(), ids=CHAINS)
def test_synthetic_planes(steps, planes):
    assert check(planes, steps) > 150


@pytest.mark.parametrize("steps", CHAINS.values(), ids=CHAINS)
def test_masked_planes(steps, planes):
    rng = np.random.default_rng(22)
    masks = [rng.random(plane.shape) < rng.choice([0.05, 0.6]) for plane in planes]
    assert check(planes[::2], steps, masks[::2]) > 60


@pytest.mark.parametrize("steps", CHAINS.values(), ids=CHAINS)
def test_real_planes(steps, real):
    assert check(real, steps) > 60


def test_numba_agrees_too(planes, monkeypatch):
    monkeypatch.setenv("SPACE2VEC_BACKEND", "numba")
    for steps in CHAINS.values():
        check(planes[::17], steps)


def test_asinh_is_that_of_astropy():
    x = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    stretched = AsinhStretch(0.1)(x.astype(np.float64), clip=False) * np.arcsinh(10.0)
    np.testing.assert_allclose(s2v.normalise(x, ("asinh", {"softening": 0.1})).planes, stretched, rtol=5e-7, atol=1e-9)


def test_asinh_to_a_few_ulp():
    bits = np.arange(0, 0x7F800000, 4099, dtype=np.uint32)
    x = bits.view(np.float32)
    exact = np.arcsinh(x.astype(np.float64))
    ulp = np.spacing(exact.astype(np.float32)).astype(np.float64)
    for sign in (1, -1):
        given = s2v.normalise(sign * x[None, :16384], "asinh").planes[0]
        assert (np.abs(sign * given - exact[:16384]) <= 3 * ulp[:16384]).all()
        for begin in range(0, x.size, 16384):
            part = slice(begin, begin + 16384)
            given = s2v.normalise(sign * x[None, part], "asinh").planes[0]
            assert (np.abs(sign * given - exact[part]) <= 3 * ulp[part]).all()


@pytest.mark.parametrize("name", NORMALISERS)
def test_what_cannot_be_normalised_is_nan_and_flagged(name):
    unusable = s2v.normalise(np.full((2, 5, 7), np.nan), name)
    assert np.isnan(unusable.planes).all()
    assert [flag_bits.names(row) for row in unusable.flags] == [["nan_pixels", "constant"]] * 2
    masked = s2v.normalise(np.ones((5, 7)), name, mask=np.ones((5, 7), bool))
    assert np.isnan(masked.planes).all()
    assert flag_bits.names(masked.flags) == ["masked_pixels", "constant"]
    zero = s2v.normalise(np.zeros((5, 7)), name)
    if name == "asinh":
        assert (zero.planes == 0).all()
        assert zero.flags == 0
    else:
        assert np.isnan(zero.planes).all()
        assert flag_bits.names(zero.flags) == ["constant"]
    sevens = s2v.normalise(np.full((5, 7), 7.0), name)
    if name in ("asinh", "l2"):
        assert sevens.flags == 0
        assert np.isfinite(sevens.planes).all()
    else:
        assert np.isnan(sevens.planes).all()
        assert flag_bits.names(sevens.flags) == ["constant"]
    one = s2v.normalise(np.array([[3.0]]), name)
    assert np.isnan(one.planes).all() == (name not in ("asinh", "l2"))


def test_a_scale_of_zero_is_told_from_a_constant_plane():
    plane = np.zeros((9, 9))
    plane[4, 4] = 5
    given = s2v.normalise(plane, "median-mad")
    assert np.isnan(given.planes).all()
    assert flag_bits.names(given.flags) == ["zero_scale"]
    mostly = s2v.normalise(plane, "percentile")
    assert mostly.flags == 0
    assert flag_bits.names(s2v.normalise(plane, ("percentile", {"high": 50})).flags) == ["zero_scale"]


def test_a_bad_plane_does_not_stop_the_batch():
    rng = np.random.default_rng(3)
    batch = rng.normal(0, 1, (4, 3, 21, 21))
    batch[1, 2] = np.nan
    batch[2, 0] = 5
    given = s2v.normalise(batch, "median-mad")
    assert given.planes.shape == batch.shape
    assert given.planes.dtype == np.float32
    bad = np.zeros((4, 3), bool)
    bad[1, 2] = bad[2, 0] = True
    np.testing.assert_array_equal(np.isnan(given.planes).all(axis=(2, 3)), bad)
    np.testing.assert_array_equal(given.flags != 0, bad)
    assert given.steps == (Step("median-mad"),)


def test_fill_takes_the_place_of_unusable_pixels():
    plane = np.arange(12.0).reshape(3, 4)
    plane[0, 0], plane[1, 1] = np.inf, np.nan
    given = s2v.normalise(plane, "min-max", fill=-1)
    assert given.planes[0, 0] == given.planes[1, 1] == -1
    assert given.planes[2, 3] == 1
    assert np.isnan(s2v.normalise(np.ones((3, 4)), "min-max", fill=-1).planes).all()


@pytest.mark.parametrize("backend", ["native", "numba"])
def test_the_ends_of_float32(backend, monkeypatch):
    monkeypatch.setenv("SPACE2VEC_BACKEND", backend)
    rng = np.random.default_rng(4)
    extremes = np.array([3.4e38, -3.4e38, 1e38, -1e38, 1e-45, -1e-45, 0.0], np.float32)
    for steps in CHAINS.values():
        for _ in range(20):
            plane = rng.choice(extremes[rng.random(7) < 0.7] if rng.random() < 0.8 else extremes, (8, 8))
            given = s2v.normalise(plane, steps)
            assert np.isfinite(given.planes).all() or (np.isnan(given.planes).all() and given.flags != 0)
            assert not np.signbit(given.planes[given.planes == 0]).any()


def test_arrays_of_every_kind():
    rng = np.random.default_rng(6)
    plane = rng.normal(100, 5, (31, 33)).round().astype(np.float32)
    expected = s2v.normalise(plane, "sigma-clip").planes
    for other in (plane.astype(">f8"), plane.astype(np.int16), plane.T.copy().T, np.repeat(plane, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(s2v.normalise(other, "sigma-clip").planes, expected)
    np.testing.assert_array_equal(s2v.normalise(plane[::-1], "sigma-clip").planes, expected[::-1])
    hidden = rng.random(plane.shape) < 0.2
    by_mask = s2v.normalise(plane, "sigma-clip", mask=hidden)
    of_masked = s2v.normalise(np.ma.array(plane, mask=hidden), "sigma-clip")
    np.testing.assert_array_equal(by_mask.planes, of_masked.planes)
    assert by_mask.flags == of_masked.flags == flag_bits.bits("masked_pixels")
    both = s2v.normalise(np.ma.array(plane, mask=hidden), "sigma-clip", mask=np.arange(33) < 3)
    np.testing.assert_array_equal(np.isnan(both.planes), hidden | (np.arange(33) < 3))
    empty = s2v.normalise(np.empty((0, 3, 63, 63)), "l2")
    assert empty.planes.shape == (0, 3, 63, 63)
    assert empty.flags.shape == (0, 3)


def test_calls_that_cannot_run():
    plane = np.ones((4, 4))
    for steps, what in (
        ("median", "unknown normaliser 'median'; known normalisers: median-mad, sigma-clip"),
        (("asinh", {"a": 1}), "no parameter 'a'; its parameters are softening"),
        (("l2", {"a": 1}), "it has no parameters"),
        (("asinh", {"softening": 0}), "must be a number from 1e-30"),
        (("asinh", {"softening": np.nan}), "must be a number"),
        (("sigma-clip", {"maxiters": 2.5}), "must be a whole number from 1 to 100"),
        (("percentile", {"low": 60, "high": 40}), "low of 'percentile' must be below high"),
        ((), "1 to 8 steps; given 0"),
        (("l2",) * (MOST_STEPS + 1), "1 to 8 steps; given 9"),
    ):
        with pytest.raises(ValueError, match=what):
            s2v.normalise(plane, steps)
    for steps in (3, (3,), ("l2", {}, "l2"), (("l2", 3),), ("asinh", {"softening": "1"}), None):
        with pytest.raises(TypeError):
            s2v.normalise(plane, steps)
    for array, what in ((np.ones(4), "height, width"), (np.ones((3, 0, 4)), "sides of 1 to")):
        with pytest.raises(ValueError, match=what):
            s2v.normalise(array, "l2")
    with pytest.raises(ValueError, match=r"mask has shape \(3, 3\)"):
        s2v.normalise(plane, "l2", mask=np.ones((3, 3), bool))
    with pytest.raises(TypeError, match="mask must be of bool"):
        s2v.normalise(plane, "l2", mask=np.ones((4, 4)))
    with pytest.raises(TypeError, match="fill must be a number"):
        s2v.normalise(plane, "l2", fill="x")
    with pytest.raises(TypeError, match="dtype"):
        s2v.normalise(plane.astype(complex), "l2")
    with pytest.raises(ValueError, match="threads"):
        s2v.normalise(plane, "l2", threads=0)


def test_chains_are_told_in_full():
    assert chain("asinh") == (Step("asinh", (1.0,)),)
    assert chain(("zscale", {"clip": True})) == (Step("zscale", (0.25, 1.0)),)
    assert chain((Step("asinh", (2.0,)), "l2"))[0].parameters == {"softening": 2.0}


def test_the_examples_of_the_document_run():
    text = (Path(__file__).resolve().parents[3] / "docs" / "normalisers.md").read_text(encoding="utf-8")
    namespace = {}
    for block in re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        exec(compile(block, "docs/normalisers.md", "exec"), namespace)
    assert namespace["prepared"].planes.shape == (20, 2, 51, 51)
    assert not np.isnan(namespace["chained"].planes).any()
    assert all(f"`{name}`" in text for name in NORMALISERS)


sides = st.integers(1, 40)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), sides, sides, st.sampled_from(sorted(set(NORMALISERS) - {"asinh"})))
def test_a_plane_on_another_scale_is_the_same(seed, height, width, name):
    """Shifts and factors by powers of two cost no bits: the result is the same."""
    rng = np.random.default_rng(seed)
    plane = rng.integers(-500, 500, (height, width)).astype(np.float32)
    shift = 0 if name == "l2" else 1024
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        a, b = s2v.normalise(plane, name), s2v.normalise((plane + shift) * 8, name)
    assert a.flags == b.flags
    np.testing.assert_allclose(a.planes, b.planes, rtol=1e-6, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), sides, sides)
def test_bounds(seed, height, width):
    rng = np.random.default_rng(seed)
    plane = rng.standard_cauchy((height, width))
    for name, low, high in (("min-max", 0, 1), ("percentile", 0, 1), ("l2", -1, 1)):
        given = s2v.normalise(plane, name).planes
        assert np.isnan(given).all() or (low <= given.min() and given.max() <= high)
