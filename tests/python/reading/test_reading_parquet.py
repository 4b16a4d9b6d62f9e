"""Alerts out of Parquet files: the types that columns may have, and what is damage and what is the machine."""

import contextlib
import errno
import gzip
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from helpers.packets import CUTOUTS, fits_bytes, packet, planes
from space2vec import read
from space2vec.data import flags
from space2vec.data.stamps import CHANNELS
from space2vec.errors import BackendError, ReadError
from space2vec.reading import Limits, batches

ROWS = 4


def table(**columns):
    """Return alerts with some columns replaced."""
    made = pa.Table.from_pylist([packet(number) for number in range(ROWS)])
    for name, values in columns.items():
        made = made.set_column(made.column_names.index(name), name, values)
    return made


def written(folder, alerts, **options):
    parquet.write_table(alerts, folder / "alerts.parquet", **options)
    return folder / "alerts.parquet"


def in_dictionary(values):
    return values.dictionary_encode()


def as_view(values):
    if not hasattr(pa, "binary_view"):
        pytest.skip("this Arrow has no views")
    return pa.array(values.to_pylist(), pa.binary_view() if pa.types.is_binary(values.type) else pa.string_view())


def as_large(values):
    return values.cast(pa.large_binary() if pa.types.is_binary(values.type) else pa.large_string())


@pytest.mark.parametrize("change", [in_dictionary, as_view, as_large])
@pytest.mark.parametrize("in_record", [False, True])
def test_cutouts_are_bytes_of_any_type(tmp_path, change, in_record):
    columns = {}
    for name, channel in zip(CUTOUTS, range(3), strict=True):
        data = [gzip.compress(fits_bytes(planes(number)[channel])) for number in range(ROWS)]
        values = change(pa.array([*data[:3], None]))
        columns[name] = values
        if in_record:
            null = pa.array([False, True, False, False])
            columns[name] = pa.StructArray.from_arrays([values], ["stampData"], mask=null)
    file = written(tmp_path, table(**columns))
    kind = parquet.read_schema(file).field(CUTOUTS[0]).type
    assert (kind.field("stampData").type if in_record else kind) == change(pa.array([b""])).type
    stamps = read(file)
    for row in range(ROWS):
        absent = row == 3 or (in_record and row == 1)
        assert flags.names(stamps.flags[row]) == (["missing"] if absent else [])
        for k, channel in enumerate(CHANNELS):
            plane = stamps.plane(row, channel)
            assert plane is None if absent else np.array_equal(plane, planes(row)[k])


@pytest.mark.parametrize("columns", [CUTOUTS[1:2], CUTOUTS])
def test_cutouts_that_are_all_null_are_absent(tmp_path, columns):
    alerts = table(**{name: pa.nulls(ROWS) for name in columns})
    if columns == CUTOUTS:
        # Nothing is left that has a length but the ids.
        alerts = alerts.drop_columns(["candidate"])
    problems = []
    stamps = read(written(tmp_path, alerts), problems=problems)
    assert stamps.candidate_id.tolist() == [10**17 + row for row in range(ROWS)]
    assert [flags.names(row) for row in stamps.flags] == [["missing"]] * ROWS
    assert {(problem.reason, problem.of_file) for problem in problems} == {("missing_plane", False)}
    assert len(problems) == ROWS * len(columns)
    assert all(stamps.plane(row, CHANNELS[1]) is None for row in range(ROWS))
    if columns != CUTOUTS:
        assert np.array_equal(stamps.plane(2, CHANNELS[0]), planes(2)[0])


@pytest.mark.parametrize("in_record", [False, True])
def test_cutouts_without_bytes_are_told_from_null_ones_as_those_of_avro(tmp_path, in_record):
    cutouts = [cutout["stampData"] for cutout in table()[CUTOUTS[1]].to_pylist()]
    cutouts[1:3] = [b"", None]
    given = [None if cutout is None else {"stampData": cutout} for cutout in cutouts] if in_record else cutouts
    problems = []
    stamps = read(written(tmp_path, table(**{CUTOUTS[1]: pa.array(given)})), problems=problems)
    assert [flags.names(row) for row in stamps.flags[:4]] == [[], ["missing"], ["missing"], []]
    assert [(problem.row, problem.reason) for problem in problems] == [(1, "empty_cutout"), (2, "missing_plane")]


@pytest.mark.parametrize("change", [in_dictionary, as_view, as_large])
def test_ids_are_texts_of_any_type(tmp_path, change):
    names = pa.array([f"ZTF18test{row:03d}" for row in range(ROWS)])
    stamps = read(written(tmp_path, table(objectId=change(names))))
    assert stamps.object_id.tolist() == names.to_pylist()


def test_ids_may_be_in_the_record_alone(tmp_path):
    stamps = read(written(tmp_path, table(candid=pa.nulls(ROWS), objectId=pa.nulls(ROWS))))
    assert stamps.candidate_id.tolist() == [10**17 + row for row in range(ROWS)]
    assert stamps.object_id.tolist() == [""] * ROWS


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        (CUTOUTS[2], [1] * ROWS, f"the cutouts in {CUTOUTS[2]} are of type int64; accepted are bytes"),
        (CUTOUTS[0], [{"stampData": [1.5]}] * ROWS, f"the cutouts in {CUTOUTS[0]} are of type list<"),
    ],
)
def test_columns_of_foreign_types_are_named(tmp_path, column, values, words):
    file = written(tmp_path, table(**{column: pa.array(values)}))
    with pytest.raises(ReadError, match=words):
        read(file)
    problems = []
    assert len(read(file, strict=False, problems=problems)) == 1
    assert len(problems) == 1
    assert problems[0].message.startswith(words)


@pytest.mark.parametrize(
    ("values", "ids"),
    [
        (["007", "x", None, "5"], ["007", "x", None, "5"]),
        (["7", "8", None, "0"], [7, 8, -1, 0]),
        ([1.0, 2.5, float("nan"), 2.0**63], ["1", "2.5", None, "9.223372036854775808e+18"]),
        ([1.0, 2.0, None, 0.0], [1, 2, -1, -1]),
        (pa.array([1, 2**64 - 1, None, 0], pa.uint64()), ["1", str(2**64 - 1), None, None]),
        (pa.array([1, 2**63 - 1, None, 0], pa.uint64()), [1, 2**63 - 1, -1, -1]),
        ([b"a", b"\xff", b"", None], ["a", "\\xff", None, None]),
        ([-5, 0, 3, None], [-5, -1, 3, -1]),
        ([[1], [2], None, [3]], [-1] * 4),
    ],
)
def test_candidate_ids_of_any_type(tmp_path, values, ids):
    alerts = table(candid=pa.array(values), candidate=pa.nulls(ROWS))
    got = read(written(tmp_path, alerts)).candidate_id
    assert got.tolist() == [str(float(2**63)) if one == "9.223372036854775808e+18" else one for one in ids]
    assert got.dtype == (object if any(isinstance(one, str) for one in ids) else np.int64)


def test_object_ids_of_any_type(tmp_path):
    for values, ids in (
        ([1.5, 2.0, None, float("inf")], ["1.5", "2", "", ""]),
        ([b"ZTF", b"\xfe", b"", None], ["ZTF", "\\xfe", "", ""]),
        (pa.array([2**64 - 1, 0, 7, None], pa.uint64()), [str(2**64 - 1), "", "7", ""]),
        (["007", "", " x", None], ["007", "", " x", ""]),
    ):
        assert read(written(tmp_path, table(objectId=pa.array(values)))).object_id.tolist() == ids


@contextlib.contextmanager
def failing(error, monkeypatch, after=0):
    """Let reading fail after so many batches."""
    real = parquet.ParquetFile.iter_batches

    def iter_batches(*arguments, **options):
        parts = real(*arguments, **options)
        for _ in range(after):
            yield next(parts)
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(parquet.ParquetFile, "iter_batches", iter_batches)
        yield


def test_a_machine_that_fails_is_no_damage(tmp_path, monkeypatch):
    file = written(tmp_path, table())
    parts = batches(file, batch=1)
    with failing(OSError(errno.EIO, "Error reading bytes from file"), monkeypatch, after=2):
        assert [next(parts).rows.candidate_id[0] for _ in range(2)] == [10**17, 10**17 + 1]
        with pytest.raises(OSError, match="Input/output error") as raised:
            next(parts)
    assert (raised.value.errno, raised.value.filename) == (errno.EIO, str(file))


@pytest.mark.parametrize("error", [MemoryError("malloc failed"), pa.ArrowMemoryError("malloc"), RecursionError()])
def test_a_file_that_asks_for_too_much_costs_a_row(tmp_path, monkeypatch, error):
    file = written(tmp_path, table())
    parts = batches(file, batch=1)
    with failing(error, monkeypatch, after=2):
        given = [next(parts) for _ in range(3)]
    assert [part.rows.candidate_id[0] for part in given] == [10**17, 10**17 + 1, -1]
    assert given[2].problems[0].message.startswith("it ")


def test_a_backend_that_fails_is_no_damage(tmp_path, monkeypatch):
    file = written(tmp_path, table())

    def compiled(purpose):
        raise BackendError(f"{purpose} cannot be done here")

    monkeypatch.setattr("space2vec.backends.kernels.require_extension", compiled)
    with pytest.raises(BackendError, match="cannot be done here"):
        read(file, strict=False)


@pytest.mark.parametrize("target", ["loop.parquet", "gone"])
def test_a_link_that_leads_nowhere_costs_its_row(tmp_path, target):
    os.symlink(target, tmp_path / "loop.parquet")
    written(tmp_path, table()).rename(tmp_path / "sound.parquet")
    problems = []
    stamps = read(tmp_path, strict=False, problems=problems)
    assert flags.names(stamps.flags[0]) == ["bad_stamp"]
    assert stamps.candidate_id.tolist()[1:] == [10**17 + row for row in range(ROWS)]
    assert [(problem.reason, problem.row) for problem in problems] == [("unreadable_file", 0)]
    assert problems[0].message == os.strerror(errno.ELOOP if target == "loop.parquet" else errno.ENOENT)


def test_damage_says_how_far_it_was_read(tmp_path):
    file = written(tmp_path, table(), row_group_size=1, compression="none", use_dictionary=False)
    groups = parquet.read_metadata(file)
    whole = file.read_bytes()
    for group, words in ((0, "damaged among its first records ("), (2, "damaged after record 1 (")):
        at = groups.row_group(group).column(1).data_page_offset  # objectId
        file.write_bytes(whole[:at] + b"\xff" * 16 + whole[at + 16 :])
        problems = []
        stamps = [row for part in batches(file, batch=1) for row in _told(part, problems)]
        assert stamps == [*(10**17 + row for row in range(group)), -1]
        assert [problem.reason for problem in problems] == ["damaged_file"]
        assert problems[0].message.startswith(words)


#: Reads the labels of a file with each byte of its footer changed in four ways, and prints how often that was an error.
EVERY_BYTE_OF_A_FOOTER = """
import sys
from pathlib import Path
from space2vec.errors import ReadError
from space2vec.reading import read_labels
file = Path(sys.argv[1])
whole, refused = file.read_bytes(), 0
for at in range(len(whole) - 8 - int.from_bytes(whole[-8:-4], "little"), len(whole)):
    for value in (whole[at] ^ 1, whole[at] + 16 & 255, 0, 255):
        file.write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
        try:
            read_labels(file)
        except ReadError:
            refused += 1
print(refused)
"""


def test_no_byte_of_a_footer_ends_the_process(tmp_path):
    """pyarrow's access to a chunk aborts where the histogram of its levels has another length than it should."""
    file = tmp_path / "labels.parquet"
    labels = pa.table({"candidate_id": [1, 2, 3], "label": [0, None, 1]})
    parquet.write_table(labels, file, compression="none", store_schema=False)
    command = [sys.executable, "-c", EVERY_BYTE_OF_A_FOOTER, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100


def _told(part, problems):
    problems.extend(part.problems)
    return part.rows.candidate_id.tolist()


@pytest.mark.parametrize("planes_of_batch", [1, 3, 5, 7])
def test_no_row_is_lost_where_pixels_fill_a_batch(tmp_path, planes_of_batch):
    bits = np.random.default_rng(5).integers(0, 2, (8, 3, 63, 63)).astype(np.float32)  # which pack to a tenth
    alerts = [packet(row, bits[row]) for row in range(8)]
    alerts[5][CUTOUTS[1]] = {"stampData": b""}
    notes = pa.array([f"x{row}" * (40_000 if row == 2 else 1) for row in range(8)])
    file = written(tmp_path, pa.Table.from_pylist(alerts).append_column("note", notes))
    limits = Limits(batch_bytes=planes_of_batch * 63 * 63 * 4)
    expected, problems = [], []
    whole = read(file, strict=False, columns=["note"], problems=expected)
    few = read(file, strict=False, columns=["note"], problems=problems, limits=limits)
    assert few.candidate_id.tolist() == whole.candidate_id.tolist() == [10**17 + row for row in range(8)]
    assert few.object_id.tolist() == whole.object_id.tolist()
    assert few.flags.tolist() == whole.flags.tolist()
    assert few.columns["note"].tolist() == whole.columns["note"].tolist()
    assert few.columns["note"][1:4].tolist() == ["x1", None, "x3"]
    assert problems == expected
    assert [(problem.row, problem.record, problem.reason) for problem in problems] == [
        (2, 2, "too_large"), (5, 5, "empty_cutout"),
    ]  # fmt: skip
    for row in range(8):
        assert np.array_equal(few.plane(row, CHANNELS[0]), bits[row, 0])
    seen = list(batches(file, limits=limits))
    assert len(seen) > 2
    later = batches(file, limits=limits, start=seen[1].position)
    assert [part.rows.candidate_id.tolist() for part in later] == [part.rows.candidate_id.tolist() for part in seen[2:]]


def test_a_row_that_asks_for_too_much_takes_nothing_from_its_neighbours(tmp_path):
    """A cutout of one value packs to a hundredth; a stream that unpacks to far more than it announces comes before."""
    bomb = bytearray(gzip.compress(bytes(16 << 20), mtime=0))
    bomb[-4:] = (100).to_bytes(4, "little")
    alerts = [packet(row, np.full((3, 63, 63), row, dtype=np.float32)) for row in range(40)]
    for row in (0, 3):
        alerts[row] = packet(row, **dict.fromkeys(CUTOUTS, bytes(bomb)))
    file = written(tmp_path, pa.Table.from_pylist(alerts))
    problems = []
    stamps = read(file, problems=problems)
    assert {problem.row: problem.reason for problem in problems} == {0: "too_large", 3: "too_large"}
    for row in range(40):
        assert flags.names(stamps.flags[row]) == (["bad_stamp"] if row in (0, 3) else [])
        for channel in CHANNELS:
            plane = stamps.plane(row, channel)
            assert plane is None if row in (0, 3) else (plane == row).all()
