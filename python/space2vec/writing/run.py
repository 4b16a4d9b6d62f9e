"""What the folder of parts holds: the options and the inputs of its run, and the parts that are finished."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from space2vec.errors import OutputError
from space2vec.writing.atomic_file import final_name
from space2vec.writing.folder import Folder
from space2vec.writing.input_record import InputRecord

__all__ = ["KINDS", "Part", "Run", "describe_option"]

#: The kinds of files that a part has, beside its entry.
KINDS = ("table", "errors", "kept")
_ENTRY = "json"
#: The files of parts: 000000.json, 000000.table, ...
_NAME = re.compile(rf"\d{{6,}}\.({'|'.join((*KINDS, _ENTRY))})")
_OPTIONS, _INPUTS = "run.json", "inputs"
#: An option that every run has.
_ALWAYS = "format"


def describe_option(options: Mapping[str, Any], name: str) -> str:
    """Say what an option of a run was, or that it had none."""
    return f"without {name}" if options.get(name) is None else f"with {name} {options[name]}"


@dataclass(frozen=True, slots=True)
class Part:
    """The entry of a finished part.

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


class Run:
    """The run of a folder that this process alone works in; without its options the folder counts for nothing.

    Each part costs the same, however many there are: its files are written and synced, then the folder, then the
    entry by which they count. What is not as it was written raises an OutputError.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.parts: list[Part] = []
        #: Rows in all of them.
        self.rows = 0

    @property
    def begun(self) -> bool:
        """Whether the folder says which run it is of."""
        return self.folder.has(_OPTIONS)

    @property
    def has_parts(self) -> bool:
        """Whether at least one part has been finished."""
        return self.folder.has(_file_name(0, _ENTRY))

    def begin(self, options: Mapping[str, Any], inputs: InputRecord) -> None:
        """Write down the options and the inputs, in place of all that an earlier run has left."""
        self._clear()
        self.folder.sync()
        inputs.write(self.folder, _INPUTS)
        # With this the run has begun.
        self.folder.write(_OPTIONS, json.dumps(options, indent=1).encode())
        self.folder.sync()

    def compare(self, options: Mapping[str, Any], inputs: InputRecord) -> None:
        """See that the run had these options and inputs; an OutputError names the first that differs."""
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
        """Take up the parts that are whole, up to the first that is not; what follows that is removed."""
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
        """Add a part that stays, whatever happens from now on; the arguments are those of its entry."""
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
        """See that a folder without a lock holds nothing that a run would write over or remove."""
        names = sorted([*self._own_files(), *self._part_files()])
        if names and _ALWAYS not in (self._read_options() or {}):
            raise OutputError(
                f"{self.folder.path} holds {names[0]}, and is not the folder of a run: move it away, "
                "or name another output"
            )

    def remove(self) -> None:
        """Remove all that runs have made, and the folder; what others have put there stays."""
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
        """Return the names that are those of parts, or were written aside for one."""
        return [name for name in self.folder.names() if _NAME.fullmatch(final_name(name) or name)]

    def _remove_parts(self, number: int) -> None:
        """Remove the files of the parts from a number on."""
        behind = [(_part_number(name), name.endswith(f".{_ENTRY}"), name) for name in self._part_files()]
        # From the end on: whatever stops this, no part stands behind a gap.
        for each, _, name in sorted(behind, reverse=True):
            if each >= number:
                self.folder.remove(name)

    def _read_options(self) -> dict[str, Any] | None:
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
    # No suffix that a reader knows: the folder may lie among the inputs.
    return f"{number:06}.{kind}"


def _part_number(name: str) -> int:
    return int((final_name(name) or name).partition(".")[0])


def _seal(data: bytes) -> tuple[int, str]:
    return len(data), hashlib.sha256(data).hexdigest()
