"""An interrupt or SIGTERM while a slow model runs: the run ends soon, and what is finished is kept."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from helpers.lying_models import slow_network
from space2vec.models import runtimes

#: Each would run for minutes with the instruction set SLOW.
CALLS = {
    "score": "model.score(s2v.simulate(3000, seed=1).stamps, threads={threads})",
    "predict": "model.predict(np.zeros((3000, 3, 129, 129), np.float32), threads={threads})",
}
#: The slowest instruction set: with AVX-512, 3,000 candidates take three seconds on a machine that is not busy.
SLOW = "baseline"
PROGRAM = """
import sys
import numpy as np
import space2vec as s2v
model = s2v.load(sys.argv[1])
print("begins", flush=True)
try:
    {call}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slow") / "slow.safetensors"
    path.write_bytes(slow_network())
    return path


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("call", CALLS)
def test_a_call_is_interrupted(slow: Path, call: str, threads: int) -> None:
    pytest.importorskip("space2vec._core")
    program = PROGRAM.format(call=CALLS[call].format(threads=threads))
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(slow)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "SPACE2VEC_ISA": SLOW},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begins\n"
    time.sleep(4)  # the stamps are made
    assert process.poll() is None, "it runs"
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert said == "interrupted\n"
    assert time.monotonic() - begin < 10, "a second, on a machine that is not busy"


@pytest.mark.parametrize(("number", "status", "word"), [
    (signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated"),
])  # fmt: skip
def test_the_command_keeps_what_is_finished(
    slow: Path, tmp_path: Path, number: signal.Signals, status: int, word: str
) -> None:
    from space2vec.cli import main

    assert main(["simulate", "-n", "400", "-o", str(tmp_path / "night"), "--seed", "3"]) == 0
    out = tmp_path / "out.parquet"
    words = ["score", str(tmp_path / "night"), "-o", str(out), "--model", str(slow), "--threads", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "space2vec", *words, "--part-rows", "4"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SPACE2VEC_ISA": SLOW},
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("out.parquet.parts/0*.json")) and time.monotonic() < deadline:
        assert process.poll() is None, "it is slow"
        time.sleep(0.1)
    begin = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - begin < 10, "a second, on a machine that is not busy"
    assert process.returncode == status
    assert word in said
    assert "are kept; the same command with --resume goes on from there" in said
    assert not out.exists()


@pytest.fixture
def interrupt_soon() -> Iterator[None]:
    """Interrupt whatever runs .3 s from now."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


class SlowRuntime:
    """Takes 50 ms for what a network of floats is given at a time."""

    def __call__(self, inputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        time.sleep(0.05)
        return np.zeros(len(inputs[0]), np.float32)

    def one_thread(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.usefixtures("interrupt_soon")
def test_a_network_of_floats_is_interrupted(threads: int) -> None:
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        runtimes.run(SlowRuntime(), [np.zeros((64 * 600, 1), np.float32)], threads)
    assert time.monotonic() - begin < 5, "of 15 or 30"


@pytest.mark.parametrize("threads", [1, 2])
def test_the_twin_is_interrupted(threads: int, request: pytest.FixtureRequest) -> None:
    pytest.importorskip("numba", reason="Numba is missing: numba")
    from space2vec.backends.numba.team import parallel_for

    request.getfixturevalue("interrupt_soon")
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        parallel_for(32 * 600, threads, lambda _begin, _end: time.sleep(0.05))
    assert time.monotonic() - begin < 5, "of 15 or 30"
