"""Read feature tables: CSV files, such as those that DES published, or Parquet files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.data import flags
from space2vec.data.ids import NO_ID, id_keys
from space2vec.data.tables import Features
from space2vec.errors import ReadError
from space2vec.reading.batch import Batch
from space2vec.reading.cells import Kind
from space2vec.reading.limits import Limits
from space2vec.reading.table_file import Part, read_parts, table_columns
from space2vec.registry import FEATURES, FLAGS

if TYPE_CHECKING:
    from space2vec.data.types import AnyArray

__all__ = [
    "CANDIDATE_IDS",
    "OBJECT_IDS",
    "DefaultIds",
    "column_kind",
    "feature_columns",
    "find_ids",
    "id_columns",
    "id_kinds",
    "read_features",
]

#: Accepted names of the columns with ids; the first that a table has is read. If it has none of them, a name that
#: differs only in case and underscores (``candId``, ``id``) is accepted.
OBJECT_IDS = ("object_id", "objectId", "diaObjectId")
CANDIDATE_IDS = ("candidate_id", "ID", "candid", "diaSourceId")
_BAD_CELL, _BAD_STAMP = (np.uint32(flags.bits(name)) for name in ("bad_cell", "bad_stamp"))


class CompleteIds(NamedTuple):
    """The ids of objects and of candidates (n,) of rows, all of them known."""

    object_id: NDArray[np.object_]
    candidate_id: AnyArray  # integers or text


@dataclass(frozen=True, slots=True)
class DefaultIds:
    """The ids given to rows of a file without ids: the file's name and the row number.

    Attributes
    ----------
    stem : str
        The name of the file, which distinguishes it from the other files of the input.
    alone : bool
        Whether the input has no other file. Candidate ids are row numbers then; otherwise they contain the file's name
        too, so that candidates of two files never share an id.
    """

    stem: str
    alone: bool = True

    def objects(self, rows: NDArray[np.int64]) -> NDArray[np.object_]:
        """Return object ids ``stem:row`` for rows (n,), given by their number in the file."""
        return np.array([f"{self.stem}:{row}" for row in rows.tolist()] or [], dtype=object)

    def candidates(self, rows: NDArray[np.int64]) -> AnyArray:
        """Return candidate ids for rows (n,), given by their number in the file."""
        return rows if self.alone else self.objects(rows)

    def ids(
        self, objects: NDArray[np.generic] | None, candidates: NDArray[np.generic] | None, rows: NDArray[np.int64]
    ) -> CompleteIds:
        """Complete the ids (n,) of rows: a file may have both, one or neither.

        An unknown object id becomes the candidate's id, and if that is unknown too, file and row number.
        """
        known: list[str | None] = [None] * len(rows) if candidates is None else id_keys(candidates)
        names = known if objects is None else [_as_text(name) or key for name, key in zip(objects, known, strict=True)]
        object_id = np.array(names, dtype=object)
        unnamed = np.array([name is None for name in names], dtype=np.bool_)
        object_id[unnamed] = self.objects(rows[unnamed])
        return CompleteIds(object_id, self.candidates(rows) if candidates is None else candidates)


def _as_text(name: object) -> str:
    if isinstance(name, bytes):
        return name.decode(errors="backslashreplace")
    return "" if name is None else str(name)


def feature_columns(path: Path) -> tuple[str, ...]:
    """Return the names of the features that a table has, in the order of its columns.

    Raises
    ------
    ReadError
        If the table cannot be read or has no feature.
    """
    names = table_columns(path)
    known = tuple(name for name in names if name in FEATURES)
    if not known:
        shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        raise ReadError(f"no feature table: none of its columns is a known feature; it has {shown or 'no columns'}")
    return known


def column_kind(name: str) -> Kind:
    """Return the kind of values that a column of this name holds."""
    return "band" if name == "BAND" else "flags" if name == "flags" else "feature" if name in FEATURES else "number"


class IdColumns(NamedTuple):
    """The names of the columns that hold the ids of objects and of candidates, ``None`` for a missing one."""

    object_id: str | None
    candidate_id: str | None


class RowIds(NamedTuple):
    """The ids of objects and of candidates (n,), ``None`` if the table has no such column."""

    object_id: AnyArray | None
    candidate_id: AnyArray | None


def id_columns(names: Iterable[str]) -> IdColumns:
    """Find the columns of a table that hold ids."""
    known = list(names)
    folded = {_folded(name): name for name in reversed(known)}
    objects, candidates = (
        next((name for name in accepted if name in known), None)
        or next((folded[_folded(name)] for name in accepted if _folded(name) in folded), None)
        for accepted in (OBJECT_IDS, CANDIDATE_IDS)
    )
    return IdColumns(objects, candidates)


def _folded(name: str) -> str:
    return name.lower().replace("_", "")


def id_kinds(names: Iterable[str]) -> dict[str, Kind]:
    """Return the kinds of values in the id columns of a table with these column names."""
    objects, candidates = id_columns(names)
    kinds: dict[str, Kind] = {} if objects is None else {objects: "text"}
    return kinds if candidates is None else {**kinds, candidates: "id"}


def find_ids(columns: Mapping[str, NDArray[np.generic]]) -> RowIds:
    """Return the ids of a table, given its columns (n,) by name."""
    objects, candidates = (None if name is None else columns[name] for name in id_columns(columns))
    return RowIds(objects, candidates)


def read_features(
    path: Path, names: Sequence[str], batch: int, default_ids: DefaultIds, limits: Limits
) -> Iterator[Batch[Features]]:
    """Yield the rows of one feature table, at most `batch` at a time.

    A line with too few or too many values becomes a row of NaN with the flag ``bad_stamp``. A cell that holds no number
    becomes NaN, and its row gets the flag ``bad_cell``.

    Parameters
    ----------
    path : Path
        A CSV file, with any number of ``#`` lines before its header, or a Parquet file.
    names : sequence of str
        The features to return, in order. BAND may be a letter.
    batch : int
        The most rows of a batch.
    default_ids : DefaultIds
        The ids of rows for which the table has none.
    limits : Limits
        The limits on what the file may demand.

    Raises
    ------
    ReadError
        If the table lacks one of the features, or one is of a type that holds no numbers.
    """
    given = table_columns(path)
    absent = [name for name in names if name not in given]
    if absent:
        raise ReadError(f"the table lacks {', '.join(absent)}, which the first table of the input has")
    kinds = {**{name: column_kind(name) for name in given if name in {*names, "flags"}}, **id_kinds(given)}
    start = 0
    for part in read_parts(path, kinds, batch, limits):
        if part.size:
            yield Batch(_to_features(part, names, default_ids, start), tuple(part.problems))
        start += part.size


def _to_features(part: Part, names: Sequence[str], default_ids: DefaultIds, start: int) -> Features:
    object_id, candidate_id = default_ids.ids(*find_ids(part.columns), np.arange(start, start + part.size))
    if part.broken.any():
        object_id[part.broken] = default_ids.stem
        candidate_id = candidate_id.copy()
        candidate_id[part.broken] = NO_ID if candidate_id.dtype.kind == "i" else None
    raised = part.broken * _BAD_STAMP | part.bad * _BAD_CELL
    if "flags" in part.columns:
        for row, given in enumerate(part.columns["flags"].tolist()):
            # Parquet holds a list of names, CSV names joined by bars. Other contents of a column "flags" are ignored.
            names_given = given.split("|") if isinstance(given, str) else given if isinstance(given, list) else []
            raised[row] |= flags.bits(name for name in names_given if isinstance(name, str) and name in FLAGS)
    values = np.empty((part.size, len(names)), dtype=np.float32)
    for column, name in enumerate(names):
        values[:, column] = part.columns[name]
    return Features(values, tuple(names), raised, object_id, candidate_id)
