"""Arguments of Stamps, features(), prepare() and score(): what is taken, and what is refused in which words."""

import numpy as np
import pytest

import space2vec as s2v
from space2vec.data import flags
from space2vec.data.arrays import LARGEST_SIDE
from space2vec.data.stamps import Stamps
from space2vec.errors import BackendError, ModelError
from space2vec.registry import RECIPES


def noise(n=4, side=51, seed=0):
    return np.random.default_rng(seed).normal(100.0, 10.0, (n, 3, side, side)).astype(np.float32)


def values(stamps, **kwargs):
    return s2v.features(stamps, set="autoscan-stamp", **kwargs).values


def unmeasured(table, row):
    """Tell whether a row is known to be masked throughout, and nothing else."""
    known = {name: table[name][row] for name in table.names if not np.isnan(table[name][row])}
    return known == {"MASKFRAC": 1.0}


class Foreign:
    """An array that is known by DLPack alone."""

    def __init__(self, array, device=(1, 0)):
        self._array, self._device = array, device

    def __dlpack__(self, **kwargs):
        return self._array.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self._device


# What is taken


@pytest.mark.parametrize("dtype", ["f2", "<f4", ">f4", "<f8", ">f8", "g", "i1", "u1", ">i2", "u2", "<i4", "i8", "u8"])
def test_any_real_dtype_and_byte_order(dtype):
    pixels = np.round(noise()).astype(dtype)
    stamps = Stamps(pixels)
    assert stamps.buffer.dtype == np.dtype("=f4")
    assert np.array_equal(stamps.pixels, pixels.astype(np.float32))
    assert np.array_equal(values(stamps), values(Stamps(pixels.astype(np.float32))), equal_nan=True)


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[::2],
        lambda a: a[:, ::-1],
        lambda a: a[:, :, 3:-3, 1:-5],
        lambda a: a.transpose(0, 1, 3, 2),
        np.asfortranarray,
        lambda a: np.moveaxis(np.moveaxis(a, 1, -1).copy(), -1, 1),
        lambda a: np.broadcast_to(a[:1], (3, *a.shape[1:])),
    ],
)
def test_any_strides(view):
    given = view(noise())
    assert np.array_equal(Stamps(given).pixels, given)
    assert np.array_equal(values(Stamps(given)), values(Stamps(given.copy("C"))), equal_nan=True)


def test_a_conforming_array_is_not_copied_and_not_changed():
    pixels = noise()
    before = pixels.copy()
    stamps = Stamps(pixels)
    assert np.shares_memory(stamps.buffer, pixels)
    values(stamps)
    for name in RECIPES:
        s2v.prepare(stamps, name)
    assert np.array_equal(pixels, before)


def test_read_only_pixels():
    pixels = noise()
    pixels.flags.writeable = False
    assert np.array_equal(values(Stamps(pixels)), values(Stamps(pixels.copy())), equal_nan=True)


def test_dlpack():
    pixels = noise()
    assert np.shares_memory(Stamps(Foreign(pixels)).buffer, pixels)
    assert np.array_equal(Stamps(Foreign(pixels[:, :, ::2])).pixels, pixels[:, :, ::2])
    with pytest.raises(TypeError, match=r"pixels lies on a device; .* copy it to the host"):
        Stamps(Foreign(pixels, device=(2, 0)))
    with pytest.raises(TypeError, match="dtype bool"):
        Stamps(Foreign(pixels > 0))


def test_arrays_on_a_cuda_device_are_refused():
    class OnDevice:
        __cuda_array_interface__ = {  # noqa: RUF012
            "shape": (1, 3, 51, 51), "typestr": "<f4", "data": (1 << 30, False), "version": 3,
        }  # fmt: skip

    with pytest.raises(TypeError, match="lies on a device"):
        Stamps(OnDevice())
    del OnDevice.__cuda_array_interface__["data"]
    with pytest.raises(TypeError, match="its __cuda_array_interface__ has no data"):
        Stamps(OnDevice())


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_masked_pixels_become_nan(dtype):
    pixels = noise().astype(dtype)
    mask = pixels > 120
    masked = np.ma.masked_array(pixels, mask)
    assert np.array_equal(np.isnan(Stamps(masked).pixels), mask)
    rows = [[plane for plane in row] for row in masked]  # noqa: C416
    assert np.array_equal(np.isnan(Stamps(rows).pixels), mask)
    assert not np.isnan(Stamps(np.ma.masked_array(pixels)).pixels).any()
    assert "nan_pixels" in s2v.features(Stamps(masked)).flag_names(0)


def test_stamps_of_several_sizes_and_missing_planes_keep_their_rows():
    a, b, c = noise(1, 51)[0], noise(1, 63)[0], noise(1, 21)[0]
    stamps = Stamps([a, [b[0], None, b[2]], [None, None, None], list(c)])
    table = s2v.features(stamps, set="autoscan-stamp")
    assert len(table) == 4
    assert np.array_equal(table.values[0], values(Stamps(a[None]))[0], equal_nan=True)
    assert np.array_equal(table.values[3], values(Stamps(c[None]))[0], equal_nan=True)
    assert "missing" in table.flag_names(1)
    assert "missing" in table.flag_names(2)
    assert np.isnan(table.values[2]).all()
    assert "padded" in table.flag_names(3)
    assert np.isnan(s2v.load("forest").score(stamps).score).tolist() == [False, True, True, False]
    assert np.isnan(s2v.load("stampnet").score(stamps).score).tolist() == [False, False, True, False], "no template"
    assert stamps.plane(1, "template") is None
    assert np.array_equal(stamps.plane(1, "diff"), b[2])
    with pytest.raises(ValueError, match="same planes and size"):
        _ = stamps.pixels


def test_a_plane_of_another_size_than_its_triplet_costs_its_row_only():
    a, b = noise(1, 51)[0], noise(1, 41)[0]
    table = s2v.features(Stamps([a, [a[0], b[1], a[2]]]), set="autoscan-stamp")
    assert table.flag_names(0) == []
    assert table.flag_names(1) == ["padded"]
    whole = noise(1, 63)[0]
    prepared = s2v.prepare(Stamps([whole, [whole[0, :15], *whole[1:]]]), "alerce-stamp")
    assert flags.names(prepared.flags[1]) == ["off_shape"]
    assert np.isnan(prepared.planes[1]).all()
    assert not np.isnan(prepared.planes[0]).any()
    assert np.array_equal(table.values[0], values(Stamps(a[None]))[0], equal_nan=True)


def test_rows_that_hold_no_number_are_nan_and_flagged():
    pixels = noise()
    pixels[1] = np.nan
    pixels[2] = np.inf
    table = s2v.features(Stamps(pixels), set="autoscan-stamp")
    scores = s2v.load("forest").score(Stamps(pixels))
    assert np.isnan(s2v.load("stampnet").score(Stamps(pixels)).score).tolist() == [False, True, True, False]
    for row in (1, 2):
        assert unmeasured(table, row)
        assert table.flag_names(row) == ["nan_pixels", "constant", "masked_core"]
        assert np.isnan(scores.score[row])
        assert scores.flag_names(row) == [
            "nan_pixels",
            "constant",
            "zero_scale",  # of the set s2v, which the model takes
            "masked_core",
        ]
    assert not np.isnan(scores.score[[0, 3]]).any()


def test_channels_by_any_name_and_in_any_order():
    pixels = noise()
    turned = Stamps(pixels[:, ::-1], channels=("diff", "reference", "search"))
    assert np.array_equal(values(turned), values(Stamps(pixels)), equal_nan=True)
    alone = Stamps(pixels[:, 2:], channels=("difference",))
    assert alone.channels == ("difference",)
    assert "missing" in s2v.features(alone).flag_names(0)


def test_ids_of_any_kind_reach_the_tables():
    pixels = noise(2)
    for given, told in (([1, 2], ["1", "2"]), (np.array(["a", "b"]), ["a", "b"]), (["a", None], ["a", None])):
        assert s2v.features(Stamps(pixels, object_id=given)).to_arrow()["object_id"].to_pylist() == told
    for given in ([2**62 + 1, 3], ["x", "y"]):
        assert s2v.features(Stamps(pixels, candidate_id=given)).to_arrow()["candidate_id"].to_pylist() == given
    unknown = s2v.features(Stamps(pixels, candidate_id=[7, -1])).to_arrow()["candidate_id"]
    assert unknown.to_pylist() == [7, None]


def test_catalogue_values_of_none_and_masked_are_nan():
    given = {"MAG": [None, 20.5], "SNR": np.ma.masked_array([1.0, 2.0], [False, True])}
    stamps = Stamps(noise(2), catalogue=given)
    assert stamps.catalogue["MAG"].tolist() == pytest.approx([np.nan, 20.5], nan_ok=True)
    assert stamps.catalogue["SNR"].tolist() == pytest.approx([1.0, np.nan], nan_ok=True)


# What is refused


@pytest.mark.parametrize(
    ("pixels", "told"),
    [
        (noise()[None], r"given \(1, 4, 3, 51, 51\)"),
        (noise()[:, :2], r"given \(4, 2, 51, 51\)"),
        (noise()[0, 0, 0], r"given \(51,\)"),
        (np.empty((2, 3, 0, 5)), "sides of 1 to 16384 pixels; given 0 x 5"),
        (np.empty((1, 3, 1, LARGEST_SIDE + 1), np.float32), "given 1 x 16385"),
        ([list(noise()[0, :2])], "candidate 0 has 2 planes; channels names 3"),
        ([noise()[0, :, 0]], r"science plane of candidate 0 must have shape \(height, width\); given \(51,\)"),
        ([[None, np.empty((0, 4)), None]], "template plane of candidate 0 must have sides"),
        ([[None, None, [[1.0, 2.0], [3.0]]]], "difference plane of candidate 0 is not rectangular"),
    ],
)
def test_shapes_that_are_none(pixels, told):
    with pytest.raises(ValueError, match=told):
        Stamps(pixels)


@pytest.mark.parametrize(
    ("pixels", "told"),
    [
        (noise().astype(object), "pixels has dtype object; accepted are real floating point and integer dtypes"),
        (noise().astype(np.complex64), "dtype complex64"),
        (noise() > 0, "dtype bool"),
        (np.zeros((1, 3, 5, 5), "M8[s]"), "dtype datetime64"),
        (np.full((1, 3, 5, 5), "1"), "dtype <U1"),
        ([noise()[0] > 0], "science plane of candidate 0 has dtype bool"),
        ([1.0, 2.0], "candidate 0 must be a sequence of planes; given float"),
        ([None], "candidate 0 must be a sequence of planes; given NoneType"),
    ],
)
def test_pixels_that_are_no_real_numbers(pixels, told):
    with pytest.raises(TypeError, match=told):
        Stamps(pixels)


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"channels": ("a", "b", "c")}, ValueError, "channels must be distinct names out of science .* template"),
        ({"channels": ("diff", "difference", "science")}, ValueError, "distinct"),
        ({"channels": ()}, ValueError, "distinct"),
        ({"channels": ("science",)}, ValueError, "for 1 channels"),
        ({"object_id": ["a"]}, ValueError, r"object_id must have one value for each of 4 rows; given \(1,\)"),
        ({"candidate_id": [[1, 2, 3, 4]]}, ValueError, r"given \(1, 4\)"),
        ({"candidate_id": [1.5, 2, 3, 4]}, TypeError, "candidate_id has dtype float64; accepted are whole numbers or"),
        ({"flags": [0, 0]}, ValueError, "flags must have one value"),
        ({"flags": [0.5] * 4}, TypeError, "flags has dtype float64; accepted are whole numbers"),
        ({"catalogue": {"x": [1.0] * 4}}, ValueError, "unknown catalogue column 'x'"),
        ({"catalogue": {"AMP": [1.0] * 4}}, ValueError, "unknown catalogue column 'AMP'"),
        ({"catalogue": {"MAG": [1.0]}}, ValueError, "MAG must have one value"),
        ({"catalogue": {"MAG": list("abcd")}}, TypeError, "catalogue column MAG has dtype <U1; accepted are real"),
        ({"centre": [25, 25]}, ValueError, r"centre must have shape \(4, 2\); given \(2,\)"),
        ({"centre": np.full((4, 2), 25.5)}, TypeError, "centre has dtype float64; accepted are whole numbers"),
        ({"centre": np.full((4, 2), 2**40)}, ValueError, "centre must lie within 16384 pixels"),
        ({"centre": np.full((4, 2), -(2**31))}, ValueError, "centre must lie within 16384 pixels"),
        ({"saturation": "high"}, ValueError, "high"),
    ],
)
def test_arguments_that_do_not_fit(arguments, error, told):
    with pytest.raises(error, match=told):
        Stamps(noise(), **arguments)


def test_a_centre_outside_its_stamp_costs_its_row_only():
    table = s2v.features(Stamps(noise(2), centre=[[25, 25], [1000, -1000]]), set="autoscan-stamp")
    assert np.array_equal(table.values[0], values(Stamps(noise(2)))[0], equal_nan=True)
    assert unmeasured(table, 1)
    assert "padded" in table.flag_names(1)


def test_every_second_candidate_is_measured_as_it_is_among_all():
    stamps = Stamps(noise())
    for rows in (slice(None, None, 2), slice(None, None, -1), [3, 0], 2):
        part = stamps[rows]
        want = s2v.features(stamps).values[np.atleast_1d(np.arange(4)[rows])]
        assert np.array_equal(s2v.features(part).values, want, equal_nan=True)
        part.flags[:] = 1
        assert not stamps.flags.any()


def test_selection_and_planes():
    stamps = Stamps(noise())
    assert len(stamps[1:3]) == 2
    assert stamps[np.array([True, False, False, True])].candidate_id.tolist() == [0, 3]
    assert stamps[1].candidate_id.tolist() == [1]
    with pytest.raises(IndexError):
        stamps[[9]]
    with pytest.raises(ValueError, match="distinct names out of science"):
        stamps.plane(0, "weight")
    with pytest.raises(ValueError, match="different saturation levels"):
        Stamps.concatenate([stamps, Stamps(noise(), saturation=5.0)])


def test_calls_that_cannot_run():
    stamps, model = Stamps(noise(1)), s2v.load()
    with pytest.raises(ValueError, match="unknown feature set 'x'; known sets: autoscan, autoscan-stamp"):
        s2v.features(stamps, set="x")
    with pytest.raises(ValueError, match="unknown convention 'x'; accepted are 'code' and 'paper'"):
        s2v.features(stamps, convention="x")
    with pytest.raises(ValueError, match="unknown recipe 'x'; known recipes: braai, boom"):
        s2v.prepare(stamps, "x")
    with pytest.raises(ValueError, match="recipe 'braai' has version 1 here; version 9"):
        s2v.Recipe("braai", 9)
    with pytest.raises(ModelError, match="unknown model 'x'; packaged models: autoscan, default, forest, stampnet"):
        s2v.load("x")
    with pytest.raises(ValueError, match="unknown device 'tpu'; known: auto, cpu, cuda"):
        model.score(stamps, device="tpu")
    with pytest.raises(BackendError, match="'cuda' is not available"):
        model.score(stamps, device="cuda")
    for call in (s2v.features, model.score, lambda given: s2v.prepare(given, "braai")):
        with pytest.raises(TypeError, match=r"space2vec.Stamps.*; given ndarray. Wrap arrays in Stamps"):
            call(noise(1))


@pytest.mark.parametrize(
    ("threads", "error"),
    [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("2", TypeError), (True, None), (10**12, None)],
)
@pytest.mark.parametrize("n", [0, 1])
def test_threads(threads, error, n):
    stamps, model = Stamps(noise(n)), s2v.load()
    for call in (s2v.features, model.score, lambda given, threads: s2v.prepare(given, "braai", threads=threads)):
        if error is None:
            call(stamps, threads=threads)
        else:
            with pytest.raises(error, match=f"threads must be .*; given .*{threads}"):
                call(stamps, threads=threads)


def test_tables_of_another_length_or_shape():
    with pytest.raises(ValueError, match=r"values must have shape \(n, 2\) for 2 names; given \(3, 1\)"):
        s2v.Features(np.ones((3, 1)), ("a", "b"))
    with pytest.raises(ValueError, match=r"flags must have one value for each of 3 rows; given \(2,\)"):
        s2v.Features(np.ones((3, 1)), ("a",), np.zeros(2, np.uint32))
    with pytest.raises(KeyError, match="no feature 'b'; the table has a"):
        _ = s2v.Features(np.ones((3, 1)), ("a",))["b"]


# No rows


@pytest.mark.parametrize("empty", [np.empty((0, 3, 51, 51)), np.empty((0, 3, 0, 0)), [], noise()[:0]])
def test_no_rows_give_empty_tables(empty):
    stamps = Stamps(empty, object_id=[], candidate_id=[], flags=[], centre=[], catalogue={"MAG": []})
    assert len(stamps) == 0
    assert len(Stamps.concatenate([stamps, stamps])) == len(Stamps.concatenate([])) == len(stamps[:0]) == 0
    for set_name, columns in (("autoscan", 38), ("autoscan-stamp", 18)):
        table = s2v.features(stamps, set=set_name)
        assert table.values.shape == (0, columns)
        check_empty(table, columns + 3)
    for name in RECIPES:
        prepared = s2v.prepare(stamps, name)
        assert prepared.planes.shape == (0, *s2v.Recipe(name).shape)
        assert prepared.flags.shape == (0,)
    scores = s2v.load().score(stamps)
    assert scores.score.shape == (0,)
    check_empty(scores, 4)
    check_empty(s2v.load("autoscan").score(s2v.features(stamps)), 4)


def check_empty(table, columns):
    arrow = table.to_arrow()
    assert (arrow.num_rows, arrow.num_columns) == (0, columns)
    assert str(arrow.schema.field("flags").type) == "list<item: string>"
    assert str(arrow.schema.field(2).type) == "float"
    fits = table.to_astropy()
    assert (len(fits), len(fits.colnames)) == (0, columns)
    assert flags.count(table.flags) == {}


def test_a_plane_that_could_not_be_decoded_is_not_called_missing():
    plane = np.arange(51 * 51, dtype=np.float32).reshape(51, 51)
    bits = [flags.bits("bad_stamp"), flags.bits(["bad_stamp", "missing"]), 0]
    stamps = s2v.Stamps([(plane, plane + 1, None)] * 3, flags=np.array(bits, np.uint32))
    for raised in (s2v.features(stamps).flags, s2v.prepare(stamps, "braai").flags):
        assert [flags.names(row) for row in raised] == [["bad_stamp"], ["bad_stamp", "missing"], ["missing"]]
