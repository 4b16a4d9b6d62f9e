"""Places that cannot be written: a full disk and a read-only folder, for everything that writes a file."""

import errno
import os
import re
from pathlib import Path

import numpy as np
import pytest

from space2vec.cli import main


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with stamps, their scores and their labels."""
    folder = tmp_path_factory.mktemp("inputs")
    np.save(folder / "stamps.npy", np.random.default_rng(0).normal(size=(8, 3, 51, 51)))
    (folder / "labels.csv").write_text("ID,label\n" + "".join(f"{k},{k % 2}\n" for k in range(8)))
    (folder / "scores.csv").write_text("ID,score\n" + "".join(f"{k},0.{k}\n" for k in range(8)))
    (folder / "table.csv").write_text("ID,label,AMP,SCALE\n" + "".join(f"{k},{k % 2},{k},1\n" for k in range(8)))
    return folder


EVALUATE = ("evaluate", "scores.csv", "--labels", "labels.csv", "--bootstrap", "0")
COMMANDS = {
    "scores.parquet": ("score", "stamps.npy", "-o"),
    "scores.csv": ("score", "stamps.npy", "-o"),
    "features.parquet": ("features", "stamps.npy", "-o"),
    "features.csv": ("features", "stamps.npy", "-o"),
    "forest.safetensors": ("train", "forest", "table.csv", "--trees", "2", "--folds", "0", "--threads", "1", "-o"),
    "figures.json": (*EVALUATE, "--json"),
    "curves.png": (*EVALUATE, "--plot"),
    "truth.csv": ("simulate", "-n", "2", "-o"),
}


def run(inputs, name, folder, *more):
    words = [str(inputs / word) if (inputs / word).is_file() else word for word in COMMANDS[name]]
    return main([*words, str(folder if name == "truth.csv" else folder / name), *more])


def full_for(name, folder, monkeypatch):
    """Let the disk have no room for one file, nor for what is written aside for it."""
    aside = re.compile(rf"{re.escape(str(folder))}/\.{re.escape(name)}\.\w+\.part")
    write = os.write

    def full(file, data):
        if aside.fullmatch(os.readlink(f"/proc/self/fd/{file}")):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, data)

    monkeypatch.setattr(os, "write", full)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="/proc is missing, which tells the names of open files")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_told(inputs, tmp_path, capsys, monkeypatch, name):
    in_parts = name.startswith(("scores", "features"))
    with monkeypatch.context() as patch:
        full_for(name, tmp_path, patch)
        assert run(inputs, name, tmp_path) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / name}: No space left on device" in said
    assert "Traceback" not in said
    assert not (tmp_path / name).is_file()
    if in_parts:
        assert "8 rows in 1 part are kept; the same command with --resume goes on from there" in said
        assert run(inputs, name, tmp_path, "--resume") == 0
        assert (tmp_path / name).is_file()
    else:
        assert [path.suffix for path in tmp_path.iterdir()] == [".avro"] * (2 if name == "truth.csv" else 0)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_read_only_folder_is_told(inputs, tmp_path, capsys, name):
    folder = tmp_path / "kept"
    folder.mkdir()
    folder.chmod(0o555)
    if os.access(folder, os.W_OK):
        # Root may write to every folder but those that the kernel keeps.
        folder = Path("/proc")
    assert run(inputs, name, folder) == 2
    said = capsys.readouterr().err
    assert str(folder) in said
    assert "Traceback" not in said
