"""Numbers from tables and records, NaN where a value is masked, absent or not a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from space2vec.data.types import AnyArray, LibraryArray

__all__ = ["as_numbers", "band_codes", "is_absent", "masked_to_nan", "numbers_or_nan"]

_BAND_CODES = {"g": 1.0, "r": 2.0, "i": 3.0, "z": 4.0}


def masked_to_nan(values: LibraryArray) -> LibraryArray:
    """Replace the masked values of a NumPy or Astropy array by NaN; return anything without a mask unchanged."""
    if isinstance(values, np.ma.MaskedArray):
        mask, data = np.ma.getmaskarray(values), np.ma.getdata(values)
    elif hasattr(values, "unmasked") and hasattr(values, "mask"):
        mask, data = np.asarray(values.mask), np.asarray(values.unmasked)
    else:
        return values
    if not mask.any() or data.dtype.kind not in "fiub":
        return data
    return np.where(mask, np.nan, data if data.dtype.kind == "f" else data.astype(np.float64))


def as_numbers(values: LibraryArray, what: str, accepted: str = "real dtypes") -> AnyArray:
    """Convert values to an array of real numbers, NaN where one is masked or absent (``None``, or pandas' ``NA``).

    Values that are not numbers raise a TypeError that names `what` they are and which types are `accepted`.
    """
    array = np.asarray(masked_to_nan(values))
    if array.dtype.kind == "O":
        cells = [np.nan if is_absent(cell) else cell for cell in array.reshape(-1).tolist()]
        if all(isinstance(cell, (bool, int, float, np.number)) for cell in cells):
            array = np.array([float(cell) for cell in cells], dtype=np.float64).reshape(array.shape)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{what} has dtype {array.dtype}; accepted are {accepted}")
    return array


def is_absent(value: object) -> bool:
    """Return whether a cell is ``None``, masked, or pandas' ``NA`` or ``NaT``."""
    return value is None or value is np.ma.masked or type(value).__name__ in ("NAType", "NaTType")


def band_codes(values: Sequence[object] | NDArray[np.generic]) -> NDArray[np.float64]:
    """Convert filter letters to codes: g 1, r 2, i 3, z 4, others NaN; numbers, even as text, are kept."""
    codes = [
        _BAND_CODES[value] if isinstance(value, str) and value in _BAND_CODES else _number(value) for value in values
    ]
    return np.array(codes, dtype=np.float64)


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]  # what float refuses becomes NaN
    except (TypeError, ValueError):
        return float("nan")


def numbers_or_nan(values: Sequence[object] | NDArray[np.generic] | None, size: int) -> NDArray[np.float64]:
    """Convert a field (n,) to numbers; unknown values, and values that are not numbers, become NaN."""
    if values is None:
        return np.full(size, np.nan)
    try:
        # NumPy turns None into NaN here.
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        # One value of another type must not spoil the others.
        return np.array([_number(value) for value in values])
