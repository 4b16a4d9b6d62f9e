"""Contenders of one process that take turns: A B C A B C ..., so that what disturbs the machine meets all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

__all__ = ["Run", "quartiles", "rows_of", "take_turns"]

#: Does the work for so many rows, and returns once it is done.
Run = Callable[[int], None]


def quartiles(values: Sequence[float]) -> list[float]:
    """Return the quarter, the median and the three-quarter quantile."""
    return [float(q) for q in np.quantile(values, [0.25, 0.5, 0.75])]


def rows_of(run: Run, most: int, seconds: float, clock: Callable[[], float] = time.perf_counter) -> int:
    """Return how many rows fill a round of so many seconds of a clock: a power of two, of ``most`` at most.

    The work is done on the way, so that whatever is made at its first call has been made.
    """
    rows = 1
    while True:
        run(rows)
        tries = []
        for _ in range(3):  # the least of them: something else may take a moment of one
            start = clock()
            run(rows)
            tries.append(clock() - start)
            if tries[-1] > 4 * seconds:
                break
        spent = max(min(tries), 1e-9)
        if rows >= most or spent >= seconds / 2:
            return rows
        rows = min(most, rows * min(16, max(2, 1 << int(np.log2(seconds / spent)))))


def take_turns(
    contenders: Mapping[str, tuple[Run, int]], rounds: int, refuse: Callable[[str, Exception], None]
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return the seconds a row that each contender took in each round, given its work and its rows a round.

    Then the seconds of the processor, of all threads together: what other work on the machine does not add to.
    A contender whose work fails is left out, once ``refuse`` was told of it and has not raised.
    """
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    processor: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name in list(spent):
            run, rows = contenders[name]
            begun, start = time.process_time(), time.perf_counter()
            try:
                run(rows)
            except Exception as error:
                refuse(name, error)
                del spent[name], processor[name]
                continue
            spent[name].append((time.perf_counter() - start) / rows)
            processor[name].append((time.process_time() - begun) / rows)
    return spent, processor
