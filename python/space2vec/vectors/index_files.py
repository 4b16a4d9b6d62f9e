"""The files of an index: one of vectors and ids for each night that was added, lists, and a table of contents.

The table of contents, ``index.json``, is written last and replaced as a whole: a file that it does not name is no part
of the index, so an index whose writer was killed is the index from before.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from space2vec.errors import ReadError
from space2vec.model_files import strict_json
from space2vec.vectors.lists import checksum
from space2vec.writing.folder import Folder

if TYPE_CHECKING:
    import pyarrow

    from space2vec.data.types import Json
    from space2vec.data.vectors import Vectors

__all__ = ["CONTENTS", "Contents", "IndexFile", "open_part", "read_contents", "write_part"]

#: The table of contents.
CONTENTS = "index.json"
#: The version of the format; another one is refused.
VERSION = 1
_FORMAT = "space2vec index"


@dataclass(frozen=True, slots=True)
class IndexFile:
    """A file of an index: its name, its rows, its bytes and their CRC-32."""

    name: str
    rows: int
    bytes: int
    crc32: int

    @classmethod
    def of(cls, path: Path, rows: int) -> IndexFile:
        """Describe a file that is written."""
        return cls(path.name, rows, path.stat().st_size, checksum(path))

    def check_size(self, folder: Path) -> Path:
        """Return the path of the file; ReadError if it is not there or has another size."""
        path = folder / self.name
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            raise ReadError(f"{folder}: damaged index: its file {self.name} is missing") from None
        if size != self.bytes:
            raise ReadError(f"{folder}: damaged index: {self.name} has {size} bytes, not {self.bytes}")
        return path

    def check(self, folder: Path) -> Path:
        """Return the path of the file; ReadError if one of its bytes has changed."""
        path = self.check_size(folder)
        if checksum(path) != self.crc32:
            raise ReadError(f"{folder}: damaged index: {self.name} has changed since it was written")
        return path


@dataclass(frozen=True, slots=True)
class Contents:
    """What an index holds.

    Attributes
    ----------
    model : str
        Name and digest of the model that gave the vectors.
    size : int
        Integers a vector.
    exact_below : int
        Below so many vectors a search compares with all of them.
    parts : tuple of IndexFile
        The files of vectors, in the order in which they were added.
    lists : IndexFile, optional
        The file of the inverted lists.
    written : int
        How many files were written so far, so that each has a new name.
    """

    model: str
    size: int
    exact_below: int
    parts: tuple[IndexFile, ...] = field(default_factory=tuple)
    lists: IndexFile | None = None
    written: int = 0

    @property
    def rows(self) -> int:
        """The number of vectors."""
        return sum(part.rows for part in self.parts)

    def write(self, folder: Folder) -> None:
        """Make these the contents of the index, and remove the files that they do not name."""
        entries: dict[str, Json] = {"format": _FORMAT, "version": VERSION, **asdict(self)}
        folder.write(CONTENTS, (json.dumps(entries, indent=1) + "\n").encode())
        folder.sync()
        named = {part.name for part in self.parts} | ({self.lists.name} if self.lists else set())
        for name in folder.names():
            if name.startswith(("vectors-", "lists-")) and name not in named:
                with contextlib.suppress(FileNotFoundError):
                    folder.remove(name)

    def next_name(self, kind: str, suffix: str) -> tuple[str, Contents]:
        """Return a name for a new file, and the contents that count it."""
        return f"{kind}-{self.written:06d}.{suffix}", replace(self, written=self.written + 1)


def read_contents(folder: Path) -> Contents:
    """Read what an index holds, and check that its files are there.

    Raises
    ------
    ReadError
        If the folder is no index, is one of another version, or is damaged.
    """
    try:
        entries = strict_json.loads((folder / CONTENTS).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise ReadError(f"{folder}: no index; space2vec index build makes one") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise ReadError(f"{folder}: damaged index: {CONTENTS}: {error}") from None
    if not isinstance(entries, dict) or entries.get("format") != _FORMAT:
        raise ReadError(f"{folder}: no index: {CONTENTS} is another file")
    if entries.get("version") != VERSION:
        raise ReadError(
            f"{folder}: an index of version {entries.get('version')}; this space2vec reads version {VERSION}: build it "
            "anew from the tables of vectors"
        )
    try:
        contents = _contents(entries)
    except (KeyError, TypeError, ValueError):
        raise ReadError(f"{folder}: damaged index: {CONTENTS} lacks an entry, or has a wrong one") from None
    for file in (*contents.parts, *([contents.lists] if contents.lists else [])):
        file.check_size(folder)
    return contents


def _contents(entries: dict[str, Json]) -> Contents:
    parts, lists = entries["parts"], entries["lists"]
    if not isinstance(parts, list):
        raise TypeError("parts is no list")
    return Contents(
        _text(entries["model"]),
        _count(entries["size"], 1),
        _count(entries["exact_below"]),
        tuple(_file(part) for part in parts),
        None if lists is None else _file(lists),
        _count(entries["written"]),
    )


def _file(entry: Json) -> IndexFile:
    if not isinstance(entry, dict):
        raise TypeError("a file is no object")
    name = _text(entry["name"])
    if Path(name).name != name or name.startswith("."):
        raise ValueError("a file is not in the folder")
    return IndexFile(name, *(_count(entry[key]) for key in ("rows", "bytes", "crc32")))


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _count(value: Json, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError("no count")
    return value


def write_part(folder: Folder, name: str, rows: Vectors) -> IndexFile:
    """Write vectors with ids and flags into a file that can be mapped into memory."""
    import pyarrow as pa

    table = rows.to_arrow().select(["object_id", "candidate_id", "vector", "flags"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as file:
        file.write_table(table.combine_chunks())
    folder.write(name, sink.getvalue())
    return IndexFile.of(folder.path / name, len(rows))


def open_part(folder: Path, part: IndexFile, size: int) -> pyarrow.Table:
    """Map a file of vectors into memory.

    Raises
    ------
    ReadError
        If it is damaged.
    """
    import pyarrow as pa

    path = part.check_size(folder)
    try:
        with pa.memory_map(str(path)) as file:
            table = pa.ipc.open_file(file).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ReadError(f"{folder}: damaged index: {part.name}: {error}") from None
    names = ["object_id", "candidate_id", "vector", "flags"]
    kinds = [(pa.string(),), (pa.int64(), pa.string()), (pa.list_(pa.int8(), size),), (pa.list_(pa.string()),)]
    good = table.column_names == names and all(
        any(kind.equals(allowed) for allowed in some) for kind, some in zip(table.schema.types, kinds, strict=True)
    )
    if not good or len(table) != part.rows or table.column("vector").null_count:
        raise ReadError(f"{folder}: damaged index: {part.name} is no table of {part.rows} vectors of {size} integers")
    return table
