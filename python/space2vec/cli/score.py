"""``space2vec score``: inputs to scores."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from space2vec.cli.common import Problems, about, add_compute_options, add_inputs, add_output, read_rows

__all__ = ["register"]


def register(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "score",
        help="score candidates",
        description="Write P(real) of every candidate: object_id, candidate_id, score, flags.",
    )
    add_inputs(parser)
    add_output(parser, "the score file, .parquet or .csv")
    parser.add_argument("--model", default="default", metavar="NAME|FILE", help="a packaged model or a model file")
    parser.add_argument("--mosaic", metavar="FILE.png", help="draw best, worst and most doubtful candidates as well")
    add_compute_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from space2vec import device, model
    from space2vec.cli.gallery import Gallery
    from space2vec.progress import Tally
    from space2vec.stamps import Stamps
    from space2vec.write import TableWriter

    device.resolve(arguments.device)
    judge = model.load(arguments.model)
    gallery = None if arguments.mosaic is None else Gallery(arguments.mosaic)
    problems, tally = Problems(), Tally()
    with TableWriter(arguments.output, about(model=judge.id)) as writer:
        for rows in read_rows(arguments, "score", problems):
            scores = judge.score(rows, threads=arguments.threads, device=arguments.device)
            tally.add(scores.flags, int(np.count_nonzero(~np.isnan(scores.score))))
            writer.write(scores.to_arrow())
            if gallery is not None and isinstance(rows, Stamps):
                gallery.add(rows, scores)
    print(tally.summary("scored"))
    print(f"model {judge.id}; scores in {Path(arguments.output)}")
    if gallery is not None:
        print(gallery.draw())
    return problems.finish()
