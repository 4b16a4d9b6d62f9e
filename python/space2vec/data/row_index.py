"""Which rows of a table a user selects: by a slice, a mask or row numbers, as in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec.data.arrays import lies_on_device, on_host

if TYPE_CHECKING:
    from space2vec.data.types import LibraryArray

__all__ = ["row_index"]


def row_index(rows: LibraryArray, n: int) -> int | slice | NDArray[np.intp]:
    """Return the rows, out of n, that a selection means: one row number from 0, a slice, or an array of row numbers.

    The selection is a number, a slice, a mask (n,) of bool, or an array of numbers; negative numbers count from the
    end, and a masked value of a mask selects nothing. A row outside the table and a mask of another length raise an
    IndexError, any other selection a TypeError.
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
