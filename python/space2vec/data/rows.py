"""The base of result tables: rows with ids, flags and extra columns, and conversions to Arrow, Astropy and pandas."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict, overload

import numpy as np
from numpy.typing import NDArray

from space2vec.data import arrow
from space2vec.data import columns as further
from space2vec.data import flags as flag_bits
from space2vec.data.ids import NO_ID, concatenate_ids, text_array
from space2vec.data.row_index import row_index
from space2vec.errors.text import one_line
from space2vec.registry import FLAGS, FlagEntry, library_version

if TYPE_CHECKING:
    from types import ModuleType
    from typing import Self

    import pandas
    import pyarrow
    from astropy.table import Table

    from space2vec.data.types import AnyArray, Cell, Untyped

__all__ = ["RowParts", "Rows"]


class RowParts(TypedDict):
    """The parts that every table has, as arguments of its constructor: flags, ids and extra columns, (n,) each."""

    flags: NDArray[np.uint32]
    object_id: AnyArray
    candidate_id: AnyArray
    columns: further.Columns


class Rows(flag_bits.Flagged):
    """A table of results with one row for each candidate.

    ``rows[3]`` is one row, a dict of its cells by column; ``rows[:5]``, ``rows[mask]`` and ``rows[[4, 0]]`` are tables
    of the same kind, on the host; ``rows["name"]`` is a column. A loop yields row after row.
    """

    object_id: AnyArray
    candidate_id: AnyArray
    columns: further.Columns
    #: What a column of values is.
    _noun = "column"

    def _values(self) -> Mapping[str, AnyArray]:
        """Return the columns of values (n,), or rows of numbers (n, k), on the host."""
        raise NotImplementedError

    def _with_values(self, rows: slice | NDArray[np.intp], part: RowParts) -> Self:
        """Return a table of some rows; `part` holds their ids, flags and columns as arguments of the constructor."""
        raise NotImplementedError

    def _title(self) -> str:
        """Return a description of the table in one line."""
        raise NotImplementedError

    @property
    def metadata(self) -> dict[str, str]:
        """The origin of the table: the version of space2vec."""
        return {"version": library_version()}

    @staticmethod
    def _concatenated(parts: Sequence[Rows]) -> RowParts:
        """Concatenate the ids, flags and columns of tables; the result holds arguments of the constructor."""
        return {
            "flags": np.concatenate([np.empty(0, dtype=np.uint32), *(part.flags for part in parts)]),
            "object_id": np.concatenate([np.empty(0, dtype=object), *(part.object_id for part in parts)]),
            "candidate_id": concatenate_ids([part.candidate_id for part in parts])
            if parts
            else np.empty(0, dtype=np.int64),
            "columns": further.concatenate_columns([part.columns for part in parts], [len(part) for part in parts]),
        }

    def __len__(self) -> int:
        return len(self.object_id)

    @overload
    def __getitem__(self, rows: str) -> AnyArray: ...
    @overload
    def __getitem__(self, rows: int | np.integer) -> dict[str, Cell]: ...
    @overload
    def __getitem__(self, rows: slice | Sequence[int] | Sequence[bool] | NDArray[np.generic]) -> Self: ...
    def __getitem__(self, rows: object) -> object:
        """Return a column by its name, a row by its number, or a table of some rows.

        Parameters
        ----------
        rows : str, int, slice, or array_like of bool (n,) or of int
            The name of a column; the number of a row, from the end if negative; or which rows: a slice, a mask, or
            their numbers.

        Returns
        -------
        ndarray (n,), dict, or a table
            A single row is a dict of Python values by column: an unknown id, text or integer is ``None``, an unknown
            number NaN, and the flags are a list of names.

        Raises
        ------
        KeyError
            If there is no such column.
        IndexError
            If there is no such row, or a mask has another length.
        TypeError
            If it is none of these.
        """
        if isinstance(rows, str):
            return self._column(rows)
        index = row_index(rows, len(self))
        if not isinstance(index, int):
            return self.rows(index)
        cells = {name: _python(values[index]) for name, values in self._all().items()}
        return cells | {"flags": self.flag_names(index)}

    def rows(self, rows: slice | NDArray[np.intp]) -> Self:
        """Return a table of some of the rows, on the host."""
        part: RowParts = {
            "flags": self.flags[rows],
            "object_id": self.object_id[rows],
            "candidate_id": self.candidate_id[rows],
            "columns": further.select_rows(self.columns, rows),
        }
        return self._with_values(rows, part)

    def __iter__(self) -> Iterator[dict[str, Cell]]:
        """Yield the rows, each a dict of its cells by column."""
        columns = {name: values.tolist() for name, values in self._all().items()}
        for row in range(len(self)):
            yield {name: cells[row] for name, cells in columns.items()} | {"flags": self.flag_names(row)}

    def __repr__(self) -> str:
        from space2vec.data.table_text import as_lines

        return as_lines(self._title(), self._shown())

    def _repr_html_(self) -> str:
        from space2vec.data.table_text import as_html

        return as_html(self._title(), self._shown())

    def _column(self, name: str) -> AnyArray:
        main = self._main_columns()
        known = {**self._extra_columns(main), **main}
        if name not in known:
            names = dict.fromkeys([*self._values(), *known])
            raise KeyError(one_line(f"no {self._noun} {name!r}; the table has {', '.join(names)}"))
        column: AnyArray = known[name]
        return column

    def _main_columns(self) -> dict[str, AnyArray]:
        """Return ids, values and flags by column."""
        return {"object_id": self.object_id, "candidate_id": self.candidate_id, **self._values(), "flags": self.flags}

    def _all(self) -> dict[str, AnyArray]:
        """Return every column; an unknown integer id is masked."""
        main = self._main_columns()
        if self.candidate_id.dtype.kind in "iu":
            main["candidate_id"] = np.ma.masked_equal(self.candidate_id, NO_ID)
        return main | self._extra_columns(main)

    def _extra_columns(self, used: Collection[str]) -> further.Columns:
        """Return the extra columns; one whose name is used already gets the prefix ``packet.``."""
        return {f"packet.{name}" if name in used else name: values for name, values in self.columns.items()}

    def _shown(self) -> dict[str, AnyArray]:
        """Return the columns to show, with the flags as text."""
        return self._all() | {"flags": self._flag_texts()}

    def _flag_texts(self) -> NDArray[np.object_]:
        """Return the names of the flags a row, joined by bars."""
        found, rows = np.unique(self.flags, return_inverse=True)
        texts = np.empty(len(found), dtype=object)
        texts[:] = ["|".join(flag_bits.names(int(value))) for value in found]
        return np.asarray(texts[rows.reshape(-1)])

    def flag_names(self, row: int) -> list[str]:
        """Return the names of the flags of one row."""
        return flag_bits.names(int(self.flags[row]))

    def to_arrow(self) -> pyarrow.Table:
        """Return a ``pyarrow.Table``: object_id, candidate_id, the values, flags (a list of names a row), columns.

        Vectors are a column of lists of a fixed size, which share memory with the table.

        The schema's metadata holds, under ``space2vec`` as JSON, :attr:`metadata` and the meaning of the flags that
        occur.
        """
        import pyarrow as pa

        columns: dict[str, pyarrow.Array] = {
            "object_id": arrow.texts(self.object_id.tolist()),
            "candidate_id": arrow.ids(self.candidate_id),
        }
        columns.update({name: arrow.numbers(values) for name, values in self._values().items()})
        columns["flags"] = self._arrow_flags()
        columns.update({name: further.to_arrow(values) for name, values in self._extra_columns(columns).items()})
        note = {**self.metadata, "flags": {flag.name: flag.meaning for flag in self._raised()}}
        return pa.table(columns, metadata={"space2vec": json.dumps(note)})

    def _arrow_flags(self) -> pyarrow.Array:
        """Build the list column from buffers: a list of Python lists would take longer than the scores."""
        shifts = np.array([flag.bit for flag in FLAGS.values()], dtype=np.uint32)
        table = (self.flags[:, None] >> shifts[None, :] & np.uint32(1)).astype(bool)
        names = list(FLAGS)
        return arrow.text_lists(np.cumsum(table.sum(axis=1)), (names[k] for k in np.nonzero(table)[1].tolist()))

    def _raised(self) -> list[FlagEntry]:
        """Return the flags that at least one row has."""
        bits = int(np.bitwise_or.reduce(self.flags, initial=0))
        return [flag for flag in FLAGS.values() if bits >> flag.bit & 1]

    def to_astropy(self) -> Table:
        """Return an ``astropy.table.Table``; the values share memory, flags are the bits.

        A column of text with more than 64 characters in a row is a column of objects, so that short rows stay small.
        The table's ``meta`` has :attr:`metadata` and, under ``comments``, the meaning of the flags that occur.
        """
        from astropy.table import Table

        columns: dict[str, AnyArray] = {"object_id": text_array(self.object_id), "candidate_id": self.candidate_id}
        columns |= {**self._values(), "flags": self.flags}
        columns |= {name: further.to_astropy(values) for name, values in self._extra_columns(columns).items()}
        meanings = [f"flags & {1 << flag.bit}: {flag.name}: {flag.meaning}" for flag in self._raised()]
        return Table(columns, meta={**self.metadata, "comments": meanings}, copy=False)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a ``pandas.DataFrame``: object_id, candidate_id, the values, flags (names joined by ``|``), columns.

        A column of integers with unknown values has pandas' type ``Int64``. The frame's ``attrs`` are
        :attr:`metadata`.

        Raises
        ------
        ImportError
            If pandas is absent.
        """
        try:
            import pandas as pd
        except ImportError:
            raise ImportError("to_pandas needs pandas: pip install pandas") from None
        frame = pd.DataFrame({name: _to_pandas(pd, values) for name, values in self._shown().items()})
        frame.attrs.update(self.metadata)
        return frame


def _to_pandas(pd: ModuleType, values: NDArray[np.generic]) -> Untyped:
    if values.ndim > 1:
        return list(values)
    if values.dtype.kind == "i" and isinstance(values, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(values)
        return (
            pd.arrays.IntegerArray(np.ma.getdata(values).copy(), mask.copy()) if mask.any() else np.ma.getdata(values)
        )
    return values


def _python(cell: object) -> object:
    """Return a cell as a Python object; a masked cell is ``None``."""
    if cell is np.ma.masked:
        return None
    return cell.tolist() if isinstance(cell, np.generic | np.ndarray) else cell
