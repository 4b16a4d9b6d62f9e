"""DES stamps in the tar archives in which they are published, without unpacking them."""

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
    """A file in an archive that is not compressed: what a reader of stamps needs of a path.

    Its parent is its folder in the archive, behind the archive; the offset is that of its bytes.
    """

    archive: Path
    parent: PurePath
    name: str
    offset: int
    size: int

    def open(self, mode: Literal["rb"]) -> BinaryIO:
        """Open the file for reading; of one that is too long for a stamp, only the beginning is there."""
        with self.archive.open("rb") as file:
            file.seek(self.offset)
            return io.BytesIO(file.read(min(self.size, LARGEST_CUTOUT + 1)))

    def __str__(self) -> str:
        return f"{self.archive}: {self.name}"


def index_archives(archives: Iterable[Path], wanted: Collection[str] | None = None) -> Candidates:
    """Find the stamps in archives; their headers alone are read.

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
                    # The archive would keep what it knows of each of some hundred thousand members.
                    archive.members.clear()  # type: ignore[attr-defined]
                    if entry.isreg():
                        inside = PurePosixPath(entry.name)
                        folder = path / inside.parent
                        found.add(Member(path, folder, inside.name, entry.offset_data, entry.size), wanted)
        except (OSError, tarfile.TarError) as error:
            raise ReadError(f"{path}: no tar archive without compression, or damaged ({error})") from None
    return found
