"""The state of a run in its folder of parts: options, inputs, and finished parts."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from space2vec.data.atomic_file import final_name
from space2vec.errors import OutputError
from space2vec.writing.folder import Folder
from space2vec.writing.input_record import InputRecord

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["KINDS", "Part", "Run", "describe_option"]

#: The kinds of files of a part, apart from its entry.
KINDS = ("table", "errors", "kept", "vectors")
_ENTRY = "json"
#: The files of parts: 000000.json, 000000.table, ...
_NAME = re.compile(rf"\d{{6,}}\.({'|'.join((*KINDS, _ENTRY))})")
_OPTIONS, _INPUTS = "run.json", "inputs"
#: An option that every run has.
_ALWAYS = "format"


def describe_option(options: Mapping[str, Json], name: str) -> str:
    """Return the words that describe an option of a run in a message: its value, or that it is absent."""
    return f"without {name}" if options.get(name) is None else f"with {name} {options[name]}"


@dataclass(frozen=True, slots=True)
class Part:
    """The entry of a finished part.

    Attributes
    ----------
    rows : int
        The number of its rows.
    position : list of int
        The reader's position at which the next part begins.
    last : bool
        Whether it is the last part of the inputs.
    counts : dict
        The counts for the summary of the run.
    files : dict
        The size and SHA-256 of each of its files, by kind.
    """

    rows: int
    position: list[int]
    last: bool
    counts: dict[str, dict[str, int]]
    files: dict[str, tuple[int, str]]


class Run:
    """A run in its folder, which this process holds alone; a folder without the file of options contains no run.

    To add a part, its files are written and synced, then the folder, then the entry that makes the part valid. The
    time does not depend on the number of parts. A file that differs from what was written raises an OutputError.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.parts: list[Part] = []
        #: Rows in all of them.
        self.rows = 0

    @property
    def begun(self) -> bool:
        """Whether the folder contains the options of a run."""
        return self.folder.has(_OPTIONS)

    @property
    def has_parts(self) -> bool:
        """Whether at least one part has been finished."""
        return self.folder.has(_file_name(0, _ENTRY))

    def begin(self, options: Mapping[str, Json], inputs: InputRecord) -> None:
        """Store the options and the inputs, and delete everything that an earlier run has left."""
        self._clear()
        self.folder.sync()
        inputs.write(self.folder, _INPUTS)
        # The file of options makes the folder that of a run.
        self.folder.write(_OPTIONS, json.dumps(options, indent=1).encode())
        self.folder.sync()

    def compare(self, options: Mapping[str, Json], inputs: InputRecord) -> None:
        """Check that the run has these options and inputs; an OutputError names the first difference."""
        begun = self._read_options()
        if begun is None:
            raise OutputError(f"{self.folder.path / _OPTIONS} is damaged")
        for name in dict.fromkeys([*options, *begun]):
            if begun.get(name) != options.get(name):
                raise OutputError(
                    f"it was begun {describe_option(begun, name)}, and now {describe_option(options, name)}"
                )
        inputs.compare(self.folder, _INPUTS)

    def load(self) -> None:
        """Load the complete parts up to the first incomplete one; that and all later ones are removed."""
        while (part := self._read_entry(len(self.parts))) is not None and self._is_whole(part):
            self._count(part)
        self._remove_parts(len(self.parts))

    def commit(
        self,
        files: Mapping[str, bytes],
        *,
        rows: int,
        position: list[int],
        last: bool,
        counts: dict[str, dict[str, int]],
    ) -> None:
        """Add a part, which is permanent when this returns; the arguments are the fields of its entry."""
        number = len(self.parts)
        for kind, data in files.items():
            self.folder.write(_file_name(number, kind), data)
        self.folder.sync()
        part = Part(rows, position, last, counts, {kind: _seal(data) for kind, data in files.items()})
        entry = json.dumps(asdict(part)).encode()
        self.folder.write(_file_name(number, _ENTRY), entry + b"\n" + _seal(entry)[1].encode())
        self.folder.sync()
        self._count(part)

    def read(self, number: int, kind: str) -> bytes:
        """Return a file of a part."""
        data = self.folder.read(_file_name(number, kind))
        if _seal(data) != self.parts[number].files[kind]:
            path = self.folder.path / _file_name(number, kind)
            raise OutputError(f"{path} is damaged; --resume does it again from there")
        return data

    def check_folder(self) -> None:
        """Check that a folder without a lock has no file that a run would overwrite or remove."""
        names = sorted([*self._own_files(), *self._part_files()])
        if names and _ALWAYS not in (self._read_options() or {}):
            raise OutputError(
                f"{self.folder.path} holds {names[0]}, and is not the folder of a run: move it away, "
                "or name another output"
            )

    def remove(self) -> None:
        """Remove the files of runs, and the folder if it is empty then; files of others stay."""
        self.folder.remove(_OPTIONS)
        self.folder.sync()
        self._clear()
        self.folder.remove_lock()
        self.folder.remove_if_empty()

    def _clear(self) -> None:
        for name in self._own_files():
            self.folder.remove(name)
        self.parts.clear()
        self.rows = 0
        self._remove_parts(0)

    def _count(self, part: Part) -> None:
        self.parts.append(part)
        self.rows += part.rows

    def _own_files(self) -> list[str]:
        return [name for name in self.folder.names() if (final_name(name) or name) in (_OPTIONS, _INPUTS)]

    def _part_files(self) -> list[str]:
        """Return the names of the files of parts, and of temporary files for them."""
        return [name for name in self.folder.names() if _NAME.fullmatch(final_name(name) or name)]

    def _remove_parts(self, number: int) -> None:
        """Remove the files of all parts from `number` on."""
        behind = [(_part_number(name), name.endswith(f".{_ENTRY}"), name) for name in self._part_files()]
        # From the last on: if this is interrupted, the remaining parts have no gap.
        for each, _, name in sorted(behind, reverse=True):
            if each >= number:
                self.folder.remove(name)

    def _read_options(self) -> dict[str, Json] | None:
        try:
            options = json.loads(self.folder.read(_OPTIONS))
        except (ValueError, FileNotFoundError):
            return None
        return options if isinstance(options, dict) else None

    def _read_entry(self, number: int) -> Part | None:
        try:
            entry, _, digest = self.folder.read(_file_name(number, _ENTRY)).partition(b"\n")
        except FileNotFoundError:
            return None
        if _seal(entry)[1].encode() != digest:
            return None
        facts = json.loads(entry)
        files = {kind: (size, digest) for kind, (size, digest) in facts.pop("files").items()}
        return Part(**facts, files=files)

    def _is_whole(self, part: Part) -> bool:
        number = len(self.parts)
        try:
            return all(_seal(self.folder.read(_file_name(number, kind))) == mark for kind, mark in part.files.items())
        except FileNotFoundError:
            return False


def _file_name(number: int, kind: str) -> str:
    # No suffix that a reader knows, because the folder may be in a folder that is read.
    return f"{number:06}.{kind}"


def _part_number(name: str) -> int:
    return int((final_name(name) or name).partition(".")[0])


def _seal(data: bytes) -> tuple[int, str]:
    return len(data), hashlib.sha256(data).hexdigest()
