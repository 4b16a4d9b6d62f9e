"""What ``score`` and ``features`` share: inputs to a table and its errors table, in parts, resumed where asked."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from space2vec.cli import common
from space2vec.cli.common import Problems, about, positive, read_batches
from space2vec.errors import DeviceLostError

if TYPE_CHECKING:
    import pyarrow

    from space2vec.cli.gallery import Gallery
    from space2vec.extract import Measure
    from space2vec.reading import Batch
    from space2vec.stamps import Stamps
    from space2vec.table import Features
    from space2vec.writing import Chunk

__all__ = ["Result", "add_output", "run"]

#: What a command makes of a batch: features or scores.
Table = TypeVar("Table")

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
        "-o", "--output", required=True, metavar="OUT", help=f"{what}: .parquet, .csv, .fits, .ecsv or .vot"
    )
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


def run(
    arguments: argparse.Namespace,
    what: str,
    verb: str,
    said: str,
    options: Mapping[str, str],
    compute: Callable[[Iterator[Stamps | Features]], Iterator[Table]],
    result: Callable[[Stamps | Features, Table], Result],
    *,
    measure: Measure | None = None,
    gallery: Gallery | None = None,
    device: str = "cpu",
) -> int:
    """Run a command that writes a row for each row of its inputs.

    Parameters
    ----------
    arguments : argparse.Namespace
        With the options of :func:`add_output`, the inputs, and threads.
    what, verb : str
        The command, and what it does to a row: ``"score"``, ``"scored"``.
    said : str
        What the output holds, to say at the end.
    options : mapping of str to str
        What decides about the results; the tables say it of themselves, and a run is resumed only if it is the same.
    compute : callable
        Yields what it makes of each batch of rows, in order; it may have taken further ones by then.
    result : callable
        Returns the results of a batch, given the rows and what `compute` has made of them.
    measure : Measure, optional
        What `compute` needs of alerts, which the compiled backend then measures while it reads; by default their
        pixels.
    gallery : Gallery, optional
        Draws a picture of the rows that `result` has shown it.
    device : str, optional
        Where `compute` takes the pixels first.

    Returns
    -------
    int
        The exit status.
    """
    from space2vec import backend
    from space2vec.progress import Tally
    from space2vec.reading import Position, files, find
    from space2vec.reading.inputs import STANDARD_INPUT
    from space2vec.registry import FAULTS
    from space2vec.writing import Output
    from space2vec.writing.inputs import Inputs

    if backend.name() != "native":
        measure = None
    arguments.inputs = found = find(arguments.inputs)  # looked for once, however many look at it
    if STANDARD_INPUT in found.sources and arguments.resume:
        raise ValueError("standard input cannot be read a second time: --resume needs files")
    output = Path(arguments.output)
    schemas = dict(arguments.schema)
    # Of a schema its digest: it may be long.
    digests = {number: hashlib.sha256(schema.encode()).hexdigest()[:16] for number, schema in schemas.items()}
    told = {"schemas": digests, "channels": arguments.channels}
    note = about(command=what, **options, **{name: value for name, value in told.items() if value})
    out = Output(
        output,
        arguments.errors or output.with_name(f"{output.stem}.errors{output.suffix}"),
        options={**note, "mosaic": gallery is not None},
        note=note,
        inputs=Inputs(list(files(found))),
        part_rows=arguments.part_rows,
        how="resume" if arguments.resume else "restart" if arguments.restart else "begin",
        keep=None if gallery is None else gallery.take,
    )
    problems, tally = Problems(strict=arguments.strict), Tally()
    with out:
        if out.complete:
            reasons = out.reasons()
            print(f"{output} is complete already: there is nothing to resume")
            print(_said_of_errors(out.errors, reasons))
            return 0 if FAULTS.keys().isdisjoint(reasons) else 1
        if out.parts:
            earlier = out.counts
            tally.take_over(out.rows, earlier["done"]["rows"], earlier["flags"])
            print(f"space2vec: going on after {out.rows} rows, which are finished", file=sys.stderr)
        if not out.ended:
            size = min(common.BATCH if device == "cpu" else common.DEVICE_BATCH, arguments.part_rows)
            start = Position(*out.position)
            batches = read_batches(arguments, what, problems, batch=size, measure=measure, start=start, device=device)
            try:
                for batch, made in _computed(batches, compute):
                    chunk = result(batch.rows, made)
                    tally.add(chunk.flags, int(np.count_nonzero(chunk.done)))
                    out.add(_chunk(batch, chunk, out.rows))
            except DeviceLostError:
                out.save()
                raise
        out.finish(lambda: _empty(compute, result))
        picture = None
        if gallery is not None:
            for kept in out.kept():
                gallery.give_back(kept)
            picture = gallery.draw()
        totals = out.counts
    print(tally.summary(verb))
    print(f"{said} in {output}")
    print(_said_of_errors(out.errors, totals["reasons"]))
    if picture is not None:
        print(picture)
    problems.finish()
    return 1 if totals["problems"].total() else 0


def _chunk(batch: Batch, result: Result, first: int) -> Chunk:
    from space2vec import flags
    from space2vec.writing import Chunk
    from space2vec.writing.failures import failures

    errors = failures(batch, result.table, result.flags, result.done, first)
    counts = {
        "done": Counter(rows=int(np.count_nonzero(result.done))),
        "flags": Counter(flags.count(result.flags)),
        "problems": Counter(told=len(batch.problems)),
        "reasons": Counter(errors["reason"].to_pylist()),
    }
    return Chunk(result.table, errors, batch.position, counts)


def _computed(
    batches: Iterator[Batch], compute: Callable[[Iterator[Stamps | Features]], Iterator[Table]]
) -> Iterator[tuple[Batch, Table]]:
    """Yield batches with what is made of them, however many it takes before it gives the first."""
    under_way: deque[Batch] = deque()

    def rows() -> Iterator[Stamps | Features]:
        for batch in batches:
            under_way.append(batch)
            yield batch.rows

    for made in compute(rows()):
        yield under_way.popleft(), made


def _empty(
    compute: Callable[[Iterator[Stamps | Features]], Iterator[Table]],
    result: Callable[[Stamps | Features, Table], Result],
) -> Chunk:
    from space2vec.reading import Batch, Position
    from space2vec.stamps import Stamps

    batch = Batch(Stamps.concatenate([]), position=Position())
    return next(_chunk(batch, result(batch.rows, made), 0) for _, made in _computed(iter([batch]), compute))


def _said_of_errors(path: Path, reasons: Counter[str]) -> str:
    if not reasons:
        return f"no errors: {path} is empty"
    counted = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    return f"{reasons.total()} errors in {path}: {counted}"
