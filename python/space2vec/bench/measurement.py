"""The measurement: every stage in every column, what it is a share of, and the batch from which on a GPU pays."""

from __future__ import annotations

import contextlib
import datetime
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from space2vec.backends import choice, kernels
from space2vec.bench.machine import device_limits, host_limits, processor, versions
from space2vec.bench.rounds import Run, quartiles, rows_of, take_turns
from space2vec.bench.stages import IN_PLACE, THREADS, NotRun, Stage, StageInputs, stages
from space2vec.data.device import extension
from space2vec.errors import DeviceLostError, Space2vecError

__all__ = ["COLUMNS", "LIMITS", "measure"]

#: The columns: what the name in the record means.
COLUMNS = {
    "one core": "one thread of the CPU",
    "all cores": "a thread for each usable core",
    IN_PLACE: "on the GPU, data and results in its memory",
    "gpu with transfers": "on the GPU, from page-locked memory of the host and back",
}
_THROUGH = "gpu with transfers"
#: The limit that each column has a share of.
LIMITS = {
    "one core": "copy on one core",
    "all cores": "copy on all cores",
    IN_PLACE: "copy on the device",
    _THROUGH: "link to the device",
}
_PACKAGES = ("numpy", "torch", "onnxruntime", "cupy-cuda12x", "cupy-cuda13x", "fastavro")
#: Batches for which it is asked whether a GPU pays.
_LADDER = tuple(1 << k for k in range(0, 17, 2))
#: Rounds' worth of time that a column takes beside its rounds: until they are sized, and for the break-even.
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
    tell: Callable[[str], None] = lambda line: None,
    keep: Callable[[dict[str, Any]], None] = lambda record: None,
) -> dict[str, Any]:
    """Measure the stages whose names begin like `only`, all by default, in some of :data:`COLUMNS`.

    Of `rows` triplets of a side a contender takes as many as fill a round of so many seconds; the columns take turns in
    the rounds. Alerts are read from `source`; made ones by default. `where` is the GPU: none for ``"cpu"``, the first
    for ``"auto"`` where there is one. `tell` is called with a line at the start, which estimates the time, and for each
    stage; `keep` with the record so far after each stage, so that a run that is stopped leaves what it has measured.

    Returned are plain values, ready for JSON: what was measured, on what, in ``results`` by stage and column.
    BackendError if a GPU is asked for and is not there; ValueError if there is no such stage.
    """
    where = choice.usable_device(where, bulk=True)
    lack = extension.trouble(0)
    reason = lack or ("not asked for: --device cpu" if where == "cpu" else "")
    number = None if where == "cpu" else extension.ordinal(where)
    cores = kernels.thread_count(None)
    wanted = [name for name in COLUMNS if name in columns]
    run = [name for name in wanted if name in THREADS or number is not None]
    inputs = StageInputs(rows, side, source, where)
    chosen = [stage for stage in stages(inputs) if not only or stage.name.startswith(tuple(only))]
    if not chosen:
        raise ValueError(f"no stage begins with {' or '.join(only)}")
    whole = seconds * len(chosen) * sum(rounds + _SIZING[name] for name in run)
    tell(f"{len(chosen)} stages, {' and '.join(run) or 'nothing'}: about {_duration(whole)}")
    record: dict[str, Any] = {
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
            found = _stage(stage, wanted, run, reason, number, rounds, seconds, record["limits"])
        record["results"][stage.name] = found
        keep(record)
        rates = (f"{name} {entry['rate'][1]:.3g}/s" for name, entry in found["columns"].items() if "rate" in entry)
        tell(f"{stage.name}: {', '.join(rates) or 'not run'}")
    return record


def _duration(seconds: float) -> str:
    """Return a time in words."""
    return f"{max(round(seconds), 1)} s" if seconds < 90 else f"{round(seconds / 60)} minutes"


def _stage(
    stage: Stage,
    wanted: Sequence[str],
    run: Sequence[str],
    reason: str,
    number: int | None,
    rounds: int,
    seconds: float,
    limits: dict[str, list[float]],
) -> dict[str, Any]:
    """Return the figures of a stage in the columns that are wanted, of which some are run."""
    columns: dict[str, dict[str, Any]] = {name: {"not run": reason} for name in wanted}
    running: dict[str, tuple[Run, int]] = {}

    def refuse(name: str, error: Exception) -> None:
        columns[name] = {"not run": _refused(error, number)}

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
    found: dict[str, Any] = {"unit": stage.unit, "columns": columns}
    if _THROUGH in spent and len(spent.keys() & THREADS):
        try:
            found["break even"] = _break_even(running[_THROUGH][0], spent, stage.most)
        except Exception as error:
            found["break even"] = {"not run": _refused(error, number)}
    return found


def _refused(error: Exception, number: int | None) -> str:
    """Return why a column is not run.

    Raises
    ------
    DeviceLostError
        If the device does not answer any more: nothing can be measured on it then.
    Exception
        The error itself, if it is a mistake and not a want of memory, of a package or of a device's goodwill.
    """
    try:
        with extension.translated_errors(number or 0):
            raise error
    except DeviceLostError:
        raise
    except (NotRun, MemoryError, RuntimeError, Space2vecError) as why:
        return (str(why).splitlines() or [type(why).__name__])[0]


def _column(
    name: str, stage: Stage, values: list[float], spent: dict[str, list[float]], limits: dict[str, list[float]]
) -> dict[str, Any]:
    """Return what the seconds a row of a column say."""
    column: dict[str, Any] = {
        "microseconds": quartiles([1e6 * value for value in values]),
        "rate": quartiles([1 / value for value in values]),
    }
    if "one core" in spent:
        pairs = zip(spent["one core"], values, strict=True)
        column["times one core"] = quartiles([own / value for own, value in pairs])
    limit, amount = LIMITS[name], stage.carried if name == _THROUGH else stage.moved
    if amount and limit in limits:
        column["share"] = {"of": limit, "value": column["rate"][1] * amount / limits[limit][1]}
    return column


def _break_even(run: Run, spent: dict[str, list[float]], most: int) -> dict[str, int | None]:
    """Return the least batch from which on the GPU with transfers is faster than each column of the CPU."""
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
