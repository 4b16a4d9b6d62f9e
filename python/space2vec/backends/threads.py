"""Threads that do the parts of a piece of work."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

__all__ = ["stopping_pool"]


@contextlib.contextmanager
def stopping_pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Give threads which, where the block is left by an exception (an interrupt, most of all), begin nothing further.

    Parameters
    ----------
    workers : int
        How many.
    """
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
