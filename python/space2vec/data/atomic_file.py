"""Write a file so that it appears as a whole or not at all: under a temporary name, synced, then renamed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

__all__ = [
    "AtomicFile",
    "final_name",
    "name_in_errors",
    "remove_leftovers",
    "sync_folder",
    "sync_names",
    "write_file",
    "write_whole",
]

#: The permissions that a new file takes over from the file that it replaces.
_MODE = 0o777
#: The most bytes of a name that the temporary name contains, so that it is not too long for the system.
_LONGEST = 200
_ASIDE = re.compile(r"\.(.+)\.[0-9a-f]{16}\.part", re.DOTALL)


@contextlib.contextmanager
def name_in_errors(what: str, path: Path) -> Iterator[None]:
    """Add the action (``write``, ``read``) and the path to the message of an OSError in the block."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise OSError(error.errno, f"cannot {what} {path}: {reason}") from error


class AtomicFile:
    """A file with a temporary name until it :meth:`appears <appear>` as `path`, or under that name in an open `folder`.

    Use it in a ``with`` block: a file that has not appeared by its end is removed. The temporary name is random and
    new, so nothing is written through a link that somebody else has put into a shared folder; a link named `path` is
    replaced.
    The file gets the permissions of the file that it replaces, and a new file those of the umask. Every method raises
    an OSError that names the file.
    """

    def __init__(self, path: Path, folder: int | None = None) -> None:
        self.path = path
        self._folder = folder
        self._aside = self._place(path.with_name(f".{_shorten(path.name)}.{os.urandom(8).hex()}.part"))
        self._appeared = False
        #: The number of bytes written so far, and their digest.
        self.size, self.sha256 = 0, hashlib.sha256()
        with name_in_errors("write", path):
            old = _state_of_file(self._place(path), folder)
            mode = 0o666 if old is None else old.st_mode & _MODE
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.open(self._aside, flags, mode, dir_fd=folder)
        if old is not None:
            _copy_mode(self._file, old)

    def _place(self, path: Path) -> str:
        return os.fspath(path) if self._folder is None else path.name

    def __enter__(self) -> Self:
        return self

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self._file < 0

    def write(self, data: bytes) -> int:
        """Write all of the bytes."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        self.size += size
        self.sha256.update(rest)
        with name_in_errors("write", self.path):
            while rest:
                rest = rest[os.write(self._file, rest) :]
        return size

    def flush(self) -> None:
        """Do nothing, because every write is passed to the system at once."""

    def sync(self) -> None:
        """Wait until all bytes are on the disk, and close the file."""
        with name_in_errors("write", self.path):
            os.fsync(self._file)
        self.close()

    def appear(self, *, new: bool = False) -> None:
        """Rename the file to its final name; that is permanent after :meth:`sync` and a sync of the folder.

        Parameters
        ----------
        new : bool, optional
            Whether a file that has the name already is not replaced, but raises a FileExistsError.
        """
        if new:
            with name_in_errors("write", self.path):  # a second name fails where there is one; a rename replaces
                os.link(self._aside, self._place(self.path), src_dir_fd=self._folder, dst_dir_fd=self._folder)
            return
        with name_in_errors("write", self.path):
            os.replace(self._aside, self._place(self.path), src_dir_fd=self._folder, dst_dir_fd=self._folder)
        self._appeared = True

    def seekable(self) -> bool:
        """Return false, because the file is written in one direction."""
        return False

    def close(self) -> None:
        """Close the file; nothing happens if it is closed."""
        if self._file >= 0:
            file, self._file = self._file, -1
            with name_in_errors("write", self.path):
                os.close(file)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        finally:
            if not self._appeared:
                with name_in_errors("write", self.path), contextlib.suppress(FileNotFoundError):
                    os.unlink(self._aside, dir_fd=self._folder)


def _shorten(name: str) -> str:
    return os.fsdecode(os.fsencode(name)[:_LONGEST])


def final_name(name: str) -> str | None:
    """Return the final name, shortened if long, of a temporary file; ``None`` for any other name."""
    found = _ASIDE.fullmatch(name)
    return None if found is None else found[1]


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files of `path` that killed processes of this user have left, if the folder is readable."""
    name = _shorten(path.name)
    with name_in_errors("write", path), contextlib.suppress(PermissionError), os.scandir(path.parent) as entries:
        for entry in [entry for entry in entries if final_name(entry.name) == name]:
            with contextlib.suppress(FileNotFoundError):
                state = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(state.st_mode) and state.st_uid == os.geteuid():
                    os.unlink(entry.path)


def _state_of_file(place: str, folder: int | None) -> os.stat_result | None:
    """Return the status of an existing regular file; ``None`` for anything else."""
    try:
        state = os.stat(place, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return state if stat.S_ISREG(state.st_mode) else None


def _copy_mode(file: int, old: os.stat_result) -> None:
    """Give a new file the group and the permissions of the one it replaces.

    In a shared folder another user may own the old file; the umask then restricts the permissions too.
    """
    new = os.fstat(file)
    mode = old.st_mode & _MODE
    if old.st_uid != new.st_uid:
        mode &= new.st_mode
    if old.st_gid != new.st_gid:
        try:
            os.fchown(file, -1, old.st_gid)
        except OSError:  # another group is to read no more than everybody
            mode = mode & ~0o070 | (mode & 0o007) << 3
    if mode != new.st_mode & _MODE:
        with contextlib.suppress(OSError):  # some network file systems have modes of their own
            os.fchmod(file, mode)


def write_file(path: Path, data: bytes, folder: int | None = None) -> None:
    """Write a whole file, in an open folder if that is given; it is permanent once the folder is synced."""
    with AtomicFile(path, folder) as file:
        file.write(data)
        file.sync()
        file.appear()


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file; an existing one is replaced only once the new one is whole.

    A pipe or a device (``/dev/stdout``) is written to directly. An OSError names the file.
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        with name_in_errors("write", target):
            _write_into(target, data)
        return
    with AtomicFile(target) as file:
        file.write(data)
        file.close()
        file.appear()


def _write_into(target: Path, data: bytes) -> None:
    """Write into a pipe, a socket or a character device."""
    folder, found = target.absolute().parent.stat(), target.lstat()
    if folder.st_mode & 0o022 and found.st_uid not in (os.geteuid(), folder.st_uid):
        raise OSError("it is no file, and another user has put it into a shared folder")
    # Neither created nor truncated, because the path may be another file by now.
    with open(os.open(target, os.O_WRONLY | os.O_CLOEXEC), "wb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISREG(mode) or stat.S_ISBLK(mode):
            raise OSError("it is neither a file nor a pipe")
        file.write(data)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    with name_in_errors("write", folder):
        file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            sync_names(file)
        finally:
            os.close(file)


def sync_names(folder: int) -> None:
    """Wait until the names in an open folder are on the disk."""
    try:
        os.fsync(folder)
    except OSError as error:
        # Some network file systems cannot sync a folder, and store its names without that.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
