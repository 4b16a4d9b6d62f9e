"""Files of alerts, one pipeline after another: a file for which memory does not suffice costs its row alone."""

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

#: What names standard input.
STANDARD_INPUT = "-"
#: Files that one pipeline takes: what it holds of each stays bounded however many there are.
_FILES_OF_PIPELINE = 1 << 16
#: Files that are read one by one once memory did not suffice for several, before several are tried again: threads read
#: ahead, so the one that asks for too much may lie behind others.
_FILES_ALONE = 16
#: By how much the batches of such a file are smaller.
_SMALLER = 16
#: Bytes that a machine has which is fit to read a file: about as many as one takes.
_FREE_MEMORY = 128 << 20


def read_files(
    sources: Sequence[str | bytes], options: ReadOptions, start: Position, names: Sequence[str] | None = None
) -> Iterator[AnyBatch]:
    """Yield the alerts of files, in order.

    Where memory does not suffice, what was read ahead is let go and the files are read one by one, in smaller batches,
    from where the last batch ended. A row stands for the rest of a file that fails alone too.

    Parameters
    ----------
    sources : sequence of str, or of bytes
        Paths (``-`` for standard input), or what such files hold.
    options : ReadOptions
        How to read them.
    start : Position
        Where to begin; its `source` counts in `sources`.
    names : sequence of str, optional
        What to call the sources in problems; their paths by default.

    Raises
    ------
    OSError
        If the machine cannot read a file, or has no memory to read any. That is no fault of the data, so no row stands
        for it.
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
        # Here no frame holds the reader any more, nor what it had taken.
        if not fault:
            place, alone = Position(end), max(alone - 1, 0)
        elif alone or sources[place.source] == STANDARD_INPUT:  # which cannot be read once more
            name = called[place.source]
            _check_memory(name)
            problem = damaged_file(name, fault)
            place, alone = Position(place.source + 1), 0
            yield Batch(failed_rows(name, options.measure), (problem,), place.source - 1, len(sources), place)
        else:
            alone = _FILES_ALONE


def _end_of_pipeline(sources: Sequence[str | bytes], begin: int, most: int) -> int:
    """Return where the files end that one pipeline takes; standard input has one for itself."""
    end = min(begin + most, len(sources))
    if isinstance(sources[begin], bytes):
        return end
    first = next((k for k in range(begin, end) if sources[k] == STANDARD_INPUT), end)
    return max(first, begin + 1)


def _check_memory(name: str) -> None:
    """Raise OSError where there is not the memory to read any file: then it is not this one that asks for too much."""
    try:
        np.empty(_FREE_MEMORY, dtype=np.uint8)
    except MemoryError:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM), name) from None
