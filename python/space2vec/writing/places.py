"""Check before hours of work that the output can be written."""

from __future__ import annotations

import json
import os
from pathlib import Path

from space2vec.reading.notes import KEY, note_file
from space2vec.writing.formats import SUFFIXES

__all__ = ["check_table_writable", "check_writable", "folder_mode"]


def check_writable(path: Path) -> None:
    """Check that a file can be written; otherwise an OSError says why not."""
    folder = path.absolute().parent
    if path.is_dir():
        raise IsADirectoryError(f"cannot write {path}: it is a folder")
    if not folder.is_dir():
        raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"cannot write {path}: the folder {path.parent} does not let you")


def check_table_writable(path: Path) -> None:
    """Check that a table can be written, and for CSV its note too.

    A suffix without a format raises a ValueError; so does a link, or a file that is not a note, under the note's name.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"cannot write {path}: the suffix must be one of {', '.join(SUFFIXES)}")
    check_writable(path)
    beside = note_file(path)
    if beside is None or not os.path.lexists(beside):
        return
    if beside.is_symlink() or not beside.is_file():
        kind = "a link" if beside.is_symlink() else "no file"
        raise ValueError(f"cannot write {path}: {beside} is to record how it was made, and is {kind}; remove it")
    try:
        found = json.loads(beside.read_bytes())
    except ValueError:
        return  # a note of ours, damaged
    if not isinstance(found, dict) or KEY not in found:
        raise ValueError(f"cannot write {path}: {beside} is to record how it was made, and is another file already")


def folder_mode(path: Path) -> int:
    """Return the permissions of the folder of parts: only those who can read the output can look into it."""
    try:
        mode = path.stat(follow_symlinks=False).st_mode & 0o777
    except OSError:
        return 0o777
    return 0o700 | mode & 0o077 | (mode & 0o044) >> 2
