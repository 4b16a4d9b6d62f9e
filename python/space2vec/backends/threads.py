"""A pool of threads that stops early when it is interrupted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

__all__ = ["stopping_pool"]


@contextlib.contextmanager
def stopping_pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Open a pool of threads that begins no further task once the block raises, as it does at an interrupt.

    Parameters
    ----------
    workers : int
        Number of threads.
    """
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
