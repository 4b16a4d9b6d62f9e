"""What ``score`` and ``features`` share: inputs to a table and its errors table, in parts, resumed where asked."""

from __future__ import annotations

import argparse
import hashlib
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from space2vec.cli.common import Problems, check_no_input, positive, read_batches, table_metadata
from space2vec.cli.output_places import OutputPlaces
from space2vec.cli.packet_columns import PacketColumns, add_columns
from space2vec.cli.printing import print_line, print_notice
from space2vec.errors import DeviceLostError, OutputError

if TYPE_CHECKING:
    import pyarrow

    from space2vec.cli.mosaic import Mosaic
    from space2vec.data.stamps import Stamps
    from space2vec.data.tables import Features, Scores
    from space2vec.models.model import Model
    from space2vec.plans.features import Measure
    from space2vec.reading import AnyBatch
    from space2vec.writing import Chunk, Output

__all__ = ["Result", "Rows", "Work", "add_output", "run"]

#: What a command is given of a batch.
Rows: TypeAlias = "Stamps | Features | Scores"
#: What it makes of it: features or scores.
Table = TypeVar("Table")

#: The columns that every output has, and what they are.
_OWN = {
    "object_id": "the object that the candidate belongs to",
    "candidate_id": "the candidate",
    "flags": "names of what was met, joined by |; what they mean is said in this file",
}
#: Rows of a part, by default: seconds of work, and few files.
_PART_ROWS = 16384


@dataclass(frozen=True, slots=True)
class Result:
    """What a command makes of one batch: a table, the flags a row, and which rows have a result."""

    table: pyarrow.Table
    flags: NDArray[np.uint32]
    done: NDArray[np.bool_]


def add_output(parser: argparse.ArgumentParser, what: str) -> None:
    """Add -o OUT and how it is written."""
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help=f"{what}: .parquet, .csv, .fits, .ecsv or .vot; - writes CSV to standard output at the end, messages to "
        "standard error, and the table of what was wrong only where --errors names a file",
    )
    add_columns(parser)
    parser.add_argument(
        "--errors",
        metavar="FILE",
        help="the table of what was wrong: file, offset, ids, reason, message (default: OUT with .errors in its name)",
    )
    parser.add_argument("--strict", action="store_true", help="stop at the first thing that is wrong")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on with a run that was stopped or killed")
    again.add_argument("--restart", action="store_true", help="throw away what such a run has finished")
    parser.add_argument(
        "--part-rows",
        type=positive,
        default=_PART_ROWS,
        metavar="N",
        help=f"rows that are finished at a time, in OUT.parts until all are (default: {_PART_ROWS})",
    )


@dataclass(frozen=True, slots=True)
class Work(Generic[Table]):
    """What a command makes of its inputs, a row for each row."""

    #: The command, and what it does to a row: ``"score"``, ``"scored"``.
    name: str
    verb: str
    #: What the output holds, to say at the end; and the columns of results, and what they are.
    contents: str
    descriptions: Mapping[str, str]
    #: What decides about the results; the tables say it of themselves, and a run is resumed only if it is the same.
    options: Mapping[str, str]
    #: Yields what it makes of each batch of rows, in order; it may have taken further ones by then.
    compute: Callable[[Iterator[Rows]], Iterator[Table]]
    #: Returns the results of a batch, given the rows and what `compute` has made of them.
    result: Callable[[Rows, Table], Result]
    #: What `compute` needs of alerts, which the compiled backend then measures while it reads; by default their pixels.
    measure: Measure | None = None
    #: Whose scores `compute` is to give, which readers may give already, see :func:`space2vec.reading.batches`.
    model: Model | None = None
    #: Draws a picture of the rows that `result` has shown it.
    mosaic: Mosaic | None = None
    #: Where `compute` takes the pixels first.
    device: str = "cpu"


def run(arguments: argparse.Namespace, work: Work[Table]) -> int:
    """Run a command, with the options of :func:`add_output`, inputs and threads; return the exit status."""
    from space2vec.backends import kernels
    from space2vec.cli.progress import summary
    from space2vec.reading import Position, batch_rows, find
    from space2vec.registry import FAULTS

    measure = work.measure if kernels.name() == "native" else None
    mosaic = work.mosaic
    arguments.inputs = find(arguments.inputs)  # looked for once, however many look at it
    if arguments.inputs.features is not None and set(arguments.columns or ()) - {"default"}:
        raise ValueError(
            "--columns names fields of alert packets; the input is a table of features, which keep their ids: leave "
            "--columns out, and join the output with the table by candidate_id"
        )
    columns = PacketColumns.of(arguments.columns, {*_OWN, *work.descriptions})
    with ExitStack() as stack:
        places = OutputPlaces.from_arguments(arguments, stack)
        out = _output(arguments, work, places, columns)
        problems, begun = Problems(strict=arguments.strict), time.monotonic()
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
                print_notice(f"going on after {earlier} rows, which are finished")
            if not out.ended:
                size = min(batch_rows(measure, work.model, work.device), arguments.part_rows)
                start = Position(*out.position)
                batches = _with_columns(
                    read_batches(
                        arguments, work.name, problems, batch=size, measure=measure, model=work.model, start=start,
                        device=work.device, columns=list(columns.paths.values()),
                    ),
                    columns,
                )  # fmt: skip
                try:
                    for batch, result in _results(batches, work):
                        out.add(_chunk(batch, result, out.rows))
                except DeviceLostError:
                    out.save()
                    raise
            out.finish(lambda: _empty(work, columns))
            picture = None
            if mosaic is not None:
                for kept in out.read_extras():
                    mosaic.add_bytes(kept)
                picture = mosaic.draw()
            rows, totals = out.rows, out.counts
        for line in summary(work.verb, rows, totals, time.monotonic() - begun, earlier).splitlines():
            places.say(line)
        places.say(f"{work.contents} in {places.name}")
        places.say(places.errors_summary(totals["reasons"]))
        if silent := [name for name in out.unknown if name in columns.paths]:
            places.say(f"nothing is known of {', '.join(silent)}: no packet has a value there")
        if picture is not None:
            places.say(picture)
        problems.finish()
        places.end()
    return 1 if totals["problems"].total() else 0


def _output(arguments: argparse.Namespace, work: Work[Table], places: OutputPlaces, columns: PacketColumns) -> Output:
    from space2vec.reading import files
    from space2vec.reading.alert_files import STANDARD_INPUT
    from space2vec.writing import Output
    from space2vec.writing.input_record import InputRecord

    if arguments.resume and STANDARD_INPUT in arguments.inputs.sources:
        raise ValueError("standard input cannot be read a second time: --resume needs files")
    paths = list(files(arguments.inputs))
    mosaic = work.mosaic
    check_no_input([places.table, places.errors, None if mosaic is None else mosaic.path], paths)
    # Of a schema its digest: it may be long.
    digests = {
        number: hashlib.sha256(text.encode()).hexdigest()[:16] for number, text in dict(arguments.schema).items()
    }
    wanted = "default" if arguments.columns is None else ",".join(arguments.columns) or "none"
    asked = {"schemas": digests, "channels": arguments.channels}
    note = table_metadata(
        command=work.name, **work.options, columns=wanted, **{name: what for name, what in asked.items() if what}
    )
    return Output(
        places.table,
        places.errors,
        options={**note, "mosaic": mosaic is not None},
        note=note,
        inputs=InputRecord(paths),
        part_rows=arguments.part_rows,
        how="resume" if arguments.resume else "restart" if arguments.restart else "begin",
        descriptions={**_OWN, **work.descriptions, **columns.descriptions},
        optional=columns.optional,
        keep_parts=not places.streamed,
        extra=None if mosaic is None else mosaic.pop_bytes,
    )


def _with_columns(batches: Iterator[AnyBatch], columns: PacketColumns) -> Iterator[AnyBatch]:
    for batch in batches:
        batch.rows.columns = columns.fitted(batch.rows.columns, len(batch.rows))
        yield batch


def _chunk(batch: AnyBatch, result: Result, first: int) -> Chunk:
    from space2vec.cli.progress import count_rows
    from space2vec.writing import Chunk
    from space2vec.writing.errors_table import make_errors_table

    counts = count_rows(result.flags, result.done)
    errors = make_errors_table(batch, result.table, result.flags, result.done, first)
    counts["problems"] = Counter(told=len(batch.problems))
    counts["reasons"] = Counter(errors["reason"].to_pylist())
    return Chunk(result.table, errors, batch.position, counts)


def _results(batches: Iterator[AnyBatch], work: Work[Table]) -> Iterator[tuple[AnyBatch, Result]]:
    """Yield batches with their results, however many it takes before there is the first."""
    under_way: deque[AnyBatch] = deque()

    def rows() -> Iterator[Rows]:
        for batch in batches:
            under_way.append(batch)
            yield batch.rows

    for table in work.compute(rows()):
        batch = under_way.popleft()
        yield batch, work.result(batch.rows, table)


def _empty(work: Work[Table], columns: PacketColumns) -> Chunk:
    from space2vec.data.stamps import Stamps
    from space2vec.reading import Batch, Position

    batches = _with_columns(iter([Batch(Stamps.concatenate([]), position=Position())]), columns)
    return _chunk(*next(_results(batches, work)), 0)
