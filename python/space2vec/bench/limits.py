"""What a machine can do at most, measured on it: copies on a device, over its link and on the host."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from space2vec.bench.rounds import quartiles

__all__ = ["device_limits", "host_limits"]

_BYTES = 1 << 28


def _rates(
    run: Callable[[], None], amount: float, rounds: int, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Return the quartiles of the amount a second of a clock."""
    run()
    rates = []
    for _ in range(rounds):
        start = clock()
        run()
        rates.append(amount / max(clock() - start, 1e-9))
    return quartiles(rates)


def host_limits(rounds: int) -> dict[str, Any]:
    """Return bytes a second of the processor's time that one core copies, read and written together."""
    source = np.ones(_BYTES // 4, np.float32)
    to = np.empty_like(source)
    return {"copy on one core": _rates(lambda: np.copyto(to, source), 2 * _BYTES, rounds, time.process_time)}


def device_limits(ordinal: int, rounds: int) -> dict[str, Any]:
    """Return the limits of a device.

    Bytes a second: read and written together for a copy on the device; one way for the link, from and to page-locked
    memory of the host.
    """
    from space2vec.cuda.slots import Slot, pinned

    slot, host = Slot(ordinal), pinned((_BYTES,), np.uint8)
    try:
        one, other = slot.device("one", _BYTES), slot.device("other", _BYTES)

        def copy(to: int, source: int, kind: str) -> Callable[[], None]:
            def run() -> None:
                for _ in range(4):
                    slot.module.copy(ordinal, slot.stream, to, source, _BYTES, kind)
                slot.wait()

            return run

        found: dict[str, Any] = {
            "copy on the device": _rates(copy(one, other, "on_device"), 8 * _BYTES, rounds),
            "link to the device": _rates(copy(one, host.ctypes.data, "to_device"), 4 * _BYTES, rounds),
            "link to the host": _rates(copy(host.ctypes.data, one, "to_host"), 4 * _BYTES, rounds),
        }
    finally:
        slot.close()
    return found
