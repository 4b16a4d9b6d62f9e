"""Find the files to read in the files, folders and globs that a user names, in a fixed order."""

from __future__ import annotations

import glob
import os
import re
import stat
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from space2vec.data.ids import printable
from space2vec.errors import ReadError
from space2vec.reading import parquet, results
from space2vec.reading.alert_columns import has_cutouts
from space2vec.reading.alert_files import STANDARD_INPUT
from space2vec.reading.arrays import ARRAY_SUFFIXES
from space2vec.reading.batch import short_names, stem
from space2vec.reading.des import STAMP_NAME, Candidates
from space2vec.reading.feature_table import DefaultIds, feature_columns
from space2vec.reading.images import FITS_SUFFIXES, FitsFiles, is_result
from space2vec.reading.limits import size_faults_as_read_errors, unopenable_as_read_errors
from space2vec.reading.open_files import BinaryFile, FileContent, is_open_file, read_open_file
from space2vec.reading.table_file import TABLE_SUFFIXES, table_columns

__all__ = ["ACCEPTED_INPUTS", "ALERT_SUFFIXES", "Input", "InputFiles", "Source", "find_files"]

ACCEPTED_INPUTS = (
    "accepted are ZTF and Rubin Avro (.avro, .avro.gz), Parquet of alerts (.parquet), tar archives of Avro (.tar, "
    ".tar.gz, .tgz), Avro and tar on standard input (-), DES stamps (srch, temp and diff{ID}.fits or .gif), FITS "
    "images (.fits, .fits.gz, .fits.fz), NumPy arrays (.npy, .npz), and feature tables (.csv, .parquet)"
)

#: The suffixes of the files that the compiled pipeline reads.
ALERT_SUFFIXES = (".avro", ".avro.gz", ".tar", ".tar.gz", ".tgz")
_SUFFIXES = (*ALERT_SUFFIXES, *ARRAY_SUFFIXES, *FITS_SUFFIXES, *TABLE_SUFFIXES)
_DIGITS = re.compile(r"\d+")

#: The path of a file of alerts (text, which needs less memory than a Path: a night has hundreds of thousands); the path
#: of another file; the content of an open file; consecutive FITS files; or all DES stamps of the input.
Source = str | Path | FileContent | FitsFiles | Candidates
#: A path, folder or glob, or an open binary file.
Input = str | os.PathLike[str] | BinaryFile


@dataclass(slots=True)
class InputFiles:
    """The files of an input, in the order of reading.

    Attributes
    ----------
    sources : list of str, Path, FileContent, FitsFiles or Candidates
        The sources, in the order of reading.
    features : tuple of str or None
        The columns, if the input consists of feature tables; ``None`` if it consists of stamps.
    """

    sources: list[Source] = field(default_factory=list)
    features: tuple[str, ...] | None = None
    _stems: dict[Path, str] | None = None

    def default_ids(self, source: Path) -> DefaultIds:
        """Return the ids for the rows of a file that has no ids."""
        if self._stems is None:
            files = [item.paths if isinstance(item, FitsFiles) else [item] for item in self.sources]
            self._stems = _stems([path for paths in files for path in paths if isinstance(path, Path)])
        return DefaultIds(self._stems[source], alone=len(self.sources) == len(self._stems) == 1)


def _stems(paths: Sequence[Path]) -> dict[Path, str]:
    """Return short names of files: without suffix, unless two of them would then be equal."""
    bare = {
        path: path.with_name(stem(path.name)) if path.name.endswith(FITS_SUFFIXES) else path.with_suffix("")
        for path in paths
    }
    twins = Counter(bare.values())
    bases = {path: path if twins[base] > 1 else base for path, base in bare.items()}
    names = short_names(bases.values())
    return {path: printable(names[base]) for path, base in bases.items()}


def find_files(inputs: Input | Iterable[Input]) -> InputFiles:
    """Return the files of an input.

    Folders are searched recursively for files with known suffixes. Skipped are hidden files, pipes, devices, and the
    scores and errors tables of earlier runs; a table in a folder of stamps belongs to these stamps. Names are sorted by
    the numbers in them, 2 before 10. Several inputs keep their order, and a file that is named twice is read once. Open
    binary files are read to their end.

    Raises
    ------
    ReadError
        If an input does not exist, is a pipe or device, matches nothing, or contains no file that can be read, or if
        feature tables and stamps are named together.
    TypeError
        If an open file is in text mode.
    """
    one = isinstance(inputs, (str, os.PathLike)) or is_open_file(inputs)
    given = [cast("Input", inputs)] if one else list(cast("Iterable[Input]", inputs))
    if not given:
        raise ReadError(f"no input given; {ACCEPTED_INPUTS}")
    candidates = Candidates()
    sources: list[Source] = []
    named: set[Path] = set()
    stands = False
    # A single input cannot name a file twice.
    seen: set[str] | None = set() if len(given) > 1 else None
    for item in given:
        if not isinstance(item, (str, os.PathLike)):
            sources.append(read_open_file(item, f"file object {len(sources)}"))
            continue
        for name, by_user in _expand(os.fspath(item)):
            if seen is not None:
                key = os.path.abspath(name)
                if key in seen:
                    continue
                seen.add(key)
            if name == STANDARD_INPUT or name.endswith(ALERT_SUFFIXES):
                sources.append(name)
                continue
            path = Path(name)
            if by_user:
                named.add(path)
            if not candidates.add(path):
                _add_file(sources, path)
            elif not stands:
                sources.append(candidates)
                stands = True
    return _separate_tables(sources, candidates, named)


def _add_file(sources: list[Source], path: Path) -> None:
    """Add a file; consecutive FITS files become one source, because most of them hold one candidate."""
    if not path.name.endswith(FITS_SUFFIXES):
        sources.append(path)
    elif sources and isinstance(sources[-1], FitsFiles):
        sources[-1].paths.append(path)
    else:
        sources.append(FitsFiles([path]))


def _expand(item: str) -> Iterator[tuple[str, bool]]:
    """Yield the files of one input, and whether each was named by the user rather than found."""
    if item == STANDARD_INPUT:
        if sys.stdin is None:
            raise ReadError("standard input is closed")
        yield item, True
    elif os.path.isdir(item):
        yield from ((name, False) for name in _require_files(_walk(item), item))
    elif os.path.exists(item):
        if _is_special_file(item):
            raise ReadError(f"{item} is no regular file but a pipe, socket or device; {ACCEPTED_INPUTS}")
        yield item, True
    elif glob.has_magic(item):
        matches = _sorted(glob.glob(item, recursive=True))
        if not matches:
            raise ReadError(f"{item} matches no file; {ACCEPTED_INPUTS}")
        yield from ((name, False) for name in _require_files(_matched(matches), item))
    else:
        raise ReadError(f"{item} does not exist; {ACCEPTED_INPUTS}")


def _matched(matches: Sequence[str]) -> Iterator[str]:
    """Yield the files that a glob matches, and those in the folders that it matches."""
    walked: set[Path] = set()
    for match in matches:
        path = Path(match)
        if not walked.isdisjoint(path.parents):
            continue
        if path.is_dir():
            walked.add(path)
            yield from _walk(match)
        elif _is_known_name(path.name) and not _is_special_file(match) and not _is_result(path.name, match):
            yield match


def _require_files(names: Iterator[str], item: str) -> Iterator[str]:
    empty = True
    for name in names:
        empty = False
        yield name
    if empty:
        raise ReadError(f"{item} holds no file that can be read; {ACCEPTED_INPUTS}")


def _walk(folder: str) -> Iterator[str]:
    """Yield the files of a folder, sorted by name, and then those of its subfolders."""
    folders: list[str] = []
    files: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                if not entry.is_symlink():
                    folders.append(entry.name)
            # A link that leads nowhere is kept: it costs a row when it is read.
            elif (
                _is_known_name(entry.name)
                and (os.path.isfile(entry.path) or not os.path.exists(entry.path))
                and not _is_result(entry.name, entry.path)
            ):
                files.append(entry.name)
    yield from (os.path.join(folder, name) for name in _sorted(files))
    for name in _sorted(folders):
        yield from _walk(os.path.join(folder, name))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _is_known_name(name: str) -> bool:
    return not name.startswith(".") and (name.endswith(_SUFFIXES) or STAMP_NAME.fullmatch(name) is not None)


def _is_result(name: str, path: str) -> bool:
    """Return whether a file is a FITS table of results, which may be in the folder of the stamps that were scored."""
    return name.endswith(".fits") and STAMP_NAME.fullmatch(name) is None and is_result(path)


def _is_special_file(path: str | Path) -> bool:
    """Return whether a path is a pipe, socket or device, which may never end; a path without access fails when read."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def _sorted(names: Iterable[str]) -> list[str]:
    """Sort names by the numbers in them, 2 before 10; equal numbers (1 and 01) are sorted as text."""
    return sorted(sorted(names), key=lambda name: _DIGITS.sub(_counted, name))


def _counted(digits: re.Match[str]) -> str:
    # A short key, as there may be a million names: a number with more digits is larger.
    number = digits[0].lstrip("0")
    return chr(1 + len(number)) + number


def _separate_tables(sources: Sequence[Source], candidates: Candidates, named: set[Path]) -> InputFiles:
    """Separate tables that are the input from tables that belong to stamps."""
    arrays = {path.with_suffix("") for path in sources if isinstance(path, Path) and path.suffix in ARRAY_SUFFIXES}
    stamps: list[Source] = []
    tables: list[Path] = []
    kinds = [isinstance(source, Path) and _is_table(source) for source in sources]
    # A Parquet file that cannot be opened must not change how the tables of its folder are read.
    if not candidates.files and True in kinds and False not in kinds:
        kinds = [True] * len(kinds)
    for source, is_table in zip(sources, kinds, strict=True):
        if not isinstance(source, Path) or not is_table:
            stamps.append(source)
        elif source.with_suffix("") not in arrays and (source in named or not results.is_result(source)):
            tables.append(source)
    if not stamps:
        if not tables:
            raise ReadError(f"the input has results of earlier runs only, such as {sources[0]}; {ACCEPTED_INPUTS}")
        return InputFiles(list(tables), _first_features(tables))
    if candidates.files:
        candidates.tables = [path for path in tables if path in named or _has_des_ids(path)]
    elif foreign := [path for path in tables if path in named]:
        raise ReadError(f"{foreign[0]} is a feature table, which cannot be read together with stamps")
    return InputFiles(stamps)


def _is_table(path: Path) -> bool | None:
    """Return whether a file is a table, not stamps; ``None`` for a Parquet file that cannot be opened."""
    if path.suffix != ".parquet":
        return path.suffix in TABLE_SUFFIXES
    try:
        with size_faults_as_read_errors(), unopenable_as_read_errors():
            return not has_cutouts(parquet.columns(path))
    except ReadError:
        return None


def _has_des_ids(path: Path) -> bool:
    """Return whether a table belongs to DES stamps; one that cannot be read does, so that it is reported with them."""
    try:
        with size_faults_as_read_errors(), unopenable_as_read_errors():
            return "ID" in table_columns(path)
    except ReadError:
        return True


def _first_features(tables: Sequence[Path]) -> tuple[str, ...]:
    """Return the features of the first table that can be read, which are those of the whole input."""
    reasons = []
    for table in tables:
        try:
            with size_faults_as_read_errors(), unopenable_as_read_errors():
                return feature_columns(table)
        except ReadError as error:
            reasons.append(f"{table}: {error}")
    raise ReadError(f"{reasons[0]}; {ACCEPTED_INPUTS}")
