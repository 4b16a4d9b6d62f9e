"""Notes in finished tables, which state the run that wrote them, so that a run can see that it is done."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["FITS_CARD", "KEY", "DamagedError", "note_file", "peek_note", "read_note"]

#: The key of the note in Parquet and ECSV, and in the JSON file that belongs to a CSV.
KEY = "space2vec"
#: The card of a FITS header that holds it; in a VOTable it is the INFO element of the key's name.
FITS_CARD = "S2VNOTE"


class DamagedError(Exception):
    """A table or its note has been changed or damaged since it was written."""


class _NoteAndRows(NamedTuple):
    """The note of a table, and the number of its rows or the reason why rows are missing."""

    note: Json
    rows: int | str


def note_file(path: Path) -> Path | None:
    """Return the path of the file that holds the note of a CSV; ``None`` for formats that hold their note."""
    return path.with_name(f"{path.name}.json") if path.suffix.lower() == ".csv" else None


def read_note(path: Path) -> dict[str, Json]:
    """Read the note of a table, and check that the table is complete; raise a DamagedError if it is not."""
    try:
        note, rows = _note_and_rows(path)
    except DamagedError:
        raise
    except Exception as error:  # readers raise errors of many kinds on damaged bytes
        raise DamagedError(f"it cannot be read ({str(error).partition(chr(10))[0]})") from None
    if not isinstance(note, dict):
        raise DamagedError("it does not record how it was made")
    if isinstance(rows, str):
        raise DamagedError(rows)
    if rows != note.get("rows"):
        raise DamagedError(f"it has {rows} rows, and had {note.get('rows')}")
    return note


def peek_note(path: Path) -> dict[str, Json] | None:
    """Read the note of a table without a check of the table; ``None`` if it has none."""
    try:
        note, _ = _note_and_rows(path)
    except Exception:
        return None
    return note if isinstance(note, dict) else None


def _note_and_rows(path: Path) -> _NoteAndRows:
    with warnings.catch_warnings(action="ignore"):  # what is wrong is raised
        return _READERS[path.suffix.lower()](path)


def _read_parquet(path: Path) -> _NoteAndRows:
    import pyarrow.parquet as pq

    meta = pq.read_metadata(path)
    return _NoteAndRows(json.loads((meta.metadata or {}).get(KEY.encode(), b"null")), meta.num_rows)


def _read_csv(path: Path) -> _NoteAndRows:
    beside = note_file(path)
    assert beside is not None
    try:
        note = json.loads(beside.read_bytes())[KEY]
        size, digest = note.pop("file").values()
    except FileNotFoundError:
        raise DamagedError(f"there is no {beside}, which records how the output was made") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise DamagedError(f"{beside}, which records how the output was made, is damaged") from None
    with path.open("rb") as file:
        if path.stat().st_size != size or hashlib.file_digest(file, "sha256").hexdigest() != digest:
            return _NoteAndRows(note, f"it is not the table that {beside} is of")
    return _NoteAndRows(note, note.get("rows"))


def _read_fits(path: Path) -> _NoteAndRows:
    from astropy.io import fits

    with fits.open(path, memmap=True) as file:
        header, place = file[1].header, file.fileinfo(1)
        if path.stat().st_size != place["datLoc"] + place["datSpan"]:
            raise DamagedError("its size is not what its header says")
        return _NoteAndRows(json.loads(header.get(FITS_CARD, "null")), int(header["NAXIS2"]))


def _read_ecsv(path: Path) -> _NoteAndRows:
    from astropy.table import Table

    table = Table.read(path, format="ascii.ecsv")
    return _NoteAndRows(table.meta.get(KEY), len(table))


def _read_votable(path: Path) -> _NoteAndRows:
    from xml.etree import ElementTree

    note, rows = None, 0
    for _, element in ElementTree.iterparse(path):
        name = element.tag.rpartition("}")[2]
        if name == "INFO" and element.get("name") == KEY:
            note = json.loads(element.get("value", "null"))
        rows += name == "TR"
        if name in ("TR", "TD"):
            element.clear()
    return _NoteAndRows(note, rows)


_READERS: dict[str, Callable[[Path], _NoteAndRows]] = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
    ".fits": _read_fits,
    ".ecsv": _read_ecsv,
    ".vot": _read_votable,
}
