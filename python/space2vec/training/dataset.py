"""Data sets to learn from: labelled stamps in a folder with a manifest (docs/datasets.md)."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.data.ids import text_array
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.errors import OutputError, ReadError
from space2vec.registry import library_version
from space2vec.training.dataset_part import decode_part, encode_stamps, encode_truth
from space2vec.writing.atomic_file import sync_folder, write_file

__all__ = ["FORMAT", "MANIFEST", "VERSION", "LabelledStamps", "read_dataset", "read_manifest", "split", "write_dataset"]

#: What a manifest says it is, and the version of its format.
FORMAT, VERSION = "space2vec data set", 1
#: The file that makes a folder a data set; written last.
MANIFEST = "manifest.json"

#: Rows of a part, at most: about 100 MB of triplets of 63 x 63 pixels.
_PART_ROWS = 2000


def split(group: ArrayLike, shares: Sequence[float], seed: int = 0) -> list[NDArray[np.intp]]:
    """Split rows by object.

    Parameters
    ----------
    group : array_like of str (n,)
        The object of each row. All rows of an object fall on one side.
    shares : sequence of float
        The share of each side, of the objects; what they lack to 1 falls on no side.
    seed : int, optional
        Another seed, another split.

    Returns
    -------
    list of ndarray
        Row numbers of each side, ascending, disjoint. An object's side depends on its id, the shares and the seed
        alone: it stays where it is when others are added or left out.

    Raises
    ------
    ValueError
        If a share is negative, there is none, or they add up to more than 1.
    """
    parts = np.asarray(shares, dtype=np.float64)
    if parts.ndim != 1 or not len(parts) or not (parts >= 0.0).all() or parts.sum() > 1.0 + 1e-9:
        raise ValueError(f"shares must be of 0 or more and add up to 1 at most; given {shares}")
    bounds = np.cumsum(parts)
    if bounds[-1] > 1.0 - 1e-9:
        bounds[-1] = 1.0
    names, row = np.unique(text_array(group), return_inverse=True)
    digests = (hashlib.sha256(f"{seed}:{name}".encode()).digest() for name in names.tolist())
    place = np.array([int.from_bytes(digest[:8], "big") for digest in digests], dtype=np.float64) / 2.0**64
    side = np.searchsorted(bounds, place, side="right")[row]
    return [np.flatnonzero(side == k) for k in range(len(parts))]


def write_dataset(
    folder: str | os.PathLike[str], parts: Iterable[LabelledStamps], about: Mapping[str, Any]
) -> dict[str, Any]:
    """Write a data set, part by part, so that it may be larger than memory.

    Parameters
    ----------
    folder : path
        Made if it is not there; must be empty.
    parts : iterable of LabelledStamps
        The rows, in order. Every item becomes one file of stamps and one of truth, or more where it is large.
    about : mapping
        How it was made, JSON values: survey, seed, arguments, and what ``teacher`` is.

    Returns
    -------
    dict
        The manifest, which is written last: a folder without one is no data set.

    Raises
    ------
    OutputError
        If the folder is not empty, or there are no rows.
    OSError
        If it cannot be written.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    if any(target.iterdir()):
        raise OutputError(f"{target} is not empty; a data set needs a folder of its own")
    said = json.loads(json.dumps(dict(about)))  # what is no JSON fails before the work
    written: list[dict[str, Any]] = []
    kinds: Counter[str] = Counter()
    objects: set[str] = set()
    real = 0
    for part in _pieces(parts):
        name = f"part_{len(written):05d}"
        entry: dict[str, Any] = {"rows": len(part)}
        for what, suffix, data in (
            ("stamps", ".npz", encode_stamps(part.stamps)),
            ("truth", ".parquet", encode_truth(part)),
        ):
            write_file(target / (name + suffix), data)
            entry[what] = {"file": name + suffix, "sha256": hashlib.sha256(data).hexdigest()}
        written.append(entry)
        kinds.update(part.kind.tolist())
        objects.update(part.group.tolist())
        real += int(part.label.sum())
    rows = sum(entry["rows"] for entry in written)
    if not rows:
        raise OutputError(f"no rows to write to {target}")
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "library": library_version(),
        "rows": rows,
        "real": real,
        "bogus": rows - real,
        "objects": len(objects),
        "kinds": dict(sorted(kinds.items())),
        "about": said,
        "parts": written,
    }
    sync_folder(target)
    write_file(target / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
    sync_folder(target)
    return manifest


def read_manifest(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what a data set says of itself.

    Raises
    ------
    ReadError
        If the folder is no data set, or one of another version.
    """
    place = Path(folder) / MANIFEST
    if not place.is_file():
        raise ReadError(f"{folder} is no data set: it has no {MANIFEST}, which is written last")
    try:
        manifest = json.loads(place.read_text("utf-8"))
    except ValueError as error:
        raise ReadError(f"{place} is no JSON ({error})") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ReadError(f'{place} is not that of a data set: its "format" is not {FORMAT!r}')
    if manifest.get("version") != VERSION:
        raise ReadError(f"{folder} has format version {manifest.get('version')}; this library reads {VERSION}")
    parts = manifest.get("parts")
    if not isinstance(parts, list) or not parts or not manifest.get("rows"):
        raise ReadError(f"{folder} is an empty data set")
    return manifest


def read_dataset(folder: str | os.PathLike[str]) -> LabelledStamps:
    """Read a whole data set.

    Raises
    ------
    ReadError
        If the folder is no data set or one of another version, if a part is missing or not the one that was written,
        or lacks a column.
    OSError
        If the machine cannot read a file.
    """
    manifest = read_manifest(folder)
    whole = LabelledStamps.concatenate(_parts(Path(folder), manifest["parts"]))
    if len(whole) != manifest["rows"]:
        raise ReadError(f"{folder} has {len(whole)} rows; its manifest says {manifest['rows']}")
    return whole


def _pieces(parts: Iterable[LabelledStamps]) -> Iterator[LabelledStamps]:
    for part in parts:
        for start in range(0, len(part), _PART_ROWS):
            yield part[start : start + _PART_ROWS]


def _parts(folder: Path, entries: Sequence[Any]) -> Iterator[LabelledStamps]:
    for entry in entries:
        yield decode_part(*_checked(folder, entry, "stamps"), *_checked(folder, entry, "truth"))


def _checked(folder: Path, entry: Any, what: str) -> tuple[Path, bytes]:
    """Return a file of a part that is the one which was written."""
    try:
        path, digest = folder / Path(entry[what]["file"]).name, entry[what]["sha256"]
    except (KeyError, TypeError):
        raise ReadError(f"{folder / MANIFEST} does not say where the {what} of a part are") from None
    if not path.is_file():
        raise ReadError(f"{path} is missing; {MANIFEST} names it")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise ReadError(f"{path} is damaged: its SHA-256 is not the one in {MANIFEST}")
    return path, data
