"""What the folder of parts says of its run: the options, and the inputs as they were."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from space2vec.errors import OutputError
from space2vec.writing.aside import name_of_aside
from space2vec.writing.folder import Folder
from space2vec.writing.inputs import Inputs
from space2vec.writing.parts import Parts

__all__ = ["Run"]

_OPTIONS, _INPUTS = "run.json", "inputs"
#: An option that every run has.
_ALWAYS = "format"


class Run:
    """The run that a folder of parts is of; without its options the folder counts for nothing.

    Parameters
    ----------
    folder : Folder
        The folder, which this process alone works in.
    parts : Parts
        The parts in it.
    """

    def __init__(self, folder: Folder, parts: Parts) -> None:
        self.folder = folder
        self._parts = parts

    @property
    def begun(self) -> bool:
        """Whether the folder says which run it is of."""
        return self.folder.has(_OPTIONS)

    def begin(self, options: Mapping[str, Any], inputs: Inputs) -> None:
        """Write down the options and the inputs, in place of all that an earlier run has left."""
        self._clear()
        self.folder.sync()
        inputs.write(self.folder, _INPUTS)
        # With this the run has begun.
        self.folder.write(_OPTIONS, json.dumps(options, indent=1).encode())
        self.folder.sync()

    def compare(self, options: Mapping[str, Any], inputs: Inputs) -> None:
        """See that the run had these options and inputs.

        Raises
        ------
        OutputError
            If it had not; the first that differs is named.
        """
        begun = self._read()
        if begun is None:
            raise OutputError(f"{self.folder.path / _OPTIONS} is damaged")
        for name in dict.fromkeys([*options, *begun]):
            if begun.get(name) != options.get(name):
                raise OutputError(f"it was begun with {name} {begun.get(name)}, and now {name} is {options.get(name)}")
        inputs.compare(self.folder, _INPUTS)

    def check_folder(self) -> None:
        """See that a folder without a lock holds nothing that a run would write over or remove.

        Raises
        ------
        OutputError
            If there are files with the names of ours, and nothing says that they are.
        """
        names = sorted([*self._own_files(), *self._parts.files()])
        if names and _ALWAYS not in (self._read() or {}):
            raise OutputError(
                f"{self.folder.path} holds {names[0]}, and is not the folder of a run: move it away, "
                "or name another output"
            )

    def remove(self) -> None:
        """Remove all that runs have made in the folder; what others have put there stays."""
        self.folder.remove(_OPTIONS)
        self.folder.sync()
        self._clear()

    def _clear(self) -> None:
        for name in self._own_files():
            self.folder.remove(name)
        self._parts.clear()

    def _own_files(self) -> list[str]:
        return [name for name in self.folder.names() if (name_of_aside(name) or name) in (_OPTIONS, _INPUTS)]

    def _read(self) -> dict[str, Any] | None:
        try:
            options = json.loads(self.folder.read(_OPTIONS))
        except (ValueError, FileNotFoundError):
            return None
        return options if isinstance(options, dict) else None
