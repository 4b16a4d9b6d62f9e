"""Read alerts, stamps and feature tables: :func:`read` for what fits in memory, :func:`batches` for what does not."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, cast

from space2vec import backend
from space2vec.errors import ReadError
from space2vec.extract import Measure
from space2vec.reading import alerts, arrays, des, feature_table, images, inputs, parquet
from space2vec.reading.batch import (
    Batch,
    Origin,
    Position,
    Problem,
    damaged,
    failed_features,
    failed_stamps,
    gathered,
    stem,
)
from space2vec.reading.labels import Labels, ScoreColumn, read_labels, read_scores
from space2vec.reading.messages import read_messages, schema_texts
from space2vec.reading.side_table import find_side_table
from space2vec.stamps import Stamps
from space2vec.table import Features

__all__ = [
    "Batch",
    "Inputs",
    "Labels",
    "Origin",
    "Position",
    "Problem",
    "ScoreColumn",
    "batches",
    "files",
    "find",
    "read",
    "read_labels",
    "read_messages",
    "read_scores",
    "read_table",
]

#: A file, a folder, a glob, or several of these; or what :func:`find` has found.
Inputs: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | inputs.Found

#: Schemas of bare Avro messages by number.
Schemas: TypeAlias = Mapping[int, str | Mapping[str, Any]]

_BEGINNING = Position()


def read(
    inputs: Inputs,
    *,
    strict: bool = True,
    channels: Sequence[str] | None = None,
    threads: int | None = None,
    schemas: Schemas | None = None,
    problems: list[Problem] | None = None,
) -> Stamps | Any:  # what is in a file is not known before: tables, which read_table has as such, go past the checker
    """Read all of an input: stamps, or feature tables as :func:`read_table` does.

    Parameters
    ----------
    inputs : path, or sequence of paths
        Files, folders (searched to their bottom) and globs (``**`` too); ``-`` for standard input. Formats are told by
        what is in the files: ZTF and Rubin Avro, Parquet of alerts, tar archives of Avro, DES stamps in FITS or GIF,
        FITS files of a candidate's planes or of cubes, .npy and .npz, or feature tables alone (CSV, Parquet).
    strict : bool
        Whether a file or a record that cannot be read raises. If not, it becomes one row without planes, with the flag
        ``bad_stamp`` and the ids as far as they are known (else the file's name and -1, null in Arrow), and reading
        goes on at the next sound block. A cell of a table that holds no number is NaN, in either mode, and its row has
        the flag ``bad_cell``.
    channels : sequence of str, optional
        What the planes of a .npy array are, of ``pixels`` in a .npz, or of FITS images that do not name theirs; by
        default science, template, difference for three and difference for one.
    threads : int, optional
        Threads that decode; one a usable core by default.
    schemas : mapping of int to str or mapping, optional
        For files of bare Avro messages: the schemas, as JSON or as it is parsed, by the number in a message's header.
    problems : list, optional
        Takes up what was wrong, one :class:`Problem` a file, record or cutout, with the row of the result. A cutout
        that cannot be decoded and a cell that holds no number never raise: the row is flagged, in either mode.

    Returns
    -------
    Stamps or Features
        In the order of the input; Features where the input is feature tables alone. Rows of a .npy, .npz or table
        without ids of candidates are known by their number, from 0, and by file and number (``night:0``) where the
        input has several files. A candidate that has a FITS file of its own is known by the name of that.

    Raises
    ------
    ReadError
        If an input does not exist or holds nothing that can be read, if feature tables and stamps are mixed, or, with
        `strict`, if a file cannot be read.
    OSError
        If the machine cannot read a file (no permission, a lost mount), in either mode.
    """
    found = find(inputs)
    parts = gathered(batches(found, strict=strict, channels=channels, threads=threads, schemas=schemas), problems)
    if found.features is not None:
        return Features.concatenate([part for part in parts if isinstance(part, Features)], found.features)
    return Stamps.concatenate(part for part in parts if isinstance(part, Stamps))


def read_table(
    inputs: Inputs,
    *,
    strict: bool = True,
    threads: int | None = None,
    problems: list[Problem] | None = None,
) -> Features:
    """Read feature tables: CSV or Parquet with a column a feature, and ids.

    Parameters
    ----------
    inputs : path, or sequence of paths
        Files, folders and globs.
    strict, threads, problems
        As for :func:`read`.

    Returns
    -------
    Features
        In the order of the input, with the columns that the first table has.

    Raises
    ------
    ReadError, OSError
        As :func:`read`; and if the input has stamps.
    """
    rows: Stamps | Features = read(inputs, strict=strict, threads=threads, problems=problems)
    if isinstance(rows, Stamps):
        raise ReadError("the input has stamps, and no table of features: read gives them, features measures them")
    return rows


def batches(
    inputs: Inputs,
    *,
    batch: int = 1000,
    strict: bool = False,
    channels: Sequence[str] | None = None,
    threads: int | None = None,
    schemas: Schemas | None = None,
    measure: Measure | None = None,
    start: Position = _BEGINNING,
    device: str = "cpu",
) -> Iterator[Batch]:
    """Read an input piece by piece, so that memory stays bounded.

    Parameters
    ----------
    inputs, strict, channels, threads, schemas
        As for :func:`read`.
    batch : int
        Rows of a batch, at most.
    measure : Measure, optional
        What to measure of alerts while they are read: their pixels are let go, and the rows are Features. Stamps of
        other kinds (DES, .npy) are given as they are.
    start : Position
        Where to begin: the position of a batch that an earlier call gave for the same input. Batches from there on are
        those of the earlier call.
    device : {"cpu", "cuda", "cuda:N"}
        Where the rows go next. For a CUDA device the pixels of alerts are put into page-locked memory, as far as the
        machine gives any, which the device copies from where they lie; they stay arrays of the host.

    Returns
    -------
    iterator of Batch
        Consecutive rows in the order of the input, with what was wrong.

    Raises
    ------
    ReadError, OSError
        As for :func:`read`; inputs that do not exist are told at once, others when the iterator comes to them.
    BackendError
        If there is no such device.
    """
    if batch < 1:
        raise ValueError(f"batch must be at least 1; given {batch}")
    found = find(inputs)
    if found.features is not None:
        return _tables(found, batch, strict, start)
    wish = alerts.Wish(batch, backend.thread_count(threads), measure, schema_texts(schemas or {}), _memory_for(device))
    return _checked(_stamps(found, wish, channels, start), strict)


def _memory_for(device: str) -> tuple[int, int, int] | None:
    """Return where pixels are best put that go to a device; nothing for ordinary memory."""
    if device == "cpu":
        return None
    from space2vec.cuda.slots import page_locked
    from space2vec.device import ordinal

    return page_locked(ordinal(device))


def files(given: Inputs) -> Iterator[str]:
    """Yield the files that an input consists of, in the order in which they are read.

    Raises
    ------
    ReadError
        As for :func:`read`.
    """
    for source in find(given).sources:
        if isinstance(source, des.Candidates):
            yield from (str(path) for stamps in source.files.values() for path in stamps.values())
            yield from (str(path) for path in source.tables)
            continue
        if isinstance(source, images.FitsFiles):
            yield from map(str, source.paths)
            continue
        yield str(source)
        # What stands beside them is read with them.
        numpy = isinstance(source, Path) and source.suffix in arrays.ARRAY_SUFFIXES
        table = find_side_table(Path(source)) if numpy else None
        if table is not None:
            yield str(table)


def find(given: Inputs) -> inputs.Found:
    """Find the files that an input consists of, once for several calls.

    Raises
    ------
    ReadError
        As for :func:`read`.
    """
    return given if isinstance(given, inputs.Found) else inputs.find(given)


def _checked(batches: Iterator[Batch], strict: bool) -> Iterator[Batch]:
    """Raise at the first file or record that cannot be read, if that is wanted; what came before it is given."""
    for batch in batches:
        if strict:
            for problem in batch.problems:
                if problem.of_file:
                    raise ReadError(f"{problem}; {inputs.ACCEPTED}")
        yield batch


def _stamps(found: inputs.Found, wish: alerts.Wish, channels: Sequence[str] | None, start: Position) -> Iterator[Batch]:
    """Read the sources in order: runs of alert files by one pipeline each, others one by one."""
    sources = found.sources
    total = len(sources)
    number = start.source
    while number < total:
        end = number
        while end < total and isinstance(sources[end], str):
            end += 1
        here = start if number == start.source else Position(number)
        if end > number:
            run = cast("list[str]", sources[number:end])
            for part in alerts.read_files(run, wish, here._replace(source=0)):
                at = part.position._replace(source=part.position.source + number)
                yield replace(part, files_done=at.source, files_total=total, position=at)
            number = end
        else:
            row = 0
            for part in _one(sources[number], wish, channels, found):
                row += len(part.rows)
                if row > here.row:
                    yield replace(part, files_done=number, files_total=total, position=Position(number, 0, row))
            number += 1


def _one(
    source: inputs.Source, wish: alerts.Wish, channels: Sequence[str] | None, found: inputs.Found
) -> Iterator[Batch]:
    """Yield what one source holds; where it cannot be read any further, a row stands for the rest."""
    if isinstance(source, des.Candidates):
        yield from des.read_stamps(source, wish.size)
        return
    if isinstance(source, images.FitsFiles):
        yield from images.read_stamps(source, wish.size, channels, found.origins)
        return
    assert isinstance(source, Path)
    row = 0
    try:
        for part in _opened(source, wish, channels, found):
            row += len(part.rows)
            yield part
    except ReadError as error:
        problem = damaged(source, str(error), record=row or None)
        if wish.measure is None:
            yield Batch(failed_stamps(source), (problem,))
        else:
            yield Batch(failed_features(stem(str(source)), wish.measure.names), (problem,))


def _opened(path: Path, wish: alerts.Wish, channels: Sequence[str] | None, found: inputs.Found) -> Iterator[Batch]:
    """Choose the reader by the file's first bytes."""
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(parquet.MAGIC):
        return parquet.read_alerts(path, wish)
    if head.startswith((b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06")):
        return arrays.read_stamps(path, wish.size, channels, found.origins(path))
    if images.is_fits(path):
        return images.read_stamps(images.FitsFiles([path]), wish.size, channels, found.origins)
    return alerts.read_files([str(path)], wish, Position())


def _tables(found: inputs.Found, size: int, strict: bool, start: Position) -> Iterator[Batch]:
    names = found.features or ()
    total = len(found.sources)
    for number, source in enumerate(found.sources):
        assert isinstance(source, Path)
        if number < start.source:
            continue
        row = 0
        for part in _table(source, names, size, strict, found.origins(source)):
            row += len(part.rows)
            if (number, row) > (start.source, start.row):
                yield replace(part, files_done=number, files_total=total, position=Position(number, 0, row))


def _table(
    source: Path, names: Sequence[str], size: int, strict: bool, origins: feature_table.Origins
) -> Iterator[Batch]:
    try:
        for part in feature_table.read_features(source, names, size, origins):
            lost = next((problem for problem in part.problems if problem.of_file), None)
            if strict and lost is not None:
                raise ReadError(lost.message)
            yield part
    except ReadError as error:
        if strict:
            raise ReadError(f"{source}: {error}; {inputs.ACCEPTED}") from None
        yield Batch(failed_features(origins.stem, names), (damaged(source, str(error)),))
