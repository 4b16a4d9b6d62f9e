"""The contenders of a stage, and how each is measured."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from space2vec.data.arrays import on_host
from space2vec.data.device import unavailable_reason

__all__ = ["OURS", "Bench", "require_packages"]

#: Contenders that are part of space2vec.
OURS = ("space2vec", "numba", "cuda", "cuda from host")


@dataclass(frozen=True)
class Bench:
    """Measures the contender of one test."""

    benchmark: Any
    rows: int
    numba: bool
    patch: pytest.MonkeyPatch

    def __call__(self, stage: str, contender: str, call: Callable[[], Any], rows: int | None = None) -> Any:
        """Measure a call that works on rows, in the group of a stage; return its result."""
        self.benchmark.group = stage
        result = self.benchmark(call)
        if self.benchmark.stats is not None:
            microseconds = 1e6 * self.benchmark.stats.stats.median / (rows or self.rows)
            self.benchmark.extra_info.update(contender=contender, microseconds_a_row=round(microseconds, 3))
        return result

    def ours(
        self, stage: str, contender: str, verb: Callable[..., Any], pixels: Any, *values: Any, **options: Any
    ) -> Any:
        """Measure a function of space2vec on the backend of a contender; return its result as an array of the host."""
        where: dict[str, Any] = {"threads": 1}
        if contender == "numba":
            if not self.numba:
                pytest.skip("the Numba twin is measured with --numba")
            pytest.importorskip("numba")
            self.patch.setenv("SPACE2VEC_BACKEND", "numba")
        elif contender.startswith("cuda"):
            if reason := unavailable_reason():
                pytest.skip(reason)
            where = {"device": "cuda"} if contender == "cuda from host" else {}
            pixels = pixels.to_device("cuda") if contender == "cuda" else pixels
        verb(pixels, *values, **options, **where)  # the first call compiles, allocates and copies
        return self(stage, contender, lambda: _array(verb(pixels, *values, **options, **where)))


def _array(result: Any) -> np.ndarray:
    """Return a result, or the values of a table, as an array of the host; wait for a device."""
    return np.asarray(result) if isinstance(result, s2v.Features | s2v.Scores) else on_host(result)


def require_packages(*packages: str) -> None:
    """Skip the test where a package is not installed."""
    for package in packages:
        try:
            importlib.import_module(package)
        except (ImportError, OSError) as error:
            pytest.skip(f"{package}: {error}")
