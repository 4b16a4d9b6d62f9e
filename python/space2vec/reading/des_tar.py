"""Find DES stamps in the tar archives in which they are published, without unpacking the archives."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import BinaryIO, Literal

from space2vec.errors import ReadError
from space2vec.reading.des import Candidates
from space2vec.reading.fits import LARGEST_CUTOUT

__all__ = ["Member", "index_archives"]


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an uncompressed tar archive, with the methods of a path that a reader of stamps needs.

    Attributes
    ----------
    archive : Path
        The archive.
    parent : PurePath
        The path of the archive, followed by the folder of the file in it.
    name : str
        The name without folders.
    offset, size : int
        Where the bytes of the file begin in the archive, and how many they are.
    """

    archive: Path
    parent: PurePath
    name: str
    offset: int
    size: int

    def open(self, mode: Literal["rb"]) -> BinaryIO:
        """Open the file for reading; a file that is too long for a stamp is cut short."""
        with self.archive.open("rb") as file:
            file.seek(self.offset)
            return io.BytesIO(file.read(min(self.size, LARGEST_CUTOUT + 1)))

    def __str__(self) -> str:
        return f"{self.archive}: {self.name}"


def index_archives(archives: Iterable[Path], wanted: Collection[str] | None = None) -> Candidates:
    """Find the stamps in tar archives, of which only the headers are read.

    Parameters
    ----------
    archives : iterable of Path
        Tar archives that are not compressed, with stamps in folders of any depth.
    wanted : collection of str, optional
        The candidates' numbers; all by default.

    Returns
    -------
    Candidates
        Ready for :func:`space2vec.reading.des.read_stamps`.

    Raises
    ------
    ReadError
        If a file is no tar archive, a compressed one, or damaged.
    """
    found = Candidates()
    for path in archives:
        try:
            with tarfile.open(path, "r:") as archive:
                while (entry := archive.next()) is not None:
                    # Otherwise tarfile keeps an object for each of some hundred thousand members.
                    archive.members.clear()  # type: ignore[attr-defined]
                    if entry.isreg():
                        inside = PurePosixPath(entry.name)
                        folder = path / inside.parent
                        found.add(Member(path, folder, inside.name, entry.offset_data, entry.size), wanted)
        except (OSError, tarfile.TarError) as error:
            raise ReadError(f"{path}: no tar archive without compression, or damaged ({error})") from None
    return found
