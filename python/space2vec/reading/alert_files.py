"""Read files of alerts by the compiled pipeline; a file that needs more memory than there is costs one row."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from space2vec.data.ids import printable
from space2vec.reading.alerts import run_pipeline
from space2vec.reading.batch import AnyBatch, Batch, Position, damaged_file, failed_rows
from space2vec.reading.limits import FAULTS_OF_SIZE, describe_size_fault
from space2vec.reading.options import ReadOptions

__all__ = ["STANDARD_INPUT", "read_files"]

#: The input that means standard input.
STANDARD_INPUT = "-"
#: The most files of one pipeline, which bounds the memory that it needs for their names.
_FILES_OF_PIPELINE = 1 << 16
#: Number of files that are read one by one after memory was short, before several are tried together again. Threads
#: read ahead, so the file that needs too much may come after others.
_FILES_ALONE = 16
#: The factor by which the batches of such files are smaller.
_SMALLER = 16
#: Bytes that must be free for any file to be read: about as many as one file takes.
_FREE_MEMORY = 128 << 20


def read_files(
    sources: Sequence[str | bytes], options: ReadOptions, start: Position, names: Sequence[str] | None = None
) -> Iterator[AnyBatch]:
    """Yield the alerts of files, in order.

    If memory is short, what was read ahead is discarded, and the files are read one by one, in smaller batches, from
    the end of the last batch. If a file fails then too, one row stands for the rest of it.

    Parameters
    ----------
    sources : sequence of str, or of bytes
        Paths (``-`` for standard input), or the contents of such files.
    options : ReadOptions
        How to read them.
    start : Position
        Where to begin; its `source` is an index of `sources`.
    names : sequence of str, optional
        The names of the sources in problems; their paths by default.

    Raises
    ------
    OSError
        If the machine cannot read a file, or has no memory to read any file. As this is not a fault of the data, it
        does not become a row.
    """
    called = [printable(str(source)) for source in sources] if names is None else names
    place, alone = start, 0
    small = replace(options, threads=1, size=max(1, options.size // _SMALLER))
    while place.source < len(sources):
        end = _end_of_pipeline(sources, place.source, 1 if alone else _FILES_OF_PIPELINE)
        fault = ""
        try:
            for part in run_pipeline(sources[:end], small if alone else options, place, called):
                yield replace(part, files_total=len(sources))
                place = part.position
        except FAULTS_OF_SIZE as error:
            fault = describe_size_fault(error)
        # The except block has ended, so no traceback keeps the reader and its memory alive.
        if not fault:
            place, alone = Position(end), max(alone - 1, 0)
        elif alone or sources[place.source] == STANDARD_INPUT:  # it cannot be read again
            name = called[place.source]
            _check_memory(name)
            problem = damaged_file(name, fault)
            place, alone = Position(place.source + 1), 0
            yield Batch(failed_rows(name, options.measure), (problem,), place.source - 1, len(sources), place)
        else:
            alone = _FILES_ALONE


def _end_of_pipeline(sources: Sequence[str | bytes], begin: int, most: int) -> int:
    """Return the end of the files of one pipeline; standard input has its own pipeline."""
    end = min(begin + most, len(sources))
    if isinstance(sources[begin], bytes):
        return end
    first = next((k for k in range(begin, end) if sources[k] == STANDARD_INPUT), end)
    return max(first, begin + 1)


def _check_memory(name: str) -> None:
    """Raise OSError if there is no memory to read any file, because this file is then not at fault."""
    try:
        np.empty(_FREE_MEMORY, dtype=np.uint8)
    except MemoryError:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM), name) from None
