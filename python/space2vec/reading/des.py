"""DES stamp folders: ``srch{ID}``, ``temp{ID}`` and ``diff{ID}``, each a FITS or a GIF file."""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from space2vec.errors import ReadError
from space2vec.extras import need
from space2vec.flags import bits
from space2vec.reading.batch import Batch, Problem, damaged
from space2vec.reading.feature_table import read_columns
from space2vec.reading.fits import LIMIT, decode
from space2vec.registry import FEATURES
from space2vec.stamps import CHANNELS, Stamps

__all__ = ["STAMP_NAME", "Candidates", "read_stamps"]

#: A stamp's file name: the plane, the candidate's ID, the format. FITS may be gzip'd or compressed in tiles.
STAMP_NAME = re.compile(r"(srch|temp|diff)(\d+)\.(fits|gif)(?:(?<=fits)\.[gf]z)?")

_PLANES = dict(zip(("srch", "temp", "diff"), CHANNELS, strict=True))
_CATALOGUE = tuple(name for name, entry in FEATURES.items() if entry.source == "catalogue")
_SIDE = 51
#: Every GIF has white tick marks over the ten outermost pixels of its diagonals.
_TICKS = np.array([(row, column) for k in range(10) for row in (k, _SIDE - 1 - k) for column in (k, _SIDE - 1 - k)])


class StampFile(Protocol):
    """What is read of a stamp's file: a path, or a member of an archive."""

    @property
    def name(self) -> str:
        """The name without folders."""

    def open(self, mode: Literal["rb"]) -> BinaryIO:
        """Open for reading."""


@dataclass(slots=True)
class Candidates:
    """The stamp files of an input, by candidate in the order in which they were found, and the tables to join.

    Attributes
    ----------
    files : dict of int to dict of (str, str) to StampFile
        For each ID the file of each (plane, format).
    tables : list of Path
        Tables with an ID column and catalogue columns.
    """

    files: dict[int, dict[tuple[str, str], StampFile]] = field(default_factory=dict)
    tables: list[Path] = field(default_factory=list)

    def add(self, path: StampFile, wanted: Collection[int] | None = None) -> bool:
        """Take a file up if its name is that of a stamp, and of a wanted ID; tell whether it is."""
        match = STAMP_NAME.fullmatch(path.name)
        if match is None or (wanted is not None and int(match[2]) not in wanted):
            return False
        plane, number, kind = match.groups()
        self.files.setdefault(int(number), {}).setdefault((plane, kind), path)
        return True


def read_stamps(candidates: Candidates, batch: int) -> Iterator[Batch]:
    """Yield the candidates' stamps, at most `batch` at a time, with the catalogue columns of the tables.

    FITS is preferred to GIF, whose planes are each stretched on their own. The tick marks of a GIF become NaN and the
    row is flagged ``masked_pixels``. Rows are kept as the files have them: in FITS the first row is the lowest.

    Raises
    ------
    ReadError
        If a table cannot be read, or if there is a GIF and Pillow is not installed.
    """
    catalogue = _Catalogue(candidates.tables)
    if any(kind == "gif" for files in candidates.files.values() for _, kind in files):
        _need_pillow()
    ids = list(candidates.files)
    for start in range(0, len(ids), batch):
        part = ids[start : start + batch]
        flags = np.zeros(len(part), dtype=np.uint32)
        problems: list[Problem] = []
        planes = []
        for row, number in enumerate(part):
            triplet, raised = _triplet(candidates.files[number], row, problems)
            planes.append(triplet)
            flags[row] = raised
        stamps = Stamps(
            planes,
            object_id=[str(number) for number in part],
            candidate_id=np.array(part, dtype=np.int64),
            catalogue=catalogue.of(part),
            flags=flags,
        )
        yield Batch(stamps, tuple(problems))


class _Catalogue:
    """Catalogue columns by ID."""

    def __init__(self, tables: Sequence[Path]) -> None:
        self.ids: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self.columns: dict[str, NDArray[np.float32]] = {}
        for table in tables:
            try:
                columns = read_columns(table, ("ID", *_CATALOGUE))
                ids = columns.pop("ID", np.empty(0)).astype(np.int64)
            except (ReadError, ValueError) as error:
                raise ReadError(f"the table {table.name} beside the stamps: {error}") from None
            if not len(ids):
                raise ReadError(f"the table {table.name} beside the stamps has no rows with an ID")
            for name in {**self.columns, **columns}:
                old, new = (np.full(len(known), np.nan, dtype=np.float32) for known in (self.ids, ids))
                self.columns[name] = np.concatenate([self.columns.get(name, old), columns.get(name, new)])
            self.ids = np.concatenate([self.ids, ids])
        self.order = np.argsort(self.ids, kind="stable")

    def of(self, ids: Sequence[int]) -> dict[str, NDArray[np.float32]]:
        """Return the columns (n,) for these IDs, NaN where no table has the ID."""
        if not len(self.ids):
            return {}
        wanted = np.array(ids, dtype=np.int64)
        place = self.order[np.minimum(np.searchsorted(self.ids, wanted, sorter=self.order), len(self.ids) - 1)]
        known = self.ids[place] == wanted
        return {name: np.where(known, values[place], np.float32(np.nan)) for name, values in self.columns.items()}


def _triplet(
    files: dict[tuple[str, str], StampFile], row: int, problems: list[Problem]
) -> tuple[list[NDArray[np.float32] | None], int]:
    kind = "fits" if any(kind == "fits" for _, kind in files) else "gif"
    flags = 0
    planes: list[NDArray[np.float32] | None] = []
    for plane in _PLANES:
        path = files.get((plane, kind))
        pixels = None
        if path is None:
            flags |= bits("missing")
        else:
            try:
                data = _bytes(path)
                pixels = decode(data)[0] if kind == "fits" else _decode_gif(data)
            except ReadError as error:
                flags |= bits("bad_stamp")
                problems.append(replace(damaged(path, str(error), row=row), of_file=False))
            else:
                flags |= bits("masked_pixels") if kind == "gif" and pixels.shape == (_SIDE, _SIDE) else 0
        planes.append(pixels)
    return planes, flags


def _bytes(path: StampFile) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT + 1)
    except OSError as error:
        raise ReadError(str(error)) from None
    if len(data) > LIMIT:
        raise ReadError(f"a stamp of more than {LIMIT} bytes")
    return data


def _need_pillow() -> None:
    need("PIL", "GIF stamps need Pillow", ReadError)


def _decode_gif(data: bytes) -> NDArray[np.float32]:
    """Return the grey levels (height, width) of a GIF; a DES stamp's tick marks are NaN."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["GIF"]) as image:
            if image.width * image.height > LIMIT // 4:
                raise ReadError(f"a stamp of {image.width} x {image.height} pixels")
            pixels = np.asarray(image.convert("L"), dtype=np.float32).copy()
    except ReadError:
        raise
    except Exception as error:  # Pillow raises errors of many kinds on damaged files.
        raise ReadError(f"not a GIF file, or damaged ({error})") from None
    if pixels.shape == (_SIDE, _SIDE):
        pixels[_TICKS[:, 0], _TICKS[:, 1]] = np.nan
    return pixels
