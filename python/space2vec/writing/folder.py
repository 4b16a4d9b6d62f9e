"""A folder that is held open and locked, so that renaming it or a link cannot lead its files elsewhere."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
import warnings
from pathlib import Path
from typing import BinaryIO

from space2vec.data.atomic_file import name_in_errors, sync_names, write_file
from space2vec.errors import OutputError

__all__ = ["Folder"]

_LOCK = "lock"


class Folder:
    """Create a folder if necessary, with the permissions `mode` restricted by the umask, and lock it.

    Files are opened relative to the open folder and never through links, so nobody who can rename the folder can lead a
    run elsewhere. The system releases the lock if the process dies. A folder that another process has locked, a folder
    that is a link or belongs to another user, and a link in the folder raise an OutputError. An error of the system
    raises an OSError that names the file.
    """

    def __init__(self, path: Path, *, mode: int = 0o777) -> None:
        self.path = path
        #: Whether there was no lock file: then no run has used the folder, even if it existed.
        self.is_new = False
        while True:
            with name_in_errors("write", path):
                self.file = self._open_folder(mode)
            try:
                self._check_owner()
                if self._take_lock():
                    return
            except BaseException:
                os.close(self.file)
                raise
            os.close(self.file)

    def _open_folder(self, mode: int) -> int:
        """Open the folder, and create it if necessary; return its file descriptor."""
        while True:
            try:
                os.mkdir(self.path, mode)
            except FileExistsError:
                if not self.path.is_symlink() and not self.path.is_dir():
                    raise
            try:
                return os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileNotFoundError:
                continue  # another process has just removed it, having finished
            except OSError:
                if self.path.is_symlink():
                    raise _link_error(self.path) from None
                raise

    def _check_owner(self) -> None:
        """Check that the folder belongs to this user, because its owner can change the files in it."""
        owner = os.fstat(self.file).st_uid
        if owner == os.geteuid():
            return
        # A file system may map this user to another number: that of a file that we create.
        probe = f".probe.{os.urandom(8).hex()}"
        ours = None
        with name_in_errors("write", self.path):
            try:
                file = self.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except PermissionError:
                pass
            else:
                ours = os.fstat(file).st_uid
                os.close(file)
                self.remove(probe)
        if ours != owner:
            raise OutputError(
                f"{self.path} belongs to another user (number {owner}), who could change what is finished in it; name "
                "another output"
            )

    def _take_lock(self) -> bool:
        """Lock the folder; return false if another process has removed the lock file or the folder meanwhile."""
        place = self.path / _LOCK
        try:
            with name_in_errors("write", place):
                # Everybody who can read the file could lock it, so only this user may read it.
                try:
                    self._lock, self.is_new = self.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), True
                except FileExistsError:
                    self._lock, self.is_new = self.open(_LOCK, os.O_RDWR), False
        except FileNotFoundError:
            return False  # another process has just removed the lock or the folder, having finished
        try:
            state = os.fstat(self._lock)
            if not stat.S_ISREG(state.st_mode) or state.st_nlink > 1:
                raise OutputError(f"{place} is no file of its own (a pipe, or a second name of a file); remove it")
            self._lock_or_refuse()
            if self._has_lock():
                with name_in_errors("write", place):
                    os.ftruncate(self._lock, 0)
                    os.pwrite(self._lock, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
                return True
        except BaseException:
            os.close(self._lock)
            raise
        os.close(self._lock)
        return False

    def _lock_or_refuse(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._lock, 200, 0).decode(errors="replace") or "another process"
            raise OutputError(f"{self.path} is in use by {holder}, which is still running") from None
        except OSError as error:
            warnings.warn(
                f"{self.path} cannot be locked ({error.strerror}): do not start two runs with one output", stacklevel=2
            )

    def _has_lock(self) -> bool:
        """Return whether the open lock file still has its name in the folder."""
        try:
            there = os.stat(_LOCK, dir_fd=self.file, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(os.fstat(self._lock), there)

    def open(self, name: str, flags: int, mode: int = 0o666) -> int:
        """Open a file and return its descriptor; a link raises an OutputError."""
        try:
            return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode, dir_fd=self.file)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise _link_error(self.path / name) from None
            raise

    def reader(self, name: str) -> BinaryIO:
        """Open a file for reading; a pipe or another special file raises an OutputError."""
        path = self.path / name
        with name_in_errors("read", path):
            file = open(name, "rb", opener=self.open)  # noqa: SIM115
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise OutputError(f"{path} is no file")
        return file

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        with self.reader(name) as file, name_in_errors("read", self.path / name):
            return file.read()

    def has(self, name: str) -> bool:
        """Return whether the folder has an entry of that name."""
        with name_in_errors("read", self.path / name):
            try:
                os.stat(name, dir_fd=self.file, follow_symlinks=False)
            except FileNotFoundError:
                return False
        return True

    def names(self) -> list[str]:
        """Return the names of all entries."""
        with name_in_errors("read", self.path):
            return os.listdir(self.file)

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file; it is permanent after :meth:`sync`."""
        write_file(self.path / name, data, self.file)

    def remove(self, name: str) -> None:
        """Remove a file, or a link but not its target; nothing happens if the name does not exist."""
        with name_in_errors("remove", self.path / name), contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.file)

    def sync(self) -> None:
        """Wait until the names of the files are on the disk."""
        with name_in_errors("write", self.path):
            sync_names(self.file)

    def remove_if_empty(self) -> None:
        """Remove the folder, unless it contains files of others or was moved."""
        with name_in_errors("remove", self.path):
            try:
                os.rmdir(self.path)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise

    def remove_lock(self) -> None:
        """Remove the lock file, which marks the folder as that of a run."""
        self.remove(_LOCK)

    def close(self) -> None:
        """Close the folder and release the lock."""
        os.close(self._lock)
        os.close(self.file)


def _link_error(path: Path) -> OutputError:
    return OutputError(f"{path} is a link, and leads away from the output; remove it")
