"""``space2vec score``: compute the scores of candidates."""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from space2vec.cli import resumable_run
from space2vec.cli.common import add_compute_options, add_inputs, add_model, probability
from space2vec.cli.embed import MODEL as VECTOR_MODEL
from space2vec.cli.embed import describe_vectors
from space2vec.cli.own_module import load_scorer

if TYPE_CHECKING:
    from space2vec.data.stamps import Stamps
    from space2vec.data.tables import Features, Scores
    from space2vec.reading.batch import BatchRows

__all__ = ["register"]


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = (
        "Write P(real) of every candidate: object_id, candidate_id, score, flags, columns of its packet; "
        "with --threshold also a decision."
    )
    add_inputs(parser)
    resumable_run.add_output(parser, "the score file")
    add_model(parser)
    parser.add_argument(
        "--threshold",
        type=probability,
        metavar="T",
        help="also write a column decision: real if the score is T (0 to 1) or above, bogus if below; space2vec "
        "evaluate prints the thresholds of operating points",
    )
    parser.add_argument(
        "--mosaic",
        metavar="FILE.png",
        help="also draw the candidates with the highest, the lowest and the most doubtful scores",
    )
    parser.add_argument(
        "--vectors",
        metavar="FILE",
        help="also write a table of vectors, as space2vec embed does, in the same pass over the pixels",
    )
    parser.add_argument(
        "--vector-model",
        default=VECTOR_MODEL,
        metavar="NAME|FILE",
        help=f"the network that gives the vectors of --vectors (default: {VECTOR_MODEL})",
    )
    add_compute_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from space2vec.backends import choice
    from space2vec.cli.mosaic import Mosaic
    from space2vec.data import arrow
    from space2vec.data.stamps import Stamps
    from space2vec.models.load import load
    from space2vec.reading.concatenated_rows import as_scores

    model = load_scorer(arguments)
    embedder = None if arguments.vectors is None else load(arguments.vector_model)
    if embedder is not None:
        embedder.check_gives_vectors()
    where = choice.usable_device(arguments.device, model.runtime, bulk=True)
    mosaic = None if arguments.mosaic is None else Mosaic(arguments.mosaic)

    def compute(batches: Iterator[BatchRows]) -> Iterator[Scores]:
        if where != "cpu" and embedder is not None:
            with model.both_pipeline(embedder, where) as pipeline_of_both:
                yield from pipeline_of_both.run(cast("Iterator[Stamps]", batches))
            return
        if where != "cpu":
            with model.pipeline(where) as pipeline:
                # Alerts are scored while they are read on the CPU only.
                yield from pipeline.run(cast("Iterator[Stamps | Features]", batches))
            return
        for rows in batches:
            yield as_scores(rows, model, threads=arguments.threads, device=where)

    def compute_both(batches: Iterator[BatchRows]) -> Iterator[Scores]:
        under_way: deque[BatchRows] = deque()

        def remembered() -> Iterator[BatchRows]:
            for rows in batches:
                under_way.append(rows)
                yield rows

        assert embedder is not None
        for scores in compute(remembered()):
            rows = under_way.popleft()
            if scores.vectors is None:
                scores.vectors = embedder.embed(cast("Stamps", rows), threads=arguments.threads, device=where)
            yield scores

    def result(rows: BatchRows, scores: Scores) -> resumable_run.Result:
        if mosaic is not None and isinstance(rows, Stamps):
            mosaic.add(rows, scores)
        table = scores.to_arrow()
        if arguments.threshold is not None:
            decisions = arrow.texts(scores.decide(arguments.threshold).tolist())
            table = table.add_column(table.column_names.index("score") + 1, "decision", decisions)
        vectors = None if scores.vectors is None else scores.vectors.to_arrow()
        return resumable_run.Result(table, scores.flags, ~np.isnan(scores.score), vectors)

    options = {"model": model.id, "model's SHA-256": model.digest}
    if model.runtime is not None:  # floating point: scores may differ in the last bits from one runtime to another
        options["runtime"] = model.runtime if where == "cpu" else f"torch on {where}"
    descriptions = {"score": f"P(real) by the model {model.id}, NaN where a row could not be scored"}
    if arguments.threshold is not None:
        options["threshold"] = repr(arguments.threshold)
        descriptions["decision"] = f"real: a score of {arguments.threshold!r} or above, bogus: below; nothing: no score"
    if embedder is not None:
        options |= {"vectors by": embedder.id, "their model's SHA-256": embedder.digest}
        descriptions["vector"] = describe_vectors(embedder)
    contents = f"model {model.id}{'' if where == 'cpu' else f' on {where}'}; scores"
    work = resumable_run.Work(
        "score", "scored", contents, descriptions, options, compute if embedder is None else compute_both, result,
        model=model if mosaic is None else None, mosaic=mosaic, device=where, embedder=embedder,
        vectors=None if arguments.vectors is None else Path(arguments.vectors),
    )  # fmt: skip
    return resumable_run.run(arguments, work)
