"""Read DES stamps: three files for each candidate, ``srch{ID}``, ``temp{ID}`` and ``diff{ID}``, in FITS or GIF."""

from __future__ import annotations

import io
import math
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import BinaryIO, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from space2vec.data.arrays import LARGEST_SIDE
from space2vec.data.flags import bits
from space2vec.data.ids import parse_ids
from space2vec.data.stamps import CHANNELS, Stamps
from space2vec.errors import ReadError
from space2vec.errors.packages import need
from space2vec.reading.batch import Batch, Problem, damaged_file, short_names
from space2vec.reading.des_tables import DesTables
from space2vec.reading.fits import LARGEST_CUTOUT, decode
from space2vec.reading.limits import Limits, size_faults_as_read_errors, unopenable_as_read_errors

__all__ = ["STAMP_NAME", "Candidates", "read_stamps"]

#: A stamp's file name: the plane, the candidate's ID, the format. FITS may be gzip'd or compressed in tiles.
STAMP_NAME = re.compile(r"(srch|temp|diff)(\d+)\.(fits|gif)(?:(?<=fits)\.[gf]z)?")

_PLANES = dict(zip(("srch", "temp", "diff"), CHANNELS, strict=True))
_SIDE = 51
_LIMITS = Limits()
#: Every GIF has white tick marks over the ten outermost pixels of its diagonals.
_TICKS = np.array([(row, column) for k in range(10) for row in (k, _SIDE - 1 - k) for column in (k, _SIDE - 1 - k)])


class StampFile(Protocol):
    """A file that holds one plane: a path, or a member of an archive."""

    @property
    def name(self) -> str:
        """The name without folders."""

    @property
    def parent(self) -> PurePath:
        """The folder."""

    def open(self, mode: Literal["rb"]) -> BinaryIO:
        """Open for reading."""


@dataclass(slots=True)
class Candidates:
    """The stamp files of an input by candidate, in the order in which they were found, and the tables to join.

    All planes of a candidate are in one folder: the same number in two folders means two candidates. Numbers are
    compared as text, so 7 and 007 differ.

    Attributes
    ----------
    files : dict of (PurePath, str) to dict of (str, str) to StampFile
        By folder and number: the file of each (plane, format).
    tables : list of Path
        The tables with an ID column and catalogue columns.
    """

    files: dict[tuple[PurePath, str], dict[tuple[str, str], StampFile]] = field(default_factory=dict)
    tables: list[Path] = field(default_factory=list)

    def add(self, path: StampFile, wanted: Collection[str] | None = None) -> bool:
        """Add a file if it is named as a stamp and has one of the wanted numbers; return whether it was added."""
        match = STAMP_NAME.fullmatch(path.name)
        if match is None or (wanted is not None and match[2] not in wanted):
            return False
        plane, number, kind = match.groups()
        self.files.setdefault((path.parent, number), {}).setdefault((plane, kind), path)
        return True

    def names(self) -> list[str]:
        """Return the id of each candidate as text: its number, preceded by the folder if several have that number."""
        count = Counter(number for _, number in self.files)
        folders = short_names({folder: None for folder, number in self.files if count[number] > 1})
        return [f"{folders[folder]}/{number}" if count[number] > 1 else number for folder, number in self.files]


def read_stamps(candidates: Candidates, batch: int, limits: Limits = _LIMITS) -> Iterator[Batch[Stamps]]:
    """Yield the candidates' stamps, at most `batch` at a time, with the catalogue columns of the tables.

    FITS is preferred to GIF, in which each plane is stretched separately. The tick marks of a GIF become NaN, and the
    row gets the flag ``masked_pixels``. Rows of pixels keep their order in the file: in FITS the lowest comes first.

    Raises
    ------
    ReadError
        If a table cannot be joined, or if there is a GIF and Pillow is not installed.
    """
    keys = list(candidates.files)
    tables = DesTables(candidates.tables, keys, limits)
    if any(kind == "gif" for files in candidates.files.values() for _, kind in files):
        _require_pillow()
    names = candidates.names()
    ids = parse_ids(names)
    start = 0
    while start < len(keys):
        problems: list[Problem] = []
        planes: list[list[NDArray[np.float32] | None]] = []
        raised, held = [], 0
        for key in keys[start : start + batch]:
            triplet, flags_of_row = _read_triplet(candidates.files[key], len(planes), problems)
            planes.append(triplet)
            raised.append(flags_of_row)
            held += sum(0 if plane is None else plane.nbytes for plane in triplet)
            if held >= limits.batch_bytes:
                break
        part = slice(start, start + len(planes))
        start = part.stop
        known = tables.look_up(keys[part])
        flags = np.array(raised, dtype=np.uint32)
        for problem in known.problems:
            flags[problem.row] |= 0 if problem.of_file else bits("bad_cell")
        problems += known.problems
        stamps = Stamps(planes, object_id=names[part], candidate_id=ids[part], catalogue=known.columns, flags=flags)
        yield Batch(stamps, tuple(sorted(problems, key=lambda problem: problem.row)))


def _read_triplet(
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
                with size_faults_as_read_errors(), unopenable_as_read_errors():
                    data = _read_bytes(path)
                    pixels = decode(data)[0] if kind == "fits" else _decode_gif(data)
            except ReadError as error:
                flags |= bits("bad_stamp")
                problems.append(replace(damaged_file(path, error, row=row), of_file=False))
            else:
                flags |= bits("masked_pixels") if kind == "gif" and pixels.shape == (_SIDE, _SIDE) else 0
        planes.append(pixels)
    return planes, flags


def _read_bytes(path: StampFile) -> bytes:
    with path.open("rb") as file:
        data = file.read(LARGEST_CUTOUT + 1)
    if len(data) > LARGEST_CUTOUT:
        raise ReadError(f"a stamp of more than {LARGEST_CUTOUT} bytes")
    return data


def _require_pillow() -> None:
    need("PIL", "GIF stamps need Pillow", ReadError)


def _decode_gif(data: bytes) -> NDArray[np.float32]:
    """Return the grey levels (height, width) of a GIF; a DES stamp's tick marks are NaN."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["GIF"]) as image:
            sides = image.width, image.height
            if math.prod(sides) > LARGEST_CUTOUT // 4 or not all(1 <= side <= LARGEST_SIDE for side in sides):
                raise ReadError(f"a stamp of {image.width} x {image.height} pixels")
            pixels = np.asarray(image.convert("L"), dtype=np.float32).copy()
    except (ReadError, MemoryError):
        raise
    except Exception as error:  # Pillow raises errors of many kinds on damaged files.
        raise ReadError(f"not a GIF file, or damaged ({error})") from None
    if pixels.shape == (_SIDE, _SIDE):
        pixels[_TICKS[:, 0], _TICKS[:, 1]] = np.nan
    return pixels
