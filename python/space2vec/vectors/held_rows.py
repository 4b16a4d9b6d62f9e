"""The rows of an index, in files that are mapped into memory: their vectors, ids and flags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.data.ids import id_keys, parse_ids

if TYPE_CHECKING:
    import pyarrow

    from space2vec.data.types import AnyArray

__all__ = ["Cells", "HeldRows"]


class Cells(NamedTuple):
    """Ids and flags of rows (m, k): text, ``None`` and no flags where there is no row or an id is unknown."""

    candidate_id: NDArray[np.object_]
    object_id: NDArray[np.object_]
    flags: NDArray[np.object_]  # names joined by bars


class HeldRows:
    """The rows of several tables of vectors, numbered through all of them.

    Parameters
    ----------
    tables : sequence of pyarrow.Table
        Tables with the columns candidate_id, object_id, vector and flags.
    size : int
        The integers of a vector.
    """

    def __init__(self, tables: Sequence[pyarrow.Table], size: int) -> None:
        self._tables = tables
        self._size = size
        #: The vectors, an array of int8 (n, size) for each piece of a table, without a copy.
        self.vectors: list[NDArray[np.int8]] = [
            np.asarray(chunk.values.slice(chunk.offset * size, len(chunk) * size)).reshape(-1, size)
            for table in tables
            for chunk in table.column("vector").chunks
        ]
        self._starts = np.cumsum([0, *map(len, self.vectors)])

    @property
    def has_whole_numbers(self) -> bool:
        """Whether the ids of all candidates are whole numbers."""
        import pyarrow as pa

        return all(pa.types.is_integer(table.schema.field("candidate_id").type) for table in self._tables)

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.int8]:
        """Return the vectors (m, size) of rows."""
        parts = np.searchsorted(self._starts, rows, side="right") - 1
        taken = np.empty((len(rows), self._size), dtype=np.int8)
        for at, (part, row) in enumerate(zip(parts.tolist(), rows.tolist(), strict=True)):
            taken[at] = self.vectors[part][row - self._starts[part]]
        return taken

    def find(self, candidate_id: str) -> int | None:
        """Return the row of a candidate, or ``None`` if no row has this id."""
        import pyarrow as pa
        import pyarrow.compute as pc

        begin = 0
        for table in self._tables:
            column = table.column("candidate_id")
            whole = pa.types.is_integer(column.type)
            # The index -1 of an unknown id is no id; a text that is no whole number is not in a column of those.
            number = parse_ids([candidate_id])[0] if whole else candidate_id
            if not whole or not isinstance(number, str):
                at = int(pc.index(column, pa.scalar(number, column.type)).as_py())
                if at >= 0:
                    return begin + at
            begin += len(table)
        return None

    def known(self, candidates: AnyArray) -> NDArray[np.bool_]:
        """Return which candidates (n,) have a row, or come before in the same array; unknown ids have none."""
        import pyarrow as pa
        import pyarrow.compute as pc

        keys = id_keys(candidates)
        absent = np.array([key is None for key in keys], dtype=np.bool_)
        known = np.zeros(len(keys), dtype=np.bool_)
        for table in self._tables if len(keys) else ():
            column = table.column("candidate_id")
            if pa.types.is_integer(column.type) and candidates.dtype.kind in "iu":
                wanted = pa.array(candidates, mask=absent)
            else:
                wanted, column = pa.array(keys, pa.string()), column.cast(pa.string())
            # The table is long and the night short: what they share is found first.
            shared = column.filter(pc.is_in(column, value_set=wanted)).combine_chunks()
            known |= np.asarray(pc.is_in(wanted, value_set=shared)) & ~absent
        seen: set[str] = set()
        for row, key in enumerate(keys):
            if key is not None:
                known[row] |= key in seen
                seen.add(key)
        return known

    def cells(self, rows: NDArray[np.int64]) -> Cells:
        """Return the ids and flags of rows (m, k); -1 is no row."""
        import pyarrow as pa

        flat = rows.ravel()
        candidates, objects, flags = (np.full(flat.size, empty, dtype=object) for empty in (None, None, ""))
        begin = 0
        for table in self._tables:
            places = np.flatnonzero((flat >= begin) & (flat < begin + len(table)))
            if len(places):
                some = table.select(["candidate_id", "object_id", "flags"]).take(pa.array(flat[places] - begin))
                candidates[places] = some.column("candidate_id").cast(pa.string()).to_pylist()
                objects[places] = some.column("object_id").to_pylist()
                flags[places] = ["|".join(names or ()) for names in some.column("flags").to_pylist()]
            begin += len(table)
        return Cells(*(column.reshape(rows.shape) for column in (candidates, objects, flags)))
