"""Measure every stage on every processor, how near it comes to a limit of the machine, and from which batch a GPU pays.

A *column* is a processor and where the data are: one core, all cores, the GPU with data in place, the GPU with copies.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from space2vec.backends import choice, kernels
from space2vec.bench.machine import device_limits, host_limits, processor, versions
from space2vec.bench.rounds import Run, quartiles, rows_of, take_turns
from space2vec.bench.stages import IN_PLACE, THREADS, NotRun, Stage, StageInputs, stages
from space2vec.data.device import extension
from space2vec.errors import DeviceLostError, Space2vecError

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["COLUMNS", "LIMITS", "measure"]

#: The columns of a record, with a description of each.
COLUMNS = {
    "one core": "one thread of the CPU",
    "all cores": "a thread for each usable core",
    IN_PLACE: "on the GPU, data and results in its memory",
    "gpu with transfers": "on the GPU, from page-locked memory of the host and back",
}
_THROUGH = "gpu with transfers"
#: The limit of the machine that each column is compared with.
LIMITS = {
    "one core": "copy on one core",
    "all cores": "copy on all cores",
    IN_PLACE: "copy on the device",
    _THROUGH: "link to the device",
}
_PACKAGES = ("numpy", "torch", "onnxruntime", "cupy-cuda12x", "cupy-cuda13x", "fastavro")
#: Batches (rows) for which the GPU is compared with the CPU.
_LADDER = tuple(1 << k for k in range(0, 17, 2))
#: Time that a column takes apart from its rounds, in rounds: to find its number of rows, and for the break-even.
_SIZING = {"one core": 6, "all cores": 6, IN_PLACE: 8, _THROUGH: 14}


def measure(
    rows: int,
    rounds: int,
    *,
    seconds: float = 0.2,
    side: int = 51,
    source: Path | None = None,
    where: str = "auto",
    only: Sequence[str] = (),
    columns: Sequence[str] = tuple(COLUMNS),
    report: Callable[[str], None] = lambda line: None,
    save: Callable[[dict[str, Json]], None] = lambda record: None,
) -> dict[str, Json]:
    """Measure stages on the cores and the GPU of this machine; the columns take turns, round after round.

    Parameters
    ----------
    rows : int
        Number of triplets to measure with, at most.
    rounds : int
        Number of timings of each stage in each column.
    seconds : float, optional
        How long a timing should take: it uses as many rows as fill this time.
    side : int, optional
        Side of a triplet in pixels.
    source : path, optional
        A folder of alerts to read; simulated ones by default.
    where : str, optional
        The GPU: ``"cpu"`` for none, ``"auto"`` for the first if there is one, or ``"cuda:N"``.
    only : sequence of str, optional
        Beginnings of the names of the stages to measure; all stages by default.
    columns : sequence of str, optional
        Some of :data:`COLUMNS`.
    report : callable, optional
        Called with a line of text at the start, which estimates the time, and after each stage.
    save : callable, optional
        Called with the record so far after each stage, so that an interrupted run leaves its figures.

    Returns
    -------
    dict
        The record, ready for JSON: the machine, and in ``results`` the figures by stage and column.

    Raises
    ------
    BackendError
        If a GPU is requested that cannot be used.
    ValueError
        If no stage has such a name.
    """
    where = choice.usable_device(where, bulk=True)
    reason = extension.unavailable_reason(0) or ("not requested: --device cpu" if where == "cpu" else "")
    number = None if where == "cpu" else extension.ordinal(where)
    cores = kernels.thread_count(None)
    wanted = [name for name in COLUMNS if name in columns]
    run = [name for name in wanted if name in THREADS or number is not None]
    inputs = StageInputs(rows, side, source, where)
    chosen = [stage for stage in stages(inputs) if not only or stage.name.startswith(tuple(only))]
    if not chosen:
        raise ValueError(f"no stage begins with {' or '.join(only)}")
    whole = seconds * len(chosen) * sum(rounds + _SIZING[name] for name in run)
    report(f"{len(chosen)} stages, {' and '.join(run) or 'nothing'}: about {_duration(whole)}")
    record: dict[str, Json] = {
        "benchmark": "bench",
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": processor(),
        "cores": cores,
        "load before": os.getloadavg()[0],
        "isa": kernels.active().isa(),
        "gpu": {"not run": reason} if number is None else dict(extension.active(number).properties(number)),
        "cuda": extension.versions(),
        "versions": versions(_PACKAGES),
        "side": side,
        "rounds": rounds,
        "quantiles": [0.25, 0.5, 0.75],
        "limits": host_limits(rounds, cores) if THREADS.keys() & run else {},
        "results": {},
    }
    if number is not None:
        record["limits"] |= device_limits(number, rounds)
    for stage in chosen:
        with contextlib.ExitStack() as inputs.stack:
            found = _measure_stage(stage, wanted, run, reason, number, rounds, seconds, record["limits"])
        record["results"][stage.name] = found
        save(record)
        rates = (f"{name} {entry['rate'][1]:.3g}/s" for name, entry in found["columns"].items() if "rate" in entry)
        report(f"{stage.name}: {', '.join(rates) or 'not run'}")
    return record


def _duration(seconds: float) -> str:
    """Return a time as text, in seconds or minutes."""
    return f"{max(round(seconds), 1)} s" if seconds < 90 else f"{round(seconds / 60)} minutes"


def _measure_stage(
    stage: Stage,
    wanted: Sequence[str],
    run: Sequence[str],
    reason: str,
    number: int | None,
    rounds: int,
    seconds: float,
    limits: dict[str, list[float]],
) -> dict[str, Json]:
    """Measure one stage in the columns `run`; the other columns of `wanted` get the reason why they are not run."""
    columns: dict[str, dict[str, Json]] = {name: {"not run": reason} for name in wanted}
    running: dict[str, tuple[Run, int]] = {}

    def refuse(name: str, error: Exception) -> None:
        columns[name] = {"not run": _reason_not_run(error, number)}

    for name in run:
        try:
            work = stage.work(name)
            clock = time.process_time if name in THREADS else time.perf_counter
            running[name] = work, rows_of(work, stage.most, seconds, clock)
        except Exception as error:
            refuse(name, error)
    spent, processor = take_turns(running, rounds, refuse)
    for name, values in spent.items():
        columns[name] = _column(name, stage, values, spent, limits) | {
            "rows": running[name][1],
            "processor microseconds": quartiles([1e6 * value for value in processor[name]]),
        }
    found: dict[str, Json] = {"unit": stage.unit, "columns": columns}
    if _THROUGH in spent and len(spent.keys() & THREADS):
        try:
            found["break even"] = _break_even(running[_THROUGH][0], spent, stage.most)
        except Exception as error:
            found["break even"] = {"not run": _reason_not_run(error, number)}
    return found


def _reason_not_run(error: Exception, number: int | None) -> str:
    """Return the reason why a column cannot be measured, in one line.

    Raises
    ------
    DeviceLostError
        If the device stopped answering: nothing more can be measured on it.
    Exception
        The error itself, if it is not one of a lack of memory, a missing package or an unusable device.
    """
    try:
        with extension.translate_errors(number or 0):
            raise error
    except DeviceLostError:
        raise
    except (NotRun, MemoryError, RuntimeError, Space2vecError) as why:
        return (str(why).splitlines() or [type(why).__name__])[0]


def _column(
    name: str, stage: Stage, values: list[float], spent: dict[str, list[float]], limits: dict[str, list[float]]
) -> dict[str, Json]:
    """Return the figures of a column from its seconds per row, a value for each round; ready for JSON."""
    column: dict[str, Json] = {
        "microseconds": quartiles([1e6 * value for value in values]),
        "rate": quartiles([1 / value for value in values]),
    }
    if "one core" in spent:
        pairs = zip(spent["one core"], values, strict=True)
        column["times one core"] = quartiles([one_core / value for one_core, value in pairs])
    limit, amount = LIMITS[name], stage.carried if name == _THROUGH else stage.moved
    if amount and limit in limits:
        column["share"] = {"of": limit, "value": column["rate"][1] * amount / limits[limit][1]}
    return column


def _break_even(run: Run, spent: dict[str, list[float]], most: int) -> dict[str, int | None]:
    """Return the smallest batch from which on the GPU with transfers is faster than each column of the CPU."""
    sizes = [size for size in _LADDER if size <= most]
    took = []
    for size in sizes:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            run(size)
            times.append(time.perf_counter() - start)
        took.append(float(np.median(times)))
    found: dict[str, int | None] = {}
    for name in THREADS:
        if name in spent:
            slower = [k for k, size in enumerate(sizes) if took[k] >= size * float(np.median(spent[name]))]
            first = slower[-1] + 1 if slower else 0
            found[name] = sizes[first] if first < len(sizes) else None
    return found
