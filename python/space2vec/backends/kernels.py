"""The choice of the kernels that the host runs: those of the compiled extension, or their Numba twin.

Whether the host or a CUDA device computes is chosen in :mod:`space2vec.backends.choice`.
"""

from __future__ import annotations

import importlib
import operator
import os
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, SupportsIndex, cast

from space2vec.errors import BackendError
from space2vec.errors.packages import how_to_get

if TYPE_CHECKING:
    from space2vec.backends.interfaces import Kernels

__all__ = ["active", "name", "require_extension", "thread_count"]

#: The most threads that are used: more do not help, and a process may be unable to start them.
_MOST_THREADS = 1024


def name() -> str:
    """Return the name of the kernels in use, ``native`` for the compiled extension or ``numba``.

    The environment variable ``SPACE2VEC_BACKEND`` chooses. Without it, it is the compiled extension if that is
    installed.

    Raises
    ------
    BackendError
        If ``SPACE2VEC_BACKEND`` has another value.
    """
    wanted = os.environ.get("SPACE2VEC_BACKEND", "")
    if wanted not in ("", "native", "numba"):
        raise BackendError(f"SPACE2VEC_BACKEND is {wanted!r}; accepted are native and numba")
    return wanted or ("native" if _native() is not None else "numba")


@cache
def _native() -> Kernels | None:
    """Return the compiled extension, or None if it is not installed."""
    try:
        return cast("Kernels", importlib.import_module("space2vec._core"))
    except ModuleNotFoundError:
        return None


def require_extension(purpose: str) -> ModuleType:
    """Return the compiled extension for a purpose that Numba cannot serve.

    Raises
    ------
    BackendError
        If the extension is not installed; the message names the purpose.
    """
    extension = _native()
    if extension is None:
        raise BackendError(f"{purpose} needs the compiled extension, which this installation lacks")
    return cast("ModuleType", extension)


def active() -> Kernels:
    """Return the kernels in use.

    Raises
    ------
    BackendError
        If they are not installed or cannot run on this processor; the message says what to install or to change.
    """
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


def _usable_cores() -> int:
    """Return how many processors the process may use; the library heeds the quota of a control group, too."""
    if _native() is not None:
        cores: int = require_extension("the count of processors").usable_cores()
        return cores
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_count(threads: int | None) -> int:
    """Check and return a number of threads; None means one per usable core.

    Raises
    ------
    TypeError
        If it is not a whole number.
    ValueError
        If it is below 1.
    """
    if threads is None:
        return _usable_cores()
    if not isinstance(threads, SupportsIndex):
        raise TypeError(f"threads must be a whole number; given {threads!r}")
    number = operator.index(threads)
    if number < 1:
        raise ValueError(f"threads must be at least 1; given {number}")
    return min(number, _MOST_THREADS)
