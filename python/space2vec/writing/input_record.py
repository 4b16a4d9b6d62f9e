"""A record of the input files of a run by name, size and time; a run is resumed only if they are unchanged."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import TYPE_CHECKING

from space2vec.data.atomic_file import AtomicFile, name_in_errors
from space2vec.errors import OutputError
from space2vec.reading.alert_files import STANDARD_INPUT
from space2vec.writing.folder import Folder

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["InputRecord"]

#: The number of lines that are written at once.
_LINES = 4096


class InputRecord:
    """The input files of a run, in order, with their sizes and times; ``-`` is standard input."""

    def __init__(self, paths: Sequence[str | os.PathLike[str]]) -> None:
        self._paths = paths
        self._digest = hashlib.sha256()
        self._bytes = 0
        #: The latest time at which one of them was created or changed, in nanoseconds.
        self.last_change = 0

    @property
    def repeatable(self) -> bool:
        """Whether all inputs can be read a second time, which standard input cannot."""
        return not any(os.fspath(path) == STANDARD_INPUT for path in self._paths)

    @property
    def summary(self) -> dict[str, Json]:
        """The number, bytes and digest of the inputs, for the note of a table, after a scan; folders do not count."""
        return {"files": len(self._paths), "bytes": self._bytes, "sha256": self._digest.hexdigest()}

    def scan(self) -> None:
        """Read the size and time of every input, for :attr:`summary` and :attr:`last_change`."""
        for _ in self._lines():
            pass

    def write(self, folder: Folder, name: str) -> None:
        """Write a line for each input to a file in a folder."""
        with AtomicFile(folder.path / name, folder.file) as file:
            lines = self._lines()
            while held := b"".join(islice(lines, _LINES)):
                file.write(held)
            file.sync()
            file.appear()

    def compare(self, folder: Folder, name: str) -> None:
        """Check that the inputs equal those that were written; an OutputError names the first difference."""
        with folder.reader(name) as file:
            for ours, theirs in zip_longest(self._lines(), file):
                if ours != theirs:
                    self._refuse(ours, theirs)

    def _lines(self) -> Iterator[bytes]:
        """Yield each input as a JSON list: path, bytes, time of the last change in nanoseconds.

        Standard input has a path only. There may be a million inputs, so each takes a few microseconds.
        """
        for given in self._paths:
            path = os.fspath(given)
            if path == STANDARD_INPUT:
                yield f"[{quoted(path)}]\n".encode()
                continue
            try:
                state = os.stat(path)
            except OSError:
                if not os.path.islink(path):
                    with name_in_errors("read", Path(path)):
                        raise
                state = os.lstat(path)  # a broken link, which its reader reports
            self.last_change = max(self.last_change, state.st_ctime_ns)
            self._bytes += state.st_size
            self._digest.update(f"{os.path.basename(path)}\0{state.st_size}\n".encode(errors="surrogateescape"))
            yield f"[{quoted(path)}, {state.st_size}, {state.st_mtime_ns}]\n".encode()

    def _refuse(self, ours: bytes | None, theirs: bytes | None) -> None:
        now = None if ours is None else json.loads(ours)
        then = None if theirs is None else json.loads(theirs)
        if now is not None and then is not None and now[0] == then[0]:
            changed = f"its size is {now[1]}, and was {then[1]}" if now[1] != then[1] else "its time is another"
            raise OutputError(f"the input {now[0]} has changed: {changed}")
        if then is not None and then[0] not in {os.fspath(path) for path in self._paths}:
            raise OutputError(f"the input {then[0]} is gone")
        if now is not None:
            raise OutputError(f"the input {now[0]} is new, or comes in another place")
        raise AssertionError("of two different lists one has a path that the other lacks")
