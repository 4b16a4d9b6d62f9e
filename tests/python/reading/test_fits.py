"""FITS images: the same bits as Astropy gives, and every damage told."""

import gzip
import io
import re
import tarfile
import warnings

import fastavro
import fitsio
import numpy as np
import pytest
from astropy.io import fits
from pyarrow import parquet

from helpers.packets import CUTOUTS, fits_bytes
from oracle import fits as oracle
from space2vec.errors import ReadError
from space2vec.reading.fits import LARGEST_CUTOUT, decode
from space2vec.registry import FAULTS

core = pytest.importorskip("space2vec._core", reason="the compiled extension is missing: space2vec._core")

BLOCK, CARD = 2880, 80
DTYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
RNG = np.random.default_rng(7)


def stored(bitpix, shape=(21, 34)):
    """Return pixels of every kind: all values, the outermost ones, NaN and infinities."""
    dtype = np.dtype(DTYPES[bitpix])
    if dtype.kind != "f":
        bounds = np.iinfo(dtype)
        pixels = RNG.integers(bounds.min, bounds.max, shape, dtype=dtype.newbyteorder("="), endpoint=True)
        pixels[3] = RNG.integers(0, 50, shape[1])
        pixels.flat[:6] = bounds.min, bounds.max, 0, 7, 1, bounds.max // 2
        return pixels.astype(dtype)
    # Any bits: denormal numbers, and NaN of every payload.
    pixels = np.frombuffer(RNG.bytes(shape[0] * shape[1] * dtype.itemsize), dtype).reshape(shape).copy()
    pixels[1:5] = RNG.normal(size=(4, shape[1])) * 1000
    pixels.flat[:6] = np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-45
    return pixels


def same(data, unit=None):
    """Check that the oracle decodes to the same bits and the same reference; return the pixels."""
    pixels, reference = decode(data, unit)
    want, position = oracle.decode(data, unit)
    assert pixels.dtype == np.float32
    assert pixels.flags.c_contiguous
    assert pixels.shape == want.shape
    assert np.array_equal(pixels.view(np.uint32), want.view(np.uint32))
    assert np.array_equal(reference, position, equal_nan=True)
    return pixels


def fault(data, unit=None):
    """Return what decoding tells: the fault and the offset."""
    with pytest.raises(ReadError) as caught:
        decode(data, unit)
    name, offset = re.search(r"\((\w+), byte (\d+)\)$", str(caught.value)).groups()
    assert str(caught.value).startswith(FAULTS[name])
    return name, int(offset)


@pytest.mark.parametrize("bitpix", DTYPES)
@pytest.mark.parametrize(
    "cards",
    [
        (),
        (("BSCALE", "0.37"), ("BZERO", "-12.3456789012345")),
        (("BSCALE", "1.0"), ("BZERO", "0.1D1")),
        (("BSCALE", "-3"),),
        (("BZERO", "1.5e-3"),),
        (("BSCALE", "0.0"),),
        (("BSCALE", "1E300"), ("BZERO", "1")),
        (("BLANK", "7"),),
        (("BLANK", "0"),),
        (("BLANK", "7.0"),),
        (("BLANK", "99999999999999999999"),),
        (("BSCALE", "0.1"), ("BLANK", "7")),
        (("BZERO", "100"), ("BLANK", "0")),
        (("BZERO", "-0.0"),),
        (("CRPIX1", "14.75"), ("CRPIX2", "-3")),
    ],
)
def test_pixels_are_those_of_astropy(bitpix, cards):
    plain = fits_bytes(stored(bitpix), DTYPES[bitpix], cards)
    pixels = same(plain)
    assert np.array_equal(decode(gzip.compress(plain))[0], pixels, equal_nan=True)


@pytest.mark.parametrize("bitpix", [8, 16, 32, 64])
@pytest.mark.parametrize("blank", [(), (("BLANK", "7"),)])
def test_integers_shifted_to_the_other_sign_are_exact(bitpix, blank):
    zero = -128 if bitpix == 8 else 1 << (bitpix - 1)
    plain = fits_bytes(stored(bitpix), DTYPES[bitpix], (("BSCALE", "1"), ("BZERO", zero), *blank))
    if bitpix == 8 and blank:
        # Astropy cannot put a NaN into its int8.
        pixels = decode(plain)[0]
        want = stored(bitpix).shape
        assert pixels.shape == want
        assert np.isnan(pixels.flat[3])
        assert pixels.flat[:3].tolist() == [-128, 127, -128]
    else:
        assert np.isnan(same(plain)).any() == bool(blank)


# fitsio reads scaled integers of 64 bits as integers.
@pytest.mark.parametrize(("bitpix", "scaled"), [(b, s) for b in DTYPES for s in (False, True) if (b, s) != (64, True)])
def test_fitsio_gives_the_same_numbers(tmp_path, bitpix, scaled):
    pixels = RNG.integers(0, 100, (5, 7)).astype(DTYPES[bitpix])
    plain = fits_bytes(pixels, DTYPES[bitpix], (("BSCALE", "0.5"), ("BZERO", "100.0")) if scaled else ())
    (tmp_path / "x.fits").write_bytes(plain)
    assert np.array_equal(decode(plain)[0], fitsio.read(tmp_path / "x.fits").astype(np.float32))
    assert np.array_equal(decode(plain)[0], pixels * 0.5 + 100 if scaled else pixels)


def units_bytes():
    """Return a file of many units: cubes, tables, empty and scaled images."""
    file = io.BytesIO()
    named = fits.ImageHDU(np.arange(20, dtype=np.int16).reshape(4, 5), name="Mask")
    scaled = fits.ImageHDU(np.arange(12, dtype=np.uint16).reshape(3, 4), name="COUNTS")
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("a", "D", array=np.arange(70.0)),
            fits.Column("b", "PD()", array=[np.arange(k) for k in range(70)]),
        ],
        name="TABLE",
    )
    text = fits.TableHDU.from_columns([fits.Column("a", "F12.3", array=np.arange(9.0))], name="TEXT")
    position = fits.ImageHDU(np.full((6, 2), np.float64(1) / 3), name="PSF")
    position.header["CRPIX1"], position.header["CRPIX2"] = 1.5, 3.25
    units = [fits.PrimaryHDU(np.ones((2, 3, 3), np.float32)), table, fits.ImageHDU(), text, named, scaled, position]
    fits.HDUList(units).writeto(file)
    return file.getvalue()


def test_units():
    plain = units_bytes()
    assert same(plain).shape == (4, 5)
    for unit, shape in (("mask", (4, 5)), ("COUNTS", (3, 4)), ("PSF", (6, 2))):
        assert same(plain, unit).shape == shape
        assert same(gzip.compress(plain), unit).shape == shape
    assert decode(plain, "psf")[1] == (3.25, 1.5)
    for unit in ("PRIMARY", "TABLE", "text", "absent"):
        assert fault(plain, unit)[0] == "no_image"


@pytest.mark.parametrize(
    "cards",
    [
        ["SIMPLE  =  T", "BITPIX  =  -32", "NAXIS   =  2", "NAXIS1  =  3", "NAXIS2  =  2"],
        ["SIMPLE  = T", "NAXIS2  = 2", "NAXIS1  = 3", "NAXIS   = 2", "BITPIX  = -32 / order"],
        ["SIMPLE  = T", "bitpix  = - 32", "Naxis   = +2", "NAXIS1= 3/", "NAXIS2= 2 / early"],
        ["SIMPLE  = T", "BITPIX  = -32", "NAXIS   = 002", "NAXIS1  = 3", "NAXIS2  = 2", "BSCALE  = 2.5 D +1 / spaces"],
        [
            "SIMPLE  = T",
            "BITPIX  = -32",
            "NAXIS   = 2",
            "NAXIS1  = 3",
            "NAXIS2  = 2",
            "BZERO   = .5d0",
            "CRPIX1  = 'x'",
        ],
        ["SIMPLE  = T", "BITPIX  = -32", "NAXIS   = 2", "NAXIS1  = 3", "NAXIS2  = 2", "CRPIX1  = 1.e1", "CRPIX2  ="],
        [
            "SIMPLE  = T",
            "BITPIX  = -32",
            "NAXIS   = 2",
            "NAXIS1  = 3",
            "NAXIS2  = 2",
            "HIERARCH ESO BZERO = 3",
            "",
            "COMMENT",
        ],
    ],
)
@pytest.mark.parametrize("end", ["END", "END    /", "END\0"])
def test_headers_in_every_style(cards, end):
    body = np.arange(6, dtype=">f4").tobytes()
    plain = "".join(card.ljust(CARD) for card in [*cards, end]).ljust(BLOCK).encode() + body.ljust(BLOCK, b"\0")
    assert same(plain).shape == (2, 3)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "empty_cutout"),
        (b"plain text", "not_fits"),
        (gzip.compress(b"plain text"), "not_fits"),
        (gzip.compress(b""), "empty_cutout"),
        (fits_bytes(np.ones((0, 3))), "no_image"),
        (fits_bytes(np.ones((1, 0, 3))), "no_image"),
        (fits_bytes(np.ones((1, 2, 3, 3))), "no_image"),
        (fits_bytes(np.ones((2, 3, 3))), "no_image"),
        (fits_bytes(np.ones(5)), "no_image"),
        (fits_bytes(np.ones((1, 16385))), "too_large"),
        (fits_bytes(np.ones((3, 3))).replace(b"   3", b"  -3", 1), "damaged_fits"),
        (fits_bytes(np.ones((3, 3))).replace(b"              3", b"999999999999999", 1), "too_large"),
        (fits_bytes(np.ones((3, 3))).replace(b"   3", b"3000", 1), "truncated"),
        (fits_bytes(np.ones((3, 3))).replace(b"-32", b"-31", 1), "damaged_fits"),
        (fits_bytes(np.ones((3, 3))).replace(b"END", b"   ", 1), "damaged_fits"),
        (fits_bytes(np.ones((3, 3)), cards=[("BSCALE", "'two'")]), "damaged_fits"),
        (fits_bytes(np.ones((3, 3)), cards=[("BLANK", "1 2")]), "damaged_fits"),
        (fits_bytes(np.ones((3, 3))).replace(b" T ", b"T T", 1), "damaged_fits"),
        (fits_bytes(np.ones((63, 63)))[:9000], "truncated"),
        (fits_bytes(np.ones((63, 63)))[:700], "truncated"),
        (gzip.compress(fits_bytes(np.ones((63, 63))))[:-12], "truncated"),
        (gzip.compress(fits_bytes(np.ones((63, 63))))[:-1], "truncated"),
        (b"\x1f\x8b\x08 not gzip", "damaged_gzip"),
        (gzip.compress(bytes(400 << 20), 1), "too_large"),
        (gzip.compress(fits_bytes(stored(-32)), 1)[:-8] + bytes(8), "checksum"),
    ],
)
def test_damage_is_told(data, name):
    assert fault(data)[0] == name


def test_the_largest_image_of_a_gzip_stream():
    side = 2000
    pixels = np.zeros((side, side), np.float32)
    pixels[-1, -1] = 1
    assert np.array_equal(decode(gzip.compress(fits_bytes(pixels), 1))[0], pixels)
    assert fault(gzip.compress(fits_bytes(np.zeros((2049, 2050))), 1))[0] == "too_large"
    assert 4 * side * side < LARGEST_CUTOUT < 4 * 2049 * 2050


def both(data, unit):
    """Compare with the oracle where both decode; return which did."""
    try:
        decode(data, unit)
    except ReadError:
        return False
    try:
        oracle.decode(data, unit)
    except Exception:
        return None
    same(data, unit)
    return True


@pytest.mark.parametrize("unit", [None, "PSF"])
def test_every_cut_is_told(unit):
    plain = units_bytes()
    whole = decode(plain, unit)[0]
    for size in [*range(0, len(plain), CARD), *range(len(plain) - 200, len(plain))]:
        try:
            pixels = decode(plain[:size], unit)[0]
        except ReadError:
            name, offset = fault(plain[:size], unit)
            assert name in (("truncated", "no_image", "empty_cutout") if size % BLOCK == 0 else ("truncated",))
            assert offset <= size
        else:
            assert np.array_equal(pixels, whole)
    packed = gzip.compress(plain)
    for size in range(len(packed)):
        assert fault(packed[:size], unit)[0] == (
            "empty_cutout" if size == 0 else "not_fits" if size == 1 else "truncated"
        )


@pytest.mark.parametrize(("many", "unit"), [(False, None), (True, None), (True, "PSF"), (True, "mask")])
def test_flipped_bits_in_headers(many, unit):
    """What decodes in spite of the damage is what Astropy makes of it."""
    cards = [("BSCALE", "0.5"), ("BZERO", "3"), ("BLANK", "7"), *((f"GAIN{k}", "1.5") for k in range(8))]
    plain = units_bytes() if many else fits_bytes(stored(16, (5, 6)), ">i2", cards)
    # Past an END that is not exact Astropy may go on to the next unit's.
    places = [
        card + k
        for begin in [0, *(match.start() for match in re.finditer(b"XTENSION", plain))]
        for card in range(begin, plain.index(b"END" + b" " * 77, begin), CARD)
        for k in range(CARD)
    ]
    verdicts = []
    for _ in range(150):
        flipped = bytearray(plain)
        for place in RNG.choice(places, RNG.integers(1, 3)):
            flipped[place] ^= 1 << RNG.integers(0, 8)
        verdicts.append(both(bytes(flipped), unit))
    assert verdicts.count(True) > (50 if many else 10)
    # Astropy reads every comment, and refuses some.
    assert verdicts.count(None) < 50


def test_noise_never_escapes_as_another_error():
    for plain in (fits_bytes(stored(-32)), units_bytes(), gzip.compress(units_bytes())):
        for _ in range(1000):
            noisy = bytearray(plain)
            for place in RNG.integers(0, len(plain), 8):
                noisy[place] = RNG.integers(256)
            for unit in (None, "PSF"):
                try:
                    decode(bytes(noisy), unit)
                except ReadError as error:
                    assert re.search(r"byte \d+\)$", str(error))  # noqa: PT017


def test_faults_are_those_of_the_registry():
    names = [core.fault_name(number) for number in range(1, len(FAULTS) + 1)]
    assert names == list(FAULTS)
    assert core.fault_name(0) == "none"
    assert core.fault_name(-1) is core.fault_name(len(FAULTS) + 1) is None


# Real data


def alerts(file):
    """Yield the alerts of a file, read the plain way."""
    if file.suffix == ".parquet":
        yield from parquet.read_table(file).to_pylist()
    elif file.suffix == ".gz":
        with tarfile.open(file) as archive:
            for member in archive.getmembers():
                yield from fastavro.reader(io.BytesIO(archive.extractfile(member).read()))
    else:
        with file.open("rb") as content:
            yield from fastavro.reader(content)


@pytest.mark.parametrize(
    ("folder", "pattern", "count", "units"),
    [
        ("ztf/night_20180713", "*.avro", 1533, ()),
        ("ztf/brokers", "*/*", 1587, ()),
        ("rubin", "*/*", 177, ("PRIMARY", "UNCERT", "PSFIMAGE")),
    ],
)
def test_every_cutout_of_real_data(data, folder, pattern, count, units):
    if not (data / folder).is_dir():
        pytest.skip(f"real data missing: {data / folder}")
    done = 0
    for file in sorted(path for path in (data / folder).glob(pattern) if path.is_file()):
        for alert in alerts(file):
            for name in CUTOUTS:
                cutout = alert[name]["stampData"] if isinstance(alert[name], dict) else alert[name]
                done += 1
                for unit in (None, *units):
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        same(cutout, unit)
    assert done == count
