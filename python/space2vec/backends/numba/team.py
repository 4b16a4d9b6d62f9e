"""Compilation of loops over pixels, sums over the lanes of ``cpp/kernel/host_team.hpp``, and threads over stamps."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.compiling import compile_and_cache, tell_while_compiling
from space2vec.backends.threads import stopping_pool

if TYPE_CHECKING:
    from space2vec.data.types import Untyped

__all__ = ["LANES", "constants", "jit", "lane_sum", "parallel_for"]

#: The number of rows that a thread takes at a time.
_BLOCK_ROWS = 32
LANES = 32

_Function = TypeVar("_Function", bound=Callable[..., object])


def jit(function: _Function) -> _Function:
    """Compile a function with the arithmetic of IEEE: nothing is reassociated or contracted, and x/0 is no error."""
    return cast("_Function", compile_and_cache(function, nogil=True, error_model="numpy"))


def constants(numbers: Mapping[str, int]) -> Untyped:
    """Return a named tuple of integers, which Numba compiles into the code as they are."""
    make: Untyped = namedtuple  # mypy takes no names that are not written out
    return make("Constants", list(numbers))(*numbers.values())


@jit
def lane_sum(terms: NDArray[np.float64]) -> float:
    """Sum in the order that every backend keeps: term i in lane i mod 32, then the lanes by halving."""
    lane = np.zeros(LANES)
    n = terms.size
    whole = n - n % LANES
    for start in range(0, whole, LANES):
        for k in range(LANES):
            lane[k] += terms[start + k]
    for k in range(n - whole):
        lane[k] += terms[whole + k]
    half = LANES // 2
    while half > 0:
        for k in range(half):
            lane[k] += lane[k + half]
        half //= 2
    total: float = lane[0]
    return total


def parallel_for(n: int, threads: int, work: Callable[[int, int], None]) -> None:
    """Call ``work(begin, end)`` for blocks that cover n rows, on no more threads than asked and Numba allows.

    Plain threads serve as well as Numba's own, for compiled code runs without the interpreter's lock, and they are
    safe to start from several threads at once.
    """
    blocks = [(begin, min(begin + _BLOCK_ROWS, n)) for begin in range(0, n, _BLOCK_ROWS)]
    workers = min(threads, numba.config.NUMBA_NUM_THREADS, len(blocks))  # type: ignore[attr-defined]
    if not blocks:
        return
    with tell_while_compiling():
        work(*blocks[0])  # compiles, where that is still to be done
    if workers <= 1:
        for begin, end in blocks[1:]:
            work(begin, end)
        return
    with stopping_pool(workers) as pool:
        for done in [pool.submit(work, begin, end) for begin, end in blocks[1:]]:
            done.result()
