"""Masks beside the planes of FITS and NumPy files: what they leave out is NaN."""

import gzip
import io

import numpy as np
import pytest
from astropy.io import fits

from helpers.packets import planes
from space2vec.cli import main
from space2vec.data.flags import bits
from space2vec.errors import ReadError
from space2vec.reading import read

NAMES = ("SCIENCE", "TEMPLATE", "DIFFERENCE")


def candidate(pixels, mask, header=None, kind=fits.ImageHDU):
    """Return a FITS file with a unit a plane, and one that is a mask."""
    file = io.BytesIO()
    images = [kind(plane, name=name) for plane, name in zip(pixels, NAMES, strict=True)]
    units = fits.HDUList([fits.PrimaryHDU(), *images, fits.ImageHDU(mask, name="MASK")])
    units["MASK"].header.update(header or {})
    units.writeto(file)
    return file.getvalue()


def marked(shape, seed=0):
    """Return a mask that leaves out every tenth pixel, at random."""
    return (np.random.default_rng(seed).random(shape) < 0.1).astype(np.uint8)


@pytest.mark.parametrize("packing", [lambda data: data, gzip.compress, lambda data: data[2880:]])
def test_a_unit_mask_beside_the_planes_of_a_candidate(tmp_path, packing):
    pixels = planes(1)
    mask = marked(pixels[0].shape)
    suffix = ".fits.gz" if packing is gzip.compress else ".fits"
    (tmp_path / f"a{suffix}").write_bytes(packing(candidate(pixels, mask)))
    stamps = read(tmp_path)
    wanted = pixels.copy()
    wanted[:, mask != 0] = np.nan
    np.testing.assert_array_equal(stamps.pixels[0], wanted)


def test_bits_of_a_mask_that_tell_of_no_fault_leave_nothing_out(tmp_path):
    pixels = planes(2)
    mask = np.zeros(pixels[0].shape, dtype=np.int32)
    mask[3, 4] = 1 << 5  # detected
    mask[5, 6] = 1 << 0 | 1 << 5  # bad, and detected
    mask[7, 8] = 1 << 3  # a cosmic ray
    header = {"MP_BAD": 0, "MP_CR": 3, "HIERARCH MP_DETECTED": 5, "MP_SAT": 1}
    (tmp_path / "a.fits").write_bytes(candidate(pixels, mask, header))
    found = np.isnan(read(tmp_path).pixels[0])
    wanted = np.zeros_like(found)
    wanted[:, (5, 7), (6, 8)] = True
    np.testing.assert_array_equal(found, wanted)


def test_a_mask_of_another_shape_costs_its_candidate(tmp_path):
    for name in ("a", "b"):
        pixels = planes(3)
        mask = marked(pixels[0].shape)
        (tmp_path / f"{name}.fits").write_bytes(candidate(pixels, mask[1:] if name == "a" else mask))
    problems = []
    stamps = read(tmp_path, strict=False, problems=problems)
    assert [problem.row for problem in problems] == [0]
    assert "the unit MASK has shape" in problems[0].message
    assert stamps.flags.tolist() == [bits("bad_stamp"), 0]


def test_a_damaged_mask_costs_its_candidate(tmp_path):
    pixels = planes(3)
    (tmp_path / "a.fits").write_bytes(candidate(pixels, marked(pixels[0].shape))[:-2880])
    with pytest.raises(ReadError, match="the unit MASK cannot be read"):
        read(tmp_path / "a.fits")


@pytest.mark.parametrize("packed", [False, True])
def test_a_mask_beside_cubes(tmp_path, packed):
    pixels = np.stack([planes(number) for number in range(4)])
    mask = marked(pixels[:, 0].shape)
    if packed:
        np.savez(tmp_path / "night.npz", pixels=pixels, Mask=mask)
    else:
        units = [fits.ImageHDU(pixels[:, k], name=name) for k, name in enumerate(NAMES)]
        fits.HDUList([fits.PrimaryHDU(), *units, fits.ImageHDU(mask, name="MASK")]).writeto(tmp_path / "night.fits")
    wanted = np.where(mask[:, None] != 0, np.nan, pixels).astype(np.float32)
    np.testing.assert_array_equal(read(tmp_path).pixels, wanted)


def test_a_mask_for_each_plane_of_npz(tmp_path):
    pixels = np.stack([planes(number) for number in range(2)])
    mask = marked(pixels.shape).astype(bool)
    np.savez(tmp_path / "night.npz", pixels=pixels, mask=mask)
    np.testing.assert_array_equal(read(tmp_path).pixels, np.where(mask, np.float32(np.nan), pixels))


@pytest.mark.parametrize("mask", [np.zeros((2, 5, 5), np.uint8), np.zeros((2, 63, 63))])
def test_masks_that_fit_no_stamps_are_refused(tmp_path, mask):
    np.savez(tmp_path / "night.npz", pixels=np.stack([planes(0), planes(1)]), mask=mask)
    with pytest.raises(ReadError, match="mask must hold whole numbers, not 0 where a pixel is left out"):
        read(tmp_path / "night.npz")


def test_masked_pixels_are_flagged_by_the_command(tmp_path, capsys):
    pixels = planes(4)
    (tmp_path / "a.fits").write_bytes(candidate(pixels, marked(pixels[0].shape)))
    assert main(["score", str(tmp_path / "a.fits"), "-o", str(tmp_path / "s.csv"), "--model", "forest"]) == 0
    assert "nan_pixels" in (tmp_path / "s.csv").read_text()
