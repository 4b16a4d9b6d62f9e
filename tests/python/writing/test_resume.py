"""Commands that are killed, stopped or fail, and go on with --resume."""

import contextlib
import errno
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from space2vec.cli import main
from space2vec.data.channels import CHANNELS
from space2vec.registry import FAULTS, FLAGS
from space2vec.writing import Output

PARTS = ("--part-rows", "16", "--threads", "1")


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """Alerts, some of them damaged: cut short, no Avro at all, a flat difference."""
    folder = tmp_path_factory.mktemp("night") / "alerts"
    assert main(["simulate", "-n", "100", "-o", str(folder), "--seed", "3"]) == 0
    cut = alerts_of(folder)[20]
    cut.write_bytes(cut.read_bytes()[:4000])
    (folder / "zz.avro").write_bytes(b"this is not Avro")
    return folder


def alerts_of(folder):
    return sorted(folder.glob("*.avro"), key=lambda path: int(path.stem) if path.stem.isdigit() else 10**20)


@pytest.fixture(scope="module")
def undisturbed(night, tmp_path_factory):
    return files_of("score", night, tmp_path_factory.mktemp("undisturbed"))


def files_of(command, night, folder, *more):
    assert main([command, str(night), "-o", str(folder / "out.parquet"), *PARTS, *more]) == 1
    return results(folder)


def results(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".parquet" and path.is_file()}


@contextlib.contextmanager
def failing_after(batches, error, monkeypatch):
    """Let what comes after so many batches be an error."""
    real = Output.add
    left = batches

    def add(output, chunk):
        nonlocal left
        left -= 1
        if left < 0:
            raise error
        real(output, chunk)

    with monkeypatch.context() as patch:
        patch.setattr(Output, "add", add)
        yield


def score(night, folder, *more):
    return main(["score", str(night), "-o", str(folder / "out.parquet"), *PARTS, *more])


def test_every_alert_is_in_one_of_the_tables(night, undisturbed, capsys):
    table, errors = (pq.read_table(pa.BufferReader(undisturbed[f"out{kind}.parquet"])) for kind in ("", ".errors"))
    assert len(table) == 101
    assert sorted(undisturbed) == ["out.errors.parquet", "out.parquet"]
    unscored = np.nonzero(np.isnan(table["score"].to_numpy()))[0].tolist()
    assert errors["row"].to_pylist() == unscored == [20, 100]
    assert [Path(file).name for file in errors["file"].to_pylist()][1] == "zz.avro"
    assert errors["object_id"].to_pylist() == [table["object_id"][row].as_py() for row in unscored]
    assert all(errors["message"].to_pylist())
    assert set(errors["reason"].to_pylist()) <= set(FAULTS)


@pytest.mark.parametrize("command", ["score", "features"])
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_stopped_and_resumed(night, tmp_path, monkeypatch, capsys, command, suffix):
    words = [command, str(night), *PARTS, "-o"]
    whole, again = tmp_path / "whole", tmp_path / "again"
    for folder in (whole, again):
        folder.mkdir()
    out = again / f"out{suffix}"
    assert main([*words, str(whole / f"out{suffix}")]) == 1
    told = capsys.readouterr().out
    with failing_after(3, KeyboardInterrupt(), monkeypatch):
        assert main([*words, str(out)]) == 130
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "space2vec: interrupted",
        "space2vec: 48 rows in 3 parts are kept; the same command with --resume goes on from there",
    ]
    assert main([*words, str(out)]) == 2
    assert "--resume goes on from there, --restart begins anew" in capsys.readouterr().err
    assert main([*words, str(out), "--resume"]) == 1, "the first damaged alert was in the part before"
    said = capsys.readouterr()
    assert "continuing after 48 rows" in said.err
    assert [line for line in said.out.splitlines() if "rows/s" not in line] == [
        line.replace(str(whole), str(again)) for line in told.splitlines() if "rows/s" not in line
    ]
    assert {path.name: path.read_bytes() for path in again.iterdir()} == {
        path.name: path.read_bytes() for path in whole.iterdir()
    }
    assert main([*words, str(out), "--resume"]) == 1, "what the run returned"
    again_said = capsys.readouterr().out
    assert "complete already: there is nothing to resume" in again_said
    assert again_said.splitlines()[-1] == said.out.splitlines()[-1]


def test_killed_at_random_moments(night, undisturbed, tmp_path):
    rng = random.Random(4)
    words = [sys.executable, "-m", "space2vec", "score", str(night), "-o", str(tmp_path / "out.parquet"), *PARTS]
    kills = 0
    for _ in range(40):
        run = subprocess.Popen([*words, "--resume"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if kills < 5:
            parts = tmp_path / "out.parquet.parts"
            begun = number_of(parts)
            while run.poll() is None and number_of(parts) == begun:
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.05))
            run.kill()
        if run.wait(120) != -signal.SIGKILL:
            break
        kills += 1
    assert kills >= 3
    assert run.returncode in (0, 1)
    assert results(tmp_path) == undisturbed
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(undisturbed)


def number_of(parts):
    return len(list(parts.glob("0*.json"))) if parts.is_dir() else 0


def test_sigterm_keeps_the_parts(night, undisturbed, tmp_path):
    words = [sys.executable, "-m", "space2vec", "score", str(night), "-o", str(tmp_path / "out.parquet"), *PARTS]
    run = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while run.poll() is None and not number_of(tmp_path / "out.parquet.parts"):
        time.sleep(0.005)
    run.terminate()
    _, said = run.communicate(timeout=120)
    assert run.returncode == 143
    assert "space2vec: terminated\n" in said
    assert "kept; the same command with --resume goes on from there" in said
    assert "Traceback" not in said
    assert score(night, tmp_path, "--resume") == 1
    assert results(tmp_path) == undisturbed


def test_strict_stops_where_something_is_wrong(night, undisturbed, tmp_path, capsys):
    assert score(night, tmp_path, "--strict") == 2
    said = capsys.readouterr().err
    assert "--strict stops here" in said
    (line,) = [line for line in said.splitlines() if ".avro" in line]
    assert str(alerts_of(night)[20]) in line, "the first, once; zz.avro is not told"
    assert "16 rows in 1 part are kept" in said
    assert not (tmp_path / "out.parquet").exists()
    assert score(night, tmp_path, "--strict", "--resume") == 2
    assert score(night, tmp_path, "--resume") == 1
    assert results(tmp_path) == undisturbed


def test_an_input_that_is_lost_stops_the_run(night, undisturbed, tmp_path, monkeypatch, capsys):
    lost = OSError(errno.EIO, os.strerror(errno.EIO), "lost.avro")
    with failing_after(2, lost, monkeypatch):
        assert score(night, tmp_path) == 2
    said = capsys.readouterr().err
    assert "lost.avro: Input/output error" in said
    assert "32 rows in 2 parts are kept" in said
    assert score(night, tmp_path, "--resume") == 1
    assert results(tmp_path) == undisturbed


def test_a_changed_night_is_refused(night, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "night"
    shutil.copytree(night, folder)
    with failing_after(2, KeyboardInterrupt(), monkeypatch):
        assert score(folder, tmp_path) == 130
    first = min(folder.glob("*.avro"))

    def refusal(*more):
        capsys.readouterr()
        assert score(folder, tmp_path, "--resume", *more) == 2
        return capsys.readouterr().err

    os.utime(first, ns=(0, 0))
    assert f"cannot resume {tmp_path}/out.parquet: the input {first} has changed: its time is another" in refusal()
    first.write_bytes(b"short")
    assert f"{first} has changed: its size is 5" in refusal()
    first.unlink()
    assert f"{first} is gone" in refusal()
    shutil.copy2(night / first.name, first)
    (folder / "new.avro").write_bytes(b"")
    assert f"{folder}/new.avro is new" in refusal()
    (folder / "new.avro").unlink()
    assert "begun with part rows 16, and now with part rows 8" in refusal("--part-rows", "8")
    assert "begun with model stampnet" in refusal("--model", "autoscan")
    monkeypatch.setattr("space2vec.cli.common.library_version", lambda: "0.0.1")
    assert "and now with version 0.0.1" in refusal()


def test_standard_input_cannot_be_resumed(tmp_path, capsys):
    assert main(["score", "-", "-o", str(tmp_path / "out.parquet"), "--resume"]) == 2
    assert "standard input cannot be read a second time" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_standard_input_that_is_closed(tmp_path, capfd):
    words = [sys.executable, "-m", "space2vec", "score", "-", "-o", str(tmp_path / "out.parquet")]
    assert subprocess.run(words, preexec_fn=lambda: os.close(0), check=False, timeout=120).returncode == 2
    assert capfd.readouterr().err == "space2vec: standard input is closed\n"
    assert list(tmp_path.iterdir()) == []


def test_standard_input(night, tmp_path, capfd):
    words = [sys.executable, "-m", "space2vec", "score", "-", "-o", str(tmp_path / "out.parquet")]
    assert subprocess.run(words, input=alerts_of(night)[0].read_bytes(), check=False, timeout=120).returncode == 0
    assert "1 rows: 1 scored" in capfd.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.errors.parquet", "out.parquet"]


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_resumed_in_the_middle_of_a_file(tmp_path, monkeypatch, codec):
    night = tmp_path / "night"
    assert main(["simulate", "-n", "90", "--per-file", "90", "--codec", codec, "-o", str(night)]) == 0
    whole, again = tmp_path / "whole", tmp_path / "again"
    for folder in (whole, again):
        folder.mkdir()
    assert score(night, whole) == 0
    for batches in (3, 2):
        with failing_after(batches, KeyboardInterrupt(), monkeypatch):
            assert score(night, again, "--resume") == 130
    assert score(night, again, "--resume") == 0
    assert len(pq.read_table(again / "out.parquet")) == 90
    assert results(again) == results(whole)


def test_strict_tells_the_first_problem_alone(night, tmp_path, capsys):
    folder = tmp_path / "night"
    shutil.copytree(night, folder)
    for path in alerts_of(folder)[20:25]:
        path.write_bytes(b"this is not Avro")
    assert main(["score", str(folder), "-o", str(tmp_path / "out.parquet"), "--strict"]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if ".avro" in line]
    assert line.startswith(f"space2vec: {alerts_of(folder)[20]}: ")
    assert line.endswith("(foreign_file, byte 0); --strict stops here")


def test_a_complete_output_needs_its_errors(night, tmp_path, capsys):
    assert score(night, tmp_path) == 1
    errors = tmp_path / "out.errors.parquet"
    whole = errors.read_bytes()
    for damage, words in ((whole[:-30], "is there, but it cannot be read"), (None, "is there, but not ")):
        errors.unlink()
        if damage:
            errors.write_bytes(damage)
        assert score(night, tmp_path, "--resume") == 2
        assert words in capsys.readouterr().err
    assert score(night, tmp_path, "--restart") == 1
    assert errors.read_bytes() == whole


def test_resume_and_restart_exclude_each_other(night, tmp_path, capsys):
    assert score(night, tmp_path, "--resume", "--restart") == 2
    assert "not allowed with" in capsys.readouterr().err


def test_parts_among_the_inputs_are_no_inputs(night, undisturbed, tmp_path, monkeypatch):
    folder = tmp_path / "night"
    shutil.copytree(night, folder)
    with failing_after(2, KeyboardInterrupt(), monkeypatch):
        assert score(folder, folder) == 130
    assert score(folder, folder, "--resume") == 1
    assert results(folder)["out.parquet"] == undisturbed["out.parquet"]


def test_the_errors_go_where_they_are_asked_to(night, undisturbed, tmp_path, capsys):
    (tmp_path / "logs").mkdir()
    errors = tmp_path / "logs" / "wrong.csv"
    assert score(night, tmp_path, "--errors", str(errors)) == 1
    assert f"2 errors in {errors}: " in capsys.readouterr().out
    assert results(tmp_path) == {"out.parquet": undisturbed["out.parquet"]}
    lines = errors.read_text().splitlines()
    assert lines[0] == '"file","offset","record","row","object_id","candidate_id","reason","message"'
    assert len(lines) == 3


def test_rows_that_a_flag_refuses_are_in_the_errors_table(tmp_path, capsys):
    pixels = np.random.default_rng(0).normal(size=(5, 3, 51, 51)).astype(np.float32)
    pixels[3, 2] = 1
    np.save(tmp_path / "stamps.npy", pixels)
    assert main(["score", str(tmp_path / "stamps.npy"), "-o", str(tmp_path / "out.parquet")]) == 0
    assert "1 errors in" in capsys.readouterr().out
    assert main(["score", str(tmp_path / "stamps.npy"), "-o", str(tmp_path / "out.parquet"), "--resume"]) == 0
    (line,) = pq.read_table(tmp_path / "out.errors.parquet").to_pylist()
    assert (line["row"], line["candidate_id"], line["reason"]) == (3, 3, "constant")
    assert line["message"] == FLAGS["constant"].meaning
    assert line["file"] is line["offset"] is line["record"] is None


def test_the_mosaic_of_a_resumed_run(night, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    drawn = []

    def mosaic(stamps, scores, **_):
        planes = [stamps.plane(row, channel).tobytes() for row in range(len(stamps)) for channel in CHANNELS]
        drawn.append((stamps.candidate_id.tolist(), scores.score.tolist(), planes))

    monkeypatch.setattr("space2vec.plot.mosaic", mosaic)
    options = ("--mosaic", str(tmp_path / "mosaic.png"))
    assert score(night, tmp_path, *options) == 1
    with failing_after(4, KeyboardInterrupt(), monkeypatch):
        assert score(night, tmp_path, *options) == 130
    assert score(night, tmp_path, "--resume") == 2, "the mosaic needs the stamps of every part"
    assert score(night, tmp_path, *options, "--resume") == 1
    assert len(drawn) == 2
    assert drawn[0] == drawn[1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_disk_that_is_full(night, undisturbed, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        said = told_of_failure(night, disk)
        assert "No space left on device" in said
        assert "kept; the same command with --resume goes on from there" in said
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        assert score(night, disk, "--resume") == 1
        assert results(disk) == undisturbed
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_files_that_may_not_grow(night, tmp_path):
    """The whole table is larger than its parts: they are kept when it fails."""
    whole, again = tmp_path / "whole", tmp_path / "again"
    for folder in (whole, again):
        folder.mkdir()
    files = files_of("features", night, whole)
    limit = len(files["out.parquet"]) - 1
    said = told_of_failure(
        night, again, "features", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    )
    assert f"cannot write {again}/out.parquet: File too large" in said
    assert "101 rows in 7 parts are kept" in said
    assert files_of("features", night, again, "--resume") == files


def told_of_failure(night, folder, command="score", **options):
    words = [sys.executable, "-m", "space2vec", command, str(night), "-o", str(folder / "out.parquet"), *PARTS]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120, **options)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr
