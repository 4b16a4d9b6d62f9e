"""Numbers of users, with masked and absent values replaced by NaN."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from space2vec.data.types import AnyArray, LibraryArray

__all__ = ["as_numbers", "is_absent", "masked_to_nan"]


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
