"""Write a table of results and a table of errors in parts, so that an interrupted run can be resumed.

``space2vec score``, ``space2vec features`` and ``space2vec embed`` run through here.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from space2vec.cli.columns_option import PacketColumns, add_columns
from space2vec.cli.common import Problems, check_no_input, positive, read_batches, table_metadata
from space2vec.cli.output_places import OutputPlaces
from space2vec.cli.printing import print_line, print_notice
from space2vec.errors import DeviceLostError, OutputError

if TYPE_CHECKING:
    import pyarrow

    from space2vec.cli.mosaic import Mosaic
    from space2vec.models.model import Model
    from space2vec.plans.features import FeaturePlan
    from space2vec.reading import AnyBatch
    from space2vec.reading.batch import BatchRows
    from space2vec.writing import Chunk, Output

__all__ = ["Result", "Work", "add_output", "options_of_vectors", "run"]

#: What the command computes from them: features, scores or vectors.
Table = TypeVar("Table")

#: The columns of every output, with their descriptions.
_COMMON = {
    "object_id": "id of the object that the candidate belongs to",
    "candidate_id": "id of the candidate",
    "flags": "names of the flags of the row, joined by |; this file says what they mean",
}
#: Rows of a part by default: seconds of work are lost at most, and there are few files.
_PART_ROWS = 16384


@dataclass(frozen=True, slots=True)
class Result:
    """The results of one batch.

    Attributes
    ----------
    table : pyarrow.Table
        The rows of the output.
    flags : ndarray of uint32 (n,)
        Their flags.
    done : ndarray of bool (n,)
        Whether the row has a result.
    vectors : pyarrow.Table or None
        The rows of the table of vectors, if the command writes one beside its output.
    """

    table: pyarrow.Table
    flags: NDArray[np.uint32]
    done: NDArray[np.bool_]
    vectors: pyarrow.Table | None = None


def add_output(parser: argparse.ArgumentParser, what: str) -> None:
    """Add -o OUT and the options that say how it is written; `what` describes it in the help text."""
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help=f"{what}: .parquet, .csv, .fits, .ecsv or .vot; with - CSV goes to standard output at the end and "
        "messages to standard error, and a table of errors is written only if --errors names a file",
    )
    add_columns(parser)
    parser.add_argument(
        "--errors",
        metavar="FILE",
        help="the table of errors: file, offset, ids, reason, message (default: OUT with .errors in its name)",
    )
    parser.add_argument("--strict", action="store_true", help="stop at the first problem of the inputs")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="continue a run that was interrupted or killed")
    again.add_argument("--restart", action="store_true", help="delete what such a run has finished, and begin anew")
    parser.add_argument(
        "--part-rows",
        type=positive,
        default=_PART_ROWS,
        metavar="N",
        help=f"rows of a part; finished parts are kept in OUT.parts until the run ends (default: {_PART_ROWS})",
    )


@dataclass(frozen=True, slots=True)
class Work(Generic[Table]):
    """The work of a command: from its inputs to results, one row of the output for each row of the input.

    Attributes
    ----------
    name : str
        The command, such as ``"score"``.
    verb : str
        What it does to a row, such as ``"scored"``.
    contents : str
        What the output holds, for the last message.
    descriptions : mapping of str to str
        A sentence on each column of the results.
    options : mapping of str to str
        Everything that the results depend on. It is written into the tables, and a run is resumed only if it is equal.
    compute : callable
        Yields features or scores for each batch of rows, in order; it may read ahead.
    result : callable
        Turns one batch of rows and what `compute` yielded for it into a :class:`Result`.
    measure : FeaturePlan, optional
        Features that the compiled backend shall measure while it reads alerts, instead of keeping their pixels.
    model : Model, optional
        The model whose scores `compute` yields: readers may score with it, see :func:`space2vec.reading.batches`.
    mosaic : Mosaic, optional
        Draws a picture of the rows that `result` has added to it.
    device : str, optional
        The device that `compute` sends the pixels to.
    embedder : Model, optional
        The model whose vectors go into a table beside the output, with `vectors`: readers may make them while `model`
        scores.
    vectors : Path, optional
        That table.
    """

    name: str
    verb: str
    contents: str
    descriptions: Mapping[str, str]
    options: Mapping[str, str]
    compute: Callable[[Iterator[BatchRows]], Iterator[Table]]
    result: Callable[[BatchRows, Table], Result]
    measure: FeaturePlan | None = None
    model: Model | None = None
    mosaic: Mosaic | None = None
    device: str = "cpu"
    embedder: Model | None = None
    vectors: Path | None = None


def run(arguments: argparse.Namespace, work: Work[Table]) -> int:
    """Read the inputs, compute, and write the tables part by part; return the exit status.

    Parameters
    ----------
    arguments : argparse.Namespace
        The options of :func:`add_output`, :func:`space2vec.cli.common.add_inputs` and ``--threads``.
    work : Work
        What to compute.

    Raises
    ------
    OutputError
        If the output is in use, or cannot be resumed.
    """
    from space2vec.backends import kernels
    from space2vec.cli.progress import summary
    from space2vec.reading import Position, batch_rows, find
    from space2vec.registry import FAULTS

    measure = work.measure if kernels.name() == "native" else None
    mosaic = work.mosaic
    arguments.inputs = find(arguments.inputs)  # listed once for all that follow
    if arguments.inputs.features is not None and set(arguments.columns or ()) - {"default"}:
        raise ValueError(
            "--columns names fields of alert packets; the input is a table of features, which keep their ids: leave "
            "--columns out, and join the output with the table by candidate_id"
        )
    columns = PacketColumns.of(arguments.columns, {*_COMMON, *work.descriptions})
    with ExitStack() as stack:
        places = OutputPlaces.from_arguments(arguments, stack)
        out = _open_output(arguments, work, places, columns)
        problems, start_time = Problems(strict=arguments.strict), time.monotonic()
        with out:
            if out.complete:
                reasons = out.count_reasons()
                if mosaic is not None and not mosaic.path.exists():
                    raise OutputError(f"{out.path} is complete, but there is no {mosaic.path}; --restart draws it")
                print_line(f"{out.path} is complete already: there is nothing to resume")
                print_line(places.errors_summary(reasons))
                return 0 if FAULTS.keys().isdisjoint(reasons) else 1
            earlier = out.rows
            if out.parts:
                print_notice(f"continuing after {earlier} rows, which are finished")
            if not out.ended:
                # Without the model, whose scores a picture needs beside the pixels, a reader makes no vectors either.
                embedder = work.embedder if work.model is not None else None
                size = min(batch_rows(measure, work.model, work.device, embedder), arguments.part_rows)
                start = Position(*out.position)
                batches = _select_columns(
                    read_batches(
                        arguments, work.name, problems, batch=size, measure=measure, model=work.model, start=start,
                        device=work.device, columns=list(columns.paths.values()), embedder=embedder,
                    ),
                    columns,
                )  # fmt: skip
                try:
                    for batch, result in _compute_results(batches, work):
                        out.add(_chunk(batch, result, out.rows))
                except DeviceLostError:
                    out.save()
                    raise
            out.finish(lambda: _empty_chunk(work, columns))
            picture = None
            if mosaic is not None:
                for kept in out.read_extras():
                    mosaic.add_bytes(kept)
                picture = mosaic.draw()
            rows, totals = out.rows, out.counts
        for line in summary(work.verb, rows, totals, time.monotonic() - start_time, earlier).splitlines():
            places.print_message(line)
        places.print_message(f"{work.contents} in {places.name}")
        if work.vectors is not None and work.embedder is not None:
            places.print_message(f"vectors of the model {work.embedder.id} in {work.vectors}")
        places.print_message(places.errors_summary(totals["reasons"]))
        if silent := [name for name in out.unknown if name in columns.paths]:
            places.print_message(f"nothing is known of {', '.join(silent)}: no packet has a value there")
        if picture is not None:
            places.print_message(picture)
        problems.finish()
        places.copy_to_standard_output()
    return 1 if totals["problems"].total() else 0


def _open_output(
    arguments: argparse.Namespace, work: Work[Table], places: OutputPlaces, columns: PacketColumns
) -> Output:
    """Begin the output, or resume or restart it, with the options that it must agree with."""
    from space2vec.reading import files
    from space2vec.reading.alert_files import STANDARD_INPUT
    from space2vec.writing import Output, VectorTable
    from space2vec.writing.input_record import InputRecord

    if arguments.resume and STANDARD_INPUT in arguments.inputs.sources:
        raise ValueError("standard input cannot be read a second time: --resume needs files")
    paths = list(files(arguments.inputs))
    mosaic = work.mosaic
    check_no_input([places.table, places.errors, None if mosaic is None else mosaic.path, work.vectors], paths)
    # A schema may be long, so its digest is recorded.
    digests = {
        number: hashlib.sha256(text.encode()).hexdigest()[:16] for number, text in dict(arguments.schema).items()
    }
    column_option = "default" if arguments.columns is None else ",".join(arguments.columns) or "none"
    reading = {"schemas": digests, "channels": arguments.channels}
    note = table_metadata(
        command=work.name,
        **work.options,
        columns=column_option,
        **{name: what for name, what in reading.items() if what},
    )
    vectors = None
    if work.vectors is not None and work.embedder is not None:
        vectors = VectorTable(work.vectors, options_of_vectors(work.embedder))
    return Output(
        places.table,
        places.errors,
        options={**note, "mosaic": mosaic is not None},
        note=note,
        inputs=InputRecord(paths),
        part_rows=arguments.part_rows,
        how="resume" if arguments.resume else "restart" if arguments.restart else "begin",
        descriptions={**_COMMON, **work.descriptions, **columns.descriptions},
        optional=columns.optional,
        keep_parts=not places.streamed,
        extra=None if mosaic is None else mosaic.pop_bytes,
        vectors=vectors,
    )


def options_of_vectors(model: Model) -> dict[str, str]:
    """Return what the vectors of a model depend on, for the metadata of their table."""
    return {"model": model.id, "model's SHA-256": model.digest}


def _select_columns(batches: Iterator[AnyBatch], columns: PacketColumns) -> Iterator[AnyBatch]:
    """Yield the batches with the columns of packets that the output has, and no others."""
    from space2vec.data.tables import Scores

    for batch in batches:
        batch.rows.columns = columns.select(batch.rows.columns, len(batch.rows))
        if isinstance(batch.rows, Scores) and batch.rows.vectors is not None:
            batch.rows.vectors.columns = batch.rows.columns
        yield batch


def _chunk(batch: AnyBatch, result: Result, first: int) -> Chunk:
    """Return what one batch adds to the output; `first` is the number of its first row."""
    from space2vec.cli.progress import count_rows
    from space2vec.writing import Chunk
    from space2vec.writing.errors_table import make_errors_table

    counts = count_rows(result.flags, result.done)
    errors = make_errors_table(batch, result.table, result.flags, result.done, first)
    counts["problems"] = Counter(told=len(batch.problems))
    counts["reasons"] = Counter(errors["reason"].to_pylist())
    return Chunk(result.table, errors, batch.position, counts, result.vectors)


def _compute_results(batches: Iterator[AnyBatch], work: Work[Table]) -> Iterator[tuple[AnyBatch, Result]]:
    """Yield each batch with its results; `work.compute` may read several batches before it yields the first."""
    under_way: deque[AnyBatch] = deque()

    def rows() -> Iterator[BatchRows]:
        for batch in batches:
            under_way.append(batch)
            yield batch.rows

    for table in work.compute(rows()):
        batch = under_way.popleft()
        yield batch, work.result(batch.rows, table)


def _empty_chunk(work: Work[Table], columns: PacketColumns) -> Chunk:
    """Return the results of no rows, whose columns and types an empty output has."""
    from space2vec.data.stamps import Stamps
    from space2vec.reading import Batch, Position

    batches = _select_columns(iter([Batch(Stamps.concatenate([]), position=Position())]), columns)
    return _chunk(*next(_compute_results(batches, work)), 0)
