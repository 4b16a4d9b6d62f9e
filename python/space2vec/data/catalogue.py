"""Numbers and filters as records and tables write them, for the columns of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["bands", "numbers"]

_BANDS = {"g": 1.0, "r": 2.0, "i": 3.0, "z": 4.0}


def bands(values: Sequence[object] | NDArray[np.generic]) -> NDArray[np.float64]:
    """Convert filter letters to codes: g 1, r 2, i 3, z 4, others NaN; numbers, even as text, are kept."""
    codes = [_BANDS[value] if isinstance(value, str) and value in _BANDS else _number(value) for value in values]
    return np.array(codes, dtype=np.float64)


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]  # what float refuses becomes NaN
    except (TypeError, ValueError):
        return float("nan")


def numbers(values: Sequence[object] | NDArray[np.generic] | None, size: int) -> NDArray[np.float64]:
    """Convert a field (n,) to numbers; unknown values, and values that are not numbers, become NaN."""
    if values is None:
        return np.full(size, np.nan)
    try:
        # NumPy turns None into NaN here.
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        # One value of another type must not spoil the others.
        return np.array([_number(value) for value in values])
