"""What the readers hand on: rows and chunks of rows, failures, and the batches that a user sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from space2vec import catalogue
from space2vec.flags import bits
from space2vec.stamps import NO_ID, Stamps
from space2vec.table import Features

__all__ = ["Batch", "Failure", "Problem", "Row", "failed_features", "failed_row", "to_stamps"]

_MAPPERS = {
    "ztf": (catalogue.ZTF_FIELDS, catalogue.from_ztf),
    "rubin": (catalogue.RUBIN_FIELDS, catalogue.from_rubin),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What was wrong with a file or with one record of it.

    Attributes
    ----------
    path : str
        The file; a member of an archive is named after it.
    record : int or None
        The number of the record in the file, from 0; ``None`` where the file itself is meant.
    reason : str
        What was wrong.
    """

    path: str
    record: int | None
    reason: str

    def __str__(self) -> str:
        where = self.path if self.record is None else f"{self.path}, record {self.record}"
        return f"{where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive rows of the input.

    Attributes
    ----------
    rows : Stamps or Features
        The rows; a feature table alone gives Features.
    problems : tuple of Problem
        What was wrong with files and records that these rows come from. Each such row also carries a flag.
    files_done, files_total : int
        How many of the input's files have been read to their end, and how many there are.
    """

    rows: Stamps | Features
    problems: tuple[Problem, ...] = ()
    files_done: int = 0
    files_total: int = 0


@dataclass(slots=True)
class Row:
    """One alert: its ids, decoded planes, and the record that tells its catalogue columns."""

    object_id: str
    candidate_id: int
    planes: tuple[NDArray[np.float32] | None, ...] = (None, None, None)
    flags: int = 0
    centre: tuple[int, int] = (0, 0)
    survey: str | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    number: int | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """A file inside an archive, or the rest of it, that cannot be read; it counts as one row."""

    name: str
    reason: str
    number: int | None = None


def failed_row(object_id: str) -> Row:
    """Return the row that stands for a file, or the rest of one, that cannot be read."""
    return Row(object_id, NO_ID, flags=bits("bad_stamp"))


def failed_features(object_id: str, names: Sequence[str]) -> Features:
    """Return the one-row table that stands for a feature table, or the rest of one, that cannot be read."""
    return Features(
        np.full((1, len(names)), np.nan, dtype=np.float32),
        tuple(names),
        np.array([bits("bad_stamp")], dtype=np.uint32),
        np.array([object_id], dtype=object),
        np.array([NO_ID]),
    )


def to_stamps(rows: Sequence[Row]) -> Stamps:
    """Join rows into stamps; the catalogue columns are computed for all rows of a survey at once."""
    columns: dict[str, NDArray[np.float32]] = {}
    for survey, (fields, mapper) in _MAPPERS.items():
        index = [i for i, row in enumerate(rows) if row.survey == survey]
        if not index:
            continue
        # A field that no record has is left out: that differs from one which is there and null.
        known = [name for name in fields if any(name in rows[i].record for i in index)]
        for name, values in mapper({name: [rows[i].record.get(name) for i in index] for name in known}).items():
            columns.setdefault(name, np.full(len(rows), np.nan, dtype=np.float32))[index] = values
    return Stamps(
        [row.planes for row in rows],
        object_id=np.array([row.object_id for row in rows], dtype=object),
        candidate_id=np.array([row.candidate_id for row in rows], dtype=np.int64),
        catalogue=columns,
        flags=np.array([row.flags for row in rows], dtype=np.uint32),
        centre=np.array([row.centre for row in rows], dtype=np.int32).reshape(-1, 2),
    )
