"""The finished parts of a run, in a folder: files, and an entry a part that says what they must be."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from space2vec.errors import OutputError
from space2vec.writing.aside import sync_folder, told, write_file

__all__ = ["Entry", "Parts"]

#: What this module names: 000000.json, 000000.table, ...; and what may be left aside of it.
_NAME = re.compile(r"\d{6,}\.[a-z]+|\.\d{6,}\.[a-z]+\.part")


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

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: list[Entry] = []
        #: Rows in all of them.
        self.rows = 0

    def any(self) -> bool:
        """Tell whether at least one part has been finished."""
        return self._path(0, "json").exists()

    def load(self) -> None:
        """Take up the parts that are whole, up to the first that is not; what follows that is removed."""
        self.entries.clear()
        self.rows = 0
        while (entry := self._entry(len(self.entries))) is not None and self._whole(entry):
            self._count(entry)
        behind = [path for path in self._files() if _number(path) >= len(self.entries)]
        # From the end on: whatever stops this, no part stands behind a gap.
        for path in sorted(behind, key=lambda path: (_number(path), path.suffix == ".json"), reverse=True):
            path.unlink(missing_ok=True)

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
            write_file(self._path(number, kind), data)
        sync_folder(self.folder)
        entry = Entry(rows, position, last, counts, {kind: _mark(data) for kind, data in files.items()})
        said = json.dumps(asdict(entry)).encode()
        write_file(self._path(number, "json"), said + b"\n" + _mark(said)[1].encode())
        sync_folder(self.folder)
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
        path = self._path(number, kind)
        with told("read", path):
            data = path.read_bytes()
        if _mark(data) != self.entries[number].files[kind]:
            raise OutputError(f"{path} is damaged; --resume does it again from there")
        return data

    def clear(self) -> None:
        """Remove every part."""
        self.entries.clear()
        self.rows = 0
        for path in self._files():
            path.unlink(missing_ok=True)

    def _count(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.rows += entry.rows

    def _files(self) -> list[Path]:
        return [path for path in self.folder.iterdir() if _NAME.fullmatch(path.name)]

    def _path(self, number: int, kind: str) -> Path:
        # No suffix that a reader knows: the folder may lie among the inputs.
        return self.folder / f"{number:06}.{kind}"

    def _entry(self, number: int) -> Entry | None:
        path = self._path(number, "json")
        try:
            with told("read", path):
                said, _, digest = path.read_bytes().partition(b"\n")
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
            return all(_mark(self._path(number, kind).read_bytes()) == mark for kind, mark in entry.files.items())
        except FileNotFoundError:
            return False


def _number(path: Path) -> int:
    return int(path.name.lstrip(".").partition(".")[0])


def _mark(data: bytes) -> tuple[int, str]:
    return len(data), hashlib.sha256(data).hexdigest()
