"""Read tables of vectors back from Parquet files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec.data import flags as flag_bits
from space2vec.data.columns import Columns, concatenate_columns
from space2vec.data.ids import concatenate_ids
from space2vec.data.vectors import Vectors
from space2vec.errors import ReadError
from space2vec.reading.alert_columns import has_cutouts
from space2vec.reading.limits import Limits
from space2vec.reading.notes import peek_note
from space2vec.reading.parquet import bounded_batches, columns, damage_as_read_errors, open_parquet
from space2vec.reading.parquet_columns import Table, extra_columns, first_ids, first_texts
from space2vec.registry import FLAGS

if TYPE_CHECKING:
    import pyarrow

__all__ = ["holds_vectors", "read_vectors"]

#: The columns of every table of vectors; other columns are extra ones.
_MAIN = ("object_id", "candidate_id", "vector", "flags")
_ROWS = 1 << 16
_LIMITS = Limits()


def holds_vectors(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is that of a table of vectors, by the columns of a Parquet file.

    A file that cannot be opened, or is damaged so that its columns are not known, is none.
    """
    try:
        with open(path, "rb") as file:
            if file.read(4) != b"PAR1":
                return False
        names = columns(Path(path))
    except (OSError, ReadError):
        return False
    return "vector" in names and not has_cutouts(names)


def read_vectors(path: str | os.PathLike[str], *, limits: Limits = _LIMITS) -> Vectors:
    """Read the vectors of a Parquet file, as ``space2vec embed`` and :meth:`Vectors.to_arrow` make it.

    Parameters
    ----------
    path : path
        The file. A vector that is null is zero, as that of a row without a stamp.
    limits : Limits, optional
        The limits on what the file may demand.

    Returns
    -------
    Vectors
        The rows in their order, with ids, flags and extra columns, and the model that the file names.

    Raises
    ------
    ReadError
        If it is not a Parquet file, is damaged, or has no column ``vector`` of lists of int8 of one fixed size.
    OSError
        If it cannot be opened.
    """
    place = Path(path)
    try:
        return _read(place, limits)
    except ReadError as error:
        raise ReadError(f"{place}: {error}") from None


def _read(place: Path, limits: Limits) -> Vectors:
    with open_parquet(place) as file, damage_as_read_errors(place, "damaged"):
        schema = file.schema_arrow
        size = _size_of_vectors(schema)
        names = [name for name in dict.fromkeys(schema.names) if name in (*_MAIN, *Table(schema).paths)]
        rows = file.metadata.num_rows
        paths = ["vector.list.element" if name == "vector" else name for name in names]
        limits.check_bytes_at_once(rows * size, place.stat().st_size, "its vectors")
        vector, flags = np.zeros((rows, size), dtype=np.int8), np.zeros(rows, dtype=np.uint32)
        objects: list[NDArray[np.generic]] = []
        candidates: list[NDArray[np.generic]] = []
        extra: list[Columns] = []
        begin = 0
        for part in bounded_batches(file, paths, _ROWS, place, limits, expanded=False):
            some = slice(begin, begin + len(part))
            vector[some] = _vectors(part.column("vector"), size)
            if "flags" in names:
                flags[some] = _flags(part.column("flags"))
            objects.append(first_texts(_named(part, "object_id"), len(part)))
            candidates.append(first_ids(_named(part, "candidate_id"), len(part)))
            leaves = Table(part.schema).leaves
            extra.append(extra_columns({name: leaves[name] for name in leaves if name not in _MAIN}, part).columns)
            begin += len(part)
    note = peek_note(place) or {}
    return Vectors(
        vector,
        flags,
        np.concatenate([np.empty(0, dtype=object), *objects]),
        concatenate_ids(candidates) if candidates else np.empty(0, dtype=np.int64),
        str(note.get("model", "")),
        columns=concatenate_columns(extra, [len(ids) for ids in objects]),
    )


def _size_of_vectors(schema: pyarrow.Schema) -> int:
    """Return the number of integers of a vector; ReadError if a table holds no vectors."""
    import pyarrow as pa

    if schema.names.count("vector") != 1:
        raise ReadError("no vectors: the table has no column vector, or several; space2vec embed makes one")
    kind = schema.field("vector").type
    if not pa.types.is_fixed_size_list(kind) or kind.value_type != pa.int8() or not kind.list_size:
        raise ReadError(f"no vectors: its column vector holds {kind}, no lists of int8 of one fixed size")
    return int(kind.list_size)


def _named(part: pyarrow.RecordBatch, name: str) -> Sequence[pyarrow.Array]:
    return [part.column(name)] if name in part.schema.names else []


def _vectors(column: pyarrow.FixedSizeListArray, size: int) -> NDArray[np.int8]:
    """Return the vectors (n, size) of a column; a null vector, and a null in a vector, is zero."""
    begin, end = column.offset * size, (column.offset + len(column)) * size
    numbers = column.values.slice(begin, end - begin)
    vector = np.asarray(numbers.fill_null(0)).reshape(-1, size)
    if column.null_count:
        vector = np.where(np.asarray(column.is_null())[:, None], np.int8(0), vector)
    return vector


def _flags(column: pyarrow.Array) -> NDArray[np.uint32]:
    """Return the bits of the flags (n,) of lists of names; names that this version does not know are left out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    bits = np.zeros(len(column), dtype=np.uint32)
    if not (pa.types.is_list(column.type) and pa.types.is_string(column.type.value_type)):
        return bits
    names = pc.list_flatten(column).dictionary_encode()
    known = [flag_bits.bits(name) if name in FLAGS else 0 for name in names.dictionary.to_pylist()]
    found = np.array(known, dtype=np.uint32)[np.asarray(names.indices.fill_null(0))] if known else bits[:0]
    np.bitwise_or.at(bits, np.asarray(pc.list_parent_indices(column)), found)
    return bits
