"""What one batch adds to an output, and the table of vectors that an output may have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from space2vec.writing.run import KINDS

if TYPE_CHECKING:
    import pyarrow

    from space2vec.data.types import Json

__all__ = ["Chunk", "Counts", "VectorTable"]

TABLE, ERRORS, _, VECTORS = KINDS

#: Counts by name, of several kinds.
Counts: TypeAlias = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Chunk:
    """The results of one batch: the rows, the lines of the errors table, the position of the next batch, and counts.

    An output with a table of vectors gets these too, a row for each row.
    """

    table: pyarrow.Table
    errors: pyarrow.Table
    position: tuple[int, ...]
    counts: Counts
    vectors: pyarrow.Table | None = None

    def of_kind(self, kind: str) -> pyarrow.Table:
        """Return the table of a kind of file."""
        return {TABLE: self.table, ERRORS: self.errors, VECTORS: self.vectors}[kind]


@dataclass(frozen=True, slots=True)
class VectorTable:
    """A table of vectors that an output writes beside its own: the same rows, finished in the same parts.

    Attributes
    ----------
    path : Path
        The file.
    note : mapping
        The entries of its metadata that are others than those of the output.
    """

    path: Path
    note: Mapping[str, Json]
