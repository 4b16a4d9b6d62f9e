"""``space2vec report``: write a night as pages for a browser."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from space2vec.cli.columns_option import PacketColumns, add_columns
from space2vec.cli.common import Problems, add_compute_options, add_inputs, add_model, probability, read_batches
from space2vec.cli.labelled_rows import paths_of_rows
from space2vec.cli.own_module import load_scorer
from space2vec.cli.printing import print_line
from space2vec.cli.report_vectors import NightVectors, add_vectors
from space2vec.cli.suggestions import Suggestions

if TYPE_CHECKING:
    from space2vec.data.types import Json
    from space2vec.report import NightProblem

__all__ = ["WrittenNight", "add_report_options", "register", "write_night"]


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = (
        "Score candidates and write a folder of pages that a browser opens from the file: a table of all of them, the "
        "stamps of each, a histogram of scores, counts of flags, a map of the sky, and labels that can be saved."
    )
    add_report_options(parser)
    parser.add_argument(
        "-o", "--output", required=True, metavar="FOLDER", help="the folder of the pages; an earlier report is replaced"
    )
    add_compute_options(parser)
    parser.set_defaults(run=run)


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """Add INPUT and the options that say what the pages show."""
    add_inputs(parser)
    add_model(parser)
    parser.add_argument(
        "--threshold",
        type=probability,
        default=0.5,
        metavar="T",
        help="the score (0 to 1) from which on the page counts a candidate as real (default: 0.5)",
    )
    parser.add_argument(
        "--title",
        metavar="TEXT",
        help="the heading of the pages (default: the name of their folder; in review that of the first input)",
    )
    add_columns(parser)
    add_vectors(parser)
    parser.add_argument("--strict", action="store_true", help="stop at the first problem of the inputs")


@dataclass(frozen=True, slots=True)
class WrittenNight:
    """A report that is written: its first page, and the ids of its candidates."""

    page: Path
    candidates: frozenset[str]


def write_night(
    arguments: argparse.Namespace, folder: Path, problems: Problems, labels: Mapping[str, str] | None = None
) -> WrittenNight:
    """Score the inputs and write their report; with labels it is one for a server, with suggestions what to label.

    Parameters
    ----------
    arguments : argparse.Namespace
        The options of :func:`add_report_options` and of :func:`space2vec.cli.common.add_compute_options`.
    folder : Path
        The folder of the report.
    problems : Problems
        Gets the problems of the inputs.
    labels : mapping of str to str, optional
        The labels that a server keeps.
    """
    from space2vec.backends import choice
    from space2vec.data.ids import id_keys
    from space2vec.data.stamps import Stamps
    from space2vec.data.tables import Scores
    from space2vec.data.vectors import Vectors
    from space2vec.reading import find
    from space2vec.report import NightReport
    from space2vec.writing.errors_table import make_errors_table

    model = load_scorer(arguments)
    where = choice.usable_device(arguments.device, model.runtime, bulk=True)
    vectors = NightVectors(arguments)
    arguments.inputs = find(arguments.inputs)
    columns = PacketColumns.of(arguments.columns, {"object_id", "candidate_id", "score", "flags"})
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    ids: set[str] = set()
    suggestions = None if labels is None else Suggestions(model, arguments, where)
    with NightReport(folder, title=arguments.title, model=model.id, threshold=arguments.threshold) as report:
        # Without the model: a reader that scores keeps no pixels.
        for batch in read_batches(arguments, "report", problems, columns=list(columns.paths.values())):
            rows = batch.rows
            assert not isinstance(rows, Scores | Vectors)
            rows.columns = columns.select(rows.columns, len(rows))
            if suggestions is None:
                scores = model.score(rows, threads=arguments.threads, device=where)
            else:
                scores = suggestions.score(rows)
            lacking = np.isnan(np.asarray(scores.score))
            lines = make_errors_table(batch, scores.to_arrow(), scores.flags, ~lacking, first=0).to_pylist()
            paths = paths_of_rows(batch, arguments.inputs) if lines else []
            problems_of_rows = [_problem(line, paths[line["row"]]) for line in lines]
            vectors.add(rows)
            report.add(rows if isinstance(rows, Stamps) else None, scores, problems_of_rows)
            reasons.update({line["row"]: line["reason"] for line in lines if lacking[line["row"]]}.values())
            counts.update(decision or "none" for decision in scores.decide(arguments.threshold))
            ids.update(key for key in id_keys(scores.candidate_id) if key is not None)
        suggested = [] if suggestions is None else suggestions.finish()
        rows_alike, likeness, kinds = vectors.finish()
        page = report.finish(suggested=suggested, labels=labels, alike=(rows_alike, likeness), columns=kinds)
    print_line(
        f"{counts.total()} candidates: {counts['real']} real and {counts['bogus']} bogus at a threshold of "
        f"{arguments.threshold:g}, {counts['none']} without a score"
        + (f" ({', '.join(f'{n} {reason}' for reason, n in reasons.most_common())})" if reasons else "")
    )
    return WrittenNight(page, frozenset(ids))


def _problem(line: Mapping[str, Json], path: str) -> NightProblem:
    """Turn a line of the errors table, for a row of a file, into a problem that the pages list."""
    from space2vec.report import NightProblem

    place = line["file"] or path
    if line["record"] is not None:
        place += f", record {line['record']}"
    return NightProblem(line["row"], place, line["reason"], line["message"])


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    problems = Problems(strict=arguments.strict)
    night = write_night(arguments, Path(arguments.output), problems)
    print_line(f"report in {night.page}")
    return problems.finish()
