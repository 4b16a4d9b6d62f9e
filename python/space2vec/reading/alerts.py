"""Decode alert packets with the library: Avro files, archives of them, messages, and cutouts in columns."""

from __future__ import annotations

import functools
import operator
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from space2vec.backends import kernels
from space2vec.data.columns import Columns, select_rows
from space2vec.data.ids import NO_ID, printable
from space2vec.data.numeric import numbers_or_nan
from space2vec.data.stamps import CHANNELS, Stamps
from space2vec.data.tables import Features, Scores
from space2vec.data.vectors import Vectors
from space2vec.errors import BackendError, ReadError
from space2vec.reading.batch import AnyBatch, Batch, BatchRows, Origin, PacketFields, Position, Problem, stem
from space2vec.reading.catalogue import Records, catalogue_fields, columns_by_name
from space2vec.reading.library_readers import Decoder, FieldValues, Raw, RawProblem, Reader, SchemaFields
from space2vec.reading.limits import describe_excess
from space2vec.reading.options import ReadOptions
from space2vec.reading.parquet_columns import CutoutColumn
from space2vec.registry import FAULTS

__all__ = ["CUTOUTS", "AlertRows", "decode_columns", "decode_messages", "make_decoder", "run_pipeline"]

#: A candidate id of an array: an integer, text, or ``None``.
CandidateId: TypeAlias = "np.int64 | int | str | None"

#: The fields of a packet that hold the cutouts.
CUTOUTS: tuple[str, ...] = tuple(f"cutout{channel.capitalize()}" for channel in CHANNELS)

#: How the library's descriptions of demands above a limit begin.
_DEMANDS = ("an id", "a text", "more rows", "more memory")
#: The library's numbers for the types of values.
_INTEGER, _REAL, _TEXT_VALUE = 1, 2, 3


def run_pipeline(
    sources: Sequence[str | bytes], options: ReadOptions, start: Position, names: Sequence[str]
) -> Iterator[AnyBatch]:
    """Yield the alerts of files, in order, decoded by one pipeline of threads in the library.

    Parameters
    ----------
    sources : sequence of str, or of bytes
        The paths (``-`` for standard input), or the contents of the files.
    options : ReadOptions
        How to read the alerts.
    start : Position
        Where to begin. Its `source` is an index into `sources`, as is that of every batch.
    names : sequence of str
        The names of the sources in problems.

    Yields
    ------
    Batch
        At most `options.size` rows.

    Raises
    ------
    OSError
        If the machine cannot read a file. The data are not at fault, so the file does not become a row.
    """
    in_memory = bool(sources) and isinstance(sources[0], bytes)
    begin = start.source
    reader = _open_reader(
        options,
        inputs=[item if isinstance(item, bytes) else os.fsencode(item) for item in sources[begin:]],
        in_memory=in_memory,
        columns=[],
        catalogue=options.takes_catalogue,
        fields=list(options.columns),
        schemas=list(options.schemas.items()),
        start=(0, start.block, start.row),
    )
    last, row = (begin, start.block), start.row
    while (raw := _next_rows(reader, options.size)) is not None:
        source, block = begin + raw["source"], raw["block"]
        here = (int(source[-1]), int(block[-1]))
        # The rows of the last block that were yielded so far, in earlier batches and earlier runs too.
        other = np.flatnonzero((source != here[0]) | (block != here[1]))
        row = len(source) - 1 - int(other[-1]) if len(other) else len(source) + (row if here == last else 0)
        last = here
        origin = Origin([names[k] for k in source.tolist()], raw["record"], raw["byte"])
        rows, problems = _rows_and_problems(raw, reader, options, origin.paths)
        packet_fields = _packet_fields(raw, reader, options)
        yield Batch(rows, problems, here[0], len(sources), Position(*here, row), origin, packet_fields)


@dataclass(frozen=True, slots=True)
class AlertRows:
    """Alerts in memory, column by column, as :func:`decode_columns` takes them.

    Attributes
    ----------
    cutouts : sequence of CutoutColumn or None
        The cutouts of science, template and difference; ``None`` for a channel that the table does not have.
    object_id, candidate_id : ndarray (n,)
        The ids.
    record : mapping of str to sequence (n,)
        The fields of the candidate records, ``None`` where null.
    rubin : bool
        Whether the fields are those of Rubin; otherwise those of ZTF and of cameras with its format.
    ztf_fields : bool
        Whether the table has fields that only ZTF's packets have.
    publisher : sequence of str or None (n,), or None
        The publishers that the packets name.
    columns : dict of str to ndarray (n,)
        The extra columns that are returned with the rows.
    packet_fields : PacketFields or None
        Which of the requested extra columns the table has.
    """

    cutouts: Sequence[CutoutColumn | None]
    object_id: NDArray[np.generic]  # integers or text
    candidate_id: NDArray[np.generic]  # integers or text
    record: Records = field(default_factory=dict)
    rubin: bool = False
    ztf_fields: bool = False
    publisher: Sequence[str | None] | None = None
    columns: Columns = field(default_factory=dict)
    packet_fields: PacketFields | None = None


def decode_columns(table: AlertRows, options: ReadOptions, path: str, first: int = 0) -> Iterator[AnyBatch]:
    """Decode the alerts of a table in memory, in one batch, or in several if its pixels exceed the limit of a batch.

    Parameters
    ----------
    table : AlertRows
        The alerts (n rows).
    options : ReadOptions
        How to read them; `size` is ignored.
    path : str
        The name of the table in problems.
    first : int
        The number of the first row in its file.

    Yields
    ------
    Batch
        Consecutive rows of the table.
    """
    n, record, rubin = len(table.candidate_id), table.record, table.rubin
    position = None
    if not rubin and "xpos" in record and "ypos" in record:
        position = tuple(numbers_or_nan(record[name], n) for name in ("xpos", "ypos"))
    reader = _open_reader(
        options,
        cutouts=[None if column is None else (column.data, column.begin) for column in table.cutouts],
        position=position,
        object_ids=None if rubin else _concatenate_texts(table.object_id),
        publishers=None if rubin or table.publisher is None else _concatenate_texts(table.publisher),
        rubin=rubin,
        ztf_fields=table.ztf_fields,
        catalogue_fields=catalogue_fields(record, n, rubin=rubin) if options.takes_catalogue else None,
    )
    path = printable(path)
    begin = 0
    while begin < n:
        raw = _next_rows(reader, n - begin)
        assert raw is not None
        rows = slice(begin, begin + len(raw["offset"]))
        objects, candidates = table.object_id[rows], table.candidate_id[rows]
        known: dict[str, NDArray[np.float32]] = {}
        if record and options.takes_catalogue and not options.models:
            known = columns_by_name(raw["catalogue"], np.unique(raw["survey"]).tolist())
        problems = tuple(
            _make_problem(
                _distinguish_empty(entry, table.cutouts, begin), path, objects[entry.row], candidates[entry.row], first
            )
            for entry in map(RawProblem._make, raw["problems"])
        )
        yield Batch(
            _make_rows(raw, objects, candidates, known, select_rows(table.columns, rows), options),
            problems,
            origin=Origin([path] * len(objects), np.arange(first + begin, first + rows.stop)),
            packet_fields=table.packet_fields,
        )
        begin = rows.stop


def _distinguish_empty(entry: RawProblem, cutouts: Sequence[CutoutColumn | None], begin: int) -> RawProblem:
    """Correct the fault of a cutout without bytes, which the library cannot distinguish from a null cutout.

    Row `begin` of the table is the first of the problem's batch.
    """
    column = cutouts[entry.channel] if entry.channel >= 0 else None
    if entry.fault != "missing_plane" or column is None or column.empty is None or not column.empty[begin + entry.row]:
        return entry
    return entry._replace(fault="empty_cutout")


def make_decoder(options: ReadOptions) -> Decoder:
    """Make the library's decoder of messages; :func:`decode_messages` uses it."""
    native = options.native()
    for name in ("threads", "memory"):
        del native[name]
    decoder: Decoder = kernels.require_extension("reading alerts").Decoder(
        fields=list(options.columns), catalogue=options.takes_catalogue, **native
    )
    return decoder


def decode_messages(
    decoder: Decoder, messages: Sequence[bytes | None], options: ReadOptions, names: Sequence[str]
) -> AnyBatch:
    """Decode messages (n,), at least one, to one row each; `names` (n,) are their names in problems."""
    raw = decoder.decode(list(messages))
    assert raw is not None
    origin = Origin(list(names), raw["record"], raw["byte"])
    rows, problems = _rows_and_problems(raw, decoder, options, origin.paths)
    return Batch(rows, problems, origin=origin, packet_fields=_packet_fields(raw, decoder, options))


def _concatenate_texts(texts: Iterable[str | None]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return texts one after another as UTF-8, and the offset at which each ends."""
    held = [b"" if text is None else text.encode(errors="surrogateescape") for text in texts]
    return np.frombuffer(b"".join(held), dtype=np.uint8), np.cumsum([len(text) for text in held], dtype=np.int64)


def _open_reader(options: ReadOptions, **source: object) -> Reader:
    """Open the library's reader of files, or of a table in memory."""
    compiled = kernels.require_extension("reading alerts")
    if compiled.inflate_engine() is None:
        raise BackendError("SPACE2VEC_INFLATE names nothing that is here; known are space2vec, libdeflate and zlib")
    try:
        reader: Reader = compiled.Reader(**source, **options.native())
        return reader
    except ValueError:
        for number, schema in options.schemas.items():
            if reason := compiled.schema_fault(schema):
                raise ReadError(f"schema {number} is no Avro schema of alerts: {reason}") from None
        raise


def _next_rows(reader: Reader, size: int) -> Raw | None:
    """Return the arrays of the next rows, at most `size`; ``None`` at the end."""
    return reader.next(size)


def _rows_and_problems(
    raw: Raw, reader: SchemaFields, options: ReadOptions, paths: Sequence[str]
) -> tuple[BatchRows, tuple[Problem, ...]]:
    object_id = np.array(raw["object_id"], dtype=object)
    candidate_id = _candidate_ids(raw)
    problems = []
    for entry in map(RawProblem._make, raw["problems"]):
        row = entry.row
        path = f"{paths[row]}/{entry.member}" if entry.member else paths[row]
        problems.append(_make_problem(entry, path, object_id[row] or None, candidate_id[row], 0))
        if raw["schema"][row] < 0 and not object_id[row]:
            object_id[row] = stem(path)
    kinds = _value_kinds(raw, reader, options)
    columns = {
        name: _values_at_path(FieldValues(*raw["fields"][k]), kinds[k]) for k, name in enumerate(options.columns)
    }
    known = _catalogue_columns(raw) if options.takes_catalogue and not options.models else {}
    return _make_rows(raw, object_id, candidate_id, known, columns, options), tuple(problems)


def _candidate_ids(raw: Raw) -> NDArray[np.generic]:
    """Return the candidate ids (n,): integers, or text if one of them is not an integer."""
    numbers: NDArray[np.int64] = raw["candidate_id"]
    texts: dict[int, str] = raw["other_ids"]
    if not texts:
        return numbers
    ids = numbers.astype(str).astype(object)
    ids[numbers == NO_ID] = None
    for row, text in texts.items():
        ids[row] = text
    return ids


def _value_kinds(raw: Raw, reader: SchemaFields, options: ReadOptions) -> list[int]:
    """Return for each requested field the types that the schemas of a batch give it, as bits."""
    each = [reader.schema_fields(schema) for schema in _schema_numbers(raw["schema"])] if options.columns else []
    return [functools.reduce(operator.or_, kinds) for kinds in zip(*each, strict=True)] or [0] * len(options.columns)


def _values_at_path(values: FieldValues, kinds: int) -> NDArray[np.generic]:
    """Return the values (n,) of one field: text if a schema declares text, otherwise real numbers or integers."""
    kind, integer, real, texts = values
    if kinds >> _TEXT_VALUE & 1:
        column = np.full(len(kind), None, dtype=object)
        for row in np.flatnonzero(kind).tolist():
            column[row] = texts[row] if row in texts else str((integer if kind[row] == _INTEGER else real)[row])
        return column
    if kinds == 1 << _INTEGER:
        return np.ma.MaskedArray(integer, kind != _INTEGER)
    return np.where(kind == _REAL, real, np.where(kind == _INTEGER, integer, np.nan))


def _schema_numbers(schemas: NDArray[np.int32]) -> list[int]:
    """Return the numbers of the schemas that occur, without those of unreadable rows."""
    return sorted({number for number in schemas.tolist() if number >= 0})


def _packet_fields(raw: Raw, reader: SchemaFields, options: ReadOptions) -> PacketFields | None:
    """Return which columns the schemas of a batch have; unknown if every alert of the batch is damaged."""
    schemas = _schema_numbers(raw["schema"]) if options.columns else []
    if not schemas:
        return None
    lacking = tuple(
        name for name, kinds in zip(options.columns, _value_kinds(raw, reader, options), strict=True) if not kinds
    )
    paths = {path: None for schema in schemas for path in reader.schema_paths(schema)} if lacking else {}
    return PacketFields(lacking, tuple(paths))


def _make_rows(
    raw: Raw,
    object_id: NDArray[np.generic],
    candidate_id: NDArray[np.generic],
    known: Mapping[str, NDArray[np.float32]],
    columns: Columns,
    options: ReadOptions,
) -> BatchRows:
    ids = object_id, candidate_id
    vectors = None
    if options.embedder is not None:
        vectors = Vectors(raw["vectors"], raw["vector_flags"], *ids, options.embedder.id, columns=columns)
    if options.model is not None:
        own = options.model.id
        return Scores(raw["score"], raw["score_flags"], *ids, own, columns=columns, vectors=vectors)
    if vectors is not None:
        return vectors
    if options.measure is None:
        return Stamps.of_buffer(
            raw["pixels"],
            raw["offset"],
            raw["shape"],
            raw["centre"],
            object_id=object_id,
            candidate_id=candidate_id,
            catalogue=known,
            flags=raw["flags"],
            columns=columns,
        )
    values = options.measure.in_columns(raw["features"], known)
    flags = kernels.require_extension("reading alerts").join_flags(raw["offset"], raw["flags"], raw["feature_flags"])
    return Features(values, options.measure.names, flags, object_id, candidate_id, columns=columns)


def _catalogue_columns(raw: Raw) -> dict[str, NDArray[np.float32]]:
    """Return the catalogue columns (n,) that the surveys of a batch provide."""
    return columns_by_name(raw["catalogue"], np.unique(raw["survey"][raw["schema"] >= 0]).tolist())


def _known_id(candidate_id: CandidateId) -> int | str | None:
    """Return a candidate id, or ``None`` if it is unknown."""
    if candidate_id is None or isinstance(candidate_id, str):
        return candidate_id
    return None if candidate_id == NO_ID else int(candidate_id)


def _make_problem(
    entry: RawProblem, path: str, object_id: str | None, candidate_id: CandidateId, first: int
) -> Problem:
    fault, channel, detail = entry.fault, entry.channel, entry.detail
    meaning = FAULTS[fault]
    words = f"{CUTOUTS[channel]}: {meaning}" if channel >= 0 else f"{detail}: {meaning}" if detail else meaning
    if fault == "too_large" and channel < 0 and detail.startswith(_DEMANDS):
        words = describe_excess(detail)
    if entry.fault_offset:
        words += f" (byte {entry.fault_offset})"
    if fault == "unknown_schema":
        number = detail.removeprefix("schema ")
        words += f"; give its file as --schema {number}=FILE, or schemas={{{number}: Path(FILE)}} in Python"
    return Problem(
        path,
        fault,
        words,
        None if entry.record < 0 else entry.record + first,
        entry.offset,
        entry.row,
        object_id,
        _known_id(candidate_id),
        of_file=channel < 0,
    )
