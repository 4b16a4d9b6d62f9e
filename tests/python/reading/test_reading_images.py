"""Stamps out of FITS files of candidates and of cubes, of arrays in every layout, and of DES stamps that are packed."""

import gzip
import io
import subprocess
import sys
import warnings

import numpy as np
import pytest
from astropy.io import fits

from helpers.packets import avro_bytes, fits_bytes, packet, planes
from space2vec.cli import main
from space2vec.data import flags
from space2vec.errors import ReadError
from space2vec.reading import Position, batches, files, read

NAMES = ("SCIENCE", "TEMPLATE", "DIFFERENCE")


def units(pixels, names=NAMES, kind=fits.ImageHDU):
    """Return a FITS file with a unit a plane behind an empty one."""
    file = io.BytesIO()
    images = [kind(plane, name=name) for plane, name in zip(pixels, names, strict=True)]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(file)
    return file.getvalue()


def cube(pixels):
    file = io.BytesIO()
    fits.PrimaryHDU(pixels).writeto(file)
    return file.getvalue()


# Candidates


@pytest.mark.parametrize("names", [NAMES, ("sci", "ref", "diff"), ("SRCH", "TEMP", "SUB"), ("new", "tmpl", "diff")])
def test_a_file_of_three_units_is_a_candidate(tmp_path, names):
    pixels = planes(1)
    (tmp_path / "a.fits").write_bytes(units(pixels, names))
    stamps = read(tmp_path / "a.fits")
    assert np.array_equal(stamps.pixels[0], pixels)
    assert stamps.object_id.tolist() == ["a"]
    assert stamps.candidate_id.tolist() == ["a"]
    assert not stamps.flags.any()


def test_a_folder_of_candidates_in_every_packing(tmp_path):
    pixels = [planes(number) for number in range(6)]
    (tmp_path / "2.fits").write_bytes(units(pixels[0]))
    (tmp_path / "10.fits.gz").write_bytes(gzip.compress(units(pixels[1])))
    data = units(pixels[2])
    (tmp_path / "11.fit").write_bytes(gzip.compress(data[:9000]) + gzip.compress(data[9000:]))
    tiles = units(np.round(pixels[3] * 100).astype(np.int16), kind=fits.CompImageHDU)
    (tmp_path / "12.fits.fz").write_bytes(tiles)
    primary = fits.HDUList([fits.PrimaryHDU(pixels[4][0])])
    primary[0].header["EXTNAME"] = "SCIENCE"
    primary.append(fits.ImageHDU(pixels[4][2], name="DIFFERENCE"))
    primary.writeto(tmp_path / "13.fits")
    (tmp_path / "14.fits").write_bytes(units(pixels[5], ("DIFFERENCE", "SCIENCE", "TEMPLATE"))[2880:])
    for size in (1, 4, 100):
        parts = list(batches(tmp_path, batch=size))
        assert [len(part.rows) for part in parts] == [min(size, 6 - first) for first in range(0, 6, size)]
        assert [name for part in parts for name in part.rows.object_id] == ["2", "10", "11", "12", "13", "14"]
        rest = list(batches(tmp_path, batch=size, start=Position(*parts[0].position)))
        assert sum(len(part.rows) for part in rest) == 6 - len(parts[0].rows)
    stamps = read(tmp_path)
    for row in (0, 1, 2):
        assert np.array_equal(np.stack([stamps.plane(row, name.lower()) for name in NAMES]), pixels[row])
    assert np.array_equal(stamps.plane(3, "template"), np.round(pixels[3][1] * 100))
    assert stamps.plane(4, "template") is None
    assert np.array_equal(stamps.plane(4, "difference"), pixels[4][2])
    assert np.array_equal(stamps.plane(5, "science"), pixels[5][1])
    assert len(list(files(tmp_path))) == 6


def test_fits_files_stand_among_others_in_their_order(tmp_path):
    (tmp_path / "a.fits").write_bytes(units(planes(0)))
    (tmp_path / "b.avro").write_bytes(avro_bytes([packet(1)]))
    (tmp_path / "c.fits").write_bytes(units(planes(2)))
    for plane in ("srch", "temp", "diff"):
        (tmp_path / f"{plane}7.fits").write_bytes(fits_bytes(planes(3)[0]))
    assert read(tmp_path).object_id.tolist() == ["a", "ZTF18test001", "c", "7"]
    for data in (units(planes(0)), gzip.compress(units(planes(0)))):
        (tmp_path / "plain").write_bytes(data)
        assert read(tmp_path / "plain").object_id.tolist() == ["plain"]


def test_what_is_damaged_costs_its_row(tmp_path):
    whole = units(planes(0))
    (tmp_path / "1.fits").write_bytes(whole)
    (tmp_path / "2.fits").write_bytes(whole[:1000])
    (tmp_path / "3.fits").write_bytes(whole[: 2 * len(whole) // 3])
    (tmp_path / "4.fits").write_bytes(b"no FITS")
    (tmp_path / "5.fits").write_bytes(b"")
    (tmp_path / "6.fits.gz").write_bytes(gzip.compress(whole)[:-20])
    (tmp_path / "7.fits").write_bytes(units(planes(0), ("A", "B", "C")))
    (tmp_path / "8.fits").write_bytes(cube(planes(0)[0]))
    (tmp_path / "9.fits").write_bytes(whole)
    none = tmp_path / "none"
    fits.PrimaryHDU().writeto(none)
    with pytest.raises(ReadError, match="none: a FITS file without an image"):
        read(none)
    none.unlink()
    problems = []
    stamps = read(tmp_path, strict=False, problems=problems)
    assert [flags.names(row) == ["bad_stamp"] for row in stamps.flags] == [False] + [True] * 7 + [False]
    assert stamps.object_id.tolist() == [str(number) for number in range(1, 10)]
    assert stamps.candidate_id.tolist() == ["1", None, "3", *[None] * 5, "9"]
    assert stamps.plane(2, "science") is not None
    assert sorted({problem.row for problem in problems}) == list(range(1, 8))
    for name, reason in (
        ("2", "truncated"),
        ("4", "not_fits"),
        ("5", "empty_cutout"),
        ("7", r"A \(63, 63\), B .*EXTNAME.* science \(or sci.*channels="),
        ("8", r"\(63, 63\).*do not say which planes"),
    ):
        with pytest.raises(ReadError, match=rf"{name}\.fits: .*{reason}"):
            read(tmp_path / f"{name}.fits")
    with pytest.raises(ReadError, match=r"6\.fits\.gz: a damaged gzip file"):
        read(tmp_path / "6.fits.gz")


def test_images_without_names_are_named_by_the_user(tmp_path):
    pixels = planes(0)
    (tmp_path / "a.fits").write_bytes(units(pixels, ("A", "B", "C")))
    (tmp_path / "b.fits").write_bytes(cube(pixels[2]))
    stamps = read(tmp_path / "a.fits", channels=("difference", "science", "template"))
    assert np.array_equal(stamps.pixels[0], pixels[[1, 2, 0]])
    assert read(tmp_path / "b.fits", channels=("difference",)).channels == ("difference",)
    with pytest.raises(ReadError, match="do not say which planes"):
        read(tmp_path / "a.fits", channels=("difference",))


# Cubes


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz", ".fit"])
def test_cubes_of_candidates(tmp_path, suffix):
    pixels = np.stack([planes(number, (9, 11)) for number in range(5)])
    write = gzip.compress if suffix.endswith("gz") else bytes
    file = tmp_path / f"x{suffix}"
    file.write_bytes(write(cube(pixels)))
    for size in (2, 10):
        parts = [part.rows for part in batches(file, batch=size)]
        assert np.array_equal(np.concatenate([part.pixels for part in parts]), pixels)
    assert read(file).object_id.tolist() == [f"x:{row}" for row in range(5)]
    assert read(file).candidate_id.tolist() == list(range(5))
    file.write_bytes(write(cube(pixels[:, 2])))
    assert np.array_equal(read(file).pixels, pixels[:, 2:])
    assert read(file).channels == ("difference",)
    assert read(file, channels=["science"]).channels == ("science",)
    file.write_bytes(write(cube(pixels[0])))
    assert np.array_equal(read(file).pixels, pixels[:1])
    file.write_bytes(write(units(np.moveaxis(pixels, 1, 0))))
    assert np.array_equal(read(file).pixels, pixels)
    file.write_bytes(write(units(np.moveaxis(pixels, 1, 0))[2880:]))
    assert np.array_equal(read(file).pixels, pixels)
    scaled = fits.PrimaryHDU(np.round(pixels * 100).astype(np.int16))
    scaled.header["BZERO"] = 1000.0
    scaled.writeto(tmp_path / "scaled.fits")
    assert np.array_equal(read(tmp_path / "scaled.fits").pixels, np.round(pixels * 100) + 1000)


def test_cubes_and_candidates_in_one_folder(tmp_path):
    (tmp_path / "a.fits").write_bytes(units(planes(0)))
    (tmp_path / "b.fits").write_bytes(cube(np.stack([planes(1), planes(2)])))
    (tmp_path / "c.fits").write_bytes(cube(np.ones((2, 2, 9, 9))))
    (tmp_path / "d.fits").write_bytes(units(planes(3)))
    for size in (1, 2, 10):
        rows = [name for part in batches(tmp_path, batch=size) for name in part.rows.object_id]
        assert rows == ["a", "b:0", "b:1", "c", "d"]


# Arrays


def quiet_read(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read(path, **options)


def test_npy_of_channels_last(tmp_path):
    pixels = np.stack([planes(number, (9, 11)) for number in range(4)])
    np.save(tmp_path / "x.npy", np.moveaxis(pixels, 1, -1))
    with pytest.warns(UserWarning, match=r"x\.npy has shape \(4, 9, 11, 3\).*channels last") as caught:
        stamps = read(tmp_path / "x.npy")
    assert len(caught) == 1
    assert np.array_equal(stamps.pixels, pixels)
    with pytest.warns(UserWarning, match="channels last") as caught:
        parts = [part.rows.pixels for part in batches(tmp_path / "x.npy", batch=2)]
    assert len(caught) == 1
    assert np.array_equal(np.concatenate(parts), pixels)
    np.save(tmp_path / "x.npy", np.moveaxis(pixels[:, 1:], 1, -1))
    with pytest.raises(ReadError, match=r"an array of 9 planes needs channels= .*\(4, 9, 11, 2\).*\(n, channel,"):
        quiet_read(tmp_path / "x.npy")
    with pytest.warns(UserWarning, match="channels last"):
        stamps = read(tmp_path / "x.npy", channels=["ref", "diff"])
    assert np.array_equal(stamps.pixels, pixels[:, 1:])
    with pytest.raises(ReadError, match=r"shape \(4, 9, 11, 2\), but channels= names 3"):
        quiet_read(tmp_path / "x.npy", channels=NAMES)
    np.save(tmp_path / "x.npy", np.ones((2, 3, 3, 3)) * np.arange(3)[:, None, None])
    assert np.array_equal(quiet_read(tmp_path / "x.npy").plane(0, "difference"), np.full((3, 3), 2))


def test_npy_of_one_plane_or_one_stamp(tmp_path):
    pixels = planes(0, (9, 11))
    for array, want in (
        (pixels, pixels[None]),
        (pixels[2], pixels[None, 2:]),
        (np.stack([pixels[2]] * 5), np.stack([pixels[2:]] * 5)),
        (pixels[2][None, ..., None], pixels[None, 2:]),
    ):
        np.save(tmp_path / "x.npy", array)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            stamps = read(tmp_path / "x.npy")
        assert np.array_equal(stamps.pixels, want)
        assert stamps.channels == (("difference",) if want.shape[1] == 1 else ("science", "template", "difference"))
    assert quiet_read(tmp_path / "x.npy", channels=["sci"]).channels == ("science",)


@pytest.mark.parametrize("shape", [(4, 9, 11), (4, 1, 9, 11), (4, 9, 11, 1)])
@pytest.mark.parametrize("names", [("difference",), ("diff",), ("sci", "SUB"), ("search", "reference", "difference")])
def test_npz_of_named_planes(tmp_path, shape, names):
    pixels = np.random.default_rng(0).normal(size=(3, 4, 9, 11)).astype(np.float32)
    np.savez(tmp_path / "x.npz", **{name: plane.reshape(shape) for name, plane in zip(names, pixels, strict=False)})
    for size in (3, 10):
        parts = [part.rows for part in batches(tmp_path, batch=size)]
        assert np.array_equal(np.concatenate([part.pixels for part in parts]), np.moveaxis(pixels[: len(names)], 0, 1))
    wanted = {1: ("difference",), 2: ("science", "difference"), 3: ("science", "template", "difference")}
    assert parts[0].channels == wanted[len(names)]


@pytest.mark.parametrize("name", ["pixels", "images", "Stamps", "triplets", "cutouts", "data", "arr_0"])
def test_npz_of_whole_stamps(tmp_path, name):
    pixels = planes(0, (9, 11))[None]
    np.savez(tmp_path / "x.npz", **{name: pixels, "MAG": [1.0]})
    assert np.array_equal(quiet_read(tmp_path / "x.npz").pixels, pixels)


def test_npz_that_contradicts_itself(tmp_path):
    plane = np.ones((2, 9, 9))
    np.savez(tmp_path / "x.npz", diff=plane, difference=plane)
    with pytest.raises(ReadError, match="the arrays diff and difference are both the difference plane"):
        read(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", diff=plane, sci=plane[:1])
    with pytest.raises(ReadError, match=r"one shape \(n, height, width\); given science \(1, 9, 9\), difference"):
        read(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.ones((2, 3, 5, 5), bool), "dtype bool"),
        (np.ones((1, 3, 1, 16385), np.uint8), "sides of 1 to 16384 pixels; given 1 x 16385"),
        (np.ones((2, 2, 3, 5, 5)), r"shape \(n, channel, height, width\)"),
        (np.zeros((1, 3, 4, 4), [("a", "f4")]), "dtype"),
        (np.float32(3), r"the array's shape is \(\)"),
    ],
)
def test_arrays_that_hold_no_stamps(tmp_path, array, reason):
    for name, save in (("x.npy", np.save), ("x.npz", lambda path, value: np.savez(path, pixels=value))):
        save(tmp_path / name, array)
        with pytest.raises(ReadError, match=rf"{name}: .*{reason}"):
            read(tmp_path / name)


# DES


def test_des_stamps_that_are_packed(tmp_path):
    pixels = np.round(planes(5, (51, 51)) * 50)
    files_of = {}
    for name, plane in zip(("srch", "temp", "diff"), pixels, strict=True):
        plain = fits_bytes(plane)
        packed = io.BytesIO()
        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(plane.astype(np.int16))]).writeto(packed)
        files_of[name] = {".fits": plain, ".fits.gz": gzip.compress(plain), ".fits.fz": packed.getvalue()}
    for number, suffixes in enumerate(
        [(".fits.gz",) * 3, (".fits.fz",) * 3, (".fits", ".fits.gz", ".fits.fz"), (".fits.fz", ".fits", ".fits.gz")]
    ):
        for name, suffix in zip(files_of, suffixes, strict=True):
            (tmp_path / f"{name}{number}{suffix}").write_bytes(files_of[name][suffix])
    stamps = read(tmp_path)
    assert np.array_equal(stamps.pixels, np.stack([pixels] * 4))
    assert stamps.object_id.tolist() == ["0", "1", "2", "3"]
    assert not stamps.flags.any()


# The command line


def test_planes_are_named_on_the_command_line(tmp_path, capsys):
    np.save(tmp_path / "two.npy", planes(1)[None, 1:])
    (tmp_path / "two.fits").write_bytes(units(planes(1)[1:], ("A", "B")))
    for name in ("two.npy", "two.fits"):
        command = ["features", str(tmp_path / name), "-o", str(tmp_path / "o.csv")]
        assert main([*command, "--channels", "ref,diff"]) == 0
        assert "AMP" in (tmp_path / "o.csv").read_text().splitlines()[0]
        (tmp_path / f"{name}.row").write_text((tmp_path / "o.csv").read_text().splitlines()[1].split(",", 2)[2])
        assert main(command) == 1
        assert "--channels" in capsys.readouterr().err
        assert main([*command, "--channels", "ref,image"]) == 2
        assert "out of science (or sci" in capsys.readouterr().err
    assert (tmp_path / "two.npy.row").read_text() == (tmp_path / "two.fits.row").read_text()


def test_channels_last_is_said_in_a_plain_sentence(tmp_path):
    np.save(tmp_path / "x.npy", np.moveaxis(planes(1), 0, -1)[None])
    words = ["features", str(tmp_path / "x.npy"), "-o", str(tmp_path / "o.csv")]
    command = [sys.executable, "-m", "space2vec", *words]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    assert said.count("channels last") == 1
    assert "space2vec: x.npy has shape (1, 63, 63, 3), which is taken for channels last" in said
    assert ".py:" not in said


def test_scores_of_a_candidate_in_one_file(tmp_path, capsys):
    (tmp_path / "cand.fits").write_bytes(units(planes(1)))
    np.save(tmp_path / "same.npy", planes(1)[None])
    for name in ("cand.fits", "same.npy"):
        assert main(["score", str(tmp_path / name), "-o", str(tmp_path / "out.csv")]) == 0
        rows = (tmp_path / "out.csv").read_text().splitlines()
        assert len(rows) == 2
        (tmp_path / f"{name}.score").write_text(rows[1].split(",")[2])
    assert (tmp_path / "cand.fits.score").read_text() == (tmp_path / "same.npy.score").read_text()
    capsys.readouterr()


def test_a_plane_under_two_names_is_not_known(tmp_path):
    path = tmp_path / "a.fits"
    plane = np.ones((9, 9), dtype=np.float32)
    units = [fits.ImageHDU(plane * k, name=name) for k, name in enumerate(("SCI", "NEW", "REF", "DIFF"))]
    fits.HDUList([fits.PrimaryHDU(), *units]).writeto(path)
    problems = []
    stamps = read(path, strict=False, problems=problems)
    assert [str(one).partition(": ")[2] for one in problems] == ["the units SCI and NEW are both the science plane"]
    assert stamps.plane(0, "science") is None
    assert np.array_equal(stamps.plane(0, "template"), 2 * plane)


@pytest.mark.parametrize("name", ["candidate_id", "ID", "candid"])
def test_npz_ids_have_the_names_of_tables(tmp_path, name):
    ids = {name: np.array(["007", "b"]), "objectId": np.array(["x", "y"])}
    np.savez(tmp_path / "a.npz", pixels=np.ones((2, 3, 9, 9)), **ids)
    stamps = read(tmp_path / "a.npz")
    assert stamps.candidate_id.tolist() == ["007", "b"]
    assert stamps.object_id.tolist() == ["x", "y"]
