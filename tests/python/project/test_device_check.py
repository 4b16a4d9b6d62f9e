"""``cuda/device_check.sh``: what it promises, on stand-ins for the tools of a device that note their calls."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import space2vec

SCRIPT = Path(__file__).resolve().parents[3] / "cuda" / "device_check.sh"

#: What every stand-in does first.
NOTE = '#!/usr/bin/env bash\nprintf "%s\\n" "$(basename "$0") $*" >>"$CALLS"\n'
#: The check's own Python, but for what needs a device or takes long.
PYTHON = """case "$1 $2" in
    "-m space2vec") echo "{}" >"${@: -1}" ;;
    "-m pytest") echo "3 passed" ;;
    "-m parity.suite") mkdir -p "$4" ;;
    *) exec "$REAL_PYTHON" "$@" ;;
esac
"""
PARITY = """case $# in
    0) echo "usage: space2vec_parity DIR" >&2; exit 2 ;;
    1) exit 0 ;;
esac
echo '{"device": "NVIDIA Stand-in 1"}' >"$3"
"""
NO_DRIVER = """if [[ $# == 0 ]]; then echo "usage: space2vec_parity DIR"; exit 2; fi
echo "not run: no driver"
exit 77
"""


class Machine:
    """A machine whose tools are stand-ins."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.calls, self.results = folder / "bin", folder / "calls", folder / "results"
        self.bin.mkdir()
        self.calls.touch()
        self.tool("python3", PYTHON)

    def tool(self, name: str, body: str = "") -> None:
        """Put a tool on the path."""
        (self.bin / name).write_text(NOTE + body)
        (self.bin / name).chmod(0o755)

    def begin(self, *arguments: str | Path, **variables: str) -> subprocess.Popen[str]:
        """Start the check."""
        environment = {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "HOME": str(self.bin),
            "CALLS": str(self.calls),
            "REAL_PYTHON": sys.executable,
            **variables,
        }
        command = [str(part) for part in (SCRIPT, *arguments, self.results)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def check(self, *arguments: str | Path, **variables: str) -> tuple[int, str]:
        """Run the check; return its exit status and what it said."""
        process = self.begin(*arguments, **variables)
        said, _ = process.communicate(timeout=120)
        return process.returncode, said

    def called(self, name: str) -> list[list[str]]:
        """Return the arguments of each call of a tool."""
        lines = [line.split() for line in self.calls.read_text().splitlines()]
        return [line[1:] for line in lines if line[0] == name]

    def archived(self) -> dict[str, bytes]:
        """Return the files of the archive."""
        with tarfile.open(f"{self.results}.tar.gz") as archive:
            files = {member.name.removeprefix("results/"): archive.extractfile(member) for member in archive}
            return {name: file.read() for name, file in files.items() if file is not None}

    def steps(self, name: str = "check.json") -> dict[str, str]:
        """Return what became of each step, as the archive says."""
        found: dict[str, Any] = json.loads(self.archived()[name])
        return {step: what["outcome"] for step, what in found["steps"].items()}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def tree(tmp_path: Path, machine: Machine) -> Path:
    """What a build leaves, with a program that finds every bit equal."""
    package = tmp_path / "tree" / "package" / "space2vec"
    package.mkdir(parents=True)
    for file in Path(space2vec.__file__).parent.iterdir():
        (package / file.name).symlink_to(file)
    if not list(package.glob("_cuda*.so")):
        (package / "_cuda.py").touch()
    (tmp_path / "tree" / "tests" / "device").mkdir(parents=True)
    program = tmp_path / "tree" / "tests" / "device" / "space2vec_parity"
    program.write_text(NOTE + PARITY)
    program.chmod(0o755)
    machine.tool("nvidia-smi", 'echo "NVIDIA Stand-in 1, 600.1"\n')
    return tmp_path / "tree"


def no_gpu_here() -> bool:
    return not list(Path("/dev").glob("nvidia[0-9]*"))


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.skipif(not no_gpu_here(), reason="there is a GPU")
def test_without_a_device_it_says_so_and_builds_nothing(machine: Machine) -> None:
    status, said = machine.check()
    assert status == 77
    assert "no device: neither nvidia-smi nor /dev shows one" in said
    assert machine.steps()["nvidia-smi"] == "not run: no nvidia-smi"
    assert "build" not in machine.steps()
    assert machine.steps()["facts"] == "in facts.log"
    assert b"Linux" in machine.archived()["facts.log"]
    assert "there is no device here; nothing was compared" in said


def test_a_prebuilt_tree_is_used_and_no_setting_is_touched(machine: Machine, tree: Path) -> None:
    for name in ("ncu", "compute-sanitizer"):
        machine.tool(name)
    status, said = machine.check("--tree", tree)
    assert status == 0, said
    steps = machine.steps("parity_nvidia_stand_in_1.json")
    assert steps["tree"] == f"prebuilt: {tree}, of revision unknown"
    assert steps["parity"] == "every bit is equal"
    assert steps["spread"] == steps["parity_again"] == "every bit is equal"
    assert {steps[name] for name in ("rates", "tests", "far", "busy")} == {"passed"}
    assert steps["profile"] == "in ncu.log"
    assert {steps[name] for name in ("memcheck", "racecheck", "synccheck")} == {"clean"}
    asked_for = [
        "facts",
        "spread",
        "parity",
        "parity_again",
        "rates",
        "profile",
        "tests",
        "memcheck",
        "racecheck",
        "far",
    ]
    assert [name for name in steps if name in asked_for] == asked_for, "in this order"
    (rates,) = [call for call in machine.called("python3") if call[:2] == ["-m", "space2vec"]]
    assert "--columns gpu in place --rounds 3" in " ".join(rates)
    assert "build" not in steps
    assert "check.json" not in machine.archived()
    (profile,) = machine.called("ncu")
    assert profile[profile.index("--clock-control") + 1] == "none"
    asked = machine.called("nvidia-smi")
    assert asked
    assert {word.split("=")[0] for call in asked for word in call} <= {"--query-gpu", "--format", "-L"}
    assert len(machine.called("compute-sanitizer")) == 3


def test_a_tree_may_come_from_the_environment(machine: Machine, tree: Path) -> None:
    (tree / "tests" / "device" / "space2vec_parity").write_text(NOTE + NO_DRIVER)
    status, said = machine.check(SPACE2VEC_DEVICE_TREE=str(tree))
    assert status == 77
    assert "device: no device: no driver" in said
    assert machine.steps()["device"] == "no device: no driver"
    assert "spread.log" in machine.archived()


@pytest.mark.skipif(not no_gpu_here(), reason="there is a GPU")
@pytest.mark.parametrize("missing", ["tests/device/space2vec_parity", "package/space2vec/registry.py"])
def test_a_tree_that_does_not_load_is_not_used(machine: Machine, tree: Path, missing: str) -> None:
    (tree / missing).unlink()
    machine.tool("nvidia-smi", "echo 'No devices were found'; exit 6\n")
    status, said = machine.check("--tree", tree)
    assert status == 77
    assert "tree: does not load here" in said
    assert machine.steps()["nvidia-smi"] == "failed with 6"


@pytest.mark.parametrize(
    ("log", "code", "outcome", "status"),
    [
        ("========= Invalid __global__ read of size 4", 99, "errors found", 1),
        ("========= Error: Device not supported", 1, "not run: device not supported", 0),
        ("", 7, "failed with 7", 1),
    ],
)
def test_what_a_sanitizer_says(machine: Machine, tree: Path, log: str, code: int, outcome: str, status: int) -> None:
    machine.tool("compute-sanitizer", f"echo '{log}'; exit {code}\n")
    assert machine.check("--tree", tree)[0] == status
    steps = machine.steps("parity_nvidia_stand_in_1.json")
    assert steps["memcheck"] == outcome
    assert steps["profile"] == "not run: no ncu"


def test_bits_that_differ_fail_the_check_and_end_nothing(machine: Machine, tree: Path) -> None:
    (tree / "tests" / "device" / "space2vec_parity").write_text(NOTE + PARITY + "exit 1\n")
    status, _ = machine.check("--tree", tree)
    assert status == 1
    steps = machine.steps("parity_nvidia_stand_in_1.json")
    assert steps["parity"] == steps["spread"] == "bits differ"
    assert steps["tests"] == "passed"


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


HANG = 'trap "" TERM\nsleep 600 &\necho $! >"$CALLS.pid"\nwait\nsleep 600\n'


def test_what_hangs_is_stopped_and_the_archive_is_whole_all_the_time(machine: Machine, tree: Path) -> None:
    machine.tool("ncu", HANG)
    began = time.monotonic()
    process = machine.begin("--tree", tree, "--seconds", "25")
    seen = 0
    while process.poll() is None:
        if Path(f"{machine.results}.tar.gz").exists():
            assert "steps.tsv" in machine.archived()
            seen += 1
        time.sleep(0.05)
    process.communicate()
    assert time.monotonic() - began < 26
    assert seen > 20
    steps = machine.steps("parity_nvidia_stand_in_1.json")
    assert steps["profile"] == "stopped for time"
    assert steps["tests"] == "not run: no time left"
    assert not alive(int(Path(f"{machine.calls}.pid").read_text()))


def test_a_signal_leaves_whole_results_and_no_process(machine: Machine, tree: Path) -> None:
    machine.tool("ncu", HANG)
    process = machine.begin("--tree", tree)
    wait_for(Path(f"{machine.calls}.pid").exists)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=20) == 143
    process.communicate()
    steps = machine.steps("parity_nvidia_stand_in_1.json")
    assert steps["rates"] == "passed"
    assert steps["check"] == "stopped by a signal"
    assert not alive(int(Path(f"{machine.calls}.pid").read_text()))
