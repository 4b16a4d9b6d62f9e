"""Describe the machine, and measure the memory rates that bound it: copies on the CPU, over the link and on the GPU."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import numpy as np

from space2vec.bench.rounds import quartiles

__all__ = ["device_limits", "host_limits", "processor", "versions"]

_BYTES = 1 << 28


def processor() -> str:
    """Return the name of the processor."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:  # not Linux
        text = ""
    found = re.search(r"^model name\s*:\s*(\S.*)$", text, re.MULTILINE)
    return " ".join(found[1].split()) if found else platform.machine()


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of Python, of those of these packages that are installed, and of this package."""
    found = {"python": platform.python_version()}
    for package in (*packages, "space2vec"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _rates(run: Callable[[], object], amount: float, rounds: int) -> list[float]:
    """Time a call several times; return the quartiles of amount / seconds."""
    run()
    rates = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        rates.append(amount / max(time.perf_counter() - start, 1e-9))
    return quartiles(rates)


def host_limits(rounds: int, cores: int) -> dict[str, list[float]]:
    """Measure how fast one core, and all cores together, copy memory.

    Parameters
    ----------
    rounds : int
        Number of timings.
    cores : int
        Number of usable cores.

    Returns
    -------
    dict of str to list of float
        Quartiles of bytes a second by name of the limit; bytes read and bytes written both count.
    """
    source = np.ones(_BYTES // 4, np.float32)
    to = np.empty_like(source)
    parts = list(zip(np.array_split(to, cores), np.array_split(source, cores), strict=True))
    with ThreadPoolExecutor(cores) as pool:
        return {
            "copy on one core": _rates(lambda: np.copyto(to, source), 2 * _BYTES, rounds),
            "copy on all cores": _rates(
                lambda: list(pool.map(lambda part: np.copyto(*part), parts)), 2 * _BYTES, rounds
            ),
        }


def device_limits(ordinal: int, rounds: int) -> dict[str, list[float]]:
    """Measure how fast a GPU copies its own memory, and how fast its link to the host is.

    Parameters
    ----------
    ordinal : int
        Number of the device.
    rounds : int
        Number of timings.

    Returns
    -------
    dict of str to list of float
        Quartiles of bytes a second by name of the limit. For a copy on the device bytes read and bytes written both
        count; the link is measured one way at a time, with page-locked memory of the host.
    """
    from space2vec.backends.cuda.device_batch import BatchSlot
    from space2vec.data.device.extension import active
    from space2vec.data.device.page_locked import pinned_array

    slot, host = BatchSlot(active(ordinal), ordinal), pinned_array((_BYTES,), np.uint8, ordinal=ordinal)
    try:
        one, other = slot.device("one", _BYTES), slot.device("other", _BYTES)

        def copy(to: int, source: int, kind: str) -> Callable[[], None]:
            def run() -> None:
                for _ in range(4):
                    slot.module.copy(ordinal, slot.stream, to, source, _BYTES, kind)
                slot.wait()

            return run

        return {
            "copy on the device": _rates(copy(one, other, "on_device"), 8 * _BYTES, rounds),
            "link to the device": _rates(copy(one, host.ctypes.data, "to_device"), 4 * _BYTES, rounds),
            "link to the host": _rates(copy(host.ctypes.data, one, "to_host"), 4 * _BYTES, rounds),
        }
    finally:
        slot.close()
