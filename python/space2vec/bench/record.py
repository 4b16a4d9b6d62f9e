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

from space2vec import backend, device
from space2vec.bench import limits
from space2vec.bench.machine import processor, versions
from space2vec.bench.rounds import Run, quartiles, rows_of, take_turns
from space2vec.bench.stages import NotRun, Ours, Stage, stages
from space2vec.cuda import extension
from space2vec.errors import DeviceLostError, Space2vecError

__all__ = ["COLUMNS", "measure"]

#: The columns: what the name in the record means.
COLUMNS = {
    "one core": "one thread of the CPU",
    "all cores": "a thread for each usable core",
    "gpu in place": "on the GPU, data and results in its memory",
    "gpu with transfers": "on the GPU, from page-locked memory of the host and back",
}
_GPU = ("gpu in place", "gpu with transfers")
_PACKAGES = ("numpy", "torch", "onnxruntime", "cupy-cuda12x", "cupy-cuda13x", "fastavro")
#: Batches for which it is asked whether a GPU pays.
_LADDER = tuple(1 << k for k in range(0, 17, 2))
#: Seconds of a round.
_SECONDS = 0.2


def measure(
    rows: int,
    rounds: int,
    *,
    side: int = 51,
    source: Path | None = None,
    where: str = "auto",
    only: Sequence[str] = (),
    tell: Callable[[str], None] = lambda line: None,
    keep: Callable[[dict[str, Any]], None] = lambda record: None,
) -> dict[str, Any]:
    """Measure the stages.

    Parameters
    ----------
    rows : int
        Triplets that there are; a contender takes as many of them as fill a round.
    rounds : int
        Rounds, in which the columns take turns.
    side : int
        Height and width of the triplets.
    source : path, optional
        Alerts to read; made ones by default.
    where : {"auto", "cpu", "cuda", "cuda:N"}
        Which GPU; none for ``"cpu"``, the first for ``"auto"`` where there is one.
    only : sequence of str, optional
        Beginnings of the names of the stages that are wanted; all by default.
    tell : callable, optional
        Called with a line for each stage.
    keep : callable, optional
        Called with the record so far after each stage, so that a run that is stopped leaves what it has measured.

    Returns
    -------
    dict
        Plain values, ready for JSON: what was measured, on what, in ``results`` by stage and column.

    Raises
    ------
    BackendError
        If a GPU is asked for and is not there.
    """
    where = device.resolve(where, bulk=True)
    reason = "not asked for: --device cpu" if where == "cpu" and not device.kernels_lack(0) else device.kernels_lack(0)
    number = None if where == "cpu" else device.ordinal(where)
    record: dict[str, Any] = {
        "benchmark": "bench",
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": processor(),
        "cores": backend.thread_count(None),
        "load before": os.getloadavg()[0],
        "isa": backend.active().isa(),
        "gpu": {"not run": reason} if number is None else extension.devices()[number],
        "cuda": extension.versions(),
        "versions": versions(_PACKAGES),
        "side": side,
        "rounds": rounds,
        "quantiles": [0.25, 0.5, 0.75],
        "limits": limits.host_limits(rounds),
        "results": {},
    }
    if number is not None:
        record["limits"] |= limits.device_limits(number, rounds)
    ours = Ours(rows, side, source, locked=number is not None)
    for stage in stages(ours):
        if only and not stage.name.startswith(tuple(only)):
            continue
        with contextlib.ExitStack() as stack:
            ours.stack = stack
            record["results"][stage.name] = found = _stage(stage, ours, number, reason, rounds, record["limits"])
        keep(record)
        tell(f"{stage.name}: " + ", ".join(_told(name, entry) for name, entry in found["columns"].items()))
    return record


def _told(name: str, entry: dict[str, Any]) -> str:
    return f"{name} not run" if "not run" in entry else f"{name} {entry['rate'][1]:.3g}/s"


def _stage(
    stage: Stage, ours: Ours, number: int | None, reason: str, rounds: int, most: dict[str, Any]
) -> dict[str, Any]:
    """Return the figures of a stage."""
    makers: dict[str, Callable[[], Run]] = {
        "one core": lambda: stage.host(1),
        "all cores": lambda: stage.host(None),
    }
    if number is not None:
        makers["gpu in place"] = lambda own=number: _in_place(stage, ours, own)  # type: ignore[misc]
        makers["gpu with transfers"] = lambda own=number: stage.through(own)  # type: ignore[misc]
    columns: dict[str, dict[str, Any]] = {}
    running: dict[str, tuple[Run, int]] = {}

    def refuse(name: str, error: Exception) -> None:
        columns[name] = {"not run": _refused(error, number)}

    for name in COLUMNS:
        if name not in makers:
            columns[name] = {"not run": reason}
            continue
        try:
            run = makers[name]()
            clock = time.perf_counter if name in _GPU else time.process_time
            running[name] = run, rows_of(run, stage.most, _SECONDS, clock)
        except Exception as error:
            refuse(name, error)
    spent, processor = take_turns(running, rounds, refuse)
    for name, values in spent.items():
        columns[name] = _column(stage, name, values, spent, running[name][1], most)
        columns[name]["processor microseconds"] = quartiles([1e6 * value for value in processor[name]])
    found = {"unit": stage.unit, "columns": {name: columns[name] for name in COLUMNS}}
    if "gpu with transfers" in spent:
        try:
            found["break even"] = _break_even(running["gpu with transfers"][0], spent, stage.most)
        except Exception as error:
            found["break even"] = {"not run": _refused(error, number)}
    return found


def _in_place(stage: Stage, ours: Ours, number: int) -> Run:
    from space2vec.cuda.slots import Slot

    slot = Slot(number)
    ours.stack.callback(slot.close)
    return stage.place(slot)


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
        with extension.told(number or 0):
            raise error
    except DeviceLostError:
        raise
    except (NotRun, MemoryError, RuntimeError, Space2vecError) as why:
        return (str(why).splitlines() or [type(why).__name__])[0]


def _column(
    stage: Stage, name: str, values: list[float], spent: dict[str, list[float]], rows: int, most: dict[str, Any]
) -> dict[str, Any]:
    column: dict[str, Any] = {
        "rows": rows,
        "microseconds": quartiles([1e6 * value for value in values]),
        "rate": quartiles([1 / value for value in values]),
    }
    if "one core" in spent:
        column["times one core"] = quartiles(
            [own / value for own, value in zip(spent["one core"], values, strict=True)]
        )
    limit, amount = {
        "one core": ("copy on one core", stage.moved),
        "gpu in place": ("copy on the device", stage.moved),
        "gpu with transfers": ("link to the device", stage.carried),
    }.get(name, ("", 0))
    if amount and "not run" not in most.get(limit, ["not run"]):
        column["share"] = {"of": limit, "value": column["rate"][1] * amount / most[limit][1]}
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
    for name in ("one core", "all cores"):
        if name in spent:
            slower = [k for k, size in enumerate(sizes) if took[k] >= size * float(np.median(spent[name]))]
            first = slower[-1] + 1 if slower else 0
            found[name] = sizes[first] if first < len(sizes) else None
    return found
