"""Which kernels compute: the compiled extension, or its Numba twin."""

from __future__ import annotations

import importlib
import operator
import os
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, SupportsIndex, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from space2vec.errors import BackendError
from space2vec.extras import how_to_get
from space2vec.registry import RecipeName

if TYPE_CHECKING:
    from space2vec.stamps import Stamps

__all__ = ["KernelModel", "Kernels", "active", "compiled", "name", "thread_count"]

Floats: TypeAlias = "NDArray[np.float32]"
Flags: TypeAlias = "NDArray[np.uint32]"
#: The number of a normaliser and its parameters, a step each.
NumberedSteps: TypeAlias = "list[tuple[int, list[float]]]"

#: More threads than this never help, and may be more than a process can start.
_MOST_THREADS = 1024


class KernelModel(Protocol):
    """A model as kernels have it, made of the bytes of a model file (ValueError where they are damaged)."""

    @property
    def runs(self) -> bool:
        """Whether it is a forest or a network in integers; of a network of floats alone :meth:`inputs` works."""

    def predict(self, planes: Floats | None, columns: Floats | None, score: Floats, threads: int) -> None:
        """Write P(real) (n,) of prepared planes and columns."""

    def score(self, stamps: Stamps, catalogue: Floats | None, score: Floats, flags: Flags, threads: int) -> None:
        """Write the scores and flags (n,) of stamps; the catalogue has 20 columns, NaN where unknown."""

    def score_columns(self, columns: Floats, raised: Flags, score: Floats, flags: Flags, threads: int) -> None:
        """Write the scores and flags (n,) of rows of a table with the model's columns (n, k) and flags."""

    def judge_columns(self, columns: Floats, raised: Flags, flags: Flags, scored: NDArray[np.bool_]) -> None:
        """Write the flags (n,) of rows of a table, and which of them are to be scored."""

    def inputs(
        self,
        stamps: Stamps,
        catalogue: Floats | None,
        planes: Floats | None,
        columns: Floats | None,
        flags: Flags,
        scored: NDArray[np.bool_],
        threads: int,
    ) -> None:
        """Write what the model takes of stamps, the flags of their scores, and which rows are to be scored."""


class Kernels(Protocol):
    """What ``space2vec._core`` and ``space2vec.fallback`` both offer. Arrays are checked and made by the callers."""

    __name__: str

    @property
    def Model(self) -> Callable[[bytes], KernelModel]:  # noqa: N802
        """Make a model of the bytes of a model file."""

    def isa(self) -> str | None:
        """Return the instruction set in use."""

    def features(self, stamps: Stamps, sets: int, paper: bool, values: Floats, flags: Flags, threads: int) -> None:
        """Write the features of the sets (bits of :data:`space2vec.registry.STAMP_SETS`) of a batch."""

    def prepare(self, stamps: Stamps, recipe: RecipeName, planes: Floats, flags: Flags, threads: int) -> None:
        """Write the planes of a recipe."""

    def compose(
        self,
        stamps: Stamps,
        side: int,
        channels: list[int],
        steps: NumberedSteps,
        planes: Floats,
        flags: Flags,
        threads: int,
    ) -> None:
        """Write the planes of a chain of steps on a square around the candidate."""

    def normalise(
        self,
        pixels: Floats,
        mask: NDArray[np.uint8] | None,
        steps: NumberedSteps,
        fill: float,
        out: Floats,
        flags: Flags,
        threads: int,
    ) -> None:
        """Write planes normalised by steps (the number of a normaliser and its parameters)."""

    def calibrate(self, x: Floats, y: Floats, score: Floats) -> None:
        """Turn scores into probabilities, in place, by a table of knots."""


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
                "known instruction sets: baseline, v3, v4, v4vnni (x86-64), generic (others)"
            )
        return kernels
    try:
        return cast("Kernels", importlib.import_module("space2vec.fallback"))
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
