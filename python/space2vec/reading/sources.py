"""Read the sources of an input in order, each with the reader of its format."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from space2vec.errors import ReadError
from space2vec.reading import alert_files, arrays, des, feature_table, images, inputs, parquet
from space2vec.reading.batch import AnyBatch, Batch, Position, damaged_file, failed_features, failed_rows
from space2vec.reading.limits import Limits, refuse_long_ids, size_faults_as_read_errors, unopenable_as_read_errors
from space2vec.reading.open_files import FileContent, as_temporary_file, unpacked_head
from space2vec.reading.options import ReadOptions

__all__ = ["read_stamps", "read_tables", "sample_batches"]

_BEGINNING = Position()
#: The first bytes of .npy and .npz files, and of FITS files.
_ARRAYS = (b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06")
_FITS = (b"SIMPLE  ", b"XTENSION")


def read_stamps(
    found: inputs.InputFiles, options: ReadOptions, channels: Sequence[str] | None, start: Position = _BEGINNING
) -> Iterator[AnyBatch]:
    """Read the sources in order: consecutive alert files by one pipeline, other files one by one."""
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
            for part in alert_files.read_files(run, options, here._replace(source=0)):
                at = part.position._replace(source=part.position.source + number)
                yield replace(part, files_done=at.source, files_total=total, position=at)
            number = end
        else:
            row = 0
            name = _source_name(sources[number])
            for part in _read_source(sources[number], options, channels, found):
                row += len(part.rows)
                if row > here.row:
                    part = refuse_long_ids(part, options.limits, name)
                    yield replace(part, files_done=number, files_total=total, position=Position(number, 0, row))
            number += 1


def sample_batches(found: inputs.InputFiles, options: ReadOptions, most: int) -> Iterator[AnyBatch]:
    """Yield the first row of each of at most `most` files, evenly spaced; standard input is skipped."""
    files = [source for source in found.sources if isinstance(source, (str, Path, FileContent))]
    files = [source for source in files if source != alert_files.STANDARD_INPUT]
    small = replace(options, size=1, threads=1, measure=None, memory=None, model=None)
    for number in sorted({k * len(files) // most for k in range(most)}) if files else ():
        with contextlib.suppress(ReadError, StopIteration):
            yield next(read_stamps(replace(found, sources=[files[number]]), small, None))


def _read_source(
    source: inputs.Source, options: ReadOptions, channels: Sequence[str] | None, found: inputs.InputFiles
) -> Iterator[AnyBatch]:
    """Yield the batches of one source; if the rest cannot be read, one row represents it."""
    if isinstance(source, des.Candidates):
        yield from des.read_stamps(source, options.size, options.limits)
        return
    if isinstance(source, images.FitsFiles):
        yield from images.read_stamps(source, options.size, channels, found.default_ids, options.limits)
        return
    assert not isinstance(source, str)
    name = _source_name(source)
    row = 0
    try:
        with size_faults_as_read_errors(), unopenable_as_read_errors():
            parts = (
                _read_content(source, options, channels)
                if isinstance(source, FileContent)
                else _read_path(source, options, channels, found)
            )
            for part in parts:
                row += len(part.rows)
                yield part
    except ReadError as error:
        yield Batch(failed_rows(name, options.measure), (damaged_file(name, error, record=row or None),))


def _source_name(source: inputs.Source) -> str:
    """Return the name of a source in problems."""
    if isinstance(source, des.Candidates):
        return "stamps"
    if isinstance(source, images.FitsFiles):
        return str(source.paths[0])
    return source.name if isinstance(source, FileContent) else str(source)


def _read_path(
    path: Path, options: ReadOptions, channels: Sequence[str] | None, found: inputs.InputFiles
) -> Iterator[AnyBatch]:
    """Choose the reader by the file's first bytes."""
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(parquet.MAGIC):
        return parquet.read_alerts(path, options)
    if head.startswith(_ARRAYS):
        return arrays.read_stamps(path, options.size, channels, found.default_ids(path), options.limits)
    if images.is_fits(path):
        return images.read_stamps(images.FitsFiles([path]), options.size, channels, found.default_ids, options.limits)
    return alert_files.read_files([str(path)], options, _BEGINNING)


def _read_content(source: FileContent, options: ReadOptions, channels: Sequence[str] | None) -> Iterator[AnyBatch]:
    """Choose the reader for the content of an open file by its first bytes."""
    head = source.data[:8]
    if head.startswith(parquet.MAGIC):
        yield from parquet.read_alerts(io.BytesIO(source.data), options, source.name)
    elif head.startswith(_ARRAYS) or unpacked_head(source.data).startswith(_FITS):
        with as_temporary_file(source) as path:
            yield from _read_path(path, options, channels, inputs.InputFiles([path]))
    else:
        yield from alert_files.read_files([source.data], options, _BEGINNING, [source.name])


def read_tables(
    found: inputs.InputFiles, size: int, strict: bool, start: Position, limits: Limits
) -> Iterator[AnyBatch]:
    """Read the feature tables of an input in order."""
    names = found.features or ()
    total = len(found.sources)
    for number, source in enumerate(found.sources):
        assert isinstance(source, Path)
        if number < start.source:
            continue
        row = 0
        for part in _read_table(source, names, size, strict, found.default_ids(source), limits):
            row += len(part.rows)
            if (number, row) > (start.source, start.row):
                part = refuse_long_ids(part, limits, str(source))
                yield replace(part, files_done=number, files_total=total, position=Position(number, 0, row))


def _read_table(
    source: Path, names: Sequence[str], size: int, strict: bool, default_ids: feature_table.DefaultIds, limits: Limits
) -> Iterator[AnyBatch]:
    try:
        with size_faults_as_read_errors(), unopenable_as_read_errors():
            for part in feature_table.read_features(source, names, size, default_ids, limits):
                lost = next((problem for problem in part.problems if problem.of_file), None)
                if strict and lost is not None:
                    raise ReadError(lost.message)
                yield part
    except ReadError as error:
        if strict:
            raise ReadError(f"{source}: {error}; {inputs.ACCEPTED_INPUTS}") from None
        yield Batch(failed_features(default_ids.stem, names), (damaged_file(source, error),))
