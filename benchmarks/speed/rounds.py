"""Contenders of a benchmark that take turns: one runs while the others wait."""

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

__all__ = [
    "Contender",
    "Run",
    "processor_time",
    "quartiles",
    "run_round",
    "serve",
    "start_all",
    "time_in_turns",
    "write_record",
]

#: A round of a contender: takes the number of the round, returns how many triplets it worked on.
Run = Callable[[int], int]
#: Settings that hold a contender to one thread.
SINGLE = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Contender:
    """A command that prints "ready", then runs one round for each line of input and prints what the round took."""

    command: list[str | Path]
    environment: Mapping[str, str] = field(default_factory=dict)


def serve(run: Run) -> None:
    """Work as a contender: run a round for each line of input, and print its microseconds a triplet."""
    run(0)
    print("ready", flush=True)
    for turn, _ in enumerate(sys.stdin):
        start = time.perf_counter()
        done = run(turn)
        print((time.perf_counter() - start) / done * 1e6, flush=True)


def start_contender(contender: Contender) -> subprocess.Popen[str] | str:
    """Start a contender and return its process, or the reason why it cannot run here."""
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
    message = process.communicate()[1].strip().splitlines()
    return message[-1] if message else f"exit status {process.returncode}"


def run_round(process: subprocess.Popen[str]) -> str:
    """Let a contender run one round, and return the line that it prints."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise SystemExit(process.communicate()[1])
    return answer


def start_all(contenders: Mapping[str, Contender]) -> dict[str, subprocess.Popen[str]]:
    """Start contenders. One that cannot run here is left out, and the reason printed."""
    running: dict[str, subprocess.Popen[str]] = {}
    for name, contender in contenders.items():
        started = start_contender(contender)
        if isinstance(started, str):
            print(f"{name:24} does not run here: {started}", flush=True)
        else:
            running[name] = started
    return running


def time_in_turns(contenders: Mapping[str, Contender], rounds: int) -> dict[str, list[float]]:
    """Return what each contender took in each round; those that cannot run here are left out.

    If the first contender cannot run, none does, for the others are compared with it.
    """
    running = start_all(contenders)
    turns = rounds if next(iter(contenders), None) in running else 0
    times: dict[str, list[float]] = {name: [] for name in running} if turns else {}
    for _ in range(turns):
        for name, process in running.items():
            times[name].append(float(run_round(process)))
    for process in running.values():
        process.communicate()
    return times


def processor_time(contenders: Mapping[str, tuple[Callable[[], object], int]], rounds: int) -> dict[str, list[float]]:
    """Let functions of this process take turns; each comes with its number of rows.

    Return the microseconds of processor time that each took a row, in every round.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, (run, rows) in contenders.items():
            start = time.process_time()
            run()
            times[name].append((time.process_time() - start) / rows * 1e6)
    return times


def write_record(
    path: Path, what: str, times: Mapping[str, list[float]], ratios: Mapping[str, float], **facts: object
) -> None:
    """Write the times of :func:`processor_time` as JSON, with ratios and facts about the run."""
    record = {
        "what": f"{what}; microseconds a row, median of rounds in which the contenders take turns",
        "processor": platform.processor() or platform.machine(),
        **facts,
        "microseconds": {
            name: {"median": statistics.median(rounds), "rounds": rounds} for name, rounds in times.items()
        },
        "ratios": dict(ratios),
    }
    path.write_text(json.dumps(record, indent=1) + "\n")
