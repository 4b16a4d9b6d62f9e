"""FITS as people also write it: axes of one pixel, an extension first, several gzip members, images in tiles."""

import gzip
import io

import numpy as np
import pytest
from astropy.io import fits

import space2vec as s2v
from helpers.packets import CUTOUTS, avro_bytes, fits_bytes, packet, planes
from oracle import fits as oracle
from space2vec.data import flags
from space2vec.errors import ReadError
from space2vec.plans.features import FeaturePlan
from space2vec.reading import batches, read, read_messages
from space2vec.reading.fits import LARGEST_CUTOUT, decode, decode_named

pytest.importorskip("space2vec._core", reason="the compiled extension is missing: space2vec._core")

RNG = np.random.default_rng(11)


def same(data, unit=None):
    """Check that the oracle decodes to the same bits and the same reference; return the pixels."""
    pixels, reference = decode(data, unit)
    want, position = oracle.decode(data, unit)
    assert pixels.dtype == np.float32
    assert pixels.flags.c_contiguous
    assert np.array_equal(pixels, want, equal_nan=True)
    assert pixels.shape == want.shape
    assert np.array_equal(reference, position, equal_nan=True)
    return pixels


def file_of(*units):
    file = io.BytesIO()
    fits.HDUList(list(units)).writeto(file)
    return file.getvalue()


def tiles(pixels, name="TILES", **options):
    return fits.CompImageHDU(pixels, name=name, **options)


def first_unit(data):
    """Return a file without its primary unit."""
    return data[2880:]


# Axes of one pixel


@pytest.mark.parametrize(
    ("shape", "want"),
    [
        ((1, 5, 7), (5, 7)),
        ((1, 1, 1, 5, 7), (5, 7)),
        ((5, 7, 1), (5, 7)),
        ((5, 1, 7), (5, 7)),
        ((1, 1, 7), (1, 7)),
        ((1, 7, 1), (7, 1)),
        ((7, 1, 1), (7, 1)),
        ((1, 1, 1), (1, 1)),
    ],
)
def test_axes_of_one_pixel_do_not_count(shape, want):
    pixels = RNG.normal(size=shape)
    data = fits_bytes(pixels, ">f4", [("CRPIX1", 2.5), ("CRPIX2", 3.5)])
    assert same(data).shape == want
    assert np.array_equal(decode(data)[0].reshape(-1), pixels.astype(">f4").reshape(-1))
    assert same(gzip.compress(data)).shape == want


# An extension first


def test_a_file_may_begin_with_an_extension():
    first = fits.ImageHDU(np.arange(12.0).reshape(3, 4), name="SCI")
    first.header["CRPIX1"] = 2.0
    data = first_unit(file_of(fits.PrimaryHDU(), first, fits.ImageHDU(np.ones((2, 2)), name="REF")))
    assert data.startswith(b"XTENSION")
    for unit, shape in ((None, (3, 4)), ("PRIMARY", (3, 4)), ("sci", (3, 4)), ("REF", (2, 2))):
        assert same(data, unit).shape == shape
        assert same(gzip.compress(data), unit).shape == shape
    for size in range(1, 8):
        with pytest.raises(ReadError, match=rf"truncated, byte {size}\)$"):
            decode(data[:size])
    with pytest.raises(ReadError, match="not_fits"):
        decode(b"XTENDED" + data)


# Members


def members(data, *cuts):
    """Return gzip members of the parts between some places."""
    return b"".join(gzip.compress(data[a:b]) for a, b in zip((0, *cuts), (*cuts, len(data)), strict=True))


@pytest.mark.parametrize("cuts", [(3000,), (1, 2, 3), (0, 0, 5000), (14000,), (100, 14300), (14400,)])
def test_members_of_gzip_are_one_file(cuts):
    data = fits_bytes(RNG.normal(size=(51, 51)), ">f4")
    assert len(data) == 14400
    whole = decode(data)[0]
    assert np.array_equal(same(members(data, *cuts)), whole)
    assert np.array_equal(decode(members(data, *cuts) + b"rubbish")[0], whole)
    assert np.array_equal(decode(members(data, *cuts) + bytes(20))[0], whole)


def test_damage_in_a_later_member_is_told_where_it_is():
    data = fits_bytes(RNG.normal(size=(51, 51)), ">f4")
    packed = members(data, 9000)
    end = len(gzip.compress(data[:9000]))
    with pytest.raises(ReadError, match=rf"truncated, byte {len(packed) - 1}\)$"):
        decode(packed[:-1])
    wrong = bytearray(packed)
    wrong[-6] ^= 1
    with pytest.raises(ReadError, match=rf"checksum, byte {len(packed) - 8}\)$"):
        decode(bytes(wrong))
    with pytest.raises(ReadError, match="truncated"):
        decode(packed[:end])
    many = gzip.compress(bytes(LARGEST_CUTOUT // 2), 1) * 3
    with pytest.raises(ReadError, match="too_large"):
        decode(many)


def test_tens_of_thousands_of_members_take_no_stack():
    data = fits_bytes(np.ones((5, 5)), ">f4")
    assert decode(members(data, *([100] * 30000)))[0].sum() == 25


# Tiles


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4", "f8", "u2"])
@pytest.mark.parametrize("kind", ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1"])
def test_images_in_tiles_are_those_of_astropy(dtype, kind):
    if kind == "PLIO_1" and dtype != "i2":
        pytest.skip("PLIO is of masks")
    pixels = (RNG.normal(size=(21, 24)) * 20 + 100).astype(dtype)
    image = tiles(pixels, compression_type=kind)
    image.header["CRPIX1"], image.header["CRPIX2"] = 4.0, 5.5
    data = file_of(fits.PrimaryHDU(), fits.ImageHDU(np.ones((2, 3, 3))), image)
    for unit in (None, "tiles"):
        assert np.allclose(same(data, unit), pixels, atol=5)
        assert same(gzip.compress(data), unit).shape == (21, 24)
    assert decode(data)[1] == (5.5, 4.0)
    assert decode_named(data, ["absent", "TILES"]).shape == (21, 24)


def test_blank_pixels_of_tiles_are_nan():
    pixels = np.arange(100, dtype=np.int16).reshape(10, 10)
    image = tiles(pixels)
    image.header["BLANK"] = 7
    got = same(file_of(fits.PrimaryHDU(), image))
    assert np.isnan(got[0, 7])
    assert np.isnan(got).sum() == 1
    holes = RNG.normal(size=(20, 20)).astype(np.float32)
    holes[3] = np.nan
    assert np.isnan(same(file_of(fits.PrimaryHDU(), tiles(holes)))).sum() == 20


def test_cubes_in_tiles_are_passed_over():
    plain = fits.ImageHDU(np.ones((4, 4)), name="PLAIN")
    data = file_of(fits.PrimaryHDU(), tiles(np.ones((2, 20, 20), np.int16)), plain)
    assert same(data).shape == (4, 4)
    one = file_of(fits.PrimaryHDU(), tiles(np.ones((1, 20, 21), np.int16)), plain)
    assert same(one).shape == (20, 21)
    with pytest.raises(ReadError, match="no_image"):
        decode(data, "TILES")
    first = first_unit(file_of(fits.PrimaryHDU(), tiles(np.ones((20, 21), np.int16))))
    assert same(first, "primary").shape == (20, 21)


def test_damaged_tiles_are_told():
    data = file_of(fits.PrimaryHDU(), tiles(RNG.integers(0, 9, (50, 50)).astype(np.int16)))
    for damaged in (data[:6000], data.replace(b"RICE_1", b"RICE_9"), data.replace(b"ZTILE1  =", b"ZTILX1  =")):
        with pytest.raises(ReadError, match=r"damaged_fits, byte 2880\)$"):
            decode(damaged)
    large = data.replace(b"ZNAXIS1 =                   50", b"ZNAXIS1 =                50000", 1)
    with pytest.raises(ReadError, match="too_large"):
        decode(large)


# Cutouts of alerts


def variants(plane):
    """Return a plane as each kind of file, and the pixels that it holds."""
    plain = fits_bytes(plane)
    extension = first_unit(file_of(fits.PrimaryHDU(), fits.ImageHDU(plane)))
    return {
        "members": members(plain, 2880, 9000),
        "cube": fits_bytes(plane[None]),
        "extension": gzip.compress(extension),
        "tiles": gzip.compress(file_of(fits.PrimaryHDU(), tiles(plane, quantize_level=0, compression_type="GZIP_1"))),
    }


def write_night(path, count=40):
    alerts, wanted = [], []
    for number in range(count):
        pixels = planes(number)
        data = [variants(plane) for plane in pixels]
        kinds = list(data[0])
        cutouts = {name: data[k][kinds[(number + k) % len(kinds)]] for k, name in enumerate(CUTOUTS)}
        alerts.append(packet(number, pixels, **cutouts))
        wanted.append(pixels)
    path.write_bytes(avro_bytes(alerts))
    return alerts, np.array(wanted)


def test_cutouts_of_alerts_in_every_kind(tmp_path):
    alerts, wanted = write_night(tmp_path / "night.avro")
    for threads in (1, 4):
        stamps = read(tmp_path / "night.avro", threads=threads)
        assert np.array_equal(stamps.pixels, wanted)
        assert not stamps.flags.any()
        assert (stamps.centre == 31).all()
    assert np.array_equal(read_messages([avro_bytes([alert]) for alert in alerts]).pixels, wanted)


def test_features_of_alerts_in_tiles_are_those_of_plain_ones(tmp_path):
    write_night(tmp_path / "night.avro")
    stamps = read(tmp_path / "night.avro")
    want = s2v.features(stamps, set="s2v")
    got = [part.rows.values for part in batches(tmp_path, measure=FeaturePlan(want.names))]
    assert np.array_equal(np.concatenate(got), want.values, equal_nan=True)


def test_damaged_tiles_cost_one_row(tmp_path):
    pixels = planes(0)
    broken = file_of(fits.PrimaryHDU(), tiles(pixels[2])).replace(b"ZTILE1  =", b"ZTILX1  =")
    alerts = [packet(0), packet(1, cutoutDifference=broken), packet(2)]
    (tmp_path / "a.avro").write_bytes(avro_bytes(alerts))
    problems = []
    stamps = read(tmp_path, problems=problems)
    assert [flags.names(row) for row in stamps.flags] == [[], ["bad_stamp"], []]
    assert [(problem.reason, problem.row, problem.of_file) for problem in problems] == [("damaged_fits", 1, False)]
    assert stamps.plane(1, "science") is not None
