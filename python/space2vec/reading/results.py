"""Tables that this package wrote, which may lie among what it read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["is_result", "is_written"]


def is_result(table: Path) -> bool:
    """Tell whether a CSV or Parquet file holds scores, or the errors of a run; features may be an input again."""
    note = _note(table)
    return note.get("command") == "score" or note.get("table") == "errors"


def is_written(table: Path) -> bool:
    """Tell whether a CSV or Parquet file is anything that a run wrote, features too."""
    return is_result(table) or _note(table).get("command") == "features"


def _note(table: Path) -> dict[str, Any]:
    """Return what a table says of itself, nothing if it is none of this package's or another file by now."""
    from space2vec.reading.notes import KEY, note_beside, peek_note

    beside = note_beside(table)
    if beside is None:
        return peek_note(table) or {}
    try:
        note = json.loads(beside.read_bytes())[KEY]
        same: bool = note["file"]["bytes"] == table.stat().st_size  # a digest would take the whole table
        return note if same else {}
    except (OSError, ValueError, TypeError, KeyError):
        return {}
