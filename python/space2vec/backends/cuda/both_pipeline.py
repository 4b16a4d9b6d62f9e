"""A pipeline of batches through a device that scores stamps and turns them into vectors, of one copy of the pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from space2vec.backends.cuda.device_batch import (
    DEPTH,
    BatchSlot,
    Engine,
    rows_at_a_time,
    score_bytes,
    stamp_arguments,
    upload_catalogue,
)
from space2vec.backends.cuda.pipeline import RESULT_BYTES, STAMP_BYTES, Begun, Pipeline, Work
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Scores
from space2vec.data.vectors import Vectors

if TYPE_CHECKING:
    import space2vec._cuda as _cuda
    from space2vec.backends.interfaces import Model

__all__ = ["both_pipeline"]


def both_pipeline(
    engine: Engine, model: Model, embed_engine: _cuda.Model, embedder: Model, ordinal: int
) -> Pipeline[Stamps, Scores]:
    """Return a pipeline that copies stamps to a device once and gives their scores, with the vectors of the same rows.

    Parameters
    ----------
    engine, model
        The model that scores, as for :func:`space2vec.backends.cuda.pipeline.score_pipeline`.
    embed_engine, embedder
        The model that gives vectors, on the device and on the host.
    ordinal : int
        The number of the device.
    """
    device = f"cuda:{ordinal}"

    def nbytes(batch: Stamps, size: int) -> int:
        each = STAMP_BYTES + 2 * RESULT_BYTES + embedder.vector
        return size * each + score_bytes(engine, batch, DEPTH) + score_bytes(embed_engine, batch, DEPTH)

    def begin(slot: BatchSlot, batch: Stamps) -> Begun:
        for each in (model, embedder):
            each.needs.check(batch)
        model.needs.warn_of_units(batch)
        _score_and_embed(slot, (engine, model), (embed_engine, embedder), batch, DEPTH)
        return slot.download("score", "flags", "vectors", "vector flags")

    def end(batch: Stamps, begun: Begun) -> Scores:
        assert begun is not None
        score, flags, vectors, vector_flags = (part.copy() for part in begun)
        ids = batch.object_id, batch.candidate_id
        beside = Vectors(vectors, vector_flags, *ids, embedder.id, device, columns=batch.columns)
        return Scores(score, flags, *ids, model.id, device, columns=batch.columns, vectors=beside)

    return Pipeline(Work(nbytes, begin, end, Scores.concatenate), ordinal)


def _score_and_embed(
    memory: BatchSlot,
    scorer: tuple[Engine, Model],
    embedder: tuple[_cuda.Model, Model],
    stamps: Stamps,
    share: int = 1,
) -> None:
    """Begin to score stamps and to turn them into vectors, of one copy of their pixels.

    The results are the arrays ``"score"`` and ``"flags"`` (n,), ``"vectors"`` (n, k) and ``"vector flags"`` (n,) of the
    memory. `scorer` and `embedder` are models on the device, each with the same model on the host.
    """
    n, (engine, model), (embed_engine, of_vectors) = len(stamps.object_id), scorer, embedder
    out = memory.outputs("score", (n,), n)
    vectors = memory.array("vectors", (n, of_vectors.vector), np.int8)
    vector_flags = memory.array("vector flags", (n,), np.uint32)
    if n == 0:
        return
    arguments = stream, moved, raised, *_ = stamp_arguments(memory, engine, model, stamps, share)
    engine.score(*arguments, *out)
    catalogue = upload_catalogue(memory, of_vectors, stamps, "catalogue of vectors")
    rows = rows_at_a_time(embed_engine, n, share)
    scratch = memory.array("scratch of vectors", (embed_engine.scratch(rows),), np.uint8)
    embed_engine.embed(stream, moved, raised, catalogue, scratch, rows, vectors, vector_flags)
