"""A folder that is held open: what is done in it is done there, whatever others make of its name."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from space2vec.errors import OutputError
from space2vec.writing.aside import sync_names, told, write_file

__all__ = ["Folder"]


class Folder:
    """Make a folder if it is not there, and hold it open.

    Nothing in it is reached through a link, and a name is looked up in the open folder, not by its path: whoever can
    rename things around it cannot lead a run elsewhere.

    Parameters
    ----------
    path : Path
        The folder; that around it is there.
    mode : int, optional
        The permissions of a new one, as far as the umask lets them be.

    Raises
    ------
    OutputError
        If it is a link, or belongs to another user.
    OSError
        From here and from every method, naming the file, if something cannot be done.
    """

    def __init__(self, path: Path, *, mode: int = 0o777) -> None:
        self.path = path
        with told("write", path):
            self.file = self._opened(mode)
        try:
            self._need_ours()
        except BaseException:
            self.close()
            raise

    def _opened(self, mode: int) -> int:
        """Return the open folder, which is made first where it is not there."""
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
                    raise _is_link(self.path) from None
                raise

    def _need_ours(self) -> None:
        """See that the folder belongs to this user: whoever it belongs to can change what lies in it."""
        owner = os.fstat(self.file).st_uid
        if owner == os.geteuid():
            return
        # A file system may call this user by another number: it is the one that a file of ours has.
        probe = f".probe.{os.urandom(8).hex()}"
        with told("write", self.path):
            try:
                file = self.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except PermissionError:
                raise _is_foreign(self.path, owner) from None
            try:
                ours = os.fstat(file).st_uid
            finally:
                os.close(file)
                self.remove(probe)
        if ours != owner:
            raise _is_foreign(self.path, owner)

    def open(self, name: str, flags: int, mode: int = 0o666) -> int:
        """Open a file, which is no link.

        Raises
        ------
        OutputError
            If it is one.
        """
        try:
            return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode, dir_fd=self.file)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise _is_link(self.path / name) from None
            raise

    def reader(self, name: str) -> BinaryIO:
        """Return a file that is open for reading.

        Raises
        ------
        OutputError
            If it is a link, or no file.
        """
        path = self.path / name
        with told("read", path):
            file = open(name, "rb", opener=self.open)  # noqa: SIM115
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise OutputError(f"{path} is no file")
        return file

    def read(self, name: str) -> bytes:
        """Return the bytes of a file; the errors are those of :meth:`reader`."""
        with self.reader(name) as file, told("read", self.path / name):
            return file.read()

    def has(self, name: str) -> bool:
        """Tell whether there is something of that name."""
        with told("read", self.path / name):
            try:
                os.stat(name, dir_fd=self.file, follow_symlinks=False)
            except FileNotFoundError:
                return False
        return True

    def names(self) -> list[str]:
        """Return the names of what is there."""
        with told("read", self.path):
            return os.listdir(self.file)

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file; it lasts once the folder is synced."""
        write_file(self.path / name, data, self.file)

    def remove(self, name: str) -> None:
        """Remove a file, or a link and not what it leads to; nothing happens if there is none."""
        with told("remove", self.path / name), contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.file)

    def sync(self) -> None:
        """Wait until the names are on the disk."""
        with told("write", self.path):
            sync_names(self.file)

    def remove_if_empty(self) -> None:
        """Remove the folder itself; it stays where others have put something into it, or moved it away."""
        with told("remove", self.path):
            try:
                os.rmdir(self.path)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise

    def close(self) -> None:
        """Let go of it."""
        os.close(self.file)


def _is_link(path: Path) -> OutputError:
    return OutputError(f"{path} is a link, and leads away from the output; remove it")


def _is_foreign(path: Path, owner: int) -> OutputError:
    return OutputError(
        f"{path} belongs to another user (number {owner}), who could change what is finished in it; name another output"
    )
