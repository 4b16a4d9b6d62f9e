"""A lock on a folder, so that one process at a time works in it."""

from __future__ import annotations

import fcntl
import os
import socket
import warnings
from pathlib import Path

from space2vec.errors import OutputError
from space2vec.writing.aside import told

__all__ = ["LOCK", "Lock"]

#: The file of the lock.
LOCK = "lock"


class Lock:
    """Make a folder if it is not there, and hold it; the system lets go of it if the process dies.

    Parameters
    ----------
    folder : Path
        The folder to make.

    Raises
    ------
    OutputError
        If another process holds it.
    OSError
        If the folder cannot be made or written.
    """

    def __init__(self, folder: Path) -> None:
        place = folder / LOCK
        while True:
            with told("write", folder):
                folder.mkdir(exist_ok=True)
            try:
                with told("write", place):
                    self._file = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except FileNotFoundError:
                continue  # another process has just removed the folder, having finished
            try:
                self._take(folder)
                if _same(self._file, place):
                    with told("write", place):
                        self._sign()
                    return
            except BaseException:
                os.close(self._file)
                raise
            os.close(self._file)

    def _sign(self) -> None:
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)

    def _take(self, folder: Path) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, 200, 0).decode(errors="replace") or "another process"
            raise OutputError(f"{folder} is in use by {holder}, which is still running") from None
        except OSError as error:
            warnings.warn(
                f"{folder} cannot be locked ({error.strerror}): do not start two runs with one output", stacklevel=2
            )

    def release(self) -> None:
        """Let go of the folder."""
        os.close(self._file)


def _same(file: int, place: Path) -> bool:
    """Tell whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(place))
    except FileNotFoundError:
        return False
