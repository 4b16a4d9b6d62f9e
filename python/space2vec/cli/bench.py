"""``space2vec bench``: the stages on this machine's cores and GPU."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from space2vec.cli.common import add_device, check_picture, positive
from space2vec.cli.printing import print_line, print_lines, print_progress

__all__ = ["register"]


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = (
        "Measure every stage and the whole chain on one core, on all cores and, where there is one, on a "
        "GPU with data in place and with transfers; print a table."
    )
    parser.add_argument("-o", "--output", metavar="FILE.json", help="write the figures, with device and versions")
    parser.add_argument("--plot", metavar="FILE.png", help="draw them")
    parser.add_argument("--rows", type=positive, default=32768, metavar="N", help="triplets (default: 32768)")
    parser.add_argument("--side", type=positive, default=51, metavar="PIXELS", help="of a triplet (default: 51)")
    parser.add_argument("--rounds", type=positive, default=7, metavar="N", help="in which all take turns (default: 7)")
    parser.add_argument("--alerts", type=Path, metavar="FOLDER", help="alerts to read (default: made ones)")
    parser.add_argument("--only", nargs="+", default=[], metavar="STAGE", help="stages whose names begin like this")
    add_device(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from space2vec import bench
    from space2vec.bench.show import plot
    from space2vec.writing.aside import write_whole

    output = None if arguments.output is None else Path(arguments.output)
    if output is not None and not output.parent.is_dir():
        raise FileNotFoundError(f"cannot write {output}: there is no folder {output.parent}")
    if arguments.plot is not None:
        check_picture(arguments.plot)

    def keep(record: dict[str, Any]) -> None:
        if output is not None:
            write_whole(output, (json.dumps(record, indent=1) + "\n").encode())

    record = bench.measure(
        arguments.rows,
        arguments.rounds,
        side=arguments.side,
        source=arguments.alerts,
        where=arguments.device,
        only=arguments.only,
        tell=print_progress,
        keep=keep,
    )
    if not record["results"]:
        raise ValueError(f"no stage begins with {' or '.join(arguments.only)}")
    print_lines(bench.table(record))
    if output is not None:
        keep(record)
        print_line(f"figures in {output}")
    if arguments.plot is not None:
        plot(record, Path(arguments.plot))
        print_line(f"plot in {arguments.plot}")
    return 0
