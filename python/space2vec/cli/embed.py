"""``space2vec embed``: turn candidates into vectors."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from space2vec.cli import resumable_run
from space2vec.cli.common import add_compute_options, add_inputs

if TYPE_CHECKING:
    from space2vec.data.stamps import Stamps
    from space2vec.data.vectors import Vectors
    from space2vec.models.model import Model
    from space2vec.reading.batch import BatchRows

__all__ = ["MODEL", "add_vector_model", "describe_vectors", "embed_batches", "register"]

#: The model that gives vectors unless an option names another.
MODEL = "vectornet"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = (
        "Write a vector of every candidate: object_id, candidate_id, vector, flags, columns of its packet. Candidates "
        "that look alike have vectors of nearly the same direction."
    )
    add_inputs(parser)
    resumable_run.add_output(parser, "the table of vectors (Python reads .parquet back: space2vec.read_vectors)")
    add_vector_model(parser, "a packaged network that gives vectors, or a model file")
    add_compute_options(parser)
    parser.set_defaults(run=run)


def add_vector_model(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --model; `what` describes it in the help text."""
    parser.add_argument("--model", default=MODEL, metavar="NAME|FILE", help=f"{what} (default: {MODEL})")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from space2vec.backends import choice
    from space2vec.models.load import load

    model = load(arguments.model)
    model.check_gives_vectors()
    where = choice.usable_device(arguments.device, bulk=True)

    def compute(batches: Iterator[BatchRows]) -> Iterator[Vectors]:
        return embed_batches(model, batches, where, arguments.threads)

    def result(rows: BatchRows, vectors: Vectors) -> resumable_run.Result:
        return resumable_run.Result(vectors.to_arrow(), vectors.flags, vectors.has_vector)

    work = resumable_run.Work(
        "embed",
        "embedded",
        f"model {model.id}{'' if where == 'cpu' else f' on {where}'}; vectors",
        {"vector": describe_vectors(model)},
        resumable_run.options_of_vectors(model),
        compute,
        result,
        model=model,
        device=where,
    )
    return resumable_run.run(arguments, work)


def embed_batches(model: Model, batches: Iterator[BatchRows], where: str, threads: int | None) -> Iterator[Vectors]:
    """Yield the vectors of each batch, in order; on a CUDA device several batches are read ahead.

    Parameters
    ----------
    model : Model
        A network that gives vectors.
    batches : iterator of Stamps, Features or Vectors
        Rows as :func:`space2vec.reading.batches` gives them; vectors that a reader has made go through.
    where : str
        ``cpu``, or a CUDA device.
    threads : int, optional
        Threads to use on the host.

    Raises
    ------
    TypeError
        If rows are of a table of features, which have no pixels.
    """
    from space2vec.data.vectors import Vectors

    if where != "cpu":
        with model.embed_pipeline(where) as pipeline:
            yield from pipeline.run(cast("Iterator[Stamps]", batches))
        return
    for rows in batches:
        if not isinstance(rows, Vectors):
            rows = model.embed(cast("Stamps", rows), threads=threads, device=where)
        yield rows


def describe_vectors(model: Model) -> str:
    """Return a sentence on the column of vectors of a model."""
    return (
        f"{model.vector} integers from -127 to 127 by the model {model.id}; the cosine of the angle between two rows "
        "says how alike they are; all 0 where a row could not be embedded"
    )
