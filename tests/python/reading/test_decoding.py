"""Every input decodes to the pixels, ids and columns that fastavro and Astropy give, to the bit."""

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections import Counter
from pathlib import Path

import fastavro
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from helpers.packets import CUTOUTS, SCHEMA, avro_bytes, fits_bytes, packet, planes
from oracle import alerts as oracle
from oracle import catalogue
from space2vec import read
from space2vec.cli import main
from space2vec.data import flags
from space2vec.data.stamps import CHANNELS
from space2vec.errors import ReadError
from space2vec.reading import batches, read_messages

CODECS = ("null", "deflate", "snappy", "zstandard")
MAPPERS = {"ztf": (catalogue.ZTF_FIELDS, catalogue.from_ztf), "rubin": (catalogue.RUBIN_FIELDS, catalogue.from_rubin)}
MAPPERS["other"] = (catalogue.ZTF_FIELDS, catalogue.from_candidate)
#: ZTF's schema before the light curve was added, and one that names a candidate's type in a field that is skipped.
OLD_SCHEMA = {**SCHEMA, "fields": [field for field in SCHEMA["fields"] if field["name"] != "prv_candidates"]}
NEW_SCHEMA = {
    **SCHEMA,
    "fields": [
        *SCHEMA["fields"][:3],
        {"name": "prv_candidates", "type": {"type": "array", "items": SCHEMA["fields"][3]["type"]}},
        {"name": "candidate", "type": "ztf.candidate"},
        *SCHEMA["fields"][5:],
        {"name": "note", "type": {"type": "map", "values": "string"}, "default": {}},
    ],
}


def assert_same(stamps, alerts):
    """Hold what was read against the oracle."""
    assert stamps.object_id.tolist() == [alert.object_id for alert in alerts]
    assert stamps.candidate_id.tolist() == [alert.candidate_id for alert in alerts]
    for row, alert in enumerate(alerts):
        for channel, want in zip(CHANNELS, alert.planes, strict=True):
            plane = stamps.plane(row, channel)
            if want is None:
                assert plane is None
            else:
                assert plane.shape == want.shape
                assert np.array_equal(plane.view(np.uint32), want.view(np.uint32))
        whole = all(plane is not None for plane in alert.planes)
        assert flags.names(stamps.flags[row]) == ([] if whole else ["missing"])
        assert tuple(stamps.centre[row]) == alert.centre
        want = {}
        if alert.survey is not None:
            fields, mapper = MAPPERS[alert.survey]
            want = mapper({name: [alert.record[name]] for name in fields if name in alert.record})
        for name, values in stamps.catalogue.items():
            assert np.array_equal(values[row], want[name][0] if name in want else np.nan, equal_nan=True), name
        assert want.keys() <= stamps.catalogue.keys()


def assert_decoded(path, schemas=None):
    """Read a file in both ways; return how many alerts it has."""
    alerts = oracle.read(path, schemas)
    texts = {number: json.dumps(schema) for number, schema in (schemas or {}).items()}
    assert_same(read(path, schemas=texts), alerts)
    return len(alerts)


def alerts_of_many_sizes(count=24):
    rng = np.random.default_rng(7)
    sides = [21, 127, *rng.integers(21, 128, 2 * count - 2)]
    return [packet(k, planes(k, sides[2 * k : 2 * k + 2])) for k in range(count)]


# Containers


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("block", [1, 200_000, 1 << 30])
def test_stamps_of_every_size_in_one_file(tmp_path, codec, block):
    file = tmp_path / "mixed.avro"
    file.write_bytes(avro_bytes(alerts_of_many_sizes(), codec, block=block))
    assert assert_decoded(file) == 24


@pytest.mark.parametrize("engine", ["space2vec", "libdeflate", "zlib"])
def test_every_engine_gives_the_same(tmp_path, engine):
    file = tmp_path / "mixed.avro"
    file.write_bytes(avro_bytes(alerts_of_many_sizes(), "deflate"))
    # The engine is chosen once a process.
    code = "import sys; from pathlib import Path; from test_decoding import assert_decoded; assert_decoded(sys.argv[1])"
    environment = os.environ | {"SPACE2VEC_INFLATE": engine}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in (*sys.path, str(Path(__file__).parent)) if path)
    done = subprocess.run([sys.executable, "-c", code, file], env=environment, capture_output=True, text=True)
    if engine != "space2vec" and "SPACE2VEC_INFLATE" in done.stderr:
        pytest.skip(f"no {engine} on this machine")
    assert done.returncode == 0, done.stderr


def test_schema_versions_mix_in_a_folder(tmp_path):
    made = []
    for k in range(12):
        schema = (SCHEMA, OLD_SCHEMA, NEW_SCHEMA)[k % 3]
        made.append(packet(k, candidate={"distnr": None, "magpsf": 17.0 + k}))
        (tmp_path / f"{k}.avro").write_bytes(avro_bytes([made[-1] | {"note": {"a": "b"}}], CODECS[k % 4], schema))
    assert_same(read(tmp_path), [oracle.of_packet(alert) for alert in made])


def test_a_field_that_a_schema_lacks_differs_from_a_null_one(tmp_path):
    lacking = json.loads(json.dumps(SCHEMA))
    record = next(field for field in lacking["fields"] if field["name"] == "candidate")["type"]
    record["fields"] = [field for field in record["fields"] if field["name"] != "distnr"]
    null = packet(0, candidate={"distnr": None})
    (tmp_path / "0.avro").write_bytes(avro_bytes([null]))
    (tmp_path / "1.avro").write_bytes(avro_bytes([packet(1)], schema=lacking))
    stamps = read(tmp_path)
    # No reference source is near the first; of the second nothing is known.
    assert stamps.catalogue["MAGLIM"] == pytest.approx([1, np.nan], nan_ok=True)
    assert_same(stamps, [alert for k in range(2) for alert in oracle.read(tmp_path / f"{k}.avro")])


def test_containers_one_after_another_and_gzipped(tmp_path):
    parts = [avro_bytes([packet(3 * k + j) for j in range(3)], codec) for k, codec in enumerate(CODECS)]
    parts.append(avro_bytes([packet(20)], schema=OLD_SCHEMA))
    (tmp_path / "joined.avro").write_bytes(b"".join(parts))
    (tmp_path / "joined.avro.gz").write_bytes(gzip.compress(b"".join(parts)))
    (tmp_path / "members.avro.gz").write_bytes(b"".join(gzip.compress(part) for part in parts))
    for name in ("joined.avro", "joined.avro.gz", "members.avro.gz"):
        assert assert_decoded(tmp_path / name) == 13


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("name", ["night.tar", "night.tar.gz"])
def test_archives_with_long_names(tmp_path, name, form):
    with tarfile.open(tmp_path / name, "w:gz" if name.endswith("gz") else "w", format=form) as archive:
        for k in range(9):
            folders = f"{'deep/' * 20}night" if k % 3 else "night"
            stem = "é" * 60 if k == 4 and form != tarfile.USTAR_FORMAT else "x" * 90 if k % 2 else "a"
            content = avro_bytes([packet(2 * k), packet(2 * k + 1)], CODECS[k % 4])
            info = tarfile.TarInfo(f"{folders}/{stem}{k}.avro")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        archive.addfile(tarfile.TarInfo(f"{'deep/' * 30}empty.txt" if form != tarfile.USTAR_FORMAT else "empty.txt"))
    assert assert_decoded(tmp_path / name) == 18


def test_parquet_with_groups_and_nulls(tmp_path):
    made = [packet(k, planes(k, (21 + k, 63))) for k in range(8)]
    made[3]["cutoutTemplate"] = None
    made[5]["candidate"]["distnr"] = None
    parquet.write_table(pa.Table.from_pylist(made), tmp_path / "x.parquet", row_group_size=3)
    assert assert_decoded(tmp_path / "x.parquet") == 8


# Messages


def message(alert, number, schema):
    file = io.BytesIO(b"\0" + number.to_bytes(4, "big"))
    file.seek(5)
    fastavro.schemaless_writer(file, fastavro.parse_schema(schema), alert)
    return file.getvalue()


def test_bare_messages(tmp_path):
    schemas = {7: SCHEMA, 2**31 + 5: OLD_SCHEMA}
    made = alerts_of_many_sizes(6)
    held = [message(alert, number, schemas[number]) for alert, number in zip(made, list(schemas) * 3, strict=True)]
    (tmp_path / "one.avro").write_bytes(held[0])
    (tmp_path / "all.avro").write_bytes(b"".join(held))
    assert assert_decoded(tmp_path / "one.avro", schemas) == 1
    assert assert_decoded(tmp_path / "all.avro", schemas) == 6
    want = [oracle.of_packet(alert) for alert in made]
    assert_same(read_messages(held, schemas), want)
    # Whole files serve as messages too.
    assert_same(read_messages([avro_bytes([alert]) for alert in made]), want)


def test_a_message_that_cannot_be_read_keeps_its_place():
    held = [message(packet(k), 1, SCHEMA) for k in range(4)]
    held[1] = held[1][:-1000]
    held[2] = held[2].replace(b"\0\0\0\0\1", b"\0\0\0\0\2", 1)
    problems = []
    stamps = read_messages(held, {1: SCHEMA}, problems=problems)
    assert stamps.candidate_id.tolist() == [10**17, -1, -1, 10**17 + 3]
    assert [flags.names(value) for value in stamps.flags] == [[], ["bad_stamp"], ["bad_stamp"], []]
    assert [(problem.path, problem.reason) for problem in problems] == [
        ("message 1", "truncated"),
        ("message 2", "unknown_schema"),
    ]
    with pytest.raises(TypeError, match="message 1 is str"):
        read_messages([b"", "text"])


# Made by chance


@st.composite
def made_alerts(draw):
    """Alerts with cutouts of every pixel type, gzip'd or plain, present or not."""
    made = []
    for number in range(draw(st.integers(1, 5))):
        seed = draw(st.integers(0, 2**31))
        shape = draw(st.tuples(st.integers(21, 127), st.integers(21, 127)))
        pixels = np.random.default_rng(seed).normal(100, 30, (3, *shape))
        cutouts = {}
        for name, plane in zip(CUTOUTS, pixels, strict=True):
            dtype = draw(st.sampled_from([">f4", ">f8", ">i2", ">i4", ">i8", "u1"]))
            if dtype in (">f4", ">f8") and draw(st.booleans()):
                plane[plane > 150] = np.nan
                plane[:1] = draw(st.sampled_from([np.inf, -np.inf, -0.0, 1e-42, 1e30]))
            cards = draw(st.sampled_from([(), (("BSCALE", "0.25"), ("BZERO", "-17.5")), (("BLANK", "100"),)]))
            if dtype in (">f4", ">f8") and cards and cards[0][0] == "BLANK":
                cards = ()
            with np.errstate(invalid="ignore"):
                data = fits_bytes(plane, dtype, cards)
            packed = draw(st.sampled_from([0, 1, 6, None]))
            cutouts[name] = data if packed is None else gzip.compress(data, packed)
            if draw(st.integers(0, 9)) == 0:
                cutouts[name] = draw(st.sampled_from([None, b""]))
        place = st.none() | st.floats(-100, 3200, width=32)
        made.append(packet(number, pixels, {"xpos": draw(place), "ypos": draw(place)}, **cutouts))
    return made


@settings(max_examples=60, deadline=None)
@given(made_alerts(), st.sampled_from(CODECS), st.sampled_from([1, 16_000, 1 << 30]))
def test_alerts_made_by_chance(tmp_path_factory, made, codec, block):
    file = tmp_path_factory.mktemp("made") / "x.avro"
    file.write_bytes(avro_bytes(made, codec, block=block))
    assert assert_decoded(file) == len(made)


# Standard input, and memory


def run_reader(code, content, repeat=1):
    """Run a reader in a process of its own, with `content` on its standard input; return what it prints."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, *code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as child:
        for _ in range(repeat):
            child.stdin.write(content)
        child.stdin.close()
        told = child.stdout.read()
    assert child.returncode == 0
    return told.decode()


@pytest.mark.parametrize("form", ["avro", "avro.gz", "tar", "tar.gz"])
def test_standard_input(tmp_path, form):
    made = [packet(k) for k in range(7)]
    content = avro_bytes(made)
    if form.startswith("tar"):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as archive:
            info = tarfile.TarInfo("night/x.avro")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        content = file.getvalue()
    if form.endswith("gz"):
        content = gzip.compress(content)
    (tmp_path / f"x.{form}").write_bytes(content)
    run_reader(["-m", "space2vec", "features", "-", "-o", str(tmp_path / "piped.parquet")], content)
    run_reader(["-m", "space2vec", "features", str(tmp_path), "-o", str(tmp_path / "read.parquet")], b"")
    piped, read = (parquet.read_table(tmp_path / f"{how}.parquet") for how in ("piped", "read"))
    assert piped.num_rows == 7
    assert str(piped.to_pylist()) == str(read.to_pylist())  # NaN is not itself
    ids = parquet.read_table(tmp_path / "piped.parquet")["candidate_id"]
    assert ids.to_pylist() == [alert["candid"] for alert in made]


MEMORY = """
import re
from pathlib import Path
from space2vec.plans.features import FeaturePlan
from space2vec.reading import batches
from space2vec.registry import AUTOSCAN
rows = sum(len(batch.rows) for batch in batches("-", batch=512, measure={measure}))
# Not ru_maxrss, which counts the parent's memory from before the program was loaded.
print(rows, re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.parametrize("measure", ["None", "FeaturePlan(AUTOSCAN)"])
def test_memory_does_not_grow_with_the_input(measure):
    content = avro_bytes([packet(k) for k in range(100)], block=200_000)
    peaks = []
    for repeat in (30, 90):
        rows, peak = map(int, run_reader(["-c", MEMORY.format(measure=measure)], content, repeat).split())
        assert rows == 100 * repeat
        peaks.append(peak)
    assert peaks[1] < peaks[0] * 1.15
    assert peaks[1] < 500_000


BOMB = """
import re, sys
from pathlib import Path
from space2vec.plans.features import FeaturePlan
from space2vec.reading import batches
from space2vec.registry import AUTOSCAN
rows = sum(len(batch.rows) for batch in batches(sys.argv[1], batch=10, threads=2, measure=FeaturePlan(AUTOSCAN)))
print(rows, re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.parametrize("pixels", [np.zeros((2000, 2000), ">f4"), np.zeros((2048, 2048), "u1")])
def test_a_night_of_bombs_takes_no_memory(tmp_path, pixels):
    bomb = gzip.compress(fits_bytes(pixels, pixels.dtype))
    alerts = [packet(k, cutoutTemplate=bomb, cutoutDifference=bomb, cutoutScience=None) for k in range(60)]
    (tmp_path / "bombs.avro").write_bytes(avro_bytes(alerts, block=1 << 24))
    rows, peak = map(int, run_reader(["-c", BOMB, str(tmp_path / "bombs.avro")], b"").split())
    assert rows == 60
    assert peak < 500_000


def test_links_and_packed_members_of_an_archive_are_told(tmp_path):
    content = avro_bytes([packet(0)])
    with tarfile.open(tmp_path / "night.tar", "w") as archive:
        for name, data in (("a.avro", content), ("b.avro.gz", gzip.compress(content)), ("c.txt", b"x")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, kind in (("d.avro", tarfile.LNKTYPE), ("e.avro", tarfile.SYMTYPE), ("f.txt", tarfile.SYMTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "a.avro"
            archive.addfile(info)
    problems = []
    stamps = read(tmp_path, strict=False, problems=problems)
    assert [Path(problem.path).name for problem in problems] == ["b.avro.gz", "d.avro", "e.avro"]
    assert stamps.object_id.tolist() == ["ZTF18test000", "b", "d", "e"]
    assert [problem.row for problem in problems] == [1, 2, 3]


def test_problems_name_rows_of_the_whole(tmp_path):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for number in range(1100):
            info = tarfile.TarInfo(f"{number:05}.avro")
            info.size = 3
            archive.addfile(info, io.BytesIO(b"odd"))
    (tmp_path / "odd.tar").write_bytes(file.getvalue())
    problems = []
    assert len(read(tmp_path / "odd.tar", strict=False, problems=problems)) == 1100
    assert [problem.row for problem in problems] == list(range(1100))
    again = []
    assert len(read_messages([b"odd"] * 1100, problems=again)) == 1100
    assert [(problem.row, problem.path) for problem in again] == [(k, f"message {k}") for k in range(1100)]


def test_lengths_that_lie_do_not_cost_the_square(tmp_path):
    sound = avro_bytes([packet(0)])
    marker = sound[-16:]
    head = sound[: sound.index(marker) + 16]
    size = 4 << 20
    length = bytearray()
    left = size  # half of it, as a zigzag number
    while left >= 0x80:
        length.append(left & 0x7F | 0x80)
        left >>= 7
    length.append(left)
    block = b"\2" + bytes(length) + marker
    (tmp_path / "lies.avro").write_bytes(head + block * (size // len(block)))
    start = time.process_time()
    rows = sum(len(batch.rows) for batch in batches(tmp_path / "lies.avro"))
    assert rows > 1000
    # It was half a minute when each block moved all that was held.
    assert time.process_time() - start < 15


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_waits_on_standard_input_can_be_stopped(tmp_path, sign):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    # A process that was started in the background ignores SIGINT, and so do its children.
    program = (
        "import signal, sys; from space2vec.cli import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, "score", "-", "-o", str(tmp_path / "o.csv")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as run:
        deadline = time.monotonic() + 60
        while not (tmp_path / "o.csv.parts").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        run.send_signal(sign)
        assert run.wait(timeout=20) in (130, 143)
        run.stdin.close()


def test_a_wrong_instruction_set_is_no_damage(tmp_path):
    (tmp_path / "x.avro").write_bytes(avro_bytes([packet(0)]))
    program = f"import space2vec; space2vec.read({str(tmp_path)!r})"
    environment = os.environ | {"SPACE2VEC_ISA": "sse9", "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=False)
    assert run.returncode == 1
    assert b"SPACE2VEC_ISA" in run.stderr


# Real data


def real_files(data, *parts):
    folder = data.joinpath(*parts)
    if not folder.is_dir():
        pytest.skip(f"real data missing: {folder}")
    files = sorted(path for path in folder.glob("**/*") if path.is_file() and not path.name.startswith("."))
    return folder, files


def assert_folder(folder, files):
    """Hold every file against the oracle, and the folder read at once, with measuring, against its files."""
    rows = Counter()
    for file in files:
        alerts = oracle.read(file)
        assert_same(read(file), alerts)
        rows.update((alert.object_id, alert.candidate_id) for alert in alerts)
    whole = read(folder)
    assert Counter(zip(whole.object_id.tolist(), whole.candidate_id.tolist(), strict=True)) == rows
    return whole


@pytest.mark.parametrize(
    ("parts", "count"), [(("ztf", "night_20180713"), 511), (("ztf", "brokers"), 477), (("rubin",), 59)]
)
def test_every_real_file(data, parts, count):
    folder, files = real_files(data, *parts)
    stamps = assert_folder(folder, files)
    assert len(stamps) >= count
    assert sum(len(batch.rows) for batch in batches(folder, batch=100)) == len(stamps)


def test_a_schema_that_is_none_of_alerts_is_refused(tmp_path):
    with pytest.raises(ReadError, match="no Avro schema of alerts"):
        read_messages([b"\0\0\0\0\1x"], {1: {"type": "record", "name": "r", "fields": []}})
    with pytest.raises(ReadError, match="four bytes"):
        read_messages([], {1 << 32: "{}"})
    with pytest.raises(TypeError, match="message 0 is str"):
        read_messages(["text"])
    assert len(read_messages([])) == 0
    (tmp_path / "s.json").write_text("{}")
    (tmp_path / "m.avro").write_bytes(b"\0\0\0\0\1x")
    command = ["score", str(tmp_path / "m.avro"), "-o", str(tmp_path / "o.csv"), "--schema"]
    assert main([*command, f"1={tmp_path / 's.json'}"]) == 2
    for wrong in ("1", "x=y", f"1={tmp_path / 'nosuch'}"):
        assert main([*command, wrong]) == 2


def test_files_of_messages_are_scored(tmp_path):
    made = [packet(k) for k in range(3)]
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    for k, alert in enumerate(made):
        body = io.BytesIO()
        fastavro.schemaless_writer(body, fastavro.parse_schema(SCHEMA), alert)
        (tmp_path / f"{k}.avro").write_bytes(b"\0\0\0\0\5" + body.getvalue())
    out = tmp_path / "scores.parquet"
    assert main(["score", str(tmp_path), "-o", str(out), "--schema", f"5={tmp_path / 'schema.json'}"]) == 0
    assert parquet.read_table(out)["candidate_id"].to_pylist() == [alert["candid"] for alert in made]


def test_an_engine_that_is_not_there_is_told(tmp_path):
    (tmp_path / "x.avro").write_bytes(avro_bytes([packet(0)]))
    program = f"import space2vec; space2vec.read({str(tmp_path)!r})"
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "SPACE2VEC_INFLATE": "sse9"},
        capture_output=True,
        check=False,
    )
    assert b"BackendError" in run.stderr
    assert b"SPACE2VEC_INFLATE" in run.stderr
