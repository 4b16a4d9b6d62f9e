"""Alert packets through the compiled pipeline: Avro files, archives of them, bare messages, and cutouts in columns."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from space2vec import backend, catalogue
from space2vec import flags as flag_bits
from space2vec.errors import BackendError, ReadError
from space2vec.extract import Measure
from space2vec.reading.batch import Batch, Origin, Position, Problem, stem
from space2vec.reading.fits import decode_tiles
from space2vec.registry import FAULTS
from space2vec.stamps import CHANNELS, NO_ID, Stamps
from space2vec.table import Features

__all__ = ["CUTOUTS", "Wish", "read_columns", "read_files"]

#: The fields of a packet that hold the cutouts.
CUTOUTS: tuple[str, ...] = tuple(f"cutout{channel.capitalize()}" for channel in CHANNELS)

_ZTF, _RUBIN = "candidate.", "diaSource."
_FIELDS = (*(_ZTF + name for name in catalogue.ZTF_FIELDS), *(_RUBIN + name for name in catalogue.RUBIN_FIELDS))
#: Files that one pipeline takes: what it holds of each stays bounded however many there are.
_RUN = 1 << 16
_TEXT = frozenset({"band"})


@dataclass(frozen=True, slots=True)
class Wish:
    """How alerts are to be read.

    Attributes
    ----------
    size : int
        Rows of a batch, at most.
    threads : int
        Workers.
    measure : Measure or None
        What to measure, the pixels being let go; ``None`` to keep these.
    schemas : mapping of int to str
        The schemas of bare messages, as JSON, by the number in a message's header.
    memory : tuple of int or None
        Where the pixels go: the addresses of an ``s2v_allocator``'s two functions and of their context; ``None`` for
        ordinary memory.
    """

    size: int
    threads: int
    measure: Measure | None = None
    schemas: Mapping[int, str] = field(default_factory=dict)
    memory: tuple[int, int, int] | None = None

    def options(self) -> dict[str, Any]:
        """Return what every native reader is told."""
        measure = self.measure
        planes = CHANNELS if measure is None else measure.planes
        return {
            "planes": sum(1 << CHANNELS.index(plane) for plane in planes),
            "pixels": measure is None,
            "sets": 0 if measure is None else measure.sets,
            "convention": 0 if measure is None else ("code", "paper").index(measure.convention),
            "saturation": math.nan,
            "threads": self.threads,
            "memory": self.memory,
            "decode_image": decode_tiles,
        }


def read_files(
    sources: Sequence[str | bytes], wish: Wish, start: Position, names: Sequence[str] | None = None
) -> Iterator[Batch]:
    """Yield the alerts of files, in order.

    Parameters
    ----------
    sources : sequence of str, or of bytes
        Paths (``-`` for standard input), or what such files hold.
    wish : Wish
        How to read them.
    start : Position
        Where to begin; its `source` counts in `sources`.
    names : sequence of str, optional
        What to call the sources in problems; their paths by default.

    Raises
    ------
    OSError
        If the machine cannot read a file. That is no fault of the data, so no row stands for it.
    """
    called = [str(source) for source in sources] if names is None else names
    in_memory = bool(sources) and isinstance(sources[0], bytes)
    for begin in range(start.source, len(sources), _RUN):
        part = sources[begin : begin + _RUN]
        first = start if begin == start.source else Position(begin)
        reader = _reader(
            wish,
            inputs=[item if isinstance(item, bytes) else os.fsencode(item) for item in part],
            in_memory=in_memory,
            columns=list(_FIELDS),
            schemas=list(wish.schemas.items()),
            start=(0, first.block, first.row),
        )
        last, row = (first.source, first.block), first.row
        while (raw := _next(reader, wish.size)) is not None:
            source, block = begin + raw["source"], raw["block"]
            here = (int(source[-1]), int(block[-1]))
            # Rows of the last block that have been given, by earlier batches and earlier runs too.
            other = np.flatnonzero((source != here[0]) | (block != here[1]))
            row = len(source) - 1 - int(other[-1]) if len(other) else len(source) + (row if here == last else 0)
            last = here
            origin = Origin([called[k] for k in source.tolist()], raw["record"], raw["byte"])
            rows, problems = _rows(raw, reader, wish, origin.paths)
            yield Batch(rows, problems, here[0], len(sources), Position(*here, row), origin)


def read_columns(
    cutouts: Sequence[tuple[NDArray[np.uint8], NDArray[np.int64]] | None],
    record: Mapping[str, Sequence[Any] | NDArray[Any]],
    *,
    rubin: bool,
    object_id: NDArray[Any],
    candidate_id: NDArray[np.int64],
    wish: Wish,
    path: str,
    first: int,
) -> Batch:
    """Return the alerts of a table that is in memory.

    Parameters
    ----------
    cutouts : sequence of (data, begin) or None
        For each channel the cutouts one after another, and (n + 1) offsets into them; ``None`` where there is none.
    record : mapping of str to sequence (n,)
        The fields of the candidate records.
    rubin : bool
        Whether these are Rubin's fields, or ZTF's.
    object_id, candidate_id : ndarray (n,)
        The ids.
    wish : Wish
        How to read them; its size is not looked at.
    path : str
        What to call the table in problems.
    first : int
        The number of its first row in the file.
    """
    n = len(candidate_id)
    position = None
    if not rubin and "xpos" in record and "ypos" in record:
        position = tuple(catalogue.numbers(record[name], n) for name in ("xpos", "ypos"))
    reader = _reader(wish, cutouts=list(cutouts), position=position, rubin=rubin)
    raw = _next(reader, n)
    assert raw is not None
    mapper = catalogue.from_rubin if rubin else catalogue.from_ztf
    problems = tuple(
        _problem(entry, path, object_id[entry[0]], int(candidate_id[entry[0]]), first) for entry in raw["problems"]
    )
    return Batch(
        _table(raw, object_id, candidate_id, mapper(record) if record else {}, wish),
        problems,
        origin=Origin([path] * n, np.arange(first, first + n)),
    )


def _reader(wish: Wish, **source: Any) -> Any:
    compiled = backend.compiled("reading alerts")
    if compiled.inflate_engine() is None:
        raise BackendError("SPACE2VEC_INFLATE names nothing that is here; known are space2vec, libdeflate and zlib")
    try:
        return compiled.Reader(**source, **wish.options())
    except ValueError:
        if wish.schemas:
            raise ReadError("a schema that was given for bare messages is no Avro schema of alerts") from None
        raise


def _next(reader: Any, size: int) -> dict[str, Any] | None:
    raw: dict[str, Any] | None = reader.next(size)
    return raw


def _rows(
    raw: dict[str, Any], reader: Any, wish: Wish, paths: Sequence[str]
) -> tuple[Stamps | Features, tuple[Problem, ...]]:
    object_id = np.array(raw["object_id"], dtype=object)
    candidate_id = raw["candidate_id"]
    problems = []
    for entry in raw["problems"]:
        row, member = entry[0], entry[7]
        path = f"{paths[row]}/{member}" if member else paths[row]
        problems.append(_problem(entry, path, object_id[row] or None, int(candidate_id[row]), 0))
        if raw["schema"][row] < 0 and not object_id[row]:
            object_id[row] = stem(path)
    return _table(raw, object_id, candidate_id, _catalogue(raw, reader), wish), tuple(problems)


def _table(
    raw: dict[str, Any],
    object_id: NDArray[Any],
    candidate_id: NDArray[np.int64],
    columns: Mapping[str, NDArray[np.float32]],
    wish: Wish,
) -> Stamps | Features:
    if wish.measure is None:
        return Stamps.of_buffer(
            raw["pixels"],
            raw["offset"],
            raw["shape"],
            raw["centre"],
            object_id=object_id,
            candidate_id=candidate_id,
            catalogue=columns,
            flags=raw["flags"],
        )
    values = wish.measure.in_columns(raw["features"], columns)
    flags = flag_bits.joined(raw["flags"], raw["feature_flags"], raw["offset"])
    return Features(values, wish.measure.names, flags, object_id, candidate_id)


def _catalogue(raw: dict[str, Any], reader: Any) -> dict[str, NDArray[np.float32]]:
    """Return the catalogue columns. A field that a schema lacks differs from one which is there and null."""
    columns: dict[str, NDArray[np.float32]] = {}
    for schema in np.unique(raw["schema"]).tolist():
        if schema < 0:
            continue
        rows = np.flatnonzero(raw["schema"] == schema)
        present = reader.schema_columns(schema)
        for prefix, mapper in ((_RUBIN, catalogue.from_rubin), (_ZTF, catalogue.from_ztf)):
            fields = {
                path.removeprefix(prefix): _field(path.removeprefix(prefix), raw["columns"][rows, k])
                for k, path in enumerate(_FIELDS)
                if present[k] and path.startswith(prefix)
            }
            if fields:
                for name, values in mapper(fields).items():
                    columns.setdefault(name, np.full(len(raw["schema"]), np.nan, dtype=np.float32))[rows] = values
                break
    return columns


def _field(name: str, values: NDArray[np.float64]) -> Any:
    """Return a column as the record has it: a text of one character comes as its code."""
    return [chr(int(value)) if value > 0 else None for value in values] if name in _TEXT else values


def _problem(entry: tuple[Any, ...], path: str, object_id: str | None, candidate_id: int, first: int) -> Problem:
    row, _, record, offset, fault, fault_offset, channel, _, detail = entry
    meaning = FAULTS[fault]
    words = f"{CUTOUTS[channel]}: {meaning}" if channel >= 0 else f"{detail}: {meaning}" if detail else meaning
    if fault_offset:
        words += f" (byte {fault_offset})"
    return Problem(
        path,
        fault,
        words,
        None if record < 0 else record + first,
        offset,
        row,
        object_id,
        None if candidate_id == NO_ID else candidate_id,
        of_file=channel < 0,
    )
