"""How much a child process takes: seconds and resident memory, under a limit of its address space."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

GB = 1 << 30
#: Runs the command out of a small process: what is resident counts the memory of the process that started it, which may
#: be a large one, from before the program was loaded.
_BETWEEN = """
import os, resource, signal, sys
used, space, processor, patience = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
command = sys.argv[5:]
child = os.fork()
if not child:
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    if processor:
        resource.setrlimit(resource.RLIMIT_CPU, (processor, processor))
    os.execvp(command[0], command)
signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
signal.setitimer(signal.ITIMER_REAL, patience)
_, status, usage = os.wait4(child, 0)
with open(used, "w") as file:
    file.write(f"{os.waitstatus_to_exitcode(status)} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss}")
"""


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
    command: Sequence[str | Path],
    folder: Path,
    environment: Mapping[str, str],
    patience: float,
    space: int = 3 * GB,
    processor: int = 0,
) -> Spent:
    """Run a command under limits.

    Parameters
    ----------
    command : sequence of str or Path
        The command.
    folder : Path
        Where what it prints is put.
    environment : mapping of str to str
        Its environment.
    patience : float
        Seconds by the clock after which it is killed.
    space : int, optional
        Bytes of address space.
    processor : int, optional
        Seconds of processor time after which it is killed; 0 for no limit.
    """
    out, err, used = folder / "stdout", folder / "stderr", folder / "used"
    between = (sys.executable, "-I", "-S", "-c", _BETWEEN, used, str(space), str(processor), str(patience))
    words = [os.fsencode(word) for word in (*between, *command)]
    with out.open("wb") as stdout, err.open("wb") as stderr:
        begin = time.perf_counter()
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=dict(environment))
        child.wait()
        seconds = time.perf_counter() - begin
    status, processor, kilobytes = (float(word) for word in used.read_text().split())
    used.unlink()
    texts = [path.read_text(errors="backslashreplace") for path in (out, err)]
    return Spent(int(status), seconds, processor, kilobytes / 1024, *texts)
