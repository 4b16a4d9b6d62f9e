"""How much a child process takes: seconds and resident memory, under a limit of its address space."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

GB = 1 << 30


@dataclass(frozen=True)
class Spent:
    """What a command took.

    Attributes
    ----------
    status : int
        Its exit status; below 0 the signal that ended it.
    seconds, processor, megabytes : float
        Wall time, processor time of all threads, and the most that was resident.
    out, err : str
        What it printed.
    """

    status: int
    seconds: float
    processor: float
    megabytes: float
    out: str
    err: str


def spent(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str], patience: float, space: int = 3 * GB
) -> Spent:
    """Run a command with so much address space, for so many seconds at most."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (space, space))

    out, err = folder / "stdout", folder / "stderr"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        begin = time.perf_counter()
        child = subprocess.Popen(
            [os.fsencode(word) if isinstance(word, Path) else word for word in command],
            stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=dict(environment), preexec_fn=limit,
        )  # fmt: skip
        clock = threading.Timer(patience, lambda: os.kill(child.pid, signal.SIGKILL))
        clock.start()
        _, status, usage = os.wait4(child.pid, 0)
        clock.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - begin
    told = [path.read_text(errors="backslashreplace") for path in (out, err)]
    return Spent(child.returncode, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, *told)
