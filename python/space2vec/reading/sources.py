"""The sources of an input, one after another, each by the reader of its format."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from space2vec.errors import ReadError
from space2vec.reading import alert_files, arrays, des, feature_table, images, inputs, parquet
from space2vec.reading.batch import AnyBatch, Batch, Position, damaged, failed_features, failed_rows
from space2vec.reading.budget import Limits, told_apart, unreadable, with_short_ids
from space2vec.reading.open_files import Content, as_file, unpacked_head
from space2vec.reading.wish import Wish

__all__ = ["read_stamps", "read_tables", "samples"]

_BEGINNING = Position()
#: How .npy and .npz files begin, and FITS files.
_ARRAYS = (b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06")
_FITS = (b"SIMPLE  ", b"XTENSION")


def read_stamps(
    found: inputs.Found, wish: Wish, channels: Sequence[str] | None, start: Position = _BEGINNING
) -> Iterator[AnyBatch]:
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
            for part in alert_files.read_files(run, wish, here._replace(source=0)):
                at = part.position._replace(source=part.position.source + number)
                yield replace(part, files_done=at.source, files_total=total, position=at)
            number = end
        else:
            row = 0
            called = _called(sources[number])
            for part in _one(sources[number], wish, channels, found):
                row += len(part.rows)
                if row > here.row:
                    part = with_short_ids(part, wish.limits, called)
                    yield replace(part, files_done=number, files_total=total, position=Position(number, 0, row))
            number += 1


def samples(found: inputs.Found, wish: Wish, most: int) -> Iterator[AnyBatch]:
    """Yield the first row of at most so many sources of alerts, evenly spread; standard input is read only once."""
    files = [source for source in found.sources if isinstance(source, (str, Path, Content))]
    files = [source for source in files if source != alert_files.STANDARD_INPUT]
    small = replace(wish, size=1, threads=1, measure=None, memory=None, model=None)
    for number in sorted({k * len(files) // most for k in range(most)}) if files else ():
        with contextlib.suppress(ReadError, StopIteration):
            yield next(read_stamps(replace(found, sources=[files[number]]), small, None))


def _one(source: inputs.Source, wish: Wish, channels: Sequence[str] | None, found: inputs.Found) -> Iterator[AnyBatch]:
    """Yield what one source holds; where it cannot be read any further, a row stands for the rest."""
    if isinstance(source, des.Candidates):
        yield from des.read_stamps(source, wish.size, wish.limits)
        return
    if isinstance(source, images.FitsFiles):
        yield from images.read_stamps(source, wish.size, channels, found.origins, wish.limits)
        return
    assert not isinstance(source, str)
    called = _called(source)
    row = 0
    try:
        with told_apart(), unreadable():
            parts = (
                _held(source, wish, channels) if isinstance(source, Content) else _opened(source, wish, channels, found)
            )
            for part in parts:
                row += len(part.rows)
                yield part
    except ReadError as error:
        yield Batch(failed_rows(called, wish.measure), (damaged(called, error, record=row or None),))


def _called(source: inputs.Source) -> str:
    """Return what to call a source in problems."""
    if isinstance(source, des.Candidates):
        return "stamps"
    if isinstance(source, images.FitsFiles):
        return str(source.paths[0])
    return source.name if isinstance(source, Content) else str(source)


def _opened(path: Path, wish: Wish, channels: Sequence[str] | None, found: inputs.Found) -> Iterator[AnyBatch]:
    """Choose the reader by the file's first bytes."""
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(parquet.MAGIC):
        return parquet.read_alerts(path, wish)
    if head.startswith(_ARRAYS):
        return arrays.read_stamps(path, wish.size, channels, found.origins(path), wish.limits)
    if images.is_fits(path):
        return images.read_stamps(images.FitsFiles([path]), wish.size, channels, found.origins, wish.limits)
    return alert_files.read_files([str(path)], wish, _BEGINNING)


def _held(source: Content, wish: Wish, channels: Sequence[str] | None) -> Iterator[AnyBatch]:
    """Choose the reader of what an open file held, by its first bytes."""
    head = source.content[:8]
    if head.startswith(parquet.MAGIC):
        yield from parquet.read_alerts(io.BytesIO(source.content), wish, source.name)
    elif head.startswith(_ARRAYS) or unpacked_head(source.content).startswith(_FITS):
        with as_file(source) as path:
            yield from _opened(path, wish, channels, inputs.Found([path]))
    else:
        yield from alert_files.read_files([source.content], wish, _BEGINNING, [source.name])


def read_tables(found: inputs.Found, size: int, strict: bool, start: Position, limits: Limits) -> Iterator[AnyBatch]:
    """Read the feature tables of an input in order."""
    names = found.features or ()
    total = len(found.sources)
    for number, source in enumerate(found.sources):
        assert isinstance(source, Path)
        if number < start.source:
            continue
        row = 0
        for part in _table(source, names, size, strict, found.origins(source), limits):
            row += len(part.rows)
            if (number, row) > (start.source, start.row):
                part = with_short_ids(part, limits, str(source))
                yield replace(part, files_done=number, files_total=total, position=Position(number, 0, row))


def _table(
    source: Path, names: Sequence[str], size: int, strict: bool, origins: feature_table.Origins, limits: Limits
) -> Iterator[AnyBatch]:
    try:
        with told_apart(), unreadable():
            for part in feature_table.read_features(source, names, size, origins, limits):
                lost = next((problem for problem in part.problems if problem.of_file), None)
                if strict and lost is not None:
                    raise ReadError(lost.message)
                yield part
    except ReadError as error:
        if strict:
            raise ReadError(f"{source}: {error}; {inputs.ACCEPTED}") from None
        yield Batch(failed_features(origins.stem, names), (damaged(source, error),))
