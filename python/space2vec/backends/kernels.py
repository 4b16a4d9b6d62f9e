"""Which kernels compute: the compiled extension, or its Numba twin."""

from __future__ import annotations

import importlib
import operator
import os
from functools import cache
from typing import TYPE_CHECKING, Any, SupportsIndex, cast

from space2vec.errors import BackendError
from space2vec.errors.packages import how_to_get

if TYPE_CHECKING:
    from space2vec.backends.interfaces import Kernels

__all__ = ["active", "compiled", "name", "thread_count"]

#: More threads than this never help, and may be more than a process can start.
_MOST_THREADS = 1024


def name() -> str:
    """Return the backend in use, ``native`` or ``numba``.

    ``SPACE2VEC_BACKEND`` chooses; by default it is the compiled extension where that is installed.

    Raises
    ------
    BackendError
        If ``SPACE2VEC_BACKEND`` names no backend, or the one that it names is not installed.
    """
    asked = os.environ.get("SPACE2VEC_BACKEND", "")
    if asked not in ("", "native", "numba"):
        raise BackendError(f"SPACE2VEC_BACKEND is {asked!r}; accepted are native and numba")
    return asked or ("native" if _native() is not None else "numba")


@cache
def _native() -> Kernels | None:
    try:
        return cast("Kernels", importlib.import_module("space2vec._core"))
    except ModuleNotFoundError:
        return None


def compiled(purpose: str) -> Any:
    """Return the compiled extension, for what has no twin in Numba; a BackendError names the purpose."""
    extension = _native()
    if extension is None:
        raise BackendError(f"{purpose} needs the compiled extension, which this installation lacks")
    return extension


def active() -> Kernels:
    """Return the kernels in use; a BackendError says what to install or to change where they cannot run."""
    if name() == "native":
        kernels = _native()
        if kernels is None:
            raise BackendError("SPACE2VEC_BACKEND is native, but this installation has no compiled extension")
        if kernels.isa() is None:
            raise BackendError(
                f"SPACE2VEC_ISA is {os.environ.get('SPACE2VEC_ISA')!r}, which this processor or build does not have; "
                "known instruction sets: baseline, v3, v4, v4vnni (x86-64); neon, dotprod, i8mm (aarch64); "
                "generic (others)"
            )
        return kernels
    try:
        return cast("Kernels", importlib.import_module("space2vec.backends.numba"))
    except ModuleNotFoundError as error:
        if error.name != "numba":
            raise
        raise BackendError(f"the Numba backend needs the package numba: {how_to_get('numba')}") from None


def thread_count(threads: int | None) -> int:
    """Return a checked number of threads; ``None`` stands for one a usable core."""
    if threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not isinstance(threads, SupportsIndex):
        raise TypeError(f"threads must be a whole number; given {threads!r}")
    number = operator.index(threads)
    if number < 1:
        raise ValueError(f"threads must be at least 1; given {number}")
    return min(number, _MOST_THREADS)
