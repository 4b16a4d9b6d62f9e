"""The results of one batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow

__all__ = ["Chunk", "added"]


@dataclass(frozen=True, slots=True)
class Chunk:
    """The results of one batch.

    Attributes
    ----------
    table, errors : pyarrow.Table
        The rows, and the lines of the errors table.
    position : tuple of int
        Where the next batch begins, as the reader counts it.
    counts : mapping of str to mapping of str to int
        What to add up for the summary.
    """

    table: pyarrow.Table
    errors: pyarrow.Table
    position: tuple[int, ...]
    counts: Mapping[str, Mapping[str, int]]


def added(counts: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, Counter[str]]:
    """Add up counts by name."""
    total: dict[str, Counter[str]] = {}
    for each in counts:
        for name, values in each.items():
            total.setdefault(name, Counter()).update(values)
    return total
