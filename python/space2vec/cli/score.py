"""``space2vec score``: inputs to scores."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np

from space2vec.cli import in_parts
from space2vec.cli.common import add_compute_options, add_inputs

if TYPE_CHECKING:
    from space2vec.table import Features

__all__ = ["register"]


def register(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "score",
        help="score candidates",
        description="Write P(real) of every candidate: object_id, candidate_id, score, flags.",
    )
    add_inputs(parser)
    in_parts.add_output(parser, "the score file")
    parser.add_argument(
        "--model",
        default="default",
        metavar="NAME|FILE",
        help="a packaged model, a model file (.safetensors), or the folder of a training run",
    )
    parser.add_argument("--mosaic", metavar="FILE.png", help="draw best, worst and most doubtful candidates as well")
    add_compute_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from space2vec import device, model
    from space2vec.cli.gallery import Gallery
    from space2vec.extract import Measure
    from space2vec.registry import FEATURES
    from space2vec.stamps import Stamps

    judge = model.load(arguments.model)
    device.resolve(arguments.device, judge.kind)
    gallery = None if arguments.mosaic is None else Gallery(arguments.mosaic)
    # The pixels are needed for a picture, for a recipe, and to see which planes are missing where that is allowed; of
    # a column that no stamp gives, the model tells where it comes to stamps.
    pixels = gallery is not None or judge.header.recipe is not None or judge.header.optional
    measured = not pixels and all(name in FEATURES for name in judge.feature_names)
    measure = Measure(judge.feature_names, judge.header.convention) if measured else None

    def compute(rows: Stamps | Features) -> in_parts.Result:
        scores = judge.score(rows, threads=arguments.threads, device=arguments.device)
        if gallery is not None and isinstance(rows, Stamps):
            gallery.add(rows, scores)
        return in_parts.Result(scores.to_arrow(), scores.flags, ~np.isnan(scores.score))

    said = f"model {judge.id}; scores"
    return in_parts.run(
        arguments, "score", "scored", said, {"model": judge.id}, compute, measure=measure, gallery=gallery
    )
