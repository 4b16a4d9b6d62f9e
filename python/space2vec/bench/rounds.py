"""Time several contenders in turns, A B C A B C ..., so that whatever disturbs the machine affects all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Run", "Timings", "quartiles", "rows_of", "take_turns"]

#: Does the work for a number of rows, and returns when it is done.
Run = Callable[[int], None]


class Timings(NamedTuple):
    """Seconds per row by contender, a value for each round.

    Attributes
    ----------
    elapsed : dict of str to list of float
        Elapsed time.
    processor : dict of str to list of float
        Processor time of all threads together, which other work on the machine does not increase.
    """

    elapsed: dict[str, list[float]]
    processor: dict[str, list[float]]


def quartiles(values: Sequence[float]) -> list[float]:
    """Return the first quartile, the median and the third quartile."""
    return [float(q) for q in np.quantile(values, [0.25, 0.5, 0.75])]


def rows_of(run: Run, most: int, seconds: float, clock: Callable[[], float] = time.perf_counter) -> int:
    """Find out how many rows fill a round of a given time, by trying powers of two.

    The trials also warm the work up: whatever it prepares at its first call is prepared.

    Parameters
    ----------
    run : callable
        The work.
    most : int
        The largest number of rows.
    seconds : float
        How long a round should take.
    clock : callable, optional
        The clock to measure with.
    """
    rows = 1
    while True:
        run(rows)
        tries = []
        for _ in range(3):  # the fastest counts: other work may disturb one
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
) -> Timings:
    """Time each contender once in each round.

    Parameters
    ----------
    contenders : mapping of str to (callable, int)
        The work of each contender, and its number of rows in a round.
    rounds : int
        Number of rounds.
    refuse : callable
        Called with a contender's name and its error if its work fails. Unless this raises, the contender is left out.
    """
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    processor: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name in list(spent):
            run, rows = contenders[name]
            processor_start, start = time.process_time(), time.perf_counter()
            try:
                run(rows)
            except Exception as error:
                refuse(name, error)
                del spent[name], processor[name]
                continue
            spent[name].append((time.perf_counter() - start) / rows)
            processor[name].append((time.process_time() - processor_start) / rows)
    return Timings(spent, processor)
