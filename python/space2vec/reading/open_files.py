"""Open files as inputs: what they hold is read into memory."""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from space2vec.data.ids import printable

__all__ = ["BinaryFile", "FileContent", "as_temporary_file", "is_open_file", "read_open_file", "unpacked_head"]


class BinaryFile(Protocol):
    """An open file, or anything else whose bytes can be read."""

    def read(self) -> bytes:
        """Return what is left of it."""


@dataclass(frozen=True, slots=True)
class FileContent:
    """What an open file held: what to call it, and its bytes."""

    name: str
    data: bytes


def is_open_file(given: Any) -> bool:
    """Tell whether something is an open file rather than a name."""
    return callable(getattr(given, "read", None))


def read_open_file(file: BinaryFile, called: str) -> FileContent:
    """Return what an open file holds from where it stands, and its name, or another where it has none."""
    if not is_open_file(file):
        raise TypeError(f"an input must be a path or an open binary file; given {type(file).__name__}")
    content = file.read()
    if not isinstance(content, (bytes, bytearray, memoryview)):
        raise TypeError(f"an open file must give bytes; it gives {type(content).__name__}: open it in mode 'rb'")
    name = getattr(file, "name", None)
    return FileContent(printable(os.fsdecode(name)) if isinstance(name, (str, bytes)) else called, bytes(content))


def unpacked_head(content: bytes) -> bytes:
    """Return the first bytes of a file, once unpacked; none of a gzip stream that is damaged there."""
    if not content.startswith(b"\x1f\x8b"):
        return content[:8]
    try:
        return zlib.decompressobj(31).decompress(content[:65536], 8)
    except zlib.error:
        return b""


@contextlib.contextmanager
def as_temporary_file(content: FileContent) -> Iterator[Path]:
    """Write what an open file held into a file, for a reader that needs one."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="space2vec-") as folder:
        path = Path(folder) / (os.path.basename(content.name).strip(".") or "file")
        path.write_bytes(content.data)
        yield path
