"""Alerts out of Avro, Parquet and tar archives."""

import csv
import gzip
import io
import os
import subprocess
import sys
import tarfile
from collections import Counter

import fastavro
import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits
from pyarrow import parquet

from helpers.packets import CUTOUTS, SCHEMA, avro_bytes, fits_bytes, packet, planes
from space2vec import features, read
from space2vec.data import flags
from space2vec.data.arrays import LARGEST_SIDE
from space2vec.data.stamps import CHANNELS, NO_ID
from space2vec.errors import ReadError
from space2vec.plans.features import FeaturePlan
from space2vec.reading import batches
from space2vec.reading.fits import LARGEST_CUTOUT, decode


def triplet(stamps, row):
    return np.stack([stamps.plane(row, channel) for channel in CHANNELS])


def names(stamps, row):
    return flags.names(stamps.flags[row])


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "zstandard"])
@pytest.mark.parametrize("block", [1, 100_000])
def test_avro_round_trip(tmp_path, codec, block):
    file = tmp_path / "alerts.avro"
    file.write_bytes(avro_bytes([packet(k) for k in range(5)], codec, block=block))
    stamps = read(file)
    assert stamps.candidate_id.tolist() == [10**17 + k for k in range(5)]
    assert stamps.candidate_id.dtype == np.int64
    assert stamps.object_id.tolist() == [f"ZTF18test{k:03d}" for k in range(5)]
    assert not stamps.flags.any()
    assert stamps.catalogue["MAG"].tolist() == [18.5] * 5
    assert (stamps.centre == 31).all()
    for k in range(5):
        assert np.array_equal(triplet(stamps, k), planes(k))


def test_parquet_round_trip(tmp_path):
    file = tmp_path / "alerts.parquet"
    alerts = [packet(k) for k in range(5)] + [packet(5, cutoutTemplate=None)]
    parquet.write_table(pa.Table.from_pylist(alerts), file, row_group_size=2)
    parts = list(batches(file, batch=4))
    assert [len(part.rows) for part in parts] == [4, 2]
    stamps = read(file)
    assert stamps.candidate_id.tolist() == [10**17 + k for k in range(6)]
    assert np.array_equal(triplet(stamps, 3), planes(3))
    assert names(stamps, 5) == ["missing"]


@pytest.mark.parametrize("name", ["night.tar", "night.tar.gz", "night.tgz"])
def test_tar_round_trip(tmp_path, name):
    with tarfile.open(tmp_path / name, "w" if name.endswith("tar") else "w:gz") as archive:
        members = [("README", b"no alert")]
        members += [(f"night/{k}.avro", avro_bytes([packet(k), packet(10 + k)])) for k in (3, 1)]
        members += [("night/._3.avro", b"resource fork"), ("night/7.avro", b"not Avro")]
        for member, content in members:
            info = tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    problems = []
    stamps = read(tmp_path / name, strict=False, problems=problems)
    assert stamps.candidate_id.tolist() == [10**17 + k for k in (3, 13, 1, 11)] + [NO_ID]
    assert stamps.object_id[4] == "7"
    assert names(stamps, 4) == ["bad_stamp"]
    assert [(problem.path, problem.reason) for problem in problems] == [
        (f"{tmp_path / name}/night/7.avro", "foreign_file")
    ]
    with pytest.raises(ReadError, match=r"7\.avro: a file is of a foreign format"):
        read(tmp_path / name)


def test_a_cut_archive_keeps_the_alerts_before_the_cut(tmp_path):
    with tarfile.open(tmp_path / "whole.tar", "w") as archive:
        for k in range(4):
            content = avro_bytes([packet(k)])
            info = tarfile.TarInfo(f"{k}.avro")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    whole = gzip.compress((tmp_path / "whole.tar").read_bytes())
    (tmp_path / "cut.tar.gz").write_bytes(whole[: int(len(whole) * 0.6)])
    problems = []
    stamps = read(tmp_path / "cut.tar.gz", strict=False, problems=problems)
    # The ids of the alert that is cut stand before the cut.
    assert stamps.candidate_id.tolist() == [10**17, 10**17 + 1, 10**17 + 2]
    assert problems[0].candidate_id == 10**17 + 2
    assert [problem.reason for problem in problems] == ["truncated"]
    with pytest.raises(ReadError, match=r"cut\.tar\.gz/2\.avro.*bytes end before"):
        read(tmp_path / "cut.tar.gz")


def test_a_tar_without_alerts_is_an_error(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("empty.txt"))
    with pytest.raises(ReadError, match="no Avro file"):
        read(tmp_path / "x.tar")


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_a_cut_file_keeps_the_alerts_before_the_cut(tmp_path, codec):
    whole = avro_bytes([packet(k) for k in range(6)], codec, block=1 << 20)
    file = tmp_path / "cut.avro"
    file.write_bytes(whole[: int(len(whole) * 0.7)])
    with pytest.raises(ReadError, match=r"cut\.avro, record 4: .*bytes end before.*accepted are"):
        read(file)
    problems = []
    stamps = read(file, strict=False, problems=problems)
    kept = len(stamps) - 1
    assert 3 <= kept <= 4
    assert stamps.candidate_id.tolist() == [10**17 + k for k in range(kept + 1)]
    assert stamps.object_id[kept] == problems[0].object_id == f"ZTF18test{kept:03d}"
    assert names(stamps, kept) == ["bad_stamp"]
    assert all(stamps.plane(kept, channel) is None for channel in CHANNELS)
    assert np.array_equal(triplet(stamps, kept - 1), planes(kept - 1))
    assert [(problem.path, problem.record, problem.row) for problem in problems] == [(str(file), kept, kept)]
    assert problems[0].reason == "truncated"
    assert "2 records of a block" in problems[0].message


def test_every_cut_of_a_file_is_told(tmp_path):
    whole = avro_bytes([packet(k, np.ones((3, 2, 2))) for k in range(3)], "deflate", block=1)
    file = tmp_path / "cut.avro"
    sync = whole[-16:]
    ends = {len(whole[: at + 16]) for at in range(len(whole)) if whole[at : at + 16] == sync}
    for cut in {*range(0, len(whole), 5), *ends}:
        file.write_bytes(whole[:cut])
        stamps = read(file, strict=False)
        if cut in ends:
            # A cut between two blocks leaves a sound file.
            assert not stamps.flags.any()
        else:
            assert names(stamps, len(stamps) - 1) == ["bad_stamp"]


def test_noise_in_a_file_never_escapes_as_another_error(tmp_path):
    rng = np.random.default_rng(1)
    for codec in ("null", "deflate", "snappy", "zstandard"):
        whole = avro_bytes([packet(k, np.ones((3, 4, 4))) for k in range(3)], codec)
        for _ in range(150):
            noisy = bytearray(whole)
            for place in rng.integers(0, len(whole), 3):
                noisy[place] = rng.integers(256)
            (tmp_path / "noisy.avro").write_bytes(noisy)
            assert len(read(tmp_path / "noisy.avro", strict=False)) <= 4


@pytest.mark.parametrize("codec", ["deflate", "snappy", "zstandard"])
def test_of_a_damaged_block_nothing_is_trusted(tmp_path, codec):
    plain = {name: fits_bytes(plane) for name, plane in zip(CUTOUTS, planes(0), strict=True)}
    whole = bytearray(avro_bytes([packet(k, **plain) for k in range(4)], codec, block=1))
    ends = [at for at in range(len(whole)) if whole[at : at + 16] == whole[-16:]]
    whole[ends[2] - 2000 : ends[2] - 20] = bytes(1980)
    (tmp_path / "x.avro").write_bytes(whole)
    problems = []
    stamps = read(tmp_path / "x.avro", strict=False, problems=problems)
    # The id may be known; the pixels that came out may be anything.
    assert stamps.candidate_id[1] in (NO_ID, 10**17 + 1)
    assert stamps.candidate_id[[0, 2, 3]].tolist() == [10**17, 10**17 + 2, 10**17 + 3]
    assert [names(stamps, row) for row in range(4)] == [[], ["bad_stamp"], [], []]
    assert stamps.plane(1, "difference") is None
    assert [(problem.reason, problem.record, problem.row) for problem in problems] == [("damaged_block", 1, 1)]
    assert problems[0].offset == ends[1] + 16
    assert problems[0].candidate_id in (None, 10**17 + 1)
    with pytest.raises(ReadError, match="a compressed block of an Avro file breaks its format"):
        read(tmp_path / "x.avro")


@pytest.mark.parametrize("block", [1, 100_000])
def test_a_damaged_sync_marker_costs_no_alert(tmp_path, block):
    whole = bytearray(avro_bytes([packet(k) for k in range(4)], block=block))
    ends = [at for at in range(len(whole)) if whole[at : at + 16] == whole[-16:]]
    whole[ends[1]] ^= 1
    (tmp_path / "x.avro").write_bytes(whole)
    problems = []
    stamps = read(tmp_path / "x.avro", strict=False, problems=problems)
    assert [number for number in stamps.candidate_id if number != NO_ID] == [10**17 + k for k in range(4)]
    assert [problem.reason for problem in problems] == ["damaged_avro"]
    assert "sync marker" in problems[0].message


@pytest.mark.parametrize("codec", ["null", "deflate"])
@pytest.mark.parametrize("keep", [0.02, 0.3, 0.9, 0.999])
def test_a_cut_file_costs_none_of_those_after_it(tmp_path, codec, keep):
    parts = [avro_bytes([packet(2 * k), packet(2 * k + 1)], codec) for k in range(6)]
    parts[2] = parts[2][: int(keep * len(parts[2]))]
    (tmp_path / "joined.avro").write_bytes(b"".join(parts))
    problems = []
    stamps = read(tmp_path / "joined.avro", strict=False, problems=problems)
    sound = [number - 10**17 for number, bad in zip(stamps.candidate_id, stamps.flags, strict=True) if not bad]
    assert [number for number in sound if number not in (4, 5)] == [0, 1, 2, 3, *range(6, 12)]
    assert len(set(sound)) == len(sound)
    assert len(stamps) - len(sound) == len({problem.row for problem in problems}) > 0


def test_a_file_of_no_alerts_costs_none_of_those_after_it(tmp_path):
    schema = {"type": "record", "name": "star", "fields": [{"name": "ra", "type": "double"}]}
    stars = avro_bytes([{"ra": float(k)} for k in range(9)], schema=schema, block=20)
    broken = avro_bytes([packet(50)]).replace(b'"record"', b'"recurd"')
    header = bytearray(avro_bytes([packet(51)]))
    header[5] = 0xFF
    parts = [avro_bytes([packet(0)]), stars, avro_bytes([packet(1)]), avro_bytes([packet(52)], "bzip2"), broken]
    parts += [avro_bytes([packet(2)]), bytes(header), avro_bytes([packet(3)])]
    (tmp_path / "joined.avro").write_bytes(b"".join(parts))
    problems = []
    stamps = read(tmp_path / "joined.avro", strict=False, problems=problems)
    known = [number - 10**17 for number in stamps.candidate_id.tolist() if number != NO_ID]
    assert known == [0, 1, 2, 3]
    assert [problem.row for problem in problems] == [1, 3, 4, 6]
    assert [problem.reason for problem in problems][:3] == ["foreign_schema", "unknown_codec", "damaged_schema"]


@pytest.mark.parametrize(("at", "value"), [(0, 0x02), (0, 0x7E), (1, 0x02), (2, 0x7F)])
def test_a_damaged_block_head_costs_no_other_block(tmp_path, at, value):
    whole = bytearray(avro_bytes([packet(2 * k + j) for k in range(5) for j in range(2)], block=60_000))
    ends = [place for place in range(len(whole)) if whole[place : place + 16] == whole[-16:]]
    assert len(ends) == 6
    assert whole[ends[2] + 16] == 4
    whole[ends[2] + 16 + at] = value
    (tmp_path / "x.avro").write_bytes(whole)
    problems = []
    stamps = read(tmp_path / "x.avro", strict=False, problems=problems)
    known = [number - 10**17 for number in stamps.candidate_id.tolist() if number != NO_ID]
    assert len(known) == len(set(known))
    assert {*range(4), *range(6, 10)} <= set(known)
    assert len(problems) == len(stamps) - len(known) == 1


@pytest.mark.parametrize(
    ("name", "content", "reason", "words"),
    [
        ("empty.avro", b"", "empty_file", "a file has no bytes"),
        ("text.avro", b"Once upon a time", "foreign_file", "foreign format"),
        ("head.avro", b"Obj\x01\x04\x16avro.sch", "truncated", "the header: the bytes end"),
        ("text.avro.gz", gzip.compress(b"Once upon a time"), "foreign_file", "foreign format"),
        ("cut.avro.gz", gzip.compress(avro_bytes([packet(0)]))[:200], "truncated", "bytes end"),
        ("text.parquet", b"Once upon a time", "foreign_file", "foreign format"),
        ("cut.parquet", b"PAR1 and nothing more", "damaged_file", "not a Parquet file"),
        ("text.tar", b"Once upon a time" * 100, "foreign_file", "foreign format"),
        ("text.tar.gz", gzip.compress(b"Once upon a time" * 100), "foreign_file", "foreign format"),
        ("stamp.fits", fits_bytes(np.ones((2, 2))), "damaged_file", "do not say which planes"),
        ("text.fits", b"Once upon a time", "damaged_file", "not a FITS file"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path, name, content, reason, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ReadError, match=rf"{name}: .*{words}.*accepted are"):
        read(tmp_path / name)
    problems = []
    stamps = read(tmp_path / name, strict=False, problems=problems)
    assert len(stamps) == 1
    assert [(problem.path, problem.reason) for problem in problems] == [(str(tmp_path / name), reason)]
    assert problems[0].of_file
    assert problems[0].record is None
    assert stamps.object_id[0] == name.split(".")[0] or name == "stamp.fits"
    assert stamps.candidate_id.tolist() == [NO_ID]
    assert names(stamps, 0) == ["bad_stamp"]


def test_a_foreign_schema_is_told(tmp_path):
    schema = {"type": "record", "name": "star", "fields": [{"name": "ra", "type": "double"}]}
    (tmp_path / "stars.avro").write_bytes(avro_bytes([{"ra": 1.0}], schema=schema))
    (tmp_path / "codec.avro").write_bytes(avro_bytes([packet(0)], "bzip2"))
    problems = []
    assert len(read(tmp_path, strict=False, problems=problems)) == 2
    assert [problem.reason for problem in problems] == ["unknown_codec", "foreign_schema"]
    with pytest.raises(ReadError, match=r"stars\.avro: none of its fields is a cutout"):
        read(tmp_path / "stars.avro")
    with pytest.raises(ReadError, match=r"codec\.avro: bzip2: an Avro codec that is unknown"):
        read(tmp_path / "codec.avro")


def test_ids_of_any_type_are_ids(tmp_path):
    schema = {
        "type": "record",
        "name": "alert",
        "fields": [
            {"name": "candid", "type": ["string", "long"]},
            {"name": "candidate", "type": ["null", "string"]},
            {"name": "cutoutDifference", "type": "bytes"},
        ],
    }
    alert = {"candid": "17", "candidate": None, "cutoutDifference": fits_bytes(planes(0)[0])}
    (tmp_path / "x.avro").write_bytes(avro_bytes([alert], schema=schema))
    assert read(tmp_path / "x.avro").candidate_id.tolist() == [17]
    # A candidate that is no record tells nothing.
    (tmp_path / "x.avro").write_bytes(avro_bytes([alert | {"candid": 17, "candidate": "x"}], schema=schema))
    assert read(tmp_path / "x.avro").candidate_id.tolist() == [17]


def test_a_file_without_alerts_has_no_rows(tmp_path):
    (tmp_path / "none.avro").write_bytes(avro_bytes([]))
    assert len(read(tmp_path / "none.avro")) == 0


def test_bad_files_keep_their_place(tmp_path):
    for k in (2, 10):
        (tmp_path / f"a{k}.avro").write_bytes(avro_bytes([packet(k)]))
    (tmp_path / "a9.avro").write_bytes(b"")
    stamps = read(tmp_path, strict=False)
    assert stamps.candidate_id.tolist() == [10**17 + 2, NO_ID, 10**17 + 10]
    assert stamps.object_id.tolist() == ["ZTF18test002", "a9", "ZTF18test010"]


@pytest.mark.parametrize(
    ("data", "flag", "reason"),
    [
        (None, "missing", "missing_plane"),
        (b"", "missing", "empty_cutout"),
        (b"\x1f\x8b\x08 not gzip", "bad_stamp", "damaged_gzip"),
        (gzip.compress(fits_bytes(np.ones((63, 63))))[:-12], "bad_stamp", "truncated"),
        (gzip.compress(fits_bytes(np.ones((63, 63))))[:-8] + bytes(8), "bad_stamp", "checksum"),
        (gzip.compress(b"plain text"), "bad_stamp", "not_fits"),
        (b"not FITS", "bad_stamp", "not_fits"),
        (fits_bytes(np.ones((63, 63)))[:9000], "bad_stamp", "truncated"),
        (fits_bytes(np.ones((63, 63)))[:700], "bad_stamp", "truncated"),
        (fits_bytes(np.ones((2, 3, 3))), "bad_stamp", "no_image"),
        (fits_bytes(np.ones((0, 3))), "bad_stamp", "no_image"),
        (fits_bytes(np.ones((1, LARGEST_SIDE + 1))), "bad_stamp", "too_large"),
        (gzip.compress(fits_bytes(np.zeros((LARGEST_CUTOUT // 4096, 1024)))), "bad_stamp", "too_large"),
    ],
)
def test_a_cutout_that_cannot_be_used_costs_its_row_only(tmp_path, data, flag, reason):
    file = tmp_path / "x.avro"
    file.write_bytes(avro_bytes([packet(0), packet(1, cutoutTemplate=data), packet(2)]))
    problems = []
    stamps = read(file, problems=problems)
    assert [names(stamps, row) for row in range(3)] == [[], [flag], []]
    assert stamps.plane(1, "template") is None
    assert np.array_equal(stamps.plane(1, "difference"), planes(1)[2])
    assert stamps.candidate_id[1] == 10**17 + 1
    assert len(problems) == 1
    problem = problems[0]
    assert (problem.reason, problem.record, problem.row, problem.of_file) == (reason, 1, 1, False)
    assert (problem.object_id, problem.candidate_id) == ("ZTF18test001", 10**17 + 1)
    assert problem.message.startswith("cutoutTemplate: ")
    # The record begins there.
    packed = file.read_bytes()[problem.offset :]
    assert fastavro.schemaless_reader(io.BytesIO(packed), SCHEMA, None)["candid"] == 10**17 + 1


def test_a_plane_that_no_feature_needs_does_not_refuse_a_row(tmp_path):
    for k, data in enumerate((None, b"not FITS")):
        (tmp_path / f"{k}.avro").write_bytes(avro_bytes([packet(k, cutoutScience=data)]))
    (tmp_path / "2.avro").write_bytes(avro_bytes([packet(2, cutoutTemplate=None), packet(3)]))
    stamps = read(tmp_path)
    assert [names(stamps, row) for row in range(4)] == [["missing"], ["bad_stamp"], ["missing"], []]
    table = features(stamps)
    assert [bool(value & flags.UNSCORABLE) for value in table.flags] == [False, False, True, False]
    measured = [batch.rows for batch in batches(tmp_path, measure=FeaturePlan(table.names))]
    assert np.array_equal(measured[0].values, table.values, equal_nan=True)
    assert measured[0].flags.tolist() == table.flags.tolist()


def test_a_gzip_bomb_takes_no_memory(tmp_path):
    bomb = gzip.compress(bytes(200 << 20), 1)
    (tmp_path / "plain.avro").write_bytes(avro_bytes([packet(0)]))
    (tmp_path / "bomb.avro").write_bytes(avro_bytes([packet(0, cutoutScience=bomb)]))
    code = (
        "import re, sys; from pathlib import Path; from space2vec import read\n"
        "for name in sys.argv[1:]:\n"
        "    problems = []; read(name, threads=1, problems=problems)\n"
        "    peak = re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]\n"
        "    print(peak, *(problem.reason for problem in problems))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", code, tmp_path / "plain.avro", tmp_path / "bomb.avro"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    before, after, reason = done.stdout.split()
    assert reason == "too_large"
    assert int(after) - int(before) < 60_000


def test_nan_pixels_pass_as_they_are(tmp_path):
    pixels = planes(0)
    pixels[2] = np.nan
    pixels[0, 3, 4] = np.inf
    (tmp_path / "x.avro").write_bytes(avro_bytes([packet(0, pixels)]))
    stamps = read(tmp_path / "x.avro")
    assert np.array_equal(triplet(stamps, 0), pixels, equal_nan=True)
    assert names(stamps, 0) == []


def test_fits_scaling_and_dtypes():
    counts = np.arange(12).reshape(3, 4)
    cards = (("BSCALE", "0.5"), ("BZERO", "100.0"), ("BLANK", "7"))
    pixels, _ = decode(fits_bytes(counts, ">i2", cards))
    want = counts * 0.5 + 100
    want[counts == 7] = np.nan
    assert np.array_equal(pixels, want, equal_nan=True)
    for dtype in (">f8", ">f4", ">i4", "u1"):
        pixels, _ = decode(fits_bytes(counts, dtype))
        assert pixels.dtype == np.float32
        assert pixels.flags.c_contiguous
        assert np.array_equal(pixels, counts)


def test_the_first_image_of_a_fits_file_is_taken():
    file = io.BytesIO()
    units = [fits.PrimaryHDU(), fits.ImageHDU(np.ones((2, 3, 3))), fits.ImageHDU(np.full((5, 4), 2.0, np.float32))]
    fits.HDUList(units).writeto(file)
    assert np.array_equal(decode(file.getvalue())[0], np.full((5, 4), 2.0))


@pytest.mark.parametrize(
    ("shape", "x", "y", "centre"),
    [
        ((63, 63), 700.0, 800.0, (31, 31)),
        ((63, 50), 19.2, 800.0, (31, 18)),
        ((55, 63), 700.0, 23.6, (23, 31)),
        ((63, 43), 3060.0, 800.0, (31, 31)),
        ((63, 44), 3060.0, 800.0, (31, 31)),
        ((52, 44), 3060.0, 20.4, (19, 31)),
        ((63, 63), 31.6, 3049.4, (31, 31)),
        # Sizes that the edges do not explain.
        ((61, 61), 700.0, 800.0, (30, 30)),
        ((61, 61), 12.0, 15.0, (30, 30)),
        ((63, 41), 19.2, 800.0, (31, 20)),
        ((41, 41), 19.2, 800.0, (20, 20)),
        ((63, 50), 3052.0, 800.0, (31, 25)),
        ((80, 80), 3.0, 4.0, (40, 40)),
        ((63, 50), 1e300, 800.0, (31, 25)),
        ((50, 63), 800.0, -1e300, (25, 31)),
        ((40, 40), None, None, (20, 20)),
        ((40, 50), np.nan, np.inf, (20, 25)),
    ],
)
def test_the_candidate_of_a_stamp_cut_at_the_edge_is_off_its_middle(tmp_path, shape, x, y, centre):
    (tmp_path / "x.avro").write_bytes(avro_bytes([packet(0, planes(0, shape), {"xpos": x, "ypos": y})]))
    assert tuple(read(tmp_path / "x.avro").centre[0]) == centre


def test_batches_are_bounded_and_whole(tmp_path):
    for k in range(4):
        (tmp_path / f"{k}.avro").write_bytes(avro_bytes([packet(10 * k + j) for j in range(3)]))
    parts = list(batches(tmp_path, batch=5))
    assert [len(part.rows) for part in parts] == [5, 5, 2]
    order = [10**17 + 10 * k + j for k in range(4) for j in range(3)]
    assert [number for part in parts for number in part.rows.candidate_id] == order
    assert [(part.files_done, part.files_total) for part in parts] == [(1, 4), (3, 4), (3, 4)]
    with pytest.raises(ValueError, match="at least 1"):
        batches(tmp_path, batch=0)


def test_schema_versions_and_surveys_mix(tmp_path):
    # An older schema without the light curve, and one whose candidate type is first named in a field that is skipped.
    old = {**SCHEMA, "fields": [field for field in SCHEMA["fields"] if field["name"] != "prv_candidates"]}
    curve = {"name": "prv_candidates", "type": {"type": "array", "items": SCHEMA["fields"][3]["type"]}}
    late = {"name": "candidate", "type": "ztf.candidate"}
    new = {**SCHEMA, "fields": [*SCHEMA["fields"][:3], curve, late, *SCHEMA["fields"][5:]]}
    for k, schema in enumerate((SCHEMA, old, new)):
        (tmp_path / f"{k}.avro").write_bytes(avro_bytes([packet(k)], schema=schema))
    rubin = {
        "type": "record",
        "name": "lsst",
        "fields": [
            {"name": "diaSourceId", "type": "long"},
            {
                "name": "diaSource",
                "type": {
                    "type": "record",
                    "name": "diaSource",
                    "fields": [{"name": "diaObjectId", "type": "long"}, {"name": "snr", "type": "float"}],
                },
            },
            *({"name": name, "type": ["null", "bytes"]} for name in CUTOUTS),
        ],
    }
    cards = (("CRPIX1", "14.7"), ("CRPIX2", "12.2"))
    alert = {"diaSourceId": 77, "diaSource": {"diaObjectId": 9, "snr": 6.5}}
    alert |= {name: fits_bytes(planes(5, (30, 30))[k], cards=cards) for k, name in enumerate(CUTOUTS)}
    (tmp_path / "3.avro").write_bytes(avro_bytes([alert], schema=rubin))
    stamps = read(tmp_path)
    assert stamps.candidate_id.tolist() == [10**17, 10**17 + 1, 10**17 + 2, 77]
    assert stamps.object_id[3] == "9"
    assert stamps.centre.tolist() == [[31, 31]] * 3 + [[11, 14]]
    assert stamps.catalogue["SNR"] == pytest.approx([10.857362] * 3 + [6.5])
    assert np.isnan(stamps.catalogue["MAGLIM"]).tolist() == [False] * 3 + [True]
    assert np.array_equal(triplet(stamps, 3), planes(5, (30, 30)))


# Real data


def test_the_night(data):
    folder = data / "ztf" / "night_20180713"
    if not folder.is_dir():
        pytest.skip(f"real data missing: {folder}")
    stamps = read(folder)
    with (data / "ztf" / "night_20180713.csv").open() as file:
        table = {row["file"]: row for row in csv.DictReader(file)}
    rows = [table[name] for name in sorted(table)]
    assert len(stamps) == len(rows) == 511
    assert not stamps.flags.any()
    assert stamps.candidate_id.tolist() == [int(row["candid"]) for row in rows]
    assert stamps.object_id.tolist() == [row["objectId"] for row in rows]
    for column, field in (("MAG", "magpsf"), ("BAND", "fid"), ("CCDID", "rcid")):
        assert stamps.catalogue[column] == pytest.approx([float(row[field]) for row in rows], rel=1e-6)
    for row, want in enumerate(rows):
        assert stamps.plane(row, "difference").shape == (int(want["height"]), int(want["width"]))
        for channel, key in zip(CHANNELS, ("nan_sci", "nan_tmpl", "nan_diff"), strict=True):
            assert np.count_nonzero(np.isnan(stamps.plane(row, channel))) == int(want[key])
    cut = stamps.shape[:, 2].min(axis=1) < 63
    assert cut.sum() == 8
    assert (stamps.centre[~cut] == 31).all()


def test_the_brokers_have_what_their_table_lists(data):
    folder = data / "ztf" / "brokers"
    if not folder.is_dir():
        pytest.skip(f"real data missing: {folder}")
    with (data / "ztf" / "brokers.csv").open() as table:
        listed = Counter((int(row["candid"]), row["objectId"]) for row in csv.DictReader(table))
    stamps = read(folder)
    assert not listed - Counter(zip(stamps.candidate_id.tolist(), stamps.object_id.tolist(), strict=True))


def test_rubin_candidates_lie_in_the_middle(data):
    folder = data / "rubin"
    if not folder.is_dir():
        pytest.skip(f"real data missing: {folder}")
    stamps = read(folder)
    assert len(stamps) == 59
    assert (np.abs(stamps.centre - stamps.shape[:, 0] // 2) <= 1).all()
    assert np.isfinite(stamps.catalogue["SNR"]).all()
