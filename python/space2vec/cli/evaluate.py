"""``space2vec evaluate``: measure files of scores against labels, and draw the curves."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from space2vec.cli.common import Problems, add_limits, check_no_input, check_picture, limits_of, probability
from space2vec.cli.printing import print_line, print_lines

if TYPE_CHECKING:
    from space2vec.data.types import Argument, Json
    from space2vec.reading import Problem

__all__ = ["register"]

#: The most resamples for the band around a curve: more would not change the picture visibly.
_BAND = 400


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = (
        "Measure scores against labels: AUC, missed detections (MDR) and false positives (FPR) with the "
        "thresholds that give them, Brier score and calibration error, with bootstrap intervals over objects. If "
        "there are several score files, the first is compared with each other on the candidates that both have, by a "
        "paired bootstrap and McNemar's exact test."
    )
    parser.add_argument("scores", nargs="+", metavar="SCORES", help="score files, of any format that score writes")
    parser.add_argument(
        "--labels",
        required=True,
        metavar="FILE",
        help="a table with candidate_id, candid or ID and label (1 real, 0 bogus) or OBJECT_TYPE (1 artifact, 0 real)",
    )
    parser.add_argument("--bootstrap", type=int, default=1000, metavar="N", help="resamples (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the resampling")
    parser.add_argument("--json", metavar="FILE", help="also write the figures as JSON")
    parser.add_argument("--plot", metavar="FILE.png", help="draw the MDR-FPR curves, each with its bootstrap interval")
    parser.add_argument(
        "--reliability",
        metavar="FILE.png",
        help="draw the share of real candidates at each score, and the number of candidates",
    )
    parser.add_argument(
        "--old-threshold",
        type=probability,
        metavar="T",
        help="with two or more score files: T is the threshold in use with the scores of the second and further ones; "
        "print the thresholds of the first, a new model's, that keep its MDR or its FPR",
    )
    add_limits(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from space2vec import evaluation
    from space2vec.data.atomic_file import write_whole
    from space2vec.writing.places import check_writable

    if arguments.old_threshold is not None and len(arguments.scores) < 2:
        raise ValueError("--old-threshold needs the scores of the old model after those of the new one")
    for picture in (arguments.plot, arguments.reliability):
        if picture:
            check_picture(picture)
    if arguments.json:
        check_writable(Path(arguments.json))
    check_no_input([arguments.json, arguments.plot, arguments.reliability], [*arguments.scores, arguments.labels])
    if len({Path(name).resolve() for name in arguments.scores}) < len(arguments.scores):
        raise ValueError(f"a file of scores is given more than once: {' '.join(arguments.scores)}")
    wrong: list[Problem] = []
    limits = limits_of(arguments)
    joined = {path: evaluation.join(path, arguments.labels, problems=wrong, limits=limits) for path in arguments.scores}
    problems = Problems()
    for problem in dict.fromkeys(wrong):  # each file of scores repeats the problems of the labels
        problems.report(problem)
    names = evaluation.names_of(arguments.scores)
    options: dict[str, Json] = {"bootstrap": arguments.bootstrap, "seed": arguments.seed}
    compare: dict[str, Argument] = {**options, "problems": [], "limits": limits}
    document: dict[str, Json] = {}
    for path, rows in joined.items():
        result = rows.evaluate(**options)
        model = evaluation.model_of(path)
        document[names[path]] = {"file": path, "model": model, **result.to_dict()}
        print_line(f"{names[path]}: {'' if model is None else f'model {model}, '}scores of {path}")
        print_lines(f"{result}\n")
    first, *others = arguments.scores
    for path in others:
        compared = evaluation.compare_files(first, path, arguments.labels, **compare)
        document[names[path]]["comparison"] = {"a": names[first], "b": names[path], **compared.to_dict()}
        print_line(f"a: {names[first]}")
        print_line(f"b: {names[path]}")
        print_lines(f"{compared}\n")
        if arguments.old_threshold is not None:
            kept = evaluation.keep_threshold_of_files(
                first, path, arguments.labels, arguments.old_threshold, problems=[], limits=limits
            )
            document[names[path]]["kept threshold"] = kept.to_dict()
            print_lines(f"{names[first]} in place of {names[path]}: {kept}\n")
    if arguments.json:
        write_whole(arguments.json, (json.dumps(document, indent=2) + "\n").encode())
        print_line(f"figures in {arguments.json}")
    curves = {names[path]: (rows.score, rows.label) for path, rows in joined.items()}
    if arguments.plot:
        from space2vec import plot

        groups = {names[path]: rows.group for path, rows in joined.items()}
        options["bootstrap"] = min(arguments.bootstrap, _BAND)
        plot.mdr_fpr(curves, group=groups, path=arguments.plot, **options)
        print_line(f"curves in {arguments.plot}")
    if arguments.reliability:
        from space2vec import plot

        plot.reliability(curves, path=arguments.reliability)
        print_line(f"reliability in {arguments.reliability}")
    return problems.finish()
