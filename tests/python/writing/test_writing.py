"""Output in parts: stopped at every step of the way, it goes on and ends with the same bytes."""

import errno
import json
import os
import shutil
import time
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from space2vec.data.flags import bits
from space2vec.data.tables import Scores
from space2vec.errors import OutputError
from space2vec.reading import Batch, Origin
from space2vec.reading.notes import read_note
from space2vec.registry import FLAGS
from space2vec.writing import SUFFIXES, Chunk, Output
from space2vec.writing.errors_table import make_errors_table
from space2vec.writing.input_record import InputRecord

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
        make_errors_table(Batch(None, tuple(problems)), table, scores.flags, ~bad, start),
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
    return Output(path, path.with_suffix(f".errors{suffix}"), inputs=InputRecord([inputs]), how=how, **settings)


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


@pytest.fixture(scope="module", params=SUFFIXES)
def undisturbed(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    assert work(folder, suffix=request.param) == "done"
    return request.param, results(folder)


def columns_of(path):
    """The columns of a table as other libraries read them; None for what is absent, or no number, or empty text."""
    if path.suffix in (".parquet", ".csv"):
        table = pq.read_table(path) if path.suffix == ".parquet" else pyarrow.csv.read_csv(path)
        columns = {name: table[name].to_pylist() for name in table.column_names}
    else:
        formats = {".fits": "fits", ".ecsv": "ascii.ecsv", ".vot": "votable"}
        table = Table.read(path, format=formats[path.suffix])
        table.convert_bytestring_to_unicode()
        columns = {name: table[name].tolist() for name in table.colnames}

    def cell(value):
        value = "|".join(value) if isinstance(value, list) else value
        value = np.float32(value).item() if isinstance(value, float) else value
        return None if value == "" or value != value else value

    return {name: [cell(value) for value in values] for name, values in columns.items()}


def test_the_tables_hold_every_row_once(undisturbed, tmp_path):
    suffix, files = undisturbed
    beside = {f"scores.errors{suffix}.json", f"scores{suffix}.json"} if suffix == ".csv" else set()
    assert set(files) == {f"scores.errors{suffix}", f"scores{suffix}"} | beside
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    table, errors = (columns_of(tmp_path / f"scores{kind}{suffix}") for kind in ("", ".errors"))
    assert table["candidate_id"] == list(range(ROWS))
    assert table["flags"] == ["bad_stamp" if row % 7 == 3 else None for row in range(ROWS)]
    assert table["score"] == [None if row % 7 == 3 else float(np.float32(np.sin(row))) for row in range(ROWS)]
    assert errors["row"] == list(range(3, ROWS, 7))
    assert errors["candidate_id"] == errors["row"]
    assert errors["message"] == [f"row {row}" for row in range(3, ROWS, 7)]
    note = read_note(tmp_path / f"scores{suffix}")
    assert (note["model"], note["table"], note["rows"]) == ("model", "table", ROWS)
    assert (note["inputs"]["files"], note["inputs"]["bytes"]) == (1, 7)
    assert note["flags"] == {"bad_stamp": FLAGS["bad_stamp"].meaning}


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
        step += stride * {".parquet": 1, ".csv": 2}.get(suffix, 7)
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


def failure_of(folder, suffix):
    try:
        work(folder, suffix=suffix)
    except OSError as error:
        return error


@pytest.mark.parametrize(
    ("suffix", "fault", "stride"),
    [
        (".parquet", errno.ENOSPC, 1), (".parquet", errno.EIO, 3), (".parquet", errno.EROFS, 5),
        (".csv", errno.ENOSPC, 3), (".fits", errno.ENOSPC, 5), (".ecsv", errno.EIO, 5), (".vot", errno.ENOSPC, 5),
    ],
)  # fmt: skip
def test_a_disk_that_fails_at_every_step(tmp_path, monkeypatch, suffix, fault, stride):
    work(tmp_path, suffix=suffix)
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
            error = failure_of(folder, suffix)
        if came:
            assert error.errno == fault
            assert str(folder) in str(error), "the file is named"
            told = " ".join(getattr(error, "__notes__", ()))
            if "complete all the same" in told:
                assert (folder / f"scores{suffix}").read_bytes() == files[f"scores{suffix}"]
            else:
                assert ("--resume goes on" in told) == (folder / f"scores{suffix}.parts" / "000000.json").exists()
        work(folder, "resume", suffix)
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
    refused(tmp_path, "begun with model model, and now with model other", options={"model": "other"})
    refused(tmp_path, "begun with part rows 15, and now with part rows 20", part_rows=20)
    refused(tmp_path, "begun without set, and now with set a", options={"model": "model", "set": "a"})
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
            inputs=InputRecord([folder / name for name in names]),
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


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_resuming_what_is_complete(tmp_path, suffix):
    assert work(tmp_path, "resume", suffix) == "done", "nothing was begun: the run begins"
    before = results(tmp_path)
    assert work(tmp_path, "resume", suffix) == "complete"
    assert results(tmp_path) == before
    refused(
        tmp_path,
        "another run: it was made with model model, and now with model other",
        note={"model": "other"},
        suffix=suffix,
    )
    refused(
        tmp_path, "made without set, and now with set a; --restart", note={"model": "model", "set": "a"}, suffix=suffix
    )
    refused(tmp_path, "made with model model, and now without model", note={}, suffix=suffix)
    same = (tmp_path / "input").read_bytes()
    (tmp_path / "input").write_bytes(b"another night")
    refused(tmp_path, "from another run: it was made with inputs .*'bytes': 7", suffix=suffix)
    time.sleep(0.05)  # a clock of the file system's
    (tmp_path / "input").write_bytes(same[::-1])
    refused(tmp_path, "an input has changed since; --restart writes it anew", suffix=suffix)
    assert sorted(results(tmp_path)) == sorted(before)
    assert work(tmp_path, "restart", suffix) == "done"
    assert work(tmp_path, "resume", suffix) == "complete"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", ["scores", "scores.errors"])
def test_what_is_no_finished_output_is_not_complete(tmp_path, suffix, kind):
    work(tmp_path, suffix=suffix)
    path = tmp_path / f"{kind}{suffix}"
    whole = path.read_bytes()
    for damaged in (b"", whole[:-100], whole[: len(whole) // 2], b"no table", whole + b"x" * 2880):
        if damaged.startswith(whole) and suffix == ".parquet":
            continue
        path.write_bytes(damaged)
        refused(tmp_path, f"{path} is there, but .*; --restart writes it anew", suffix=suffix)
    path.unlink()
    if kind == "scores":
        assert work(tmp_path, "resume", suffix) == "done", "there is nothing, so the run begins"
    else:
        refused(tmp_path, "is there, but not .*; --restart writes both anew", suffix=suffix)
        assert work(tmp_path, "restart", suffix) == "done"
    assert path.read_bytes() == whole


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_tables_of_one_run_are_not_taken_for_each_other(tmp_path, suffix):
    work(tmp_path, suffix=suffix)
    for path in tmp_path.glob("scores.errors*"):
        shutil.copy(path, tmp_path / path.name.replace("scores.errors", "scores"))
    refused(tmp_path, "made with table errors, and now with table table", suffix=suffix)


@pytest.mark.parametrize("kind", ["scores", "scores.errors"])
def test_the_note_beside_a_csv(tmp_path, kind):
    work(tmp_path, suffix=".csv")
    path = tmp_path / f"{kind}.csv.json"
    note = json.loads(path.read_bytes())["space2vec"]
    assert note["model"] == "model"
    assert note["inputs"]["files"] == 1
    assert note["rows"] == (ROWS if kind == "scores" else 5)
    assert note["flags"] == ({"bad_stamp": FLAGS["bad_stamp"].meaning} if kind == "scores" else {})
    whole = path.read_bytes()
    for damaged in (b"", whole[:-20], b"[]", b'"space2vec"', b'{"space2vec": {}}', b'{"space2vec": 3}'):
        path.write_bytes(damaged)
        if damaged.startswith((b"[", b'"')):
            with pytest.raises(ValueError, match="is another file already"):
                work(tmp_path, "resume", ".csv")
        else:
            refused(tmp_path, f"{path}, which records how the output was made, is damaged; --restart", suffix=".csv")
    path.unlink()
    refused(tmp_path, f"there is no {path}, which records how the output was made; --restart", suffix=".csv")
    work(tmp_path, "restart", ".csv")
    assert path.read_bytes() == whole
    table = tmp_path / f"{kind}.csv"
    table.write_bytes(table.read_bytes().replace(b"3", b"4", 1))
    refused(tmp_path, f"it is not the table that {path} is of; --restart writes it anew", suffix=".csv")


def test_the_note_of_a_csv_takes_no_other_file_s_place(tmp_path):
    mine = tmp_path / "scores.csv.json"
    mine.write_text('{"mine": 1}')
    with pytest.raises(ValueError, match=r"scores\.csv: .*scores\.csv\.json is to record .* another file already"):
        work(tmp_path, suffix=".csv")
    assert mine.read_text() == '{"mine": 1}'


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
    told = "do not fit into one table: candidate_id, flags, object_id, score, y are not columns of all"
    with pytest.raises(OutputError, match=told), output(tmp_path) as out:  # noqa: PT012
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
    (tmp_path / "folder.csv").mkdir()
    for path, errors, told in (
        ("folder.csv", "b.csv", "it is a folder"),
        ("a.txt", "b.csv", "suffix must be one of"),
        ("a.csv", "b.txt", "suffix must be one of"),
        ("a.csv", "no/b.csv", "there is no folder"),
        ("a.csv", "a.csv", "need a file of their own"),
    ):
        with pytest.raises((ValueError, OSError), match=told):
            Output(tmp_path / path, tmp_path / errors, options={}, note={}, inputs=InputRecord([]), part_rows=1)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.csv"]


def test_what_is_kept_comes_back_part_by_part(tmp_path):
    given = iter([b"first", b"", b"third"])
    with pytest.raises(KeyboardInterrupt):
        work(tmp_path, stop=31, extra=lambda: next(given))
    with output(tmp_path, "resume", extra=lambda: next(given)) as out:
        for start in range(30, ROWS, BATCH):
            out.add(chunk(start, min(start + BATCH, ROWS)))
        out.finish(lambda: chunk(0, 0))
        assert list(out.read_extras()) == [b"first", b"", b"third"]


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
    lines = make_errors_table(Batch(None, tuple(problems), origin=origin), table, flags, done, 1000).to_pylist()
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
    unknown = make_errors_table(Batch(None), table, flags, done, 1000).to_pylist()
    assert {(line["file"], line["offset"], line["record"]) for line in unknown} == {(None, None, None)}
    assert list(lines[0]) == ["file", "offset", "record", "row", "object_id", "candidate_id", "reason", "message"]
