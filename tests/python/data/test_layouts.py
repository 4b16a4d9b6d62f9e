"""Pixels as people hold them: order of axes, single stamps, and image objects of other packages."""

import sys
import warnings

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.nddata import CCDData, Cutout2D, NDData
from astropy.utils.masked import Masked

import space2vec as s2v
from space2vec import Stamps
from space2vec.compute import normalise
from space2vec.data.channels import channel_of, channel_positions

RNG = np.random.default_rng(3)
PIXELS = RNG.normal(size=(4, 3, 21, 22)).astype(np.float32)


def quietly(*arguments, **keywords):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return Stamps(*arguments, **keywords)


def held(stamps):
    return stamps.pixels


# Order of axes


def test_channels_that_come_last_are_noticed():
    last = np.moveaxis(PIXELS, 1, -1)
    for array in (last, np.asfortranarray(last), last.astype(">f8")):
        with pytest.warns(UserWarning, match=r"shape \(4, 21, 22, 3\).*channels last.*moveaxis"):
            stamps = Stamps(array)
        assert np.array_equal(held(stamps), PIXELS)
    with pytest.warns(UserWarning, match="channels last"):
        stamps = Stamps(last[..., 1:], channels=("template", "difference"))
    assert np.array_equal(held(stamps), PIXELS[:, 1:])
    with pytest.warns(UserWarning, match=r"a candidate has shape \(21, 22, 3\)"):
        assert np.array_equal(held(Stamps(list(last))), PIXELS)


@pytest.mark.parametrize("shape", [(3, 3, 3, 3), (2, 3, 5, 3), (1, 3, 3, 3)])
def test_where_both_could_be_meant_channels_come_first(shape):
    array = RNG.normal(size=shape).astype(np.float32)
    assert np.array_equal(held(quietly(array)), array)


def test_stamps_of_one_plane_and_single_stamps_need_no_further_axes():
    assert np.array_equal(held(quietly(PIXELS[:, 2], channels=("difference",))), PIXELS[:, 2:])
    assert np.array_equal(held(quietly(PIXELS[:, 2], channels="diff")), PIXELS[:, 2:])
    assert np.array_equal(held(quietly(list(PIXELS[:, 2]), channels=["sub"])), PIXELS[:, 2:])
    assert np.array_equal(held(quietly(PIXELS[0])), PIXELS[:1])
    assert np.array_equal(held(quietly(PIXELS[0, 0], channels=["science"])), PIXELS[:1, :1])
    with pytest.warns(UserWarning, match="channels last"):
        assert np.array_equal(held(Stamps(np.moveaxis(PIXELS[0], 0, -1))), PIXELS[:1])


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (PIXELS[:, 0], r'given \(4, 21, 22\): channels=\["difference"\] for stamps \(n, height, width\) of one plane'),
        (PIXELS[0, 0], r"given \(21, 22\); channels= names the planes, out of science \(or sci, search, srch, new\)"),
        (PIXELS[None], r"must have shape \(n, 3, height, width\) for 3 channels; given \(1, 4, 3, 21, 22\)"),
        (PIXELS[:, :2], r"given \(4, 2, 21, 22\)"),
        (list(PIXELS[0]), r"candidate 0 has 21 planes; .*one candidate is \[\[science, template, difference\]\]"),
        (np.ones((1, 3, 16385, 1), np.uint8), "sides of 1 to 16384 pixels; given 16385 x 1"),
        (np.ones((1, 3, 0, 5)), "given 0 x 5"),
    ],
)
def test_shapes_of_which_nobody_knows(pixels, reason):
    with pytest.raises(ValueError, match=reason):
        Stamps(pixels)


@pytest.mark.parametrize("pixels", [np.empty((0, 3, 63, 63)), np.empty((0, 63, 63, 3)), []])
def test_no_rows(pixels):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert len(Stamps(pixels)) == 0


@pytest.mark.parametrize("fill", [np.nan, np.inf, -np.inf, 0.0, 3e38])
@pytest.mark.parametrize("side", [1, 2, 5, 63])
def test_odd_stamps_are_flagged_and_never_scored_in_silence(fill, side):
    stamps = Stamps(np.full((2, 3, side, side), fill, np.float32))
    for name in ("autoscan", "s2v"):
        measured = s2v.features(stamps, set=name)
        assert len(measured) == 2
        assert measured.flags.all()


# Names of planes


@pytest.mark.parametrize(
    ("name", "channel"),
    [
        ("SCIENCE", "science"),
        ("srch", "science"),
        ("new", "science"),
        ("Ref", "template"),
        ("tmpl", "template"),
        ("cutoutTemplate", "template"),
        ("cutout_difference", "difference"),
        ("SUB", "difference"),
        ("mask", None),
        ("", None),
        ("cutout", None),
    ],
)
def test_names_of_planes(name, channel):
    assert channel_of(name) == channel


def test_names_that_are_none_are_told_with_those_that_are():
    assert channel_positions(["diff", "ref", "sci"]) == [2, 1, 0]
    for names in (["science", "image"], ["sci", "search"], []):
        with pytest.raises(ValueError, match=r"out of science \(or sci, .*difference \(or diff, sub\); given"):
            Stamps(PIXELS[:, :2], channels=names)


# Objects of Astropy


def masked_at_origin(make):
    mask = np.zeros((21, 22), bool)
    mask[0, 0] = True
    return [make(plane, mask) for plane in PIXELS[0]]


@pytest.mark.parametrize(
    "make",
    [
        lambda plane, mask: CCDData(plane, unit="adu", mask=mask),
        lambda plane, mask: NDData(plane, mask=mask),
        lambda plane, mask: NDData(plane, mask=mask.astype(np.uint8) * 4),
        lambda plane, mask: np.ma.MaskedArray(plane, mask),
        lambda plane, mask: Masked(plane * units.adu, mask=mask),
    ],
)
def test_masks_of_image_objects_become_nan(make):
    want = PIXELS[:1].copy()
    want[..., 0, 0] = np.nan
    assert np.array_equal(held(quietly([masked_at_origin(make)])), want, equal_nan=True)
    one = quietly(masked_at_origin(make)[2:], channels=["difference"])
    assert np.array_equal(held(one), want[:, 2:], equal_nan=True)


def test_image_objects_are_their_pixels():
    for whole in (NDData(PIXELS), PIXELS * units.adu, fits.PrimaryHDU(PIXELS), fits.ImageHDU(PIXELS.astype(">f8"))):
        assert np.array_equal(held(quietly(whole)), PIXELS)
    for wrap in (NDData, fits.ImageHDU, lambda plane: plane * units.ct, lambda plane: CCDData(plane, unit="ct")):
        assert np.array_equal(held(quietly([[wrap(plane) for plane in row] for row in PIXELS])), PIXELS)
    cutouts = [Cutout2D(plane, (10, 10), (15, 15)) for plane in PIXELS[0]]
    assert np.array_equal(held(quietly([cutouts]))[0], [cutout.data for cutout in cutouts])
    integers = np.arange(3 * 100, dtype=np.int16).reshape(3, 10, 10)
    packed = [fits.CompImageHDU(plane) for plane in integers]
    assert np.array_equal(held(quietly([packed]))[0], integers)
    assert np.array_equal(normalise(NDData(PIXELS[0]), "l2").planes, normalise(PIXELS[0], "l2").planes)


def units_of(names, first=None):
    return fits.HDUList(
        [fits.PrimaryHDU(first)] + [fits.ImageHDU(PIXELS[0, k], name=name) for k, name in enumerate(names)]
    )


def test_units_of_a_file_by_their_names():
    for names in (("SCIENCE", "TEMPLATE", "DIFFERENCE"), ("sci", "ref", "diff"), ("SRCH", "TEMP", "SUB")):
        assert np.array_equal(held(quietly(units_of(names))), PIXELS[:1])
        assert len(quietly([units_of(names), units_of(names)])) == 2
    stamps = quietly(units_of(("mask", "ref", "diff")))
    assert stamps.channels == ("template", "difference")
    assert quietly([{"diff": PIXELS[0, 2], "REF": PIXELS[0, 1]}]).channels == ("template", "difference")
    for given, said in (
        ([units_of(("a", "b", "c"))], "given PRIMARY, A, B, C"),
        ([units_of(("sci", "science", "diff"))], "given PRIMARY, SCI, SCIENCE, DIFF"),
        ([{"sci": PIXELS[0, 0], "mask": PIXELS[0, 1]}], "given sci, mask"),
        ([{}], "given nothing"),
    ):
        with pytest.raises(ValueError, match=rf"distinct out of science \(or sci.*; {said}"):
            Stamps(given)


def test_objects_without_an_image_are_named():
    table = fits.BinTableHDU.from_columns([fits.Column("a", "D", array=np.arange(3.0))])
    for empty, name in ((fits.PrimaryHDU(), "PrimaryHDU"), (table, "BinTableHDU"), (NDData(3.0), "NDData")):
        with pytest.raises(TypeError, match=f"the science plane of candidate 0 is astropy's {name} without an image"):
            Stamps([[empty, None, None]])


def test_plain_arrays_do_not_load_astropy(run_python):
    code = "import sys, numpy as np; from space2vec import Stamps; Stamps(np.ones((1, 3, 5, 5))); Stamps([[None] * 3])"
    assert run_python(f"{code}; print('astropy' in sys.modules)") == "False"


@pytest.fixture
def run_python():
    import subprocess

    def run(code):
        return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()

    return run


# Other libraries


class Labelled:
    """An array as xarray and pandas have them: of no library that is known, but for __array__."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


def test_whatever_turns_into_an_array():
    assert np.array_equal(held(quietly(Labelled(PIXELS))), PIXELS)
    assert np.array_equal(held(quietly([[Labelled(plane) for plane in row] for row in PIXELS])), PIXELS)
    column = np.empty(2, dtype=object)
    column[:] = [PIXELS[0], PIXELS[1, :, :9]]
    for given in (column, Labelled(column)):
        stamps = quietly(given)
        assert stamps.plane(0, "difference").shape == (21, 22)
        assert np.array_equal(stamps.plane(1, "science"), PIXELS[1, 0, :9])


def test_tensors_that_record_gradients():
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(PIXELS, requires_grad=True)
    for given in (tensor, tensor * 1.0, list(tensor), [list(row) for row in tensor]):
        assert np.array_equal(held(quietly(given)), PIXELS)
    assert np.array_equal(held(quietly(tensor.double())), PIXELS)
    assert np.array_equal(held(quietly(tensor[:, 2], channels=["difference"])), PIXELS[:, 2:])
    with pytest.warns(UserWarning, match="channels last"):
        assert np.array_equal(held(Stamps(tensor.movedim(1, -1))), PIXELS)
    assert held(quietly(tensor.bfloat16())) == pytest.approx(PIXELS, rel=0.01)
    assert np.array_equal(normalise(tensor[0], "l2").planes, normalise(PIXELS[0], "l2").planes)


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        ("stamps.npy", "pixels is str, no array; space2vec.read reads files"),
        (b"SIMPLE", "pixels is bytes, no array"),
        (None, "array of numbers or a list of candidates; given NoneType"),
        ({"difference": PIXELS}, "list of candidates; given dict"),
        ((plane for plane in PIXELS), "list of candidates; given generator"),
        (PIXELS > 0, "dtype bool; accepted are real"),
        (PIXELS * 1j, "dtype complex64"),
        (PIXELS.astype(object), "dtype object"),
        (["abc"], "candidate 0 must be a sequence of planes; given str"),
    ],
)
def test_what_is_no_array_is_named(pixels, reason):
    with pytest.raises(TypeError, match=reason):
        Stamps(pixels)
