"""Extra columns that go along with candidates into the results: position, time, filter, magnitude, or any other.

A column is an array (n,) of one of three types: float64, NaN where unknown; a masked array of int64, masked where
unknown; or an object array of str, ``None`` where unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.data import arrow
from space2vec.data.ids import text_array, texts_as_objects
from space2vec.data.numeric import is_absent
from space2vec.data.types import AnyArray

if TYPE_CHECKING:
    import pyarrow

__all__ = [
    "Columns",
    "as_text",
    "blank_column",
    "check_columns",
    "concatenate_columns",
    "is_unknown",
    "select_rows",
    "to_arrow",
    "to_astropy",
]

#: Columns (n,) by name.
Columns: TypeAlias = dict[str, AnyArray]

_INT64 = np.iinfo(np.int64)


def check_columns(columns: Mapping[str, ArrayLike] | None, n: int) -> Columns:
    """Convert columns (n,) to the three types of this module.

    A column may hold numbers of any kind, text, or objects of these and ``None``, and may be masked. Booleans become 0
    and 1; times and integers beyond int64 become text. A column of another length raises a ValueError. A name that is
    not text, and arrays, complex numbers or records in a column, raise a TypeError.
    """
    checked = {}
    for name, values in ({} if columns is None else columns).items():
        if not isinstance(name, str):
            raise TypeError(f"the name of a column must be text; given {name!r}")
        array = values if isinstance(values, np.ma.MaskedArray) else np.asarray(texts_as_objects(values))
        if array.shape != (n,):
            raise ValueError(f"column {name!r} must have one value for each of {n} rows; given {array.shape}")
        checked[name] = _typed(name, array)
    return checked


def select_rows(columns: Columns, rows: slice | AnyArray) -> Columns:
    """Select rows of every column by a slice, a mask or row numbers."""
    return {name: values[rows] for name, values in columns.items()}


def concatenate_columns(parts: Sequence[Columns], lengths: Sequence[int]) -> Columns:
    """Concatenate the columns of several tables, whose numbers of rows are `lengths`.

    A column that a table lacks is unknown for its rows. If the known parts of a column have different types, the column
    becomes text.
    """
    whole = {}
    for name in {name: None for part in parts for name in part}:
        values = [part[name] for part in parts if name in part]
        known = [column for column in values if not is_unknown(column).all()] or values[:1]
        kinds = {column.dtype.kind for column in known}
        kind = kinds.pop() if len(kinds) == 1 else "O"
        pieces = [
            _as_kind(part[name], kind) if name in part else blank_column(n, kind)
            for part, n in zip(parts, lengths, strict=True)
        ]
        whole[name] = np.concatenate([np.ma.getdata(piece) for piece in pieces])
        if kind == "i":
            whole[name] = np.ma.array(whole[name], mask=np.concatenate([is_unknown(piece) for piece in pieces]))
    return whole


def blank_column(n: int, kind: str = "f") -> AnyArray:
    """Return a column (n,) of unknown values; `kind` is ``"f"``, ``"i"`` or ``"O"``."""
    if kind == "i":
        return np.ma.array(np.zeros(n, dtype=np.int64), mask=np.ones(n, dtype=np.bool_))
    return np.full(n, np.nan) if kind == "f" else np.full(n, None, dtype=object)


def is_unknown(values: AnyArray) -> NDArray[np.bool_]:
    """Return a mask (n,) of the rows whose value is unknown."""
    if values.dtype.kind == "i":
        return np.asarray(np.ma.getmaskarray(values))
    if values.dtype.kind == "f":
        return np.asarray(np.isnan(values))
    return np.array([value is None for value in values], dtype=np.bool_)


def as_text(values: AnyArray) -> NDArray[np.object_]:
    """Return a column as text: numbers as Python writes them, ``None`` where unknown."""
    if values.dtype.kind == "O":
        return values
    text = np.array([str(value) for value in np.ma.getdata(values).tolist()] or [], dtype=object)
    text[is_unknown(values)] = None
    return text


def to_arrow(values: AnyArray) -> pyarrow.Array:
    """Return a column as an Arrow array of float64, int64 or string, null where unknown."""
    if values.dtype.kind in "if":
        return arrow.numbers(np.ma.getdata(values), is_unknown(values))
    return arrow.texts(values.tolist())


def to_astropy(values: AnyArray) -> AnyArray:
    """Return a column for an Astropy table; unknown text is masked."""
    if values.dtype.kind != "O":
        return values
    absent = is_unknown(values)
    text = text_array(["" if value is None else value for value in values.tolist()])
    return np.ma.array(text, mask=absent) if absent.any() else text


def _typed(name: str, array: AnyArray) -> AnyArray:
    if array.dtype == (np.int64 if isinstance(array, np.ma.MaskedArray) else np.float64):
        return array  # as it is to be
    mask = np.ma.getmaskarray(array)
    values = np.ma.getdata(array)
    kind = values.dtype.kind
    if kind == "O":
        return _typed_objects(name, values, mask)
    if kind == "f":
        numbers = values.astype(np.float64)
        numbers[mask] = np.nan
        return numbers
    if kind in "bi" or (kind == "u" and not (values[~mask] > _INT64.max).any()):
        return np.ma.array(np.where(mask, 0, values).astype(np.int64), mask=mask)
    if kind not in "uUSmM":
        raise TypeError(f"column {name!r} has dtype {values.dtype}; accepted are numbers and text")
    if kind in "mM":
        mask = mask | np.isnat(values)
    text = (np.char.decode(values, "utf-8", "backslashreplace") if kind == "S" else values.astype(str)).astype(object)
    text[mask] = None
    return text


def _typed_objects(name: str, values: AnyArray, mask: NDArray[np.bool_]) -> AnyArray:
    if not mask.any() and set(map(type, values.tolist())) <= {str, type(None)}:
        return values  # as it is to be
    cells = [
        None if absent or is_absent(value) or (isinstance(value, (float, np.floating)) and np.isnan(value)) else value
        for value, absent in zip(values.tolist(), mask, strict=True)
    ]
    known = [cell for cell in cells if cell is not None]
    for cell in known:
        if not isinstance(cell, (str, bytes, bool, int, float, np.generic)):
            raise TypeError(f"column {name!r} holds {type(cell).__name__}; accepted are numbers and text")
    whole = [isinstance(cell, (bool, int, np.bool_, np.integer)) for cell in known]
    if known and all(whole) and all(_INT64.min <= int(cell) <= _INT64.max for cell in known):
        absent = [cell is None for cell in cells]
        return np.ma.array([0 if cell is None else int(cell) for cell in cells], mask=absent, dtype=np.int64)
    real = [isinstance(cell, (float, np.floating)) or abs(int(cell)) <= 1 << 53
            if isinstance(cell, (bool, int, float, np.bool_, np.number)) else False for cell in known]  # fmt: skip
    if known and all(real):
        return np.array([np.nan if cell is None else float(cell) for cell in cells], dtype=np.float64)
    text = np.empty(len(cells), dtype=object)
    text[:] = [
        None if cell is None else cell.decode("utf-8", "backslashreplace") if isinstance(cell, bytes) else str(cell)
        for cell in cells
    ]
    return text


def _as_kind(values: AnyArray, kind: str) -> AnyArray:
    if values.dtype.kind == kind:
        return values
    return as_text(values) if kind == "O" else blank_column(len(values), kind)
