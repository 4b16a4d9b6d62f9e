"""Rows by slices, masks, row numbers and names of users, as NumPy takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from space2vec.data.arrays import lies_on_device, on_host

__all__ = ["row_index"]


def row_index(rows: Any, n: int) -> int | slice | NDArray[np.intp]:
    """Return which of n rows are meant: one from 0, or several.

    They are given by a number, a slice, a mask (n,) whose masked values do not count, or row numbers; negative ones
    count from the end. A row that is not there and a mask of another length raise an IndexError, all else a TypeError.
    """
    if isinstance(rows, slice):
        return rows
    if lies_on_device(rows):
        rows = on_host(rows)
    if not isinstance(rows, (bool, np.bool_)) and hasattr(rows, "__index__") and np.ndim(rows) == 0:
        number = int(rows.__index__())
        if not -n <= number < n:
            raise IndexError(f"there is no row {number}: there are {n}")
        return number % n
    if isinstance(rows, tuple):
        raise TypeError("rows are chosen along one axis: by a slice, a mask, a row number or a list of them")
    array = (
        np.ma.filled(rows, False) if isinstance(rows, np.ma.MaskedArray) and rows.dtype == bool else np.asarray(rows)
    )
    if array.ndim != 1 or (array.size and array.dtype.kind not in "biu"):
        raise TypeError(
            f"rows are chosen by a slice, a mask, a row number or several; given {type(rows).__name__} "
            f"of dtype {array.dtype} and shape {array.shape}"
        )
    if array.dtype.kind == "b":
        if len(array) != n:
            raise IndexError(f"a mask must have one value for each of {n} rows; given {len(array)}")
        return np.flatnonzero(array)
    numbers = array.astype(np.intp)
    outside = (numbers < -n) | (numbers >= n)
    if outside.any():
        raise IndexError(f"there is no row {numbers[outside][0]}: there are {n}")
    return np.where(numbers < 0, numbers + n, numbers)
