"""Alerts out of tar archives of Avro files, plain or gzip'd, without unpacking them to disk."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from space2vec.errors import ReadError
from space2vec.reading import avro
from space2vec.reading.batch import Failure, Row

__all__ = ["read_alerts"]


def read_alerts(path: Path) -> Iterator[Row | Failure]:
    """Yield the alerts of the archive's Avro members, in the archive's order.

    A member that is named ``.avro`` and cannot be read gives a Failure; other files that are not Avro are passed over.

    Raises
    ------
    ReadError
        If the file is no tar archive, is cut short (once the alerts before the cut have been yielded), or holds no
        Avro file.
    """
    found = False
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                name = PurePosixPath(member.name)
                if not member.isfile() or name.name.startswith("."):
                    continue
                file = cast("BinaryIO", archive.extractfile(member))
                if file.read(len(avro.MAGIC)) != avro.MAGIC:
                    if name.suffix == ".avro":
                        found = True
                        yield Failure(member.name, "not an Avro file")
                    continue
                found = True
                file.seek(0)
                number = None
                try:
                    for row in avro.read_alerts(file, member.size):
                        number = row.number
                        yield row
                except ReadError as error:
                    yield Failure(member.name, str(error), None if number is None else number + 1)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        reason = str(error).partition(":")[0]
        raise ReadError(f"not a tar archive, or cut short ({reason})") from None
    if not found:
        raise ReadError("the archive holds no Avro file")
