"""``space2vec features``: measure the features of candidates."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from space2vec.cli import resumable_run
from space2vec.cli.common import add_compute_options, add_inputs

if TYPE_CHECKING:
    from space2vec.reading.batch import BatchRows

__all__ = ["register"]


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from space2vec.registry import FEATURE_SETS

    parser.description = (
        "Write the features of every candidate: object_id, candidate_id, the columns of the set, flags, "
        "columns of its packet."
    )
    add_inputs(parser)
    resumable_run.add_output(parser, "the feature table")
    parser.add_argument("--set", choices=tuple(FEATURE_SETS), default="autoscan", help="columns (default: autoscan)")
    parser.add_argument(
        "--convention",
        choices=("code", "paper"),
        default="code",
        help="definition where autoScan's code and paper disagree (default: code)",
    )
    add_compute_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from space2vec.backends import choice
    from space2vec.compute import features
    from space2vec.data import flags
    from space2vec.data.device.extension import ordinal
    from space2vec.data.stamps import Stamps
    from space2vec.data.tables import Features
    from space2vec.plans.features import FeaturePlan
    from space2vec.reading import find
    from space2vec.registry import FEATURES, feature_set

    where = choice.usable_device(arguments.device, bulk=True)
    arguments.inputs = find(arguments.inputs)
    if arguments.inputs.features is not None:
        raise ValueError("the input is a table of features already; `space2vec score` takes it as it is")

    measure = FeaturePlan(feature_set(arguments.set), arguments.convention)

    def compute(batches: Iterator[BatchRows]) -> Iterator[Features]:
        if where != "cpu":
            from space2vec.backends.cuda.backend import Cuda

            with Cuda(ordinal(where)).feature_pipeline(measure) as pipeline:
                yield from pipeline.run(cast("Iterator[Stamps]", batches))
            return
        for rows in batches:
            if isinstance(rows, Stamps):
                rows = features(rows, set=arguments.set, convention=arguments.convention, threads=arguments.threads)
            assert isinstance(rows, Features)
            yield rows

    def result(_: BatchRows, table: Features) -> resumable_run.Result:
        return resumable_run.Result(table.to_arrow(), table.flags, flags.scorable(table.flags))

    contents = "features" if where == "cpu" else f"features, measured on {where},"
    descriptions = {name: FEATURES[name].definition for name in measure.names}
    options = {"set": arguments.set, "convention": arguments.convention}
    while_reading = measure if where == "cpu" else None
    work = resumable_run.Work(
        "features", "measured", contents, descriptions, options, compute, result, while_reading, device=where
    )
    return resumable_run.run(arguments, work)
