"""A file that is whole or not there: written aside, synced, and renamed."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Aside", "sync_folder", "told", "write_file", "write_whole"]


@contextlib.contextmanager
def told(what: str, path: Path) -> Iterator[None]:
    """Name what was tried (``write``, ``read``), and the file, in the error of the block."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise OSError(error.errno, f"cannot {what} {path}: {reason}") from error


class Aside:
    """A file under a name of its own until it :meth:`appears <appear>` under the one it is to have.

    Use it in a ``with`` block: what has not appeared by its end is removed. What a killed process left aside is
    overwritten by the next.

    Parameters
    ----------
    path : Path
        The name to have in the end.

    Raises
    ------
    OSError
        From here and from every method, naming the file, if it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._aside = path.with_name(f".{path.name}.part")
        with told("write", path):
            self._file = os.open(self._aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)

    def __enter__(self) -> Self:
        return self

    @property
    def closed(self) -> bool:
        """Whether nothing can be written any more."""
        return self._file < 0

    def write(self, data: bytes) -> int:
        """Write all of the bytes."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        with told("write", self.path):
            while rest:
                rest = rest[os.write(self._file, rest) :]
        return size

    def flush(self) -> None:
        """Do nothing: every write goes to the system at once."""

    def sync(self) -> None:
        """Wait until all that was written is on the disk, and close."""
        with told("write", self.path):
            os.fsync(self._file)
        self.close()

    def appear(self) -> None:
        """Give the synced file its name; it lasts once its folder is synced."""
        with told("write", self.path):
            os.replace(self._aside, self.path)

    def close(self) -> None:
        """Close the file; nothing happens if it is closed."""
        if self._file >= 0:
            file, self._file = self._file, -1
            with told("write", self.path):
                os.close(file)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        finally:
            self._aside.unlink(missing_ok=True)


def write_file(path: Path, data: bytes) -> None:
    """Write a whole file; it lasts once its folder is synced."""
    with Aside(path) as file:
        file.write(data)
        file.sync()
        file.appear()


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file; an existing one is replaced only once the new one is whole.

    What is no file (a pipe, ``/dev/stdout``) is written to as it is.

    Raises
    ------
    OSError
        If it cannot be written; the message names the file.
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        with told("write", target):
            target.write_bytes(data)
        return
    aside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with told("write", target):
            aside.write_bytes(data)
            aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    with told("write", folder):
        file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(file)
        except OSError as error:
            # Some network file systems cannot sync a folder, and keep its names without.
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
                raise
        finally:
            os.close(file)
