"""From what a user names (files, folders, globs) to the files to read, in a fixed order."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from space2vec.errors import ReadError
from space2vec.reading import parquet
from space2vec.reading.des import STAMP_NAME, Candidates
from space2vec.reading.feature_table import TABLE_SUFFIXES, feature_columns, table_columns
from space2vec.reading.packet import has_cutouts

__all__ = ["ACCEPTED", "Found", "Source", "find"]

ACCEPTED = (
    "accepted are ZTF and Rubin Avro (.avro), Parquet of alerts (.parquet), tar archives of Avro (.tar, .tar.gz, "
    ".tgz), DES stamps (srch, temp and diff{ID}.fits or .gif), NumPy arrays (.npy, .npz), and feature tables (.csv, "
    ".parquet)"
)

_ALERT_SUFFIXES = (".avro", ".tar", ".tar.gz", ".tgz")
_ARRAY_SUFFIXES = (".npy", ".npz")
_SUFFIXES = (*_ALERT_SUFFIXES, *_ARRAY_SUFFIXES, *TABLE_SUFFIXES)
_DIGITS = re.compile(r"(\d+)")

#: One file, or all DES stamps of the input.
Source = Path | Candidates


@dataclass(slots=True)
class Found:
    """What an input consists of.

    Attributes
    ----------
    sources : list of Path or Candidates
        In the order in which they are to be read.
    features : tuple of str or None
        The columns, where the input is feature tables alone; ``None`` where it is stamps.
    """

    sources: list[Source] = field(default_factory=list)
    features: tuple[str, ...] | None = None


def find(inputs: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> Found:
    """Return the files that an input consists of.

    A folder is searched to its bottom for files of known names; hidden files are passed over, and so are pipes and
    devices, and tables in a folder of stamps, where they say what is known of these. Names are sorted as people do, 2
    before 10. Several inputs keep their order; a file named twice is read once.

    Raises
    ------
    ReadError
        If an input does not exist, is a pipe or device, matches nothing, or holds nothing that can be read, or if
        feature tables and stamps are named together.
    """
    given = [inputs] if isinstance(inputs, (str, os.PathLike)) else list(inputs)
    if not given:
        raise ReadError(f"no input given; {ACCEPTED}")
    candidates = Candidates()
    paths: dict[str, tuple[Path, bool]] = {}
    sources: list[Source] = []
    stands = False
    for item in given:
        for path, named in _expand(os.fspath(item)):
            key = os.path.abspath(path)
            if key in paths:
                continue
            paths[key] = (path, named)
            if not candidates.add(path):
                sources.append(path)
            elif not stands:
                sources.append(candidates)
                stands = True
    return _sort_out(sources, candidates, {path for path, named in paths.values() if named})


def _expand(item: str) -> Iterator[tuple[Path, bool]]:
    """Yield the files of one input, and whether each was named by the user rather than found."""
    if os.path.isdir(item):
        yield from ((path, False) for path in _need(list(_walk(item)), item))
    elif os.path.exists(item):
        if _special(item):
            raise ReadError(f"{item} is no regular file but a pipe, socket or device; {ACCEPTED}")
        yield Path(item), True
    elif glob.has_magic(item):
        matches = sorted(glob.glob(item, recursive=True), key=_natural)
        if not matches:
            raise ReadError(f"{item} matches no file; {ACCEPTED}")
        found: list[Path] = []
        walked: set[Path] = set()
        for match in map(Path, matches):
            if not match.is_dir():
                found += [match] if _known(match.name) and not _special(match) else []
            elif walked.isdisjoint(match.parents):
                walked.add(match)
                found += _walk(str(match))
        yield from ((path, False) for path in _need(found, item))
    else:
        raise ReadError(f"{item} does not exist; {ACCEPTED}")


def _need(paths: list[Path], item: str) -> list[Path]:
    if not paths:
        raise ReadError(f"{item} holds no file that can be read; {ACCEPTED}")
    return paths


def _walk(folder: str) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=_natural)
        for name in sorted((name for name in files if _known(name)), key=_natural):
            path = Path(root, name)
            if not _special(path):
                yield path


def _known(name: str) -> bool:
    return not name.startswith(".") and (name.endswith(_SUFFIXES) or STAMP_NAME.fullmatch(name) is not None)


def _special(path: str | Path) -> bool:
    """Tell a pipe, socket or device, which may never end; what cannot be looked at fails where it is read."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def _natural(name: str) -> list[tuple[int, str]]:
    # Digits stand at the odd places; the text decides between 1 and 01.
    return [(int(part) if k % 2 else -1, part) for k, part in enumerate(_DIGITS.split(name))]


def _sort_out(sources: Sequence[Source], candidates: Candidates, named: set[Path]) -> Found:
    """Tell tables that are the input from tables that accompany stamps."""
    arrays = {path.with_suffix("") for path in sources if isinstance(path, Path) and path.suffix in _ARRAY_SUFFIXES}
    stamps: list[Source] = []
    tables: list[Path] = []
    for source in sources:
        if not isinstance(source, Path) or not _is_table(source):
            stamps.append(source)
        elif source.with_suffix("") not in arrays:
            tables.append(source)
    if not stamps:
        return Found(list(tables), _columns(tables))
    if candidates.files:
        candidates.tables = [path for path in tables if path in named or _joins(path)]
    elif foreign := [path for path in tables if path in named]:
        raise ReadError(f"{foreign[0]} is a feature table, which cannot be read together with stamps")
    return Found(stamps)


def _is_table(path: Path) -> bool:
    """Tell a table from stamps; a Parquet file that cannot be read counts as stamps, and fails where it is read."""
    if path.suffix != ".parquet":
        return path.suffix in TABLE_SUFFIXES
    try:
        return not has_cutouts(parquet.columns(path))
    except ReadError:
        return False


def _joins(path: Path) -> bool:
    try:
        return "ID" in table_columns(path)
    except ReadError:
        return False


def _columns(tables: Sequence[Path]) -> tuple[str, ...]:
    """Return the features of the first table that can be read: they are those of the whole input."""
    reasons = []
    for table in tables:
        try:
            return feature_columns(table)
        except ReadError as error:
            reasons.append(f"{table}: {error}")
    raise ReadError(f"{reasons[0]}; {ACCEPTED}")
