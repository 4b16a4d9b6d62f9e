"""``space2vec train tablenet``: labelled features to a model file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from space2vec.cli.common import Problems, add_inputs, positive
from space2vec.cli.labelled_rows import add_labels, model_file, read_labelled, told_folds
from space2vec.cli.printing import print_line
from space2vec.cli.train_network import tell_epoch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from space2vec.training.folds import Scorer

__all__ = ["register"]


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = (
        "Train a network on features, taught by boosted trees that are trained on the same rows, and write "
        "it as safetensors. Needs PyTorch and scikit-learn."
    )
    add_inputs(parser)
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the model file, .safetensors")
    add_labels(parser)
    parser.add_argument("--name", help="the model's name (default: that of the file)")
    parser.add_argument("--epochs", type=positive, metavar="N", help="(default: those of the published figures)")
    parser.add_argument("--folds", type=int, default=0, metavar="N", help="of cross-validation by object (default: 0)")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=run, threads=None)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from dataclasses import replace

    from space2vec.training import train_tablenet
    from space2vec.training.distill import COURSE
    from space2vec.training.folds import out_of_fold

    output = model_file(arguments.output)
    problems = Problems()
    rows = read_labelled(arguments, problems)
    course = replace(COURSE, epochs=arguments.epochs or COURSE.epochs)

    def trained(learned: NDArray[np.intp]) -> Scorer:
        network = train_tablenet(
            rows.x[learned], rows.y[learned], rows.names, group=rows.group[learned], course=course, seed=arguments.seed
        )
        return network.predict

    metrics: dict[str, Any] = {}
    if arguments.folds:
        score = out_of_fold(trained, rows.x, rows.y, group=rows.group, folds=arguments.folds, seed=arguments.seed)
        metrics = told_folds(score, rows, arguments.folds)
    network = train_tablenet(
        rows.x,
        rows.y,
        rows.names,
        group=rows.group,
        course=course,
        seed=arguments.seed,
        progress=tell_epoch,
        name=arguments.name or output.stem,
        training={"data": [str(Path(name).name) for name in arguments.inputs]},
        metrics=metrics,
    )
    network.save(output)
    print_line(f"{network!r} in {output}")
    return problems.finish()
