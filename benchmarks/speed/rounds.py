"""Contenders that take turns: each is a process that waits while the others run."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from space2vec.bench.rounds import quartiles

__all__ = ["Contender", "Run", "ask", "begin_all", "play", "processor_time", "quartiles", "serve", "write_record"]

#: One round, of a number: how many triplets it was.
Run = Callable[[int], int]
#: A contender is one thread.
SINGLE = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Contender:
    """A command that says "ready", and for each line of input runs one round and says what it took."""

    command: list[str | Path]
    environment: Mapping[str, str] = field(default_factory=dict)


def serve(run: Run) -> None:
    """Be a contender: answer with microseconds a triplet."""
    run(0)
    print("ready", flush=True)
    for turn, _ in enumerate(sys.stdin):
        start = time.perf_counter()
        done = run(turn)
        print((time.perf_counter() - start) / done * 1e6, flush=True)


def begin(contender: Contender) -> subprocess.Popen[str] | str:
    """Start a contender; return the reason instead where it cannot run here."""
    process = subprocess.Popen(
        contender.command,
        env=os.environ | SINGLE | dict(contender.environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    if process.stdout.readline().strip() == "ready":
        return process
    complaint = process.communicate()[1].strip().splitlines()
    return complaint[-1] if complaint else f"exit status {process.returncode}"


def ask(process: subprocess.Popen[str]) -> str:
    """Let a contender run one round, and return the line that it answers."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise SystemExit(process.communicate()[1])
    return answer


def begin_all(contenders: Mapping[str, Contender]) -> dict[str, subprocess.Popen[str]]:
    """Start contenders; print why one cannot run here, and leave it out."""
    running: dict[str, subprocess.Popen[str]] = {}
    for name, contender in contenders.items():
        begun = begin(contender)
        if isinstance(begun, str):
            print(f"{name:24} does not run here: {begun}", flush=True)
        else:
            running[name] = begun
    return running


def play(contenders: Mapping[str, Contender], rounds: int) -> dict[str, list[float]]:
    """Return what each contender took in each round; those that cannot run here are left out.

    The others are compared with the first: without it, none runs.
    """
    running = begin_all(contenders)
    turns = rounds if next(iter(contenders), None) in running else 0
    times: dict[str, list[float]] = {name: [] for name in running} if turns else {}
    for _ in range(turns):
        for name, process in running.items():
            times[name].append(float(ask(process)))
    for process in running.values():
        process.communicate()
    return times


def processor_time(contenders: Mapping[str, tuple[Callable[[], object], int]], rounds: int) -> dict[str, list[float]]:
    """Let functions of this process take turns, each given with its number of rows.

    Return the microseconds of processor time a row that each took in every round.
    """
    took: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, (run, rows) in contenders.items():
            start = time.process_time()
            run()
            took[name].append((time.process_time() - start) / rows * 1e6)
    return took


def write_record(
    path: Path, what: str, took: Mapping[str, list[float]], ratios: Mapping[str, float], **facts: object
) -> None:
    """Write what :func:`processor_time` measured as JSON, with facts about the run."""
    record = {
        "what": f"{what}; microseconds a row, median of rounds in which the contenders take turns",
        "processor": platform.processor() or platform.machine(),
        **facts,
        "microseconds": {name: {"median": statistics.median(times), "rounds": times} for name, times in took.items()},
        "ratios": dict(ratios),
    }
    path.write_text(json.dumps(record, indent=1) + "\n")
