"""Output in parts: stopped at every step of the way, it goes on and ends with the same bytes."""

import errno
import json
import os
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from space2vec.errors import OutputError
from space2vec.flags import bits
from space2vec.reading import Batch, Origin
from space2vec.registry import FLAGS
from space2vec.table import Scores
from space2vec.writing import Chunk, Output
from space2vec.writing.failures import failures
from space2vec.writing.inputs import Inputs

ROWS, BATCH, PART = 37, 5, 15

#: Every call that changes the disk.
STEPS = ("write", "fsync", "replace", "unlink", "mkdir", "rmdir", "ftruncate")


def chunk(start, stop):
    """Results of the rows of an input that is made up as it is read; every seventh is damaged."""
    rows = np.arange(start, stop)
    bad = rows % 7 == 3
    scores = Scores(
        np.where(bad, np.nan, np.sin(rows)).astype(np.float32),
        np.where(bad, bits("bad_stamp"), 0).astype(np.uint32),
        np.array([f"object {row}" for row in rows], dtype=object),
        rows,
        "model",
    )
    problems = [problem(row - start, message=f"row {row}") for row in rows[bad].tolist()]
    table = scores.to_arrow()
    return Chunk(
        table,
        failures(Batch(None, tuple(problems)), table, scores.flags, ~bad, start),
        (0, 0, stop),
        {"rows": {"all": stop - start}},
    )


def problem(row, *, reason="checksum", message="", **known):
    empty = {"path": "night.avro", "offset": 100 + row, "record": row, "object_id": None, "candidate_id": None}
    return SimpleNamespace(row=row, reason=reason, message=message, **{**empty, **known})


def output(folder, how="begin", suffix=".parquet", **changed):
    inputs = folder / "input"
    if not inputs.exists():
        inputs.write_bytes(b"made up")
    settings = {"options": {"model": "model"}, "note": {"model": "model"}, "part_rows": PART, **changed}
    path = folder / f"scores{suffix}"
    return Output(path, path.with_suffix(f".errors{suffix}"), inputs=Inputs([inputs]), how=how, **settings)


def work(folder, how="begin", suffix=".parquet", rows=ROWS, stop=None, **changed):
    """Do what a command does; `stop` ends it before that row."""
    with output(folder, how, suffix, **changed) as out:
        if out.complete:
            return "complete"
        assert out.position == ((0, 0, out.rows) if out.rows else ())
        if not out.ended:
            for start in range(out.rows, rows, BATCH):
                if stop is not None and start >= stop:
                    raise KeyboardInterrupt
                out.add(chunk(start, min(start + BATCH, rows)))
        out.finish(lambda: chunk(0, 0))
    return "done"


def results(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "input"}


@pytest.fixture(scope="module", params=[".parquet", ".csv"])
def undisturbed(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    assert work(folder, suffix=request.param) == "done"
    return request.param, results(folder)


def test_the_tables_hold_every_row_once(undisturbed):
    suffix, files = undisturbed
    assert set(files) == {f"scores.errors{suffix}", f"scores{suffix}"}
    read = pq.read_table if suffix == ".parquet" else pyarrow.csv.read_csv
    table, errors = (read(pa.BufferReader(files[name])) for name in (f"scores{suffix}", f"scores.errors{suffix}"))
    assert table["candidate_id"].to_pylist() == list(range(ROWS))
    assert errors["row"].to_pylist() == list(range(3, ROWS, 7))
    assert errors["candidate_id"].to_pylist() == errors["row"].to_pylist()
    assert errors["message"].to_pylist() == [f"row {row}" for row in range(3, ROWS, 7)]
    if suffix == ".parquet":
        note = json.loads(table.schema.metadata[b"space2vec"])
        assert note["model"] == "model"
        assert (note["inputs"]["files"], note["inputs"]["bytes"]) == (1, 7)


@pytest.mark.parametrize("part_rows", [1, 4, 10**6])
def test_the_bytes_do_not_depend_on_the_parts(undisturbed, tmp_path, part_rows):
    suffix, files = undisturbed
    work(tmp_path, suffix=suffix, part_rows=part_rows)
    assert results(tmp_path) == files


def test_rows_of_many_groups(tmp_path):
    """A group of the Parquet file spans parts, and the other way round."""
    with output(tmp_path, part_rows=50_000) as out:
        for start in range(0, 200_000, 40_000):
            rows = pa.table({"candidate_id": np.arange(start, start + 40_000)})
            out.add(Chunk(rows, rows.slice(0, 0), (0, start + 40_000), {}))
        out.finish(lambda: chunk(0, 0))
    with pq.ParquetFile(tmp_path / "scores.parquet") as file:
        groups = [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)]
        assert groups == [65536, 65536, 65536, 3392]
        assert np.array_equal(file.read()["candidate_id"].to_numpy(), np.arange(200_000))


def in_child(job):
    """Run a job in a process of its own; return its exit status."""
    child = os.fork()
    if child == 0:
        status = 99
        try:
            status = job()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at(step, folder, how, suffix):
    """Let a run die at the given step without a chance to tidy up; return whether it came to that."""

    def job():
        left = step

        def dying(name, real):
            def call(*arguments, **options):
                nonlocal left
                left -= 1
                if left == 0:
                    if name == "write":  # half of it gets there
                        real(arguments[0], arguments[1][: len(arguments[1]) // 2])
                    os._exit(9)
                return real(*arguments, **options)

            return call

        for name in STEPS:
            setattr(os, name, dying(name, getattr(os, name)))
        work(folder, how, suffix)
        return 0

    status = in_child(job)
    assert status in (0, 9)
    return status == 9


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """Do not wait for the disk: what a process wrote outlives it without."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.mark.parametrize(("then", "stride"), [("resume", 1), ("restart", 4)])
def test_killed_at_every_step(undisturbed, tmp_path, then, stride):
    suffix, files = undisturbed
    step = 1 - stride
    alive = False
    while not alive:
        step += stride if suffix == ".parquet" else 3 * stride
        folder = tmp_path / str(step)
        folder.mkdir()
        alive = not killed_at(step, folder, "begin", suffix)
        work(folder, then, suffix)
        assert results(folder) == files, f"killed at step {step}"
    assert step > 60


def test_killed_again_and_again(undisturbed, tmp_path):
    """Each run dies a few steps after the last one; together they end."""
    suffix, files = undisturbed
    kills = 0
    while killed_at(20 + kills, tmp_path, "resume", suffix):
        kills += 1
    assert kills >= 3
    assert results(tmp_path) == files


def failure_of(folder):
    try:
        work(folder)
    except OSError as error:
        return error


@pytest.mark.parametrize(("fault", "stride"), [(errno.ENOSPC, 1), (errno.EIO, 3), (errno.EROFS, 5)])
def test_a_disk_that_fails_at_every_step(tmp_path, monkeypatch, fault, stride):
    work(tmp_path)
    files = results(tmp_path)
    step = 1 - stride
    came = True
    while came:
        step += stride
        folder = tmp_path / str(step)
        folder.mkdir()
        came = False
        left = step
        with monkeypatch.context() as patch:

            def failing(name, real):
                def call(*arguments, **options):
                    nonlocal left, came
                    left -= 1
                    if left == 0:
                        came = True
                        raise OSError(fault, os.strerror(fault), arguments[0])
                    return real(*arguments, **options)

                return call

            for name in STEPS:
                patch.setattr(os, name, failing(name, getattr(os, name)))
            error = failure_of(folder)
        if came:
            assert error.errno == fault
            assert str(folder) in str(error), "the file is named"
            told = " ".join(getattr(error, "__notes__", ()))
            if "complete all the same" in told:
                assert (folder / "scores.parquet").read_bytes() == files["scores.parquet"]
            else:
                assert ("--resume goes on" in told) == (folder / "scores.parquet.parts" / "000000.json").exists()
        work(folder, "resume")
        assert results(folder) == files, f"failed at step {step}"
    assert step > 60


def stopped(folder, **how):
    with pytest.raises(KeyboardInterrupt) as caught:
        work(folder, stop=31, **how)
    assert caught.value.__notes__ == ["30 rows in 2 parts are kept; the same command with --resume goes on from there"]


@pytest.mark.parametrize("name", ["000000.table", "000001.errors", "000000.json", "000001.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_part_is_done_again(tmp_path, name, damage):
    work(tmp_path)
    files = results(tmp_path)
    folder = tmp_path / "again"
    folder.mkdir()
    stopped(folder)
    path = folder / "scores.parquet.parts" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.unlink() if damage == "gone" else path.write_bytes(data if damage == "flip" else data[:-3])
    if (damage, name) == ("gone", "000000.json"):
        work(folder, "resume")
    else:
        with output(folder, "resume") as out:
            assert out.rows == PART * int(name[5])
            for start in range(out.rows, ROWS, BATCH):
                out.add(chunk(start, min(start + BATCH, ROWS)))
            out.finish(lambda: chunk(0, 0))
    assert results(folder) == files


def test_parts_that_break_before_they_are_joined(tmp_path):
    with pytest.raises(OutputError, match=r"000001\.table is damaged; --resume"), output(tmp_path) as out:  # noqa: PT012
        for start in range(0, ROWS, BATCH):
            out.add(chunk(start, min(start + BATCH, ROWS)))
        (out.folder / "000001.table").write_bytes(b"")
        out.finish(lambda: chunk(0, 0))
    assert not (tmp_path / "scores.parquet").exists()
    work(tmp_path, "resume")
    assert pq.read_table(tmp_path / "scores.parquet")["candidate_id"].to_pylist() == list(range(ROWS))


def refused(folder, told, how="resume", **changed):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "lock"}
    with pytest.raises(OutputError, match=told):
        work(folder, how, **changed)
    assert {path: path.read_bytes() for path in before} == before


def test_what_is_finished_is_not_overwritten_unasked(tmp_path):
    stopped(tmp_path)
    refused(tmp_path, "holds finished parts of an earlier run: --resume goes on from there, --restart begins", "begin")
    assert work(tmp_path, "restart") == "done"
    assert sorted(results(tmp_path)) == ["scores.errors.parquet", "scores.parquet"]


def test_another_run_is_not_resumed(tmp_path):
    stopped(tmp_path)
    refused(tmp_path, "begun with model model, and now model is other", options={"model": "other"})
    refused(tmp_path, "begun with part rows 15, and now part rows is 20", part_rows=20)
    refused(tmp_path, "begun with set None, and now set is a", options={"model": "model", "set": "a"})
    (tmp_path / "scores.parquet.parts" / "run.json").write_bytes(b"{")
    refused(tmp_path, r"run\.json is damaged; --restart begins anew")


def test_a_changed_input_is_named(tmp_path):
    folder = tmp_path / "night"
    folder.mkdir()
    for name in "abc":
        (folder / name).write_bytes(name.encode())

    def output_of(names, how):
        return Output(
            tmp_path / "scores.csv", tmp_path / "errors.csv", options={}, note={}, part_rows=5, how=how,
            inputs=Inputs([folder / name for name in names]),
        )  # fmt: skip

    with pytest.raises(KeyboardInterrupt), output_of("abc", "begin") as out:  # noqa: PT012
        out.add(chunk(0, 5))
        raise KeyboardInterrupt

    def told(names):
        with pytest.raises(OutputError) as caught, output_of(names, "resume"):
            raise AssertionError
        return str(caught.value)

    assert f"the input {folder}/b is gone; --restart begins anew" in told("ac")
    assert f"the input {folder}/c is gone" in told("ab")
    (folder / "d").write_bytes(b"d")
    assert f"the input {folder}/d is new" in told("abcd")
    assert f"the input {folder}/d is new" in told("adbc")
    assert "comes in another place" in told("acb")
    state = (folder / "b").stat()
    os.utime(folder / "b", ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert f"the input {folder}/b has changed: its time is another" in told("abc")
    (folder / "b").write_bytes(b"more")
    assert f"the input {folder}/b has changed: its size is 4, and was 1" in told("abc")
    (folder / "b").write_bytes(b"b")
    os.utime(folder / "b", ns=(state.st_atime_ns, state.st_mtime_ns))
    with output_of("abc", "resume") as out:
        assert out.position == (0, 0, 5)
        out.finish(lambda: chunk(0, 0))


def test_one_run_at_a_time(tmp_path):
    with output(tmp_path) as out:
        for how in ("begin", "resume", "restart"):
            with pytest.raises(OutputError, match=f"in use by process {os.getpid()} on .*still running"):
                work(tmp_path, how)
        out.add(chunk(0, 5))
        out.finish(lambda: chunk(0, 0))
    assert work(tmp_path, "restart") == "done"


def test_resuming_what_is_complete(tmp_path):
    assert work(tmp_path, "resume") == "done", "nothing was begun: the run begins"
    before = results(tmp_path)
    assert work(tmp_path, "resume") == "complete"
    assert results(tmp_path) == before
    refused(tmp_path, "from another run .it differs in model.; --restart", note={"model": "other"})
    (tmp_path / "input").write_bytes(b"another night")
    refused(tmp_path, "from another run .it differs in inputs.")
    assert sorted(results(tmp_path)) == sorted(before)


def test_resuming_what_is_complete_in_csv(tmp_path):
    os.utime(tmp_path, ns=(0, 0))
    work(tmp_path, suffix=".csv")
    assert work(tmp_path, "resume", ".csv") == "complete"
    (tmp_path / "input").write_bytes(b"another night")
    out = tmp_path / "scores.csv"
    os.utime(out, ns=(0, out.stat().st_mtime_ns - 10**9))
    refused(tmp_path, "from another run .it differs in inputs.", suffix=".csv")


def test_the_old_output_stays_until_the_new_one_is_whole(tmp_path):
    old = tmp_path / "scores.parquet"
    pq.write_table(pa.table({"x": [1]}), old)
    stopped(tmp_path)
    assert pq.read_table(old)["x"].to_pylist() == [1]
    assert work(tmp_path, "resume") == "done"
    assert len(pq.read_table(old)) == ROWS


def test_nothing_is_left_of_a_run_that_finished_no_part(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        work(tmp_path, stop=10)
    assert results(tmp_path) == {}


def test_tables_that_do_not_fit(tmp_path):
    with pytest.raises(OutputError, match="do not fit into one table"), output(tmp_path) as out:  # noqa: PT012
        out.add(chunk(0, 15))
        other = pa.table({"y": ["text"] * 15})
        out.add(Chunk(other, chunk(0, 0).errors, (0, 30), {}))


def test_files_of_others_in_the_folder_stay(tmp_path):
    note = tmp_path / "scores.parquet.parts" / "notes.txt"
    note.parent.mkdir()
    note.write_text("mine")
    work(tmp_path)
    assert [path.name for path in note.parent.iterdir()] == ["notes.txt"]


def test_places_that_cannot_be(tmp_path):
    for path, errors, told in (
        ("a.txt", "b.csv", "suffix must be one of"),
        ("a.csv", "b.txt", "suffix must be one of"),
        ("a.csv", "no/b.csv", "there is no folder"),
        ("a.csv", "a.csv", "need a file of their own"),
    ):
        with pytest.raises((ValueError, OSError), match=told):
            Output(tmp_path / path, tmp_path / errors, options={}, note={}, inputs=Inputs([]), part_rows=1)
    assert list(tmp_path.iterdir()) == []


def test_what_is_kept_comes_back_part_by_part(tmp_path):
    given = iter([b"first", b"", b"third"])
    with pytest.raises(KeyboardInterrupt):
        work(tmp_path, stop=31, keep=lambda: next(given))
    with output(tmp_path, "resume", keep=lambda: next(given)) as out:
        for start in range(30, ROWS, BATCH):
            out.add(chunk(start, min(start + BATCH, ROWS)))
        out.finish(lambda: chunk(0, 0))
        assert list(out.kept()) == [b"first", b"", b"third"]


def test_lines_of_the_errors_table():
    names = [[], ["bad_stamp"], ["constant"], ["bad_stamp"], ["cropped"], ["missing", "off_shape"], ["constant"], []]
    flags = np.array([bits(each) for each in names], dtype=np.uint32)
    done = np.array([True, False, False, False, True, False, False, False])
    ids = np.arange(8)
    ids[1] = -1
    table = Scores(np.zeros(8, np.float32), flags, np.array(list("abcdefgh"), dtype=object), ids, "m").to_arrow()
    problems = [
        problem(3, reason="truncated", message="template", object_id="known"),
        problem(1, reason="foreign_file", message="file", path="n\udcff.avro", candidate_id=77, offset=None),
        problem(3, reason="checksum", message="science"),
        problem(4, reason="checksum", message="not needed"),
        problem(6, reason="checksum", message="not needed either"),
    ]
    origin = Origin(["night.avro"] * 8, np.arange(8), np.arange(100, 108, dtype=np.uint64))
    lines = failures(Batch(None, tuple(problems), origin=origin), table, flags, done, 1000).to_pylist()
    meaning = {name: flag.meaning for name, flag in FLAGS.items()}
    assert [tuple(line.values()) for line in lines] == [
        ("n\\xff.avro", None, 1, 1001, "b", 77, "foreign_file", "file"),
        ("night.avro", 102, 2, 1002, "c", 2, "constant", meaning["constant"]),
        ("night.avro", 103, 3, 1003, "known", 3, "truncated", "template"),
        ("night.avro", 103, 3, 1003, "d", 3, "checksum", "science"),
        ("night.avro", 104, 4, 1004, "e", 4, "checksum", "not needed"),
        ("night.avro", 105, 5, 1005, "f", 5, "missing", f"{meaning['missing']}; {meaning['off_shape']}"),
        ("night.avro", 106, 6, 1006, "g", 6, "checksum", "not needed either"),
        ("night.avro", 106, 6, 1006, "g", 6, "constant", meaning["constant"]),
        ("night.avro", 107, 7, 1007, "h", 7, "no_result", "the row has no result, and no flag says why"),
    ]
    unknown = failures(Batch(None), table, flags, done, 1000).to_pylist()
    assert {(line["file"], line["offset"], line["record"]) for line in unknown} == {(None, None, None)}
    assert list(lines[0]) == ["file", "offset", "record", "row", "object_id", "candidate_id", "reason", "message"]
