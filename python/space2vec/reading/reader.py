"""Read alerts, stamps and feature tables from files: all at once, or in batches with bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from space2vec.backends import kernels
from space2vec.data.flux_units import find_normalisation
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features
from space2vec.errors import ReadError
from space2vec.plans.features import FeaturePlan
from space2vec.reading import packet_columns, sources
from space2vec.reading.arrays import ARRAY_SUFFIXES
from space2vec.reading.batch import AnyBatch, Batch, Position, Problem, collect_rows
from space2vec.reading.des import Candidates
from space2vec.reading.images import FitsFiles
from space2vec.reading.inputs import ACCEPTED_INPUTS, Input, InputFiles, find_files
from space2vec.reading.limits import Limits
from space2vec.reading.open_files import FileContent
from space2vec.reading.options import ReadOptions, batch_rows, plan_reader_work
from space2vec.reading.packet_columns import RUBIN_COLUMNS, ZTF_COLUMNS
from space2vec.reading.schemas import Schemas, schema_texts
from space2vec.reading.side_table import find_side_table

if TYPE_CHECKING:
    from space2vec.backends.interfaces import Model
    from space2vec.data.device.page_locked import Allocator

__all__ = ["Inputs", "batches", "default_columns", "files", "find", "read", "read_table"]

#: A file, a folder, a glob, an open binary file, or several of these; or the result of :func:`find`.
Inputs: TypeAlias = Input | Iterable[Input] | InputFiles

#: What the inputs hold; :func:`read_table` returns Features.
StampsOrTable: TypeAlias = Stamps | Any  # no type checker knows whether a file holds stamps or a table

_BEGINNING = Position()
_LIMITS = Limits()
#: The number of files that are opened to see which fields their packets have.
_SAMPLED_FILES = 8


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
) -> StampsOrTable:
    """Read stamps from files of alerts, images or arrays, or read feature tables as :func:`read_table` does.

    Parameters
    ----------
    inputs : path, open binary file, or sequence of these
        Files, folders (searched with all subfolders) and globs (``**`` too); ``-`` is standard input. The content of a
        file decides its format: ZTF and Rubin Avro, Parquet of alerts, tar archives of Avro, DES stamps in FITS or GIF,
        FITS files of a candidate's planes or of cubes, .npy and .npz, or feature tables alone (CSV, Parquet). An object
        whose method ``read`` returns bytes is read to its end into memory; it cannot be a feature table.
    strict : bool
        Whether a file or a record that cannot be read raises. If not, it becomes one row without planes, with the
        flag ``bad_stamp`` and the ids as far as they are known (otherwise the file's name and -1, null in Arrow), and
        reading continues at the next undamaged block. A cell of a table that holds no number is NaN in either mode,
        and its row has the flag ``bad_cell``.
    channels : sequence of str, optional
        The names of the planes of a .npy array, of ``pixels`` in a .npz, or of FITS images without names, in order; by
        default science, template, difference for three planes and difference for one.
    threads : int, optional
        The number of threads that decode; by default one for each usable core.
    schemas : mapping of int to str, mapping or path, optional
        For files of bare Avro messages: the schemas by the number in a message's header, each as JSON text, as parsed
        JSON, or as the path of its file (other files of that folder may define types that it names).
    columns : sequence of str, optional
        Fields of alert packets whose values are returned with the rows, in their attribute ``columns``:
        ``"candidate.jd"``, or ``"jd"`` for a field of ZTF's ``candidate`` or Rubin's ``diaSource``. Values are numbers
        or text; a field that is null or absent is masked, NaN or ``None``. :data:`ZTF_COLUMNS` and
        :data:`RUBIN_COLUMNS` are good sets.
    problems : list, optional
        A list to which one :class:`Problem` is appended for each damaged file, record or cutout, with the row of the
        result. A cutout that cannot be decoded and a cell that holds no number never raise: the row is flagged.
    limits : Limits, optional
        The limits on what one file may demand: bytes of an id, bytes of pixels in a batch, rows, bytes unpacked.

    Returns
    -------
    Stamps or Features
        The rows in the order of the input; Features if the input consists of feature tables. Rows of a .npy, .npz or
        table without candidate ids get their number as id, from 0, and file and number (``night:0``) if the input has
        several files. A candidate that has a FITS file of its own gets the name of that file.

    Raises
    ------
    ReadError
        If an input does not exist or contains nothing that can be read, if feature tables and stamps are mixed, if no
        packet has one of the `columns`, or, with `strict`, if a file cannot be read.
    OSError
        If the machine cannot read a file (a lost mount), in either mode. A file without permission and a broken link
        count as files that cannot be read.

    Examples
    --------
    >>> stamps = s2v.read("demo/alerts")
    >>> stamps.channels
    ('science', 'template', 'difference')
    >>> brightest = stamps.plane(0, "science").max()
    """
    found = find(inputs)
    parts = collect_rows(
        batches(
            found, strict=strict, channels=channels, threads=threads, schemas=schemas, columns=columns, limits=limits
        ),
        problems,
    )
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
    """Read feature tables: CSV or Parquet files with one column for each feature, and ids.

    Parameters
    ----------
    inputs : path, or sequence of paths
        Files, folders and globs.
    strict, threads, problems, limits
        As for :func:`read`.

    Returns
    -------
    Features
        The rows in the order of the input, with the features of the first table.

    Raises
    ------
    ReadError, OSError
        As for :func:`read`; also if the input contains stamps.

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
    measure: FeaturePlan | None = None,
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
    measure: FeaturePlan | None = None,
    model: Model | None,
    start: Position = _BEGINNING,
    device: str = "cpu",
    limits: Limits = _LIMITS,
    embedder: Model | None = None,
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
    measure: FeaturePlan | None = None,
    model: Model | None = None,
    start: Position = _BEGINNING,
    device: str = "cpu",
    limits: Limits = _LIMITS,
    embedder: Model | None = None,
) -> Iterator[AnyBatch]:
    """Read stamps or feature tables in batches of consecutive rows, with bounded memory.

    Parameters
    ----------
    inputs, strict, channels, threads, schemas, columns, limits
        As for :func:`read`.
    batch : int, optional
        The most rows of a batch; by default 512 if the pixels of alerts are kept for the CPU, else 2,048.
    measure : FeaturePlan, optional
        The features to measure while alerts are read: the rows are then Features, and the pixels are not kept. Stamps
        of other kinds (DES, .npy) are returned unmeasured.
    model : Forest or Network, optional
        The model that will score the rows. If the library runs it, alerts are scored while they are read, and the rows
        are Scores. If the model runs in floating point and takes no planes, its features are measured, and the rows
        are Features. Rows of other types still have to be scored by ``model.score(batch.rows)``. Excludes `measure`. If
        it is a network that gives vectors, the rows are Vectors, and others still need ``model.embed(batch.rows)``.
    start : Position
        The position of a batch of an earlier call for the same input. The batches from there on equal those of the
        earlier call.
    device : {"cpu", "cuda", "cuda:N"}
        The device that gets the rows next. For a CUDA device the pixels of alerts are written to page-locked memory, as
        far as the machine has any, from which the device copies directly; they remain arrays of the host.
    embedder : Network, optional
        A network that gives vectors in the pass in which `model` scores: the Scores then have their attribute
        ``vectors``.

    Returns
    -------
    iterator of Batch
        Consecutive rows in the order of the input, with their problems.

    Raises
    ------
    ReadError, OSError
        As for :func:`read`. An input that does not exist raises at once, a file that cannot be read when the iterator
        reaches it.
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
    if embedder is not None and model is None:
        raise ValueError(
            "embedder gives vectors beside the scores of a model: give a network of vectors alone as model"
        )
    rows = batch_rows(measure, model, device, embedder) if batch is None else batch
    if rows < 1:
        raise ValueError(f"batch must be at least 1; given {batch}")
    found = find(inputs)
    if found.features is not None:
        return sources.read_tables(found, rows, strict, start, limits)
    paths = packet_columns.check_paths(columns)
    texts = schema_texts(schemas or {})
    work = plan_reader_work(model, device, embedder)
    memory = _memory_for(device)
    options = ReadOptions(
        rows, kernels.thread_count(threads), measure or work.measure, texts, memory, paths, work.model, limits,
        work.embedder,
    )  # fmt: skip
    if options.models:
        _check_units(found, options, options.models[0])
    parts = _raise_if_strict(sources.read_stamps(found, options, channels, start), strict)
    if not paths:
        return parts
    return packet_columns.complete_batches(parts, paths, lambda most: sources.sample_batches(found, options, most))


def _check_units(found: InputFiles, options: ReadOptions, model: Model) -> None:
    """Warn if the planes of alerts share no flux scale, as the model warns for stamps that it scores itself."""
    parts: list[Stamps] = []
    for part in sources.sample_batches(found, options, _SAMPLED_FILES) if model.needs.joins_planes else ():
        if part.origin is None:
            continue  # not alerts: the model itself scores these
        if not isinstance(part.rows, Stamps) or find_normalisation(part.rows) is None:
            return  # the other alerts of the input have the units of this one
        parts.append(part.rows)
    model.needs.warn_of_units(Stamps.concatenate(parts), stacklevel=3)


def default_columns(inputs: Inputs, *, schemas: Schemas | None = None) -> tuple[str, ...]:
    """Return the :data:`ZTF_COLUMNS` and :data:`RUBIN_COLUMNS` that the packets of an input have.

    Only the first alerts of at most eight files are examined. The result is empty if the input has no packets.

    Raises
    ------
    ReadError, OSError
        As for :func:`read`.
    """
    found = find(inputs)
    if found.features is not None:
        return ()
    both = tuple(dict.fromkeys((*ZTF_COLUMNS, *RUBIN_COLUMNS)))
    options = ReadOptions(1, 1, None, schema_texts(schemas or {}), columns=both)
    fields = packet_columns.combine_packet_fields(sources.sample_batches(found, options, _SAMPLED_FILES))
    return () if fields is None else tuple(name for name in both if name not in fields.missing)


def _memory_for(device: str) -> Allocator | None:
    """Return the allocator of memory for pixels that a device will copy; ``None`` means ordinary memory."""
    if device == "cpu":
        return None
    from space2vec.data.device.extension import ordinal
    from space2vec.data.device.page_locked import page_locked_allocator

    return page_locked_allocator(ordinal(device))


def files(inputs: Inputs) -> Iterator[str]:
    """Yield the paths of the files of an input, in the order in which they are read.

    Raises
    ------
    ReadError
        As for :func:`read`.
    """
    for source in find(inputs).sources:
        if isinstance(source, Candidates):
            yield from (str(path) for stamps in source.files.values() for path in stamps.values())
            yield from (str(path) for path in source.tables)
            continue
        if isinstance(source, FitsFiles):
            yield from map(str, source.paths)
            continue
        yield source.name if isinstance(source, FileContent) else str(source)
        # A NumPy file is read together with the table of the same stem.
        if not isinstance(source, Path) or source.suffix not in ARRAY_SUFFIXES:
            continue
        table = find_side_table(source)
        if table is not None:
            yield str(table)


def find(inputs: Inputs) -> InputFiles:
    """Find the files of an input, so that several calls need not search for them again.

    Parameters
    ----------
    inputs : path, open binary file, or sequence of these
        As for :func:`read`; the result of an earlier call is returned unchanged.

    Raises
    ------
    ReadError
        As for :func:`read`.
    """
    return inputs if isinstance(inputs, InputFiles) else find_files(inputs)


def _raise_if_strict(batches: Iterator[AnyBatch], strict: bool) -> Iterator[AnyBatch]:
    """Yield batches; if `strict`, raise at the first file or record that cannot be read."""
    for batch in batches:
        if strict:
            for problem in batch.problems:
                if problem.of_file:
                    raise ReadError(f"{problem}; {ACCEPTED_INPUTS}")
        yield batch
