"""Read alerts, stamps and feature tables: :func:`read` all at once, :func:`batches` if they do not fit in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from space2vec.backends import kernels
from space2vec.data.flux_units import find_normalisation
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features
from space2vec.errors import ReadError
from space2vec.plans.features import Measure
from space2vec.reading import arrays, des, images, inputs, packet_columns, sources
from space2vec.reading.arrow_table import read_arrow, score_arrow
from space2vec.reading.batch import AnyBatch, Batch, Origin, Position, Problem, collect_rows
from space2vec.reading.labels import Labels, ScoreColumn, read_labels, read_scores
from space2vec.reading.limits import Limits
from space2vec.reading.message_reader import MessageReader
from space2vec.reading.messages import read_messages
from space2vec.reading.open_files import FileContent
from space2vec.reading.options import ReadOptions, batch_rows, plan_reader_work
from space2vec.reading.packet_columns import RUBIN_COLUMNS, ZTF_COLUMNS
from space2vec.reading.schemas import Schemas, schema_texts
from space2vec.reading.side_table import find_side_table

if TYPE_CHECKING:
    from space2vec.backends.interfaces import Model
    from space2vec.data.device.page_locked import Allocator

__all__ = [
    "RUBIN_COLUMNS",
    "ZTF_COLUMNS",
    "AnyBatch",
    "Batch",
    "Inputs",
    "Labels",
    "Limits",
    "MessageReader",
    "Origin",
    "Position",
    "Problem",
    "ScoreColumn",
    "batch_rows",
    "batches",
    "default_columns",
    "files",
    "find",
    "read",
    "read_arrow",
    "read_labels",
    "read_messages",
    "read_scores",
    "read_table",
    "score_arrow",
]

#: A file, a folder, a glob, an open binary file, or several of these; or the result of :func:`find`.
Inputs: TypeAlias = inputs.Input | Iterable[inputs.Input] | inputs.InputFiles

_BEGINNING = Position()
_LIMITS = Limits()
#: The number of files that are opened to see which fields their packets have.
_LOOKED_INTO = 8


def read(
    inputs: Inputs,
    *,
    strict: bool = True,
    channels: Sequence[str] | None = None,
    threads: int | None = None,
    schemas: Schemas | None = None,
    columns: Sequence[str] | None = None,
    problems: list[Problem] | None = None,
    limits: Limits = _LIMITS,
) -> Stamps | Any:  # what is in a file is not known before: tables, which read_table has as such, go past the checker
    """Read all of an input: stamps, or feature tables as :func:`read_table` does.

    Parameters
    ----------
    inputs : path, open binary file, or sequence of these
        Files, folders (searched with all subfolders) and globs (``**`` too); ``-`` for standard input. The content of a
        file decides its format: ZTF and Rubin Avro, Parquet of alerts, tar archives of Avro, DES stamps in FITS or GIF,
        FITS files of a candidate's planes or of cubes, .npy and .npz, or feature tables alone (CSV, Parquet). Whatever
        has a method ``read`` that gives bytes is read to its end and held in memory; feature tables are not.
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
    schemas : mapping of int to str, mapping or path, optional
        For files of bare Avro messages: the schemas by the number in a message's header, as JSON, as that is parsed, or
        as the file that holds it (types that it names may be defined in files beside it).
    columns : sequence of str, optional
        Paths of alert packets whose values go along with the rows, as their attribute ``columns``: ``"candidate.jd"``,
        or ``"jd"`` for a field of ZTF's ``candidate`` or Rubin's ``diaSource``. Numbers and text, masked, NaN or
        ``None`` where a packet is silent or has no such field. :data:`ZTF_COLUMNS` and :data:`RUBIN_COLUMNS` are good
        sets.
    problems : list, optional
        Takes up what was wrong, one :class:`Problem` a file, record or cutout, with the row of the result. A cutout
        that cannot be decoded and a cell that holds no number never raise: the row is flagged, in either mode.
    limits : Limits, optional
        What one file may ask for: bytes of an id, of pixels in a batch, rows, bytes unpacked.

    Returns
    -------
    Stamps or Features
        In the order of the input; Features where the input is feature tables alone. Rows of a .npy, .npz or table
        without ids of candidates are known by their number, from 0, and by file and number (``night:0``) where the
        input has several files. A candidate that has a FITS file of its own is known by the name of that.

    Raises
    ------
    ReadError
        If an input does not exist or holds nothing that can be read, if feature tables and stamps are mixed, if no
        packet has one of the `columns`, or, with `strict`, if a file cannot be read.
    OSError
        If the machine cannot read a file (a lost mount), in either mode. A file without permission, or a link that
        leads nowhere, is one that cannot be read.

    Examples
    --------
    >>> stamps = s2v.read("demo/alerts")
    >>> stamps.channels
    ('science', 'template', 'difference')
    >>> brightest = stamps.plane(0, "science").max()
    """
    found = find(inputs)
    read_in = batches(
        found, strict=strict, channels=channels, threads=threads, schemas=schemas, columns=columns, limits=limits
    )
    parts = collect_rows(read_in, problems)
    if found.features is not None:
        return Features.concatenate([part for part in parts if isinstance(part, Features)], found.features)
    return Stamps.concatenate(part for part in parts if isinstance(part, Stamps))


def read_table(
    inputs: Inputs,
    *,
    strict: bool = True,
    threads: int | None = None,
    problems: list[Problem] | None = None,
    limits: Limits = _LIMITS,
) -> Features:
    """Read feature tables: CSV or Parquet with a column a feature, and ids.

    Parameters
    ----------
    inputs : path, or sequence of paths
        Files, folders and globs.
    strict, threads, problems, limits
        As for :func:`read`.

    Returns
    -------
    Features
        In the order of the input, with the columns that the first table has.

    Raises
    ------
    ReadError, OSError
        As :func:`read`; and if the input has stamps.

    Examples
    --------
    >>> from pyarrow import csv, table
    >>> csv.write_csv(table({"candidate_id": [1, 2], "AMP": [0.5, 0.25]}), "table.csv")
    >>> s2v.read_table("table.csv").names
    ('AMP',)
    """
    rows: Stamps | Features = read(inputs, strict=strict, threads=threads, problems=problems, limits=limits)
    if isinstance(rows, Stamps):
        raise ReadError("the input has stamps, and no table of features: read gives them, features measures them")
    return rows


@overload
def batches(
    inputs: Inputs,
    *,
    batch: int | None = None,
    strict: bool = False,
    channels: Sequence[str] | None = None,
    threads: int | None = None,
    schemas: Schemas | None = None,
    columns: Sequence[str] | None = None,
    measure: Measure | None = None,
    model: None = None,
    start: Position = _BEGINNING,
    device: str = "cpu",
    limits: Limits = _LIMITS,
) -> Iterator[Batch[Stamps | Features]]: ...


@overload
def batches(
    inputs: Inputs,
    *,
    batch: int | None = None,
    strict: bool = False,
    channels: Sequence[str] | None = None,
    threads: int | None = None,
    schemas: Schemas | None = None,
    columns: Sequence[str] | None = None,
    measure: Measure | None = None,
    model: Model | None,
    start: Position = _BEGINNING,
    device: str = "cpu",
    limits: Limits = _LIMITS,
) -> Iterator[AnyBatch]: ...


def batches(
    inputs: Inputs,
    *,
    batch: int | None = None,
    strict: bool = False,
    channels: Sequence[str] | None = None,
    threads: int | None = None,
    schemas: Schemas | None = None,
    columns: Sequence[str] | None = None,
    measure: Measure | None = None,
    model: Model | None = None,
    start: Position = _BEGINNING,
    device: str = "cpu",
    limits: Limits = _LIMITS,
) -> Iterator[AnyBatch]:
    """Read an input in batches, with bounded memory.

    Parameters
    ----------
    inputs, strict, channels, threads, schemas, columns, limits
        As for :func:`read`.
    batch : int, optional
        The most rows of a batch; by default 512 if the pixels of alerts are kept for the CPU, else 2,048.
    measure : Measure, optional
        The features to measure of alerts while they are read: the rows are Features, and pixels are not kept. Stamps
        of other kinds (DES, .npy) are not measured.
    model : Forest or Network, optional
        Whose scores are wanted. Where the library runs it on pixels alone, alerts are scored while they are read, and
        the rows are Scores; for a forest on columns of the catalogue too they are measured, and the rows are Features.
        Whatever else comes, ``model.score(batch.rows)`` has yet to score. Not together with `measure`.
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

    Examples
    --------
    >>> from space2vec.reading import batches
    >>> model = s2v.load("default")
    >>> for batch in batches("demo/alerts", batch=50):
    ...     scores = model.score(batch.rows)
    """
    if measure is not None and model is not None:
        raise ValueError("give measure or model, not both")
    rows = batch_rows(measure, model, device) if batch is None else batch
    if rows < 1:
        raise ValueError(f"batch must be at least 1; given {batch}")
    found = find(inputs)
    if found.features is not None:
        return sources.read_tables(found, rows, strict, start, limits)
    paths = packet_columns.check_paths(columns)
    texts = schema_texts(schemas or {})
    measured, scoring = plan_reader_work(model, device)
    memory = _memory_for(device)
    options = ReadOptions(
        rows, kernels.thread_count(threads), measure or measured, texts, memory, paths, scoring, limits
    )
    if scoring is not None:
        _see_units(found, options, scoring)
    parts = _checked(sources.read_stamps(found, options, channels, start), strict)
    if not paths:
        return parts
    return packet_columns.complete_batches(parts, paths, lambda most: sources.sample_batches(found, options, most))


def _see_units(found: inputs.InputFiles, options: ReadOptions, model: Model) -> None:
    """Warn if the planes of alerts share no flux scale, as the model warns for stamps that it scores itself."""
    parts: list[Stamps] = []
    for part in sources.sample_batches(found, options, _LOOKED_INTO) if model.needs.joins_planes else ():
        if part.origin is None:
            continue  # not alerts: the model itself scores these
        if not isinstance(part.rows, Stamps) or find_normalisation(part.rows) is None:
            return  # one alert as it was measured tells that all are
        parts.append(part.rows)
    model.needs.warn_of_units(Stamps.concatenate(parts), stacklevel=3)


def default_columns(given: Inputs, *, schemas: Schemas | None = None) -> tuple[str, ...]:
    """Return the :data:`ZTF_COLUMNS` and :data:`RUBIN_COLUMNS` that the packets of an input have.

    Only the first alerts of a few files are examined; an input without packets gives none.

    Raises
    ------
    ReadError, OSError
        As for :func:`read`.
    """
    found = find(given)
    if found.features is not None:
        return ()
    both = tuple(dict.fromkeys((*ZTF_COLUMNS, *RUBIN_COLUMNS)))
    options = ReadOptions(1, 1, None, schema_texts(schemas or {}), columns=both)
    fields = packet_columns.join_packet_fields(sources.sample_batches(found, options, _LOOKED_INTO))
    return () if fields is None else tuple(name for name in both if name not in fields.missing)


def _memory_for(device: str) -> Allocator | None:
    """Return the allocator of pixels that go to a device, ``None`` for ordinary memory."""
    if device == "cpu":
        return None
    from space2vec.data.device.extension import ordinal
    from space2vec.data.device.page_locked import page_locked

    return page_locked(ordinal(device))


def files(given: Inputs) -> Iterator[str]:
    """Yield the files of an input in the order in which they are read.

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
        yield source.name if isinstance(source, FileContent) else str(source)
        # The table of the same stem is read with an array.
        if not isinstance(source, Path) or source.suffix not in arrays.ARRAY_SUFFIXES:
            continue
        table = find_side_table(source)
        if table is not None:
            yield str(table)


def find(given: Inputs) -> inputs.InputFiles:
    """Find the files of an input; the result can be used for several calls.

    Raises
    ------
    ReadError
        As for :func:`read`.
    """
    return given if isinstance(given, inputs.InputFiles) else inputs.find(given)


def _checked(batches: Iterator[AnyBatch], strict: bool) -> Iterator[AnyBatch]:
    """Yield batches; if `strict`, raise at the first file or record that cannot be read."""
    for batch in batches:
        if strict:
            for problem in batch.problems:
                if problem.of_file:
                    raise ReadError(f"{problem}; {inputs.ACCEPTED_INPUTS}")
        yield batch
