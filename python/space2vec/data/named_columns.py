"""Named columns of tables of many libraries, as one array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from space2vec.data.numeric import as_numbers
from space2vec.data.tables import Features
from space2vec.errors.text import NAME, one_line

if TYPE_CHECKING:
    from space2vec.data.types import LibraryArray, Untyped

__all__ = ["stack_columns"]


def stack_columns(x: Untyped, names: Sequence[str], what: str = "x", *, select: bool = False) -> LibraryArray:
    """Return the named columns of a table as one array (n, k) of float32; an array without names is returned unchanged.

    A table is a mapping of names to columns, a structured array, a table of Arrow, pandas, Polars or Astropy, or
    Features. If `select` is set, and for Features always, other columns are ignored; otherwise they are an error.
    Masked and absent values become NaN. Missing, foreign and repeated columns raise a ValueError that names the table
    `what`; columns without numbers raise a TypeError.
    """
    table = _columns_of(x, what)
    if table is None:
        return x
    missing = [name for name in names if name not in table]
    foreign = [] if select or isinstance(x, Features) else [name for name in table if name not in set(names)]
    if missing or foreign:
        wrongs = [f"{word} {_listed(wrong)}" for word, wrong in (("lacks", missing), ("has", foreign)) if wrong]
        raise ValueError(f"{what} {' and '.join(wrongs)}; its columns are to be {_listed(names, 40)}")
    with np.errstate(over="ignore"):
        columns = [as_numbers(table[name], f"column {name} of {what}").astype(np.float32) for name in names]
    if len({column.shape for column in columns}) > 1 or any(column.ndim != 1 for column in columns):
        raise ValueError(f"the columns of {what} must have one value a row, and as many rows each")
    return np.stack(columns, axis=1) if columns else np.empty((0, 0), dtype=np.float32)


def _columns_of(x: Untyped, what: str) -> Mapping[str, object] | None:
    """Return the columns of a table by name, or ``None`` if it does not name its columns."""
    if isinstance(x, Mapping):
        return x
    if isinstance(x, Features):
        values = x.host_values()
        return {name: values[:, place] for place, name in enumerate(x.names)}
    if isinstance(x, np.ndarray):
        return None if x.dtype.names is None else {name: x[name] for name in x.dtype.names}
    if type(x).__module__.startswith("pyarrow"):
        import pyarrow as pa

        table = pa.Table.from_batches([x]) if isinstance(x, pa.RecordBatch) else x
        if isinstance(table, pa.Table):
            return _once(table.column_names, [column.to_numpy() for column in table.columns], what)
    names = list(getattr(x, "colnames", None) or _plain_list(getattr(x, "columns", None)))
    if not names or not any(isinstance(name, str) for name in names):
        return None  # pandas numbers columns that have no names
    if not all(isinstance(name, str) for name in names):
        raise ValueError(f"{what} has names for some of its columns and numbers for others; give all of them names")
    return _once(names, [x[name] for name in dict.fromkeys(names)], what)


def _plain_list(columns: Untyped) -> list[object]:
    return [] if columns is None or callable(columns) else list(columns)


def _once(names: Sequence[str], columns: Sequence[object], what: str) -> dict[str, object]:
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise ValueError(f"{what} has the column {one_line(double, NAME)} more than once")
    return dict(zip(names, columns, strict=True))


def _listed(names: Sequence[str], most: int = 8) -> str:
    return one_line(", ".join(map(str, names[:most]))) + (", ..." if len(names) > most else "")
