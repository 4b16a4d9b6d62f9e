"""``space2vec train forest``: labelled inputs to a model file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from space2vec.cli.common import Problems, add_inputs, positive
from space2vec.cli.labelled_rows import add_labels, model_file, read_labelled, told_folds
from space2vec.cli.printing import print_line

__all__ = ["register"]


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = (
        "Train a random forest, with autoScan's hyperparameters by default, and write it as safetensors."
    )
    add_inputs(parser)
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the model file, .safetensors")
    add_labels(parser)
    parser.add_argument("--name", help="the model's name (default: that of the file)")
    parser.add_argument("--trees", type=positive, default=100)
    parser.add_argument("--criterion", choices=("entropy", "gini", "log_loss"), default="entropy")
    parser.add_argument("--max-features", type=positive, default=6, metavar="N", help="features a split")
    parser.add_argument("--min-samples-split", type=positive, default=3, metavar="N")
    parser.add_argument("--min-samples-leaf", type=positive, default=1, metavar="N")
    parser.add_argument("--max-leaf-nodes", type=positive, metavar="N", help="leaves a tree (default: no limit)")
    parser.add_argument("--folds", type=int, default=10, metavar="N", help="of cross-validation by object; 0: none")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=positive, metavar="N", help="threads to use (default: one a usable core)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from space2vec import training

    output = model_file(arguments.output)
    problems = Problems()
    rows = read_labelled(arguments, problems)
    settings = {
        "trees": arguments.trees,
        "criterion": arguments.criterion,
        "max_features": arguments.max_features,
        "min_samples_split": arguments.min_samples_split,
        "min_samples_leaf": arguments.min_samples_leaf,
        "max_leaf_nodes": arguments.max_leaf_nodes,
        "seed": arguments.seed,
        "n_jobs": arguments.threads or -1,
    }
    metrics: dict[str, Any] = {}
    if arguments.folds:
        score = training.cross_validate(rows.x, rows.y, group=rows.group, folds=arguments.folds, **settings)
        metrics = told_folds(score, rows, arguments.folds)
    forest = training.train_forest(
        rows.x,
        rows.y,
        rows.names,
        name=arguments.name or output.stem,
        convention=arguments.convention,
        training={"data": [str(Path(name).name) for name in arguments.inputs]},
        metrics=metrics,
        **settings,
    )
    forest.save(output)
    print_line(f"{forest!r} in {output}")
    return problems.finish()
