"""``space2vec report``: write a night as pages for a browser."""

from __future__ import annotations

import argparse
from collections import Counter

from space2vec.cli.columns_option import PacketColumns, add_columns
from space2vec.cli.common import Problems, add_compute_options, add_inputs, probability, read_batches
from space2vec.cli.printing import print_line

__all__ = ["register"]


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = (
        "Score candidates and write a folder of pages that a browser opens from the file: a table of all of them, the "
        "stamps of each, a histogram of scores, counts of flags, a map of the sky, and labels that can be saved."
    )
    add_inputs(parser)
    parser.add_argument(
        "-o", "--output", required=True, metavar="FOLDER", help="the folder of the pages; an earlier report is replaced"
    )
    parser.add_argument(
        "--model",
        default="default",
        metavar="NAME|FILE",
        help="a packaged model, a model file (.safetensors), or the folder of a training run",
    )
    parser.add_argument(
        "--threshold",
        type=probability,
        default=0.5,
        metavar="T",
        help="the score (0 to 1) from which on the page counts a candidate as real (default: 0.5)",
    )
    parser.add_argument("--title", metavar="TEXT", help="the heading of the report (default: the name of the folder)")
    add_columns(parser)
    parser.add_argument("--strict", action="store_true", help="stop at the first problem of the inputs")
    add_compute_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from space2vec.backends import choice
    from space2vec.data.stamps import Stamps
    from space2vec.data.tables import Scores
    from space2vec.models.load import load
    from space2vec.reading import find
    from space2vec.report import NightReport

    model = load(arguments.model)
    where = choice.usable_device(arguments.device, model.runtime, bulk=True)
    arguments.inputs = find(arguments.inputs)
    columns = PacketColumns.of(arguments.columns, {"object_id", "candidate_id", "score", "flags"})
    problems, counts = Problems(strict=arguments.strict), Counter[str]()
    with NightReport(arguments.output, title=arguments.title, model=model.id, threshold=arguments.threshold) as report:
        # Without the model: a reader that scores keeps no pixels.
        for batch in read_batches(arguments, "report", problems, columns=list(columns.paths.values())):
            rows = batch.rows
            assert not isinstance(rows, Scores)
            rows.columns = columns.select(rows.columns, len(rows))
            scores = model.score(rows, threads=arguments.threads, device=where)
            report.add(rows if isinstance(rows, Stamps) else None, scores)
            decided = scores.decide(arguments.threshold)
            counts.update(str(decision) for decision in decided if decision is not None)
        page = report.finish()
        n = len(report)
    print_line(
        f"{n} candidates: {counts['real']} real and {counts['bogus']} bogus at a threshold of {arguments.threshold:g}, "
        f"{n - counts.total()} without a score"
    )
    print_line(f"report in {page}")
    return problems.finish()
