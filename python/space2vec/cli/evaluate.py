"""``space2vec evaluate``: score files and labels to figures and curves."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from space2vec.cli.common import check_picture, check_place

__all__ = ["register"]


def register(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "evaluate",
        help="measure scores against labels",
        description="Measure scores against labels: AUC, missed detections (MDR) and false positives (FPR), with "
        "bootstrap intervals over objects. Of several score files, each is compared with the first on the candidates "
        "that both have: a paired bootstrap, and McNemar's exact test.",
    )
    parser.add_argument("scores", nargs="+", metavar="SCORES", help="score files, .parquet or .csv")
    parser.add_argument(
        "--labels",
        required=True,
        metavar="FILE",
        help="a table with candidate_id, candid or ID and label (1 real, 0 bogus) or OBJECT_TYPE (1 artifact, 0 real)",
    )
    parser.add_argument("--bootstrap", type=int, default=1000, metavar="N", help="resamples (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the resampling")
    parser.add_argument("--json", metavar="FILE", help="write the figures as JSON as well")
    parser.add_argument("--plot", metavar="FILE.png", help="draw the MDR-FPR curves")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from space2vec import evaluate

    if arguments.plot:
        check_picture(arguments.plot)
    if arguments.json:
        check_place(Path(arguments.json))
    if len({Path(name).resolve() for name in arguments.scores}) < len(arguments.scores):
        raise ValueError(f"a file of scores is given more than once: {' '.join(arguments.scores)}")
    joined = {path: evaluate.join(path, arguments.labels) for path in arguments.scores}
    results, curves = {}, {}
    for path, (score, label, group, lonely_scores, lonely_labels) in joined.items():
        result = evaluate.evaluate(score, label, group=group, bootstrap=arguments.bootstrap, seed=arguments.seed)
        result = replace(result, unmatched_scores=lonely_scores, unmatched_labels=lonely_labels)
        results[path] = result
        curves[path] = score, label
        print(f"{path}\n{result}\n")
    first, *others = results
    comparisons = {}
    for path in others:
        compared = evaluate.compare_files(
            first, path, arguments.labels, bootstrap=arguments.bootstrap, seed=arguments.seed
        )
        comparisons[path] = compared
        print(f"a: {first}\nb: {path}\n{compared}\n")
    if arguments.json:
        document = {path: result.to_dict() for path, result in results.items()}
        for path, compared in comparisons.items():
            document[path]["comparison"] = {"a": first, "b": path, **compared.to_dict()}
        Path(arguments.json).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        print(f"figures in {arguments.json}")
    if arguments.plot:
        from space2vec import plot

        stems = {Path(path).stem for path in curves}
        named = {Path(path).stem: curve for path, curve in curves.items()} if len(stems) == len(curves) else curves
        plot.mdr_fpr(named, path=arguments.plot)
        print(f"curves in {arguments.plot}")
    return 0
