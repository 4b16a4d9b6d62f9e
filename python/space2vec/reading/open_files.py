"""Read open binary files, which may be inputs, into memory."""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from space2vec.data.ids import printable

__all__ = ["BinaryFile", "FileContent", "as_temporary_file", "is_open_file", "read_open_file", "unpacked_head"]


class BinaryFile(Protocol):
    """An open binary file, or any object whose method ``read`` returns bytes."""

    def read(self) -> bytes:
        """Return the bytes from the current position to the end."""


@dataclass(frozen=True, slots=True)
class FileContent:
    """The name of an open file, and the bytes read from it."""

    name: str
    data: bytes


def is_open_file(source: object) -> bool:
    """Return whether an input is an open file, rather than a path."""
    return callable(getattr(source, "read", None))


def read_open_file(file: BinaryFile, default_name: str) -> FileContent:
    """Read an open file from its current position to its end; `default_name` is used if it has no name.

    Raises
    ------
    TypeError
        If the object has no method ``read``, or the method does not return bytes.
    """
    if not is_open_file(file):
        raise TypeError(f"an input must be a path or an open binary file; given {type(file).__name__}")
    content = file.read()
    if not isinstance(content, (bytes, bytearray, memoryview)):
        raise TypeError(f"an open file must give bytes; it gives {type(content).__name__}: open it in mode 'rb'")
    name = getattr(file, "name", None)
    return FileContent(printable(os.fsdecode(name)) if isinstance(name, (str, bytes)) else default_name, bytes(content))


def unpacked_head(content: bytes) -> bytes:
    """Return the first eight bytes of a file after gzip is undone; no bytes if the gzip stream is damaged there."""
    if not content.startswith(b"\x1f\x8b"):
        return content[:8]
    try:
        return zlib.decompressobj(31).decompress(content[:65536], 8)
    except zlib.error:
        return b""


@contextlib.contextmanager
def as_temporary_file(content: FileContent) -> Iterator[Path]:
    """Write the bytes of an open file to a temporary file, for a reader that needs a path."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="space2vec-") as folder:
        path = Path(folder) / (os.path.basename(content.name).strip(".") or "file")
        path.write_bytes(content.data)
        yield path
