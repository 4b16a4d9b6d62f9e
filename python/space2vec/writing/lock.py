"""A lock on a folder, so that one process at a time works in it."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import warnings
from pathlib import Path

from space2vec.errors import OutputError
from space2vec.writing.aside import told
from space2vec.writing.folder import Folder

__all__ = ["Lock"]

#: The file of the lock.
LOCK = "lock"


class Lock:
    """Make a folder if it is not there, and hold it; the system lets go of it if the process dies.

    Parameters
    ----------
    path : Path
        The folder to make.
    mode : int, optional
        The permissions of a new one, as far as the umask lets them be.

    Attributes
    ----------
    folder : Folder
        The folder, held open.
    is_new : bool
        Whether there was no lock: then no run has worked in the folder, even if it was there.

    Raises
    ------
    OutputError
        If another process holds it, or it or its lock is a link or another user's.
    OSError
        If the folder cannot be made or written.
    """

    def __init__(self, path: Path, *, mode: int = 0o777) -> None:
        while True:
            self.folder = Folder(path, mode=mode)
            try:
                if self._taken():
                    return
            except BaseException:
                self.folder.close()
                raise
            self.folder.close()

    def _taken(self) -> bool:
        """Take the lock; return whether it is still that of the folder."""
        place = self.folder.path / LOCK
        try:
            with told("write", place):
                self._file, self.is_new = self._opened()
        except FileNotFoundError:
            return False  # another process has just removed the lock or the folder, having finished
        try:
            state = os.fstat(self._file)
            if not stat.S_ISREG(state.st_mode) or state.st_nlink > 1:
                raise OutputError(f"{place} is no file of its own (a pipe, or a second name of a file); remove it")
            self._take(self.folder.path)
            if self._same():
                with told("write", place):
                    self._sign()
                return True
        except BaseException:
            os.close(self._file)
            raise
        os.close(self._file)
        return False

    def _opened(self) -> tuple[int, bool]:
        """Return the open file of the lock, and whether it was made here."""
        # Whoever can read a file can lock it: only this user shall.
        try:
            return self.folder.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), True
        except FileExistsError:
            return self.folder.open(LOCK, os.O_RDWR), False

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

    def _same(self) -> bool:
        """Tell whether the open file is still the one of that name."""
        try:
            there = os.stat(LOCK, dir_fd=self.folder.file, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(os.fstat(self._file), there)

    def remove(self) -> None:
        """Remove the file of the lock, and with it the sign that the folder is that of a run."""
        self.folder.remove(LOCK)

    def release(self) -> None:
        """Let go of the folder."""
        os.close(self._file)
        self.folder.close()
