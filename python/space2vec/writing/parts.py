"""The finished parts of a run, in a folder: files, and an entry a part that says what they must be."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from space2vec.errors import OutputError
from space2vec.writing.aside import name_of_aside
from space2vec.writing.folder import Folder

__all__ = ["KINDS", "Entry", "Parts"]

#: The kinds of files that a part has, beside its entry.
KINDS = ("table", "errors", "kept")
_ENTRY = "json"
#: What this module names: 000000.json, 000000.table, ...
_NAME = re.compile(rf"\d{{6,}}\.({'|'.join((*KINDS, _ENTRY))})")


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished part.

    Attributes
    ----------
    rows : int
        How many it has.
    position : list of int
        Where the next part begins, as the reader counts it.
    last : bool
        Whether the inputs end with it.
    counts : dict
        What the summary needs of it.
    files : dict
        Size and SHA-256 of each of its files, by kind.
    """

    rows: int
    position: list[int]
    last: bool
    counts: dict[str, dict[str, int]]
    files: dict[str, tuple[int, str]]


class Parts:
    """The parts in a folder that this process alone works in.

    Each part costs the same, however many there are: its files are written and synced, then the folder, then the
    entry by which they count.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.entries: list[Entry] = []
        #: Rows in all of them.
        self.rows = 0

    def any(self) -> bool:
        """Tell whether at least one part has been finished."""
        return self.folder.has(_name(0, _ENTRY))

    def load(self) -> None:
        """Take up the parts that are whole, up to the first that is not; what follows that is removed."""
        self.entries.clear()
        self.rows = 0
        while (entry := self._entry(len(self.entries))) is not None and self._whole(entry):
            self._count(entry)
        self._remove_from(len(self.entries))

    def commit(
        self,
        files: Mapping[str, bytes],
        *,
        rows: int,
        position: list[int],
        last: bool,
        counts: dict[str, dict[str, int]],
    ) -> None:
        """Add a part that stays, whatever happens from now on; the arguments are those of its entry."""
        number = len(self.entries)
        for kind, data in files.items():
            self.folder.write(_name(number, kind), data)
        self.folder.sync()
        entry = Entry(rows, position, last, counts, {kind: _mark(data) for kind, data in files.items()})
        said = json.dumps(asdict(entry)).encode()
        self.folder.write(_name(number, _ENTRY), said + b"\n" + _mark(said)[1].encode())
        self.folder.sync()
        self._count(entry)

    def read(self, number: int, kind: str) -> bytes:
        """Return a file of a part.

        Raises
        ------
        OutputError
            If it is not what was written.
        OSError
            If it cannot be read.
        """
        data = self.folder.read(_name(number, kind))
        if _mark(data) != self.entries[number].files[kind]:
            path = self.folder.path / _name(number, kind)
            raise OutputError(f"{path} is damaged; --resume does it again from there")
        return data

    def clear(self) -> None:
        """Remove every part."""
        self.entries.clear()
        self.rows = 0
        self._remove_from(0)

    def _count(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.rows += entry.rows

    def files(self) -> list[str]:
        """Return the names in the folder that are those of parts, or were written aside for one."""
        return [name for name in self.folder.names() if _NAME.fullmatch(name_of_aside(name) or name)]

    def _remove_from(self, number: int) -> None:
        """Remove the files of the parts from a number on."""
        behind = [(_number(name), name.endswith(f".{_ENTRY}"), name) for name in self.files()]
        # From the end on: whatever stops this, no part stands behind a gap.
        for each, _, name in sorted(behind, reverse=True):
            if each >= number:
                self.folder.remove(name)

    def _entry(self, number: int) -> Entry | None:
        try:
            said, _, digest = self.folder.read(_name(number, _ENTRY)).partition(b"\n")
        except FileNotFoundError:
            return None
        if _mark(said)[1].encode() != digest:
            return None
        facts = json.loads(said)
        files = {kind: (size, digest) for kind, (size, digest) in facts.pop("files").items()}
        return Entry(**facts, files=files)

    def _whole(self, entry: Entry) -> bool:
        number = len(self.entries)
        try:
            return all(_mark(self.folder.read(_name(number, kind))) == mark for kind, mark in entry.files.items())
        except FileNotFoundError:
            return False


def _name(number: int, kind: str) -> str:
    # No suffix that a reader knows: the folder may lie among the inputs.
    return f"{number:06}.{kind}"


def _number(name: str) -> int:
    return int((name_of_aside(name) or name).partition(".")[0])


def _mark(data: bytes) -> tuple[int, str]:
    return len(data), hashlib.sha256(data).hexdigest()
