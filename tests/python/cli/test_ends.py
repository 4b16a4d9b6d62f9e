"""How a command ends that cannot go on: an interrupt at any moment, a disk that is full."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import space2vec as s2v

#: Waits in an import of the command line, as slow storage does, and is interrupted there.
WAITS = """
import os, sys, threading, time
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            print("importing", flush=True)
            time.sleep(60)
sys.meta_path.insert(0, Slow())
import runpy
sys.argv = ["space2vec", *{arguments!r}]
runpy.run_module("space2vec", run_name="__main__", alter_sys=True)
"""


def interrupted(module: str, arguments: list[str]) -> tuple[int, str]:
    """Interrupt the command while it imports a module; return its exit status and what it said."""
    program = WAITS.format(module=module, arguments=arguments)
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    return process.returncode, said


@pytest.mark.parametrize("module", ["numpy", "space2vec.cli.doctor", "space2vec.doctor"])
def test_an_interrupt_while_it_imports_is_no_traceback(module: str) -> None:
    assert interrupted(module, ["doctor"]) == (130, "space2vec: interrupted\n")


def test_an_import_that_hides_the_interrupt_is_one() -> None:
    program = """
import sys
class Odd:
    def find_spec(self, name, path=None, target=None):
        if name == "space2vec.doctor":
            try:
                raise KeyboardInterrupt
            except KeyboardInterrupt as error:
                raise ImportError("a part failed to import") from error
sys.meta_path.insert(0, Odd())
from space2vec.cli import main
sys.exit(main(["doctor"]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "space2vec: interrupted\n")


def test_python_m_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "space2vec", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"space2vec {s2v.__version__}\n"


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from space2vec.simulation import write_packets

    folder = tmp_path_factory.mktemp("night")
    write_packets(s2v.simulate(40, seed=8), folder)
    return folder


def small(size: int) -> None:
    """Let the process write no file beyond a size, as a disk that is full does."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def command(*arguments: str | Path, room: int) -> subprocess.CompletedProcess[str]:
    """Run a command whose files must stay small."""
    return subprocess.run(
        [sys.executable, "-m", "space2vec", *map(str, arguments)],
        capture_output=True, text=True, preexec_fn=lambda: small(room),
        env=os.environ | {"MPLCONFIGDIR": os.environ.get("MPLCONFIGDIR", "/tmp")},
    )  # fmt: skip


def test_a_full_disk_names_the_file(night: Path, tmp_path: Path) -> None:
    scores = tmp_path / "scores.csv"
    whole = subprocess.run([sys.executable, "-m", "space2vec", "score", night, "-o", scores, "--model", "forest"])
    assert whole.returncode == 0
    pytest.importorskip("matplotlib", reason="matplotlib is missing: matplotlib")
    judged = ("evaluate", scores, "--labels", night / "truth.csv", "--bootstrap", "20")
    written = {
        tmp_path / "again.parquet": (("score", night, "--model", "forest", "-o"), 700),
        tmp_path / "again.csv": (("score", night, "--model", "forest", "-o"), 100),
        tmp_path / "features.parquet": (("features", night, "-o"), 3000),
        tmp_path / "figures.json": ((*judged, "--json"), 100),
        tmp_path / "curves.png": ((*judged, "--plot"), 4000),
        tmp_path / "night": (("simulate", "-n", "3", "-o"), 20000),
    }
    for file, (arguments, room) in written.items():
        done = command(*arguments, file, room=room)
        assert done.returncode == 2, (file, done.stdout, done.stderr)
        last = done.stderr.strip().splitlines()[-1]
        assert f"cannot write {file}" in done.stderr, done.stderr
        assert "File too large" in done.stderr, last
        assert "Traceback" not in done.stderr
        assert not file.is_file()


def test_files_that_python_writes_are_named_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    file = tmp_path / "mine.safetensors"
    with pytest.raises(OSError, match=rf"cannot write {file}: No space left on device"):
        s2v.load("forest").save(file)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_or_figures_may_go_into_a_pipe(tmp_path: Path) -> None:
    from space2vec.data.atomic_file import write_whole

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE)
    write_whole(pipe, b"figures")
    assert reader.communicate(timeout=30)[0] == b"figures"
    assert pipe.is_fifo()


def test_a_full_standard_output_is_told() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "space2vec", "doctor"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert done.stderr == "space2vec: standard output: No space left on device\n"
