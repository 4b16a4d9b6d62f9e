"""``space2vec bench``: measure the speed of each stage on the cores and the GPU of this machine."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from space2vec.cli.common import add_device, check_picture, positive
from space2vec.cli.printing import print_line, print_lines, print_progress

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["register"]

#: The same as :data:`space2vec.bench.COLUMNS`, repeated here because importing that for the help text is slow.
_COLUMNS = ("one core", "all cores", "gpu in place", "gpu with transfers")


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = (
        "Measure how many rows a second each stage processes, from reading alerts to scores: on one core, on all cores "
        "and, if there is a GPU, on the GPU, both with data that are already in its memory and with copies to it and "
        "back. Print a table."
    )
    parser.add_argument("--quick", action="store_true", help="the main stages in a minute: fewer rows and rounds")
    parser.add_argument("-o", "--output", metavar="FILE.json", help="write the figures, the device and the versions")
    parser.add_argument("--plot", metavar="FILE.png", help="draw the figures")
    parser.add_argument("--rows", type=positive, metavar="N", help="triplets (default: 32768; quick: 4096)")
    parser.add_argument("--side", type=positive, default=51, metavar="PIXELS", help="side of a triplet (default: 51)")
    parser.add_argument(
        "--rounds", type=positive, metavar="N", help="rounds; in each, every stage is timed once (default: 7; quick: 3)"
    )
    parser.add_argument("--alerts", type=Path, metavar="FOLDER", help="alerts to read (default: simulated ones)")
    parser.add_argument("--only", nargs="+", metavar="STAGE", help="measure only stages whose names begin so")
    parser.add_argument("--columns", nargs="+", choices=_COLUMNS, default=_COLUMNS, metavar="COLUMN",
                        help=f"where to measure: {', '.join(map(repr, _COLUMNS))} (default: all)")  # fmt: skip
    add_device(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from space2vec import bench
    from space2vec.bench.report import plot
    from space2vec.data.atomic_file import write_whole

    output = None if arguments.output is None else Path(arguments.output)
    if output is not None and not output.parent.is_dir():
        raise FileNotFoundError(f"cannot write {output}: there is no folder {output.parent}")
    if arguments.plot is not None:
        check_picture(arguments.plot)

    def save(record: dict[str, Json]) -> None:
        """Write the record, a dict that is ready for JSON."""
        if output is not None:
            write_whole(output, (json.dumps(record, indent=1) + "\n").encode())

    rows, rounds, seconds = (4096, 3, 0.1) if arguments.quick else (32768, 7, 0.2)
    record = bench.measure(
        arguments.rows or rows,
        arguments.rounds or rounds,
        seconds=seconds,
        side=arguments.side,
        source=arguments.alerts,
        where=arguments.device,
        only=arguments.only or (bench.QUICK if arguments.quick else ()),
        columns=arguments.columns,
        report=print_progress,
        save=save,
    )
    print_lines(bench.table(record))
    if output is not None:
        save(record)
        print_line(f"figures in {output}")
    if arguments.plot is not None:
        plot(record, Path(arguments.plot))
        print_line(f"plot in {arguments.plot}")
    return 0
