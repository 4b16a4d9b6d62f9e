"""Recognise tables that this package wrote, which may be in the folders to read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["is_output", "is_result"]


def is_result(table: Path) -> bool:
    """Return whether a CSV or Parquet file holds scores, vectors or errors; features may be an input again."""
    note = _note(table)
    return note.get("command") in ("embed", "score", "stream") or note.get("table") == "errors"


def is_output(table: Path) -> bool:
    """Return whether a run wrote a CSV or Parquet file, features included."""
    return is_result(table) or _note(table).get("command") == "features"


def _note(table: Path) -> dict[str, Json]:
    """Return the note of a table; empty if another program wrote or changed the table."""
    from space2vec.reading.notes import KEY, note_file, peek_note

    beside = note_file(table)
    if beside is None:
        return peek_note(table) or {}
    try:
        note = json.loads(beside.read_bytes())[KEY]
        same: bool = note["file"]["bytes"] == table.stat().st_size  # a digest would take the whole table
        return note if same else {}
    except (OSError, ValueError, TypeError, KeyError):
        return {}
