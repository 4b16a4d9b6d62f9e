"""Memory that does not suffice for a file of alerts costs that file; where there is none at all, the run can go on."""

import errno
import io
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

from helpers.packets import CUTOUTS, avro_bytes, fits_bytes, packet
from space2vec.cli import main
from space2vec.data.flags import names
from space2vec.errors import ReadError
from space2vec.reading import alert_files, alerts, batches, read, read_messages

FILES = 40
HOG = 17


@pytest.fixture
def night(tmp_path):
    """Files of five alerts each; the third alert of one is called hog."""
    folder = tmp_path / "night"
    folder.mkdir()
    for k in range(FILES):
        held = [{**packet(5 * k + i), "objectId": f"ZTF18a{k:02d}{i}"} for i in range(5)]
        if k == HOG:
            held[3]["objectId"] = "hog"
        (folder / f"{k}.avro").write_bytes(avro_bytes(held, block=1))
    return folder


def fail_at(monkeypatch, error, marks):
    """Let the reader fail, and stay failed, wherever a batch has one of some objects."""
    plain = alerts._next_rows
    failed = set()

    def at(reader, size):
        raw = None if id(reader) in failed else plain(reader, size)
        if id(reader) in failed or (raw is not None and marks & set(raw["object_id"])):
            failed.add(id(reader))
            raise error
        failed.discard(id(reader))
        return raw

    monkeypatch.setattr(alerts, "_next_rows", at)


def scores(path):
    table = pq.read_table(path)
    return dict(zip(table["object_id"].to_pylist(), np.asarray(table["score"]).tolist(), strict=True))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "it needs more memory than there is"),
        (RecursionError(), "it is nested too deeply"),
        (OverflowError("too big"), "a number in it is too large (too big)"),
    ],
)
def test_a_file_for_which_memory_does_not_suffice(night, tmp_path, monkeypatch, capsys, error, words):
    assert main(["score", str(night), "-o", str(tmp_path / "alone.parquet")]) == 0
    fail_at(monkeypatch, error, {"hog"})
    capsys.readouterr()
    assert main(["score", str(night), "-o", str(tmp_path / "night.parquet")]) == 1
    told = [line for line in capsys.readouterr().err.splitlines() if "17.avro" in line]
    assert told == [f"space2vec: {night}/17.avro: {words}"]
    alone, with_hog = scores(tmp_path / "alone.parquet"), scores(tmp_path / "night.parquet")
    assert np.isnan(with_hog.pop("17"))
    assert set(alone) - set(with_hog) <= {"hog", *(f"ZTF18a17{i}" for i in range(5))}
    assert len(with_hog) >= 5 * (FILES - 1)
    assert all(alone[key] == score for key, score in with_hog.items())
    assert pq.read_table(tmp_path / "night.errors.parquet")["file"].to_pylist() == [f"{night}/17.avro"]


def test_what_came_before_the_row_that_fails_is_given(night, monkeypatch):
    fail_at(monkeypatch, MemoryError(), {"hog"})
    problems = []
    stamps = read(night, strict=False, problems=problems)
    ids = stamps.object_id.tolist()
    assert len(set(ids)) == len(ids)
    assert [problem.row for problem in problems] == [ids.index("17")]
    assert names(int(stamps.flags[ids.index("17")])) == ["bad_stamp"]
    few = [one for part in batches(night, batch=16) for one in part.rows.object_id.tolist()]
    # One row at a time where files are read alone: the three alerts before it are there.
    assert few == [f"ZTF18a{k:02d}{i}" if (k, i) != (HOG, 3) else "17" for k in range(FILES) for i in range(5)][
        : 5 * HOG + 4
    ] + [f"ZTF18a{k:02d}{i}" for k in range(HOG + 1, FILES) for i in range(5)]
    with pytest.raises(ReadError, match="it needs more memory than there is"):
        read(night)


def test_a_shortage_that_passes_costs_nothing(night, monkeypatch):
    plain, calls = alerts._next_rows, []

    def at(reader, size):
        calls.append(size)
        if len(calls) == 3:
            raise MemoryError
        return plain(reader, size)

    want = read(night)
    monkeypatch.setattr(alerts, "_next_rows", at)
    parts = list(batches(night, batch=32))
    assert not any(part.problems for part in parts)
    assert np.array_equal(np.concatenate([part.rows.pixels for part in parts]), want.pixels)
    assert [part.position for part in parts][-1].source == FILES - 1


def test_positions_beyond_a_file_that_failed_are_those_to_go_on_from(night, monkeypatch):
    fail_at(monkeypatch, MemoryError(), {"hog"})
    parts = list(batches(night, batch=16))
    for k in range(0, len(parts) - 1, 7):
        rest = [one for part in batches(night, batch=16, start=parts[k].position) for one in part.rows.object_id]
        assert rest == [one for part in parts[k + 1 :] for one in part.rows.object_id]


def test_no_memory_at_all_ends_the_run_and_resume_goes_on(night, tmp_path, monkeypatch, capsys):
    out, options = tmp_path / "o.parquet", ("--part-rows", "16", "--threads", "1")
    assert main(["score", str(night), "-o", str(tmp_path / "alone.parquet")]) == 0
    with monkeypatch.context() as patch:
        fail_at(patch, MemoryError(), {"hog"})
        patch.setattr(alert_files, "_FREE_MEMORY", 1 << 62)
        capsys.readouterr()
        assert main(["score", str(night), "-o", str(out), *options]) == 2
        told = capsys.readouterr().err
        assert "17.avro: Cannot allocate memory" in told
        assert "--resume" in told
        with pytest.raises(OSError, match="Cannot allocate memory") as caught:
            list(batches(night))
        assert caught.value.errno == errno.ENOMEM
    assert main(["score", str(night), "-o", str(out), *options, "--resume"]) == 0
    assert scores(out) == scores(tmp_path / "alone.parquet")


def test_memory_that_is_short_elsewhere_ends_the_run_in_a_line(night, tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr("space2vec.data.tables.Scores.to_arrow", fail)
    assert main(["score", str(night), "-o", str(tmp_path / "o.parquet")]) == 2
    assert capsys.readouterr().err.splitlines()[0] == "space2vec: there is not enough memory"


def test_messages_and_open_files_that_fail(monkeypatch):
    fail_at(monkeypatch, MemoryError(), {"hog"})
    held = [avro_bytes([{**packet(k), "objectId": "hog" if k == 1 else f"ZTF18test{k:03d}"}]) for k in range(3)]
    problems = []
    stamps = read_messages(held, problems=problems)
    assert stamps.object_id.tolist() == ["ZTF18test000", "message 1", "ZTF18test002"]
    assert [str(problem) for problem in problems] == ["message 1: it needs more memory than there is"]
    assert (
        read([io.BytesIO(one) for one in held], strict=False).object_id.tolist()[::2] == stamps.object_id.tolist()[::2]
    )


def test_standard_input_is_read_once(night, tmp_path, monkeypatch):
    data = b"".join((night / f"{k}.avro").read_bytes() for k in range(HOG - 1, HOG + 1))
    (tmp_path / "in").write_bytes(data)
    fail_at(monkeypatch, MemoryError(), {"hog"})
    with (tmp_path / "in").open("rb") as file:
        monkeypatch.setattr(
            "os.fsencode", lambda path: f"/dev/fd/{file.fileno()}".encode() if path == "-" else path.encode()
        )
        stamps = [part.rows for part in batches([str(night / "0.avro"), "-", str(night / "1.avro")], batch=4)]
    ids = [one for rows in stamps for one in rows.object_id.tolist()]
    assert ids[:5] == [f"ZTF18a00{i}" for i in range(5)]
    assert ids[-5:] == [f"ZTF18a01{i}" for i in range(5)]
    assert ids[5:-5] == [*(f"ZTF18a16{i}" for i in range(5)), *(f"ZTF18a17{i}" for i in range(3)), "-"]


CHILD = """
import resource, sys
from space2vec.reading import Limits, batches
limits = Limits(batch_bytes=1 << 40, free_bytes=1 << 40)
first = next(iter(batches(sys.argv[1] + "/1.avro", limits=limits, threads=1)))  # all that is loaded late
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (800 << 20), used + (800 << 20)))
ids, problems, most = [], set(), 0
for part in batches(sys.argv[1], limits=limits, threads=1):
    ids += part.rows.object_id.tolist()
    problems |= {problem.message for problem in part.problems}
    most = max(most, len(part.rows))
    del part
print(len(ids), ids.count("large"), most, *problems)
"""


def test_a_batch_that_does_not_fit_becomes_smaller_ones(tmp_path):
    plane = np.zeros((512, 512), dtype=np.float32)
    plane[:10] = np.random.default_rng(0).normal(size=(10, 512))  # a unit of the reader has few such alerts
    large = fits_bytes(plane)
    cutouts = dict.fromkeys(CUTOUTS, large)
    one = avro_bytes([{**packet(0, **cutouts), "objectId": "large"}], "deflate")
    for name, data in (("1", packet(0)), ("3", packet(1))):
        (tmp_path / f"{name}.avro").write_bytes(avro_bytes([data]))
    (tmp_path / "2.avro").write_bytes(300 * one)
    done = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr[-500:]) == (0, "")
    count, large, most = map(int, done.stdout.split())
    assert (count, large) == (302, 300)
    assert most <= 32
