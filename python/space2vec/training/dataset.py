"""Training data sets: labelled stamps in a folder with a manifest (docs/datasets.md)."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.data.atomic_file import sync_folder, write_file
from space2vec.data.ids import text_array
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.errors import OutputError, ReadError
from space2vec.registry import library_version
from space2vec.training.dataset_part import PartFile, decode_part, encode_stamps, encode_truth

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["FORMAT", "MANIFEST", "VERSION", "LabelledStamps", "read_dataset", "read_manifest", "split", "write_dataset"]

#: The values of "format" and "version" in a manifest.
FORMAT, VERSION = "space2vec data set", 1
#: The file that makes a folder a data set. It is written last, so a folder without it was not finished.
MANIFEST = "manifest.json"

#: The most rows that one part holds: about 100 MB of triplets of 63 x 63 pixels.
_PART_ROWS = 2000


def split(group: ArrayLike, shares: Sequence[float], seed: int = 0) -> list[NDArray[np.intp]]:
    """Split rows by object, say into rows to train on and rows to test on.

    Parameters
    ----------
    group : array_like of str (n,)
        The object of each row. All rows of an object fall into one part.
    shares : sequence of float
        The share of the objects that each part gets. If the shares add up to less than 1, the remaining objects are in
        no part.
    seed : int, optional
        Seed of the split; another seed gives another split.

    Returns
    -------
    list of ndarray of intp
        The row numbers of each part, ascending. The parts are disjoint. The part of an object depends only on its id,
        the shares and the seed, so that an object stays in its part when others are added or removed.

    Raises
    ------
    ValueError
        If there is no share, a share is negative, or they add up to more than 1.

    Examples
    --------
    >>> from space2vec.training.dataset import split
    >>> train, test = split(["ZTF18a", "ZTF18b", "ZTF18a", "ZTF18c"], (0.5, 0.5))
    >>> len(train) + len(test)
    4
    """
    parts = np.asarray(shares, dtype=np.float64)
    if parts.ndim != 1 or not len(parts) or not (parts >= 0.0).all() or parts.sum() > 1.0 + 1e-9:
        raise ValueError(f"shares must be 0 or more and add up to 1 at most; given {shares}")
    bounds = np.cumsum(parts)
    if bounds[-1] > 1.0 - 1e-9:
        bounds[-1] = 1.0
    names, row = np.unique(text_array(group), return_inverse=True)
    digests = (hashlib.sha256(f"{seed}:{name}".encode()).digest() for name in names.tolist())
    # A number from 0 to 1 for each object, drawn from its name: it does not depend on the other objects.
    fraction = np.array([int.from_bytes(digest[:8], "big") for digest in digests], dtype=np.float64) / 2.0**64
    part = np.searchsorted(bounds, fraction, side="right")[row]
    return [np.flatnonzero(part == k) for k in range(len(parts))]


def write_dataset(
    folder: str | os.PathLike[str], parts: Iterable[LabelledStamps], about: Mapping[str, Json]
) -> dict[str, Json]:
    """Write a training data set part by part, so that it may be larger than memory.

    Parameters
    ----------
    folder : path
        An empty folder; it is created if it does not exist.
    parts : iterable of LabelledStamps
        The rows, in order. Each item becomes a file of stamps and a file of labels; an item of more than 2,000 rows
        becomes several of both.
    about : mapping of str to JSON values
        How the data set was made: survey, seed, arguments, and which model the ``teacher`` scores are from.

    Returns
    -------
    dict
        The manifest. It is written last, so that a folder without it is not a data set.

    Raises
    ------
    OutputError
        If the folder is not empty, or there are no rows.
    OSError
        If a file cannot be written.
    TypeError
        If `about` holds a value that JSON cannot represent.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    if any(target.iterdir()):
        raise OutputError(f"{target} is not empty; a data set needs a folder of its own")
    about = json.loads(json.dumps(dict(about)))  # a value that JSON cannot represent raises before the work begins
    written: list[dict[str, Json]] = []
    kinds: Counter[str] = Counter()
    objects: set[str] = set()
    real = 0
    for part in _pieces(parts):
        name = f"part_{len(written):05d}"
        entry: dict[str, Json] = {"rows": len(part)}
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
        "about": about,
        "parts": written,
    }
    sync_folder(target)
    write_file(target / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
    sync_folder(target)
    return manifest


def read_manifest(folder: str | os.PathLike[str]) -> dict[str, Json]:
    """Read the manifest of a training data set: its rows, objects, kinds, files, and how it was made.

    Raises
    ------
    ReadError
        If the folder is not a data set, is one of another version, or is empty.
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
    """Read a whole training data set into memory.

    Raises
    ------
    ReadError
        If the folder is not a data set or is one of another version, or if a part is missing, has been changed, or
        lacks a column.
    OSError
        If a file cannot be read.
    """
    manifest = read_manifest(folder)
    whole = LabelledStamps.concatenate(_parts(Path(folder), manifest["parts"]))
    if len(whole) != manifest["rows"]:
        raise ReadError(f"{folder} has {len(whole)} rows; its manifest says {manifest['rows']}")
    return whole


def _pieces(parts: Iterable[LabelledStamps]) -> Iterator[LabelledStamps]:
    """Cut parts into pieces of at most ``_PART_ROWS`` rows."""
    for part in parts:
        for start in range(0, len(part), _PART_ROWS):
            yield part[start : start + _PART_ROWS]


def _parts(folder: Path, entries: Sequence[object]) -> Iterator[LabelledStamps]:
    """Read the parts that the entries of a manifest name."""
    for entry in entries:
        yield decode_part(_read_part_file(folder, entry, "stamps"), _read_part_file(folder, entry, "truth"))


def _read_part_file(folder: Path, entry: Json, what: str) -> PartFile:
    """Read one file of a part; ReadError if it is missing or its digest is not the one in the manifest."""
    try:
        path, digest = folder / Path(entry[what]["file"]).name, entry[what]["sha256"]
    except (KeyError, TypeError):
        raise ReadError(f"{folder / MANIFEST} does not say where the {what} of a part are") from None
    if not path.is_file():
        raise ReadError(f"{path} is missing; {MANIFEST} names it")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise ReadError(f"{path} is damaged: its SHA-256 is not the one in {MANIFEST}")
    return PartFile(path, data)
