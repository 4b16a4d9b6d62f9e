"""``space2vec features``: inputs to feature tables."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from space2vec.cli.common import Problems, about, add_compute_options, add_inputs, add_output, read_rows

__all__ = ["register"]


def register(commands: Any) -> None:
    """Add the command."""
    from space2vec.registry import FEATURE_SETS

    parser = commands.add_parser(
        "features",
        help="extract features",
        description="Write the features of every candidate: object_id, candidate_id, the columns of the set, flags.",
    )
    add_inputs(parser)
    add_output(parser, "the feature table, .parquet or .csv")
    parser.add_argument("--set", choices=tuple(FEATURE_SETS), default="autoscan", help="columns (default: autoscan)")
    parser.add_argument(
        "--convention",
        choices=("code", "paper"),
        default="code",
        help="whose definition where autoScan's code and paper disagree (default: code)",
    )
    add_compute_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from space2vec import device, extract, flags
    from space2vec.progress import Tally
    from space2vec.stamps import Stamps
    from space2vec.write import TableWriter

    device.resolve(arguments.device)
    problems, tally = Problems(), Tally()
    note = about(set=arguments.set, convention=arguments.convention)
    with TableWriter(arguments.output, note) as writer:
        for rows in read_rows(arguments, "features", problems):
            if not isinstance(rows, Stamps):
                raise ValueError("the input is a table of features already; `space2vec score` takes it as it is")
            table = extract.features(
                rows, set=arguments.set, convention=arguments.convention, threads=arguments.threads
            )
            usable = (table.flags & np.uint32(flags.UNSCORABLE)) == 0
            tally.add(table.flags, int(np.count_nonzero(usable)))
            writer.write(table.to_arrow())
    print(tally.summary("measured"))
    print(f"features in {Path(arguments.output)}")
    return problems.finish()
