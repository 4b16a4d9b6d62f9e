"""Detections in whole images give the stamps that a plain loop cuts, whatever the images are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from helpers.fields import HEIGHT, WIDTH, X, Y, by_hand, image, same, triplet
from helpers.rubin_stack import Exposure
from space2vec.data.flags import bits
from space2vec.errors import ReadError
from space2vec.reading.detections import from_images
from space2vec.reading.frames import as_frame


@pytest.mark.parametrize("dtype", ["f4", ">f4", "f8", ">f8", "i2", ">i2", "u2", ">u2", "i4", "u1", "f2", ">i4"])
def test_the_stamps_are_those_of_a_plain_loop(dtype: str) -> None:
    planes = triplet(dtype)
    made = from_images(*planes, x=X, y=Y)
    same(made, by_hand(planes, X, Y))
    assert not made.flags.any()
    for wanted in ("stamp", "all"):
        ours, theirs = s2v.features(made, set=wanted), s2v.features(by_hand(planes, X, Y), set=wanted)
        np.testing.assert_array_equal(ours.values, theirs.values)
        np.testing.assert_array_equal(ours.flags, theirs.flags)


@pytest.mark.parametrize("side", [1, 21, 64, 200])
def test_stamps_have_the_side_that_is_asked_for(side: int) -> None:
    planes = triplet()
    same(from_images(*planes, x=X, y=Y, side=side), by_hand(planes, X, Y, side))


def test_any_strides_are_read() -> None:
    planes = triplet()
    odd = [planes[0][::-1][::-1], np.asfortranarray(planes[1]), np.repeat(planes[2], 2, axis=1)[:, ::2]]
    same(from_images(*odd, x=X, y=Y), by_hand(planes, X, Y))
    upside = from_images(planes[0][::-1], x=[60.0], y=[70.0])
    np.testing.assert_array_equal(upside.plane(0, "science"), planes[0][::-1][39:102, 29:92])


def test_what_is_known_goes_along() -> None:
    made = from_images(
        difference=image(2),
        x=[60.0, 70.0],
        y=[60.0, 70.0],
        object_id=["a", "b"],
        candidate_id=[7, 9],
        catalogue={"MAG": [18.5, 19.5]},
        columns={"magpsf": [18.0, 19.0]},
        saturation=500.0,
    )
    assert made.object_id.tolist() == ["a", "b"]
    assert made.candidate_id.tolist() == [7, 9]
    assert made.columns["magpsf"].tolist() == [18.0, 19.0]
    assert made.catalogue["MAG"].tolist() == [18.5, 19.5]
    assert made.channels == ("difference",)
    with pytest.raises(ValueError, match="object_id"):
        from_images(image(0), x=[60.0, 70.0], y=[60.0, 70.0], object_id=["a"])


def test_no_detection_gives_no_rows() -> None:
    assert len(from_images(*triplet(), x=[], y=[])) == 0


def test_bad_pixels_are_nan_and_flagged() -> None:
    planes = triplet()
    mask = np.zeros((HEIGHT, WIDTH), dtype=">i4")
    mask[70, 61], mask[71, 60], mask[72, 60] = 1 << 3, 1 << 1, 1 << 5
    variance = np.ones((HEIGHT, WIDTH))
    variance[69, 60] = np.nan
    frame = s2v.Frame(planes[0], mask=mask, bad_bits=8, saturated_bits=2, variance=variance, saturation=400.0)
    x, y = np.array([60.2, 150.0]), np.array([70.4, 60.0])
    made = from_images(frame, planes[1], planes[2], x=x, y=y)
    expected = by_hand(planes, x, y)
    cut = expected.plane(0, "science")
    assert cut is not None
    cut[31, 32] = cut[30, 31] = np.nan
    cut[32, 31] = 400.0
    same(made, expected)
    assert made.flags.tolist() == [bits("masked_pixels") | bits("saturated"), 0]
    assert made.saturation == 400.0
    # All bits but the saturated ones are bad where none are named.
    assert s2v.Frame(planes[0], mask=mask, saturated_bits=2).bad_bits == 0xFFFFFFFF - 2
    again = from_images(s2v.Frame(planes[0], mask=mask), x=X[:1], y=Y[:1]).plane(0, "science")
    assert again is not None
    assert np.isnan(again).sum() == 3


def test_masked_arrays_hide_what_they_mask() -> None:
    hidden = np.zeros((HEIGHT, WIDTH), dtype=bool)
    hidden[70, 60] = True
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    mask[71, 60], mask[72, 60] = 4, 2
    masked = np.ma.MaskedArray(image(0), hidden)
    for frame, bad in ((s2v.Frame(masked), 1), (s2v.Frame(masked, mask=mask, bad_bits=4, saturated_bits=2), 2)):
        cut = from_images(frame, x=[60.0], y=[70.0])
        plane = cut.plane(0, "science")
        assert plane is not None
        assert np.isnan(plane).sum() == bad
        assert cut.flags[0] & bits("masked_pixels")
        assert bool(cut.flags[0] & bits("saturated")) == (bad == 2)


def test_frames_may_begin_and_end_elsewhere() -> None:
    sky = [image(seed, height=300, width=300) for seed in range(3)]
    parts = [(10, 20, 150, 160), (0, 25, 170, 200), (12, 10, 120, 180)]  # y0, x0, height, width
    frames = [
        s2v.Frame(plane[y0 : y0 + h, x0 : x0 + w], origin=(x0, y0))
        for plane, (y0, x0, h, w) in zip(sky, parts, strict=True)
    ]
    made = from_images(*frames, x=[100.0, 22.0], y=[70.0, 60.0])
    whole = by_hand(sky, np.array([100.0]), np.array([70.0]))
    same(made[:1], whole)
    assert made.flags.tolist() == [0, bits("padded")]
    left = min(x0 for _, x0, _, _ in parts)
    template = made.plane(1, "template")
    assert template is not None
    assert template.shape == (63, 22 + 32 - left)
    assert np.isnan(template[:, : 25 - left]).all()
    np.testing.assert_array_equal(template[:, 25 - left :], sky[1][29:92, 25:54])
    far = from_images(*frames, x=[20.0], y=[-25.0], side=63)  # the template alone has pixels there
    assert [far.plane(0, name) is None for name in ("science", "template", "difference")] == [True, False, True]


def headered() -> Any:
    from astropy.wcs import WCS

    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [150.0, 2.0], [95.5, 75.5]
    wcs.wcs.cdelt = [-2.8e-4, 2.8e-4]
    return wcs


def test_positions_in_the_sky_go_by_each_wcs() -> None:
    from astropy.coordinates import SkyCoord

    planes, wcs = triplet(), headered()
    x, y = X[:5] + 0.07, Y[:5] + 0.07
    sky = SkyCoord(*wcs.all_pix2world(x, y, 0), unit="deg")
    expected = by_hand(planes, x, y)
    science = s2v.Frame(planes[0], wcs=wcs)
    same(from_images(science, planes[1], planes[2], sky=sky), expected)
    same(from_images(*planes, sky=sky, wcs=wcs), expected)
    same(from_images(science, planes[1], planes[2], sky=(sky.ra.deg, sky.dec.deg)), expected)
    same(from_images(science, planes[1], planes[2], sky=sky.galactic), expected)
    moved = wcs.deepcopy()
    moved.wcs.crpix = [95.5 - 7, 75.5 - 4]  # the template begins 7 columns and 4 rows later
    template = s2v.Frame(planes[1][4:, 7:], wcs=moved)
    made = from_images(science, template, planes[2], sky=sky[:2])
    np.testing.assert_array_equal(made.plane(0, "template"), expected.plane(0, "template"))
    coarse = wcs.deepcopy()
    coarse.wcs.cdelt = [-5.6e-4, 5.6e-4]
    with pytest.raises(ValueError, match="pixel grid"):
        from_images(science, s2v.Frame(planes[1], wcs=coarse), planes[2], sky=sky)
    with pytest.raises(ValueError, match="need a WCS"):
        from_images(*planes, sky=sky)


def test_images_of_astropy_are_taken() -> None:
    from astropy.io import fits
    from astropy.nddata import CCDData, Cutout2D, InverseVariance, NDData, StdDevUncertainty

    planes, wcs = triplet(), headered()
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[70, 60] = True
    error = np.full((HEIGHT, WIDTH), 2.0)
    error[70, 62] = 0.0
    expected = by_hand(planes, X, Y)
    science = expected.plane(0, "science")
    assert science is not None
    science[31, 31] = science[31, 33] = np.nan
    ccd = CCDData(planes[0], unit="adu", mask=mask, uncertainty=StdDevUncertainty(error), wcs=wcs)
    assert as_frame(ccd).wcs is wcs
    other = NDData(planes[1], uncertainty=InverseVariance(np.ones((HEIGHT, WIDTH))))
    made = from_images(ccd, other, fits.ImageHDU(planes[2]), x=X, y=Y)
    first = by_hand(planes, X, Y)
    for row in range(1, 5):  # other stamps hold these pixels too
        cut, mine = first.plane(row, "science"), made.plane(row, "science")
        assert cut is not None
        assert mine is not None
        kept = ~np.isnan(mine)
        np.testing.assert_array_equal(mine[kept], cut[kept])
    np.testing.assert_array_equal(made.plane(0, "science"), science)
    np.testing.assert_array_equal(made.plane(0, "template"), expected.plane(0, "template"))
    assert made.flags[0] == bits("masked_pixels")
    cutout = Cutout2D(planes[0], (90, 70), 80, wcs=wcs)
    assert as_frame(cutout).shape == (80, 80)
    assert as_frame(fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(planes[0])])).shape == (HEIGHT, WIDTH)


@pytest.mark.parametrize("kind", ["plain", "tiles", "scaled", "gzip", "cube"])
def test_fits_files_are_read(tmp_path: Path, kind: str) -> None:
    from astropy.io import fits

    plane = image(0, np.int16 if kind in ("tiles", "scaled") else np.float32)
    path = tmp_path / ("image.fits.gz" if kind == "gzip" else "image.fits")
    header = headered().to_header()
    if kind == "tiles":
        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(plane, header)]).writeto(path)
    elif kind == "scaled":
        fits.PrimaryHDU(plane.astype(np.uint16), header).writeto(path)
    elif kind == "cube":
        fits.PrimaryHDU(plane[None], header).writeto(path)
    else:
        fits.PrimaryHDU(plane, header).writeto(path)
    same(from_images(path, x=X, y=Y), by_hand([plane], X, Y))
    assert as_frame(str(path)).wcs is not None


def test_units_mask_and_variance_belong_to_the_image(tmp_path: Path) -> None:
    from astropy.io import fits

    mask = np.zeros((HEIGHT, WIDTH), dtype=np.int32)
    mask[70, 60], mask[70, 61], mask[70, 62] = 1 << 0, 1 << 1, 1 << 6
    variance = np.ones((HEIGHT, WIDTH), dtype=np.float32)
    variance[71, 60] = 0.0
    named = fits.ImageHDU(mask, name="MASK")
    named.header["MP_BAD"], named.header["MP_SAT"], named.header["MP_CROSS"] = 0, 1, 6
    units = [fits.PrimaryHDU(), fits.ImageHDU(image(0), name="IMAGE"), named, fits.ImageHDU(variance, name="VARIANCE")]
    path = tmp_path / "exposure.fits"
    fits.HDUList(units).writeto(path)
    made = from_images(path, x=[60.0], y=[70.0])
    plane = made.plane(0, "science")
    assert plane is not None
    assert np.argwhere(np.isnan(plane)).tolist() == [[31, 31], [32, 31]]
    assert made.flags.tolist() == [bits("masked_pixels") | bits("saturated")]
    for name in ("MP_BAD", "MP_SAT"):
        del named.header[name]
    del named.header["MP_CROSS"]
    fits.HDUList(units).writeto(path, overwrite=True)
    plane = from_images(path, x=[60.0], y=[70.0]).plane(0, "science")
    assert plane is not None
    assert np.isnan(plane).sum() == 4


def test_exposures_of_rubin_are_taken() -> None:
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.int32)
    mask[70, 60], mask[70, 61], mask[70, 62], mask[70, 63] = 1 << 3, 1 << 1, 1 << 5, 1 << 8
    exposure = Exposure(image(0), mask, 4000, 2000)
    pixels = from_images(exposure, x=[4060.0], y=[2070.0])
    sky = from_images(exposure, sky=([6.0], [7.0]))
    for made in (pixels, sky):
        plane = made.plane(0, "science")
        assert plane is not None
        assert np.argwhere(np.isnan(plane)).tolist() == [[31, 31], [31, 34]]
        assert made.flags.tolist() == [bits("masked_pixels") | bits("saturated")]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({}, ValueError, "at least one image"),
        ({"science": image(0)}, ValueError, "positions"),
        ({"science": image(0), "x": [1.0]}, ValueError, "positions"),
        ({"science": image(0), "x": [1.0], "y": [1.0], "sky": ([1.0], [1.0])}, ValueError, "positions"),
        ({"science": image(0), "x": [1.0], "y": [1.0, 2.0]}, ValueError, "same length"),
        ({"science": image(0), "x": [[1.0]], "y": [[1.0]]}, ValueError, "shape"),
        ({"science": image(0), "x": [1.0], "y": [1.0], "side": 0}, ValueError, "side"),
        ({"science": image(0), "x": [1.0], "y": [1.0], "side": 4097}, ValueError, "side"),
        ({"science": image(0), "x": [1.0], "y": [1.0], "side": 63.0}, ValueError, "side"),
        ({"science": image(0)[0], "x": [1.0], "y": [1.0]}, ValueError, "height, width"),
        ({"science": image(0)[None], "x": [1.0], "y": [1.0]}, ValueError, "height, width"),
        ({"science": image(0).astype(complex), "x": [1.0], "y": [1.0]}, TypeError, "complex"),
        ({"science": object(), "x": [1.0], "y": [1.0]}, TypeError, "object"),
        ({"science": "no such file.fits", "x": [1.0], "y": [1.0]}, ReadError, "no such file"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        from_images(**given)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"mask": np.zeros((3, 3), bool)}, ValueError, "shape"),
        ({"mask": np.zeros((HEIGHT, WIDTH))}, TypeError, "mask"),
        ({"mask": np.full((HEIGHT, WIDTH), 1 << 40)}, ValueError, "32"),
        ({"variance": np.ones((3, 3))}, ValueError, "shape"),
        ({"variance": np.ones((HEIGHT, WIDTH), dtype=complex)}, TypeError, "variance"),
        ({"bad_bits": -1}, ValueError, "bad_bits"),
        ({"saturated_bits": 1 << 32}, ValueError, "saturated_bits"),
    ],
)
def test_frames_that_do_not_fit_are_refused(given: dict[str, Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        s2v.Frame(image(0), **given)


def test_a_file_without_an_image_is_refused(tmp_path: Path) -> None:
    from astropy.io import fits

    path = tmp_path / "empty.fits"
    fits.PrimaryHDU().writeto(path)
    with pytest.raises(ReadError, match="no image"):
        from_images(path, x=[1.0], y=[1.0])
    path.write_bytes(b"not FITS")
    with pytest.raises(ReadError, match=r"empty\.fits"):
        from_images(path, x=[1.0], y=[1.0])
