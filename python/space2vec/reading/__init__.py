"""Read alerts, stamps and feature tables: :func:`read` for what fits in memory, :func:`batches` for what does not."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from space2vec.errors import ReadError
from space2vec.reading import archive, arrays, avro, des, feature_table, inputs, parquet
from space2vec.reading.batch import Batch, Failure, Problem, Row, failed_features, failed_row, to_stamps
from space2vec.reading.labels import Labels, ScoreColumn, read_labels, read_scores
from space2vec.stamps import Stamps, join_ids
from space2vec.table import Features

__all__ = [
    "Batch",
    "Inputs",
    "Labels",
    "Problem",
    "ScoreColumn",
    "batches",
    "read",
    "read_labels",
    "read_scores",
]

#: A file, a folder, a glob, or several of these.
Inputs: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def read(
    inputs: Inputs,
    *,
    strict: bool = True,
    channels: Sequence[str] | None = None,
    problems: list[Problem] | None = None,
) -> Stamps | Features:
    """Read all of an input.

    Parameters
    ----------
    inputs : path, or sequence of paths
        Files, folders (searched to their bottom) and globs (``**`` too). Formats are told by what is in the files: ZTF
        and Rubin Avro, Parquet of alerts, tar archives of Avro, DES stamps in FITS or GIF, .npy and .npz, or feature
        tables alone (CSV, Parquet).
    strict : bool
        Whether a file that cannot be read raises. If not, it becomes one row without planes, named after the file,
        with the flag ``bad_stamp`` and the candidate id -1 (null in Arrow); so does what follows the damage in a file
        that is cut short.
    channels : sequence of str, optional
        What the planes of a .npy array are, or of ``pixels`` in a .npz; by default science, template, difference.
    problems : list, optional
        Takes up what was wrong, one :class:`Problem` a file or record. A cutout that cannot be decoded never raises:
        its row is flagged, in either mode.

    Returns
    -------
    Stamps or Features
        In the order of the input; Features where the input is feature tables alone.

    Raises
    ------
    ReadError
        If an input does not exist or holds nothing that can be read, if feature tables and stamps are mixed, or, with
        `strict`, if a file cannot be read.
    """
    parts: list[Stamps | Features] = []
    for batch in batches(inputs, strict=strict, channels=channels):
        parts.append(batch.rows)
        if problems is not None:
            problems.extend(batch.problems)
    tables = [part for part in parts if isinstance(part, Features)]
    if tables:
        return _join(tables)
    return Stamps.concatenate(part for part in parts if isinstance(part, Stamps))


def batches(
    inputs: Inputs, *, batch: int = 1000, strict: bool = False, channels: Sequence[str] | None = None
) -> Iterator[Batch]:
    """Read an input piece by piece, so that memory stays bounded.

    Parameters
    ----------
    inputs, strict, channels
        As for :func:`read`.
    batch : int
        Rows of a batch, at most.

    Returns
    -------
    iterator of Batch
        Consecutive rows in the order of the input, all Stamps or all Features, with what was wrong.

    Raises
    ------
    ReadError
        As for :func:`read`; inputs that do not exist are told at once, others when the iterator comes to them.
    """
    if batch < 1:
        raise ValueError(f"batch must be at least 1; given {batch}")
    found = _find(inputs)
    return _tables(found, batch, strict) if found.features is not None else _stamps(found, batch, strict, channels)


def _find(given: Inputs) -> inputs.Found:
    return inputs.find(given)


def _stamps(found: inputs.Found, size: int, strict: bool, channels: Sequence[str] | None) -> Iterator[Batch]:
    """Gather single alerts to batches; chunks of stamps pass as they are."""
    rows: list[Row] = []
    problems: list[Problem] = []
    total = len(found.sources)
    done = 0

    def gathered() -> Batch:
        batch = Batch(to_stamps(rows), tuple(problems), done, total)
        rows.clear()
        problems.clear()
        return batch

    for done, source in enumerate(found.sources):
        for item in _items(source, size, channels):
            if isinstance(item, Batch):
                if rows:
                    yield gathered()
                yield Batch(item.rows, item.problems, done, total)
                continue
            if isinstance(item, Failure):
                if strict:
                    raise ReadError(f"{item.name}: {item.reason}; {inputs.ACCEPTED}")
                problems.append(Problem(item.name, item.number, item.reason))
                rows.append(failed_row(_stem(item.name)))
            else:
                problems.extend(Problem(str(source), item.number, reason) for reason in item.reasons)
                rows.append(item)
            if len(rows) == size:
                yield gathered()
    done = total
    if rows:
        yield gathered()


def _items(source: inputs.Source, size: int, channels: Sequence[str] | None) -> Iterator[Row | Batch | Failure]:
    """Yield what one source holds; where it cannot be read any further, a Failure stands for the rest."""
    if not isinstance(source, Path):
        yield from des.read_stamps(source, size)
        return
    number: int | None = None
    try:
        for item in _opened(source, size, channels):
            if isinstance(item, Failure):
                yield Failure(f"{source}/{item.name}", item.reason, item.number)
                continue
            number = item.number if isinstance(item, Row) else None
            yield item
    except ReadError as error:
        yield Failure(str(source), str(error), None if number is None else number + 1)


def _opened(path: Path, size: int, channels: Sequence[str] | None) -> Iterator[Row | Batch | Failure]:
    """Choose the reader by the file's first bytes."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
            if head.startswith(avro.MAGIC):
                length = file.seek(0, os.SEEK_END)
                file.seek(0)
                yield from avro.read_alerts(file, length)
                return
    except OSError as error:
        raise ReadError(str(error)) from None
    if not head:
        raise ReadError("the file is empty")
    if head.startswith(parquet.MAGIC):
        yield from parquet.read_alerts(path, size)
    elif head.startswith((b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06")):
        yield from arrays.read_stamps(path, size, channels)
    elif path.name.endswith((".tar", ".gz", ".tgz")):
        yield from archive.read_alerts(path)
    else:
        raise ReadError("a file of a foreign format, or damaged from its start")


def _tables(found: inputs.Found, size: int, strict: bool) -> Iterator[Batch]:
    names = found.features or ()
    total = len(found.sources)
    for done, source in enumerate(found.sources):
        assert isinstance(source, Path)
        try:
            for part in feature_table.read_features(source, names, size):
                if strict and part.problems:
                    raise ReadError(part.problems[0].reason)
                yield Batch(part.rows, part.problems, done, total)
        except ReadError as error:
            if strict:
                raise ReadError(f"{source}: {error}; {inputs.ACCEPTED}") from None
            yield Batch(failed_features(source.stem, names), (Problem(str(source), None, str(error)),), done, total)


def _join(tables: Sequence[Features]) -> Features:
    if len(tables) == 1:
        return tables[0]
    return Features(
        np.concatenate([table.values for table in tables]),
        tables[0].names,
        np.concatenate([table.flags for table in tables]),
        np.concatenate([table.object_id for table in tables]),
        join_ids([table.candidate_id for table in tables]),
    )


def _stem(name: str) -> str:
    base = os.path.basename(name)
    for suffix in (".tar.gz", ".avro", ".parquet", ".tgz", ".tar", ".npy", ".npz"):
        base = base.removesuffix(suffix)
    return base
