"""Outputs in a folder that others can write: links, races and permissions, as this user and as another one."""

import contextlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import space2vec as s2v
from space2vec.data.atomic_file import AtomicFile, write_whole
from space2vec.errors import OutputError
from space2vec.simulation import write_packets
from space2vec.writing import Chunk, Output
from space2vec.writing.input_record import InputRecord

#: Users and a group that own nothing; they need no name.
ANOTHER, STRANGER, GROUP = 54321, 54322, 54323
ROWS, BATCH, PART = 12, 2, 4
NEED_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user, or give files away")


@pytest.fixture(params=["this user", pytest.param("another user", marks=NEED_ROOT)])
def shared(request, monkeypatch):
    """Return a folder that everybody can write, worked in by one user or another."""
    folder = Path(tempfile.mkdtemp(prefix="space2vec-shared-"))
    folder.chmod(0o777)
    monkeypatch.setattr(os, "fsync", lambda file: None)
    old = os.umask(0o022)
    ids = None
    if request.param == "another user":
        ids = os.getegid(), os.getgroups()
        os.setgroups([])
        os.setegid(ANOTHER)
        os.seteuid(ANOTHER)
    try:
        yield folder
    finally:
        if ids is not None:
            os.seteuid(0)
            os.setegid(ids[0])
            os.setgroups(ids[1])
        os.umask(old)
        shutil.rmtree(folder)


@contextlib.contextmanager
def as_root():
    """Act as root, where the test acts as another user."""
    now = os.geteuid()
    os.seteuid(0)
    try:
        yield
    finally:
        os.seteuid(now)


def chunk(start, stop):
    rows = pa.table({"candidate_id": np.arange(start, stop)})
    return Chunk(rows, pa.table({"row": np.arange(0), "reason": pa.array([], pa.string())}), (0, stop), {})


def output(folder, how="begin", suffix=".csv"):
    path = folder / f"scores{suffix}"
    inputs = InputRecord(["/dev/null"])
    return Output(
        path, path.with_suffix(f".errors{suffix}"), options={}, note={}, inputs=inputs, part_rows=PART, how=how
    )


def work(folder, how="begin", suffix=".csv", stop=ROWS):
    with output(folder, how, suffix) as out:
        for start in range(out.rows, ROWS, BATCH):
            if start >= stop:
                raise KeyboardInterrupt
            out.add(chunk(start, start + BATCH))
        out.finish(lambda: chunk(0, 0))


def stopped(folder):
    with pytest.raises(KeyboardInterrupt):
        work(folder, stop=9)


def whole(folder, suffix=".csv"):
    """Tell whether the output is there with every row."""
    lines = (folder / f"scores{suffix}").read_text().split()
    return lines[1:] == [str(row) for row in range(ROWS)]


def treasure(folder, name="treasure"):
    """Make a file that nobody is to touch."""
    file = folder / name
    file.write_bytes(b"precious")
    return file


def mode_of(path):
    return stat.S_IMODE(path.stat(follow_symlinks=False).st_mode)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


OUTPUTS = ["scores.csv", "scores.csv.json", "scores.errors.csv", "scores.errors.csv.json"]


def test_links_under_names_that_can_be_guessed(shared):
    kept = treasure(shared)
    links = [f".{name}{middle}.part" for name in (*OUTPUTS, "figures") for middle in ("", f".{os.getpid()}")]
    for name in links:
        (shared / name).symlink_to(kept)
    work(shared)
    write_whole(shared / "figures", b"figures")
    assert whole(shared)
    assert kept.read_bytes() == b"precious"
    assert names(shared) == sorted([*OUTPUTS, *links, "figures", "treasure"])


def test_a_name_that_is_guessed_all_the_same(shared, monkeypatch):
    kept = treasure(shared)
    with AtomicFile(shared / "a") as first, AtomicFile(shared / "a") as second:
        assert first._aside != second._aside
    monkeypatch.setattr(os, "urandom", lambda count: bytes(count))
    guessed = shared / f".figures.{'00' * 8}.part"
    guessed.symlink_to(kept)
    with pytest.raises(FileExistsError, match=f"cannot write {shared}/figures: File exists"):
        write_whole(shared / "figures", b"figures")
    guessed.unlink()
    os.link(kept, guessed)
    with pytest.raises(FileExistsError):
        write_whole(shared / "figures", b"figures")
    assert kept.read_bytes() == b"precious"
    assert guessed.exists()


@pytest.mark.parametrize("how", ["begin", "resume", "restart"])
@pytest.mark.parametrize("leads", ["somewhere", "nowhere"])
def test_a_folder_of_parts_that_is_a_link(shared, how, leads):
    elsewhere = shared / "elsewhere"
    if leads == "somewhere":
        elsewhere.mkdir()
        for name in ("000000.table", "000000.json", "run.json", "lock"):
            treasure(elsewhere, name)
    (shared / "scores.csv.parts").symlink_to(elsewhere)
    with pytest.raises(OutputError, match=r"scores\.csv\.parts is a link, .*; remove it"):
        work(shared, how)
    assert names(shared) == sorted(["scores.csv.parts", *["elsewhere"] * (leads == "somewhere")])
    if leads == "somewhere":
        assert names(elsewhere) == ["000000.json", "000000.table", "lock", "run.json"]
        assert {path.read_bytes() for path in elsewhere.iterdir()} == {b"precious"}


@pytest.mark.parametrize("how", ["begin", "resume", "restart"])
@pytest.mark.parametrize("kind", ["link", "second name", "pipe"])
def test_a_lock_that_is_none(shared, how, kind):
    kept = treasure(shared)
    lock = shared / "scores.csv.parts" / "lock"
    lock.parent.mkdir()
    {"link": lock.symlink_to, "second name": lock.hardlink_to, "pipe": lambda _: os.mkfifo(lock)}[kind](kept)
    with pytest.raises(OutputError, match=r"scores\.csv\.parts/lock is (a link|no file of its own).*; remove it"):
        work(shared, how)
    assert kept.read_bytes() == b"precious"
    assert names(shared) == ["scores.csv.parts", "treasure"]


@pytest.mark.parametrize("name", ["run.json", "inputs", "000000.json", "000000.table", "000001.errors"])
def test_notes_and_parts_that_are_links(shared, name):
    stopped(shared)
    parts = shared / "scores.csv.parts"
    away = shared / "away"
    (parts / name).rename(away)
    (parts / name).symlink_to(away)
    before = away.read_bytes()
    with pytest.raises(OutputError, match=rf"scores\.csv\.parts/{name} is a link"):
        work(shared, "resume")
    assert (parts / name).is_symlink()
    work(shared, "restart")
    assert away.read_bytes() == before
    assert names(shared) == ["away", *OUTPUTS]
    assert whole(shared)


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe"])
def test_a_note_beside_a_csv_that_is_no_file(shared, kind):
    beside = shared / "scores.errors.csv.json"
    kept = treasure(shared)
    if kind == "pipe":
        os.mkfifo(beside)
    else:
        beside.symlink_to(kept if kind == "link" else shared / "nothing")
    for how in ("begin", "resume", "restart"):
        said = "no file" if kind == "pipe" else "a link"
        with pytest.raises(ValueError, match=rf"scores\.errors\.csv\.json is to record .*, and is {said}; remove it"):
            work(shared, how)
    assert names(shared) == ["scores.errors.csv.json", "treasure"]
    assert kept.read_bytes() == b"precious"


def test_an_output_that_is_a_link_is_replaced(shared):
    kept = treasure(shared)
    for name in ("scores.csv", "figures"):
        (shared / name).symlink_to(kept)
    work(shared)
    write_whole(shared / "figures", b"figures")
    assert kept.read_bytes() == b"precious"
    assert not any(path.is_symlink() for path in shared.iterdir())
    assert whole(shared)


def test_a_restart_removes_only_what_it_made(shared):
    stopped(shared)
    parts = shared / "scores.csv.parts"
    mine = ["000000.fits", "000001.txt", "12.json", "notes", "run.json.bak", ".run.json.part", ".x.0123.part"]
    for name in mine:
        treasure(parts, name)
    work(shared, "restart")
    assert whole(shared)
    assert names(parts) == sorted(mine)
    assert {path.read_bytes() for path in parts.iterdir()} == {b"precious"}


@pytest.mark.parametrize("how", ["begin", "resume", "restart"])
@pytest.mark.parametrize("name", ["000000.json", "000012.table", "run.json", "inputs"])
def test_a_folder_of_somebody_s_that_is_called_like_parts(shared, how, name):
    parts = shared / "scores.csv.parts"
    parts.mkdir()
    treasure(parts, name)
    with pytest.raises(OutputError, match=f"holds {name}, and is not the folder of a run: move it away, or name ano"):
        work(shared, how)
    assert names(parts) == [name]
    assert (parts / name).read_bytes() == b"precious"


def test_a_run_whose_lock_was_removed_by_hand_goes_on(shared):
    stopped(shared)
    (shared / "scores.csv.parts" / "lock").unlink()
    work(shared, "resume")
    assert names(shared) == OUTPUTS
    assert whole(shared)


def test_a_folder_that_is_swapped_for_a_link_under_way(shared):
    """Whoever can write the folder around it renames the folder of parts, and puts a link in its place."""
    elsewhere = shared / "elsewhere"
    elsewhere.mkdir()
    precious = ("000000.table", "000001.table", "000001.json", "run.json", "inputs", "lock", "000007.kept")
    for name in precious:
        treasure(elsewhere, name)
    with output(shared) as out:
        for start in range(0, ROWS, BATCH):
            out.add(chunk(start, start + BATCH))
            if start == PART:
                out.folder.rename(shared / "away")
                out.folder.symlink_to(elsewhere)
        out.finish(lambda: chunk(0, 0))
    assert whole(shared)
    assert names(elsewhere) == sorted(precious)
    assert {path.read_bytes() for path in elsewhere.iterdir()} == {b"precious"}
    assert names(shared / "away") == []


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o666, 0o444, 0o4755])
def test_the_mode_of_an_existing_output_is_kept(shared, mode):
    for name in ("scores.csv", "scores.errors.csv", "figures"):
        treasure(shared, name).chmod(mode)
    with output(shared) as out:
        others = mode & 0o077
        assert mode_of(out.folder) & 0o077 == (0 if not others else others | (others & 0o044) >> 2) & ~0o022
        for start in range(0, ROWS, BATCH):
            out.add(chunk(start, start + BATCH))
        out.finish(lambda: chunk(0, 0))
    with AtomicFile(shared / "figures") as file:
        (aside,) = shared.glob(".figures.*.part")
        assert mode_of(aside) == mode & 0o777, "from the first byte on"
        file.write(b"figures")
        file.close()
        file.appear()
    assert [mode_of(shared / name) for name in ("scores.csv", "scores.errors.csv", "figures")] == [mode & 0o777] * 3
    assert mode_of(shared / "scores.csv.json") == 0o644


@pytest.mark.parametrize("umask", [0o002, 0o022, 0o027, 0o077])
def test_the_umask_is_respected(shared, umask):
    os.umask(umask)
    with output(shared) as out:
        for start in range(0, ROWS, BATCH):
            out.add(chunk(start, start + BATCH))
        assert mode_of(out.folder) == 0o777 & ~umask
        modes = {path.name: mode_of(path) for path in out.folder.iterdir()}
        assert modes.pop("lock") == 0o600, "whoever can open it can hold it"
        assert set(modes.values()) == {0o666 & ~umask}
        out.finish(lambda: chunk(0, 0))
    write_whole(shared / "figures", b"figures")
    assert {mode_of(path) for path in shared.iterdir()} == {0o666 & ~umask}


def test_what_is_left_aside_goes_and_that_of_others_stays(shared):
    stopped(shared)
    left = [f".{name}.{'0123456789abcdef'}.part" for name in (*OUTPUTS, "other.csv")]
    for name in left:
        treasure(shared, name)
    kept = treasure(shared)
    (shared / ".scores.csv.fedcba9876543210.part").symlink_to(kept)
    work(shared, "resume")
    stay = [".other.csv.0123456789abcdef.part", ".scores.csv.fedcba9876543210.part", "treasure"]
    assert names(shared) == sorted([*OUTPUTS, *stay])
    assert kept.read_bytes() == b"precious"


def test_a_long_name_can_be_written(shared):
    file = shared / ("ä" * 120 + ".json")
    write_whole(file, b"figures")
    assert names(shared) == [file.name]


def test_a_simulated_night_follows_no_link(shared):
    night = s2v.simulate(2, seed=5)
    kept = treasure(shared)
    folder = shared / "night"
    folder.mkdir()
    for name in ("truth.csv", f"{night.records[0]['candid']}.avro"):
        (folder / name).symlink_to(kept)
    write_packets(night, folder)
    assert kept.read_bytes() == b"precious"
    assert not any(path.is_symlink() for path in folder.iterdir())
    assert len(s2v.read(folder)) == 2


@NEED_ROOT
def test_a_stranger_s_output_gives_him_nothing(shared):
    for name, mode in (("scores.csv", 0o666), ("scores.errors.csv", 0o600)):
        treasure(shared, name).chmod(mode)
        with as_root():
            os.chown(shared / name, STRANGER, STRANGER)
    work(shared)
    for name, mode in (("scores.csv", 0o644), ("scores.errors.csv", 0o600)):
        assert (shared / name).stat().st_uid == os.geteuid()
        assert mode_of(shared / name) == mode


@NEED_ROOT
def test_the_group_of_an_output_is_kept_or_reads_no_more(shared):
    treasure(shared, "figures").chmod(0o664)
    with as_root():
        os.chown(shared / "figures", -1, GROUP)
    write_whole(shared / "figures", b"figures")
    found = (shared / "figures").stat()
    if os.geteuid() == 0:
        assert (found.st_gid, mode_of(shared / "figures")) == (GROUP, 0o664)
    else:
        assert (found.st_gid, mode_of(shared / "figures")) == (ANOTHER, 0o644)


@NEED_ROOT
@pytest.mark.parametrize("how", ["begin", "resume", "restart"])
@pytest.mark.parametrize("mode", [0o777, 0o755])
def test_a_stranger_s_folder_of_parts(shared, how, mode):
    parts = shared / "scores.csv.parts"
    stopped(shared)
    before = names(parts)
    with as_root():
        for path in (parts, *parts.iterdir()):
            os.chown(path, STRANGER, STRANGER)
        parts.chmod(mode)
    with pytest.raises(OutputError, match=rf"scores\.csv\.parts belongs to another user \(number {STRANGER}\)"):
        work(shared, how)
    assert names(parts) == before
    assert names(shared) == ["scores.csv.parts"]


@NEED_ROOT
def test_a_stranger_s_pipe_is_not_written_to(shared):
    pipe = shared / "figures"
    os.mkfifo(pipe)
    with as_root():
        os.chown(pipe, STRANGER, STRANGER)
        pipe.chmod(0o666)
    with pytest.raises(OSError, match=f"cannot write {pipe}: it is no file, and another user has put it into a shared"):
        write_whole(pipe, b"figures")
    assert pipe.is_fifo()


def test_a_file_system_that_has_numbers_of_its_own_for_users(shared, monkeypatch):
    """A mount may show all files as somebody else's; what this user makes there tells whose they are."""
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    stopped(shared)
    work(shared, "resume", suffix=".csv")
    assert names(shared) == OUTPUTS


def test_parquet_in_a_shared_folder(shared):
    work(shared, suffix=".parquet")
    assert pq.read_table(shared / "scores.parquet")["candidate_id"].to_pylist() == list(range(ROWS))
