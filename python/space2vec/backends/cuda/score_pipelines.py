"""Pipelines of batches through a device that score, that make vectors, or both of the same pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from space2vec.backends.cuda.device_batch import (
    DEPTH,
    BatchSlot,
    Engine,
    StampsOrFeatures,
    embed,
    score,
    score_and_embed,
    score_bytes,
)
from space2vec.backends.cuda.pipeline import RESULT_BYTES, STAMP_BYTES, Begun, Pipeline, Work
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Scores
from space2vec.data.vectors import Vectors

if TYPE_CHECKING:
    import space2vec._cuda as _cuda
    from space2vec.backends.interfaces import Model

__all__ = ["both_pipeline", "embed_pipeline", "score_pipeline"]


def score_pipeline(engine: Engine, model: Model, ordinal: int, *, checked: bool) -> Pipeline[StampsOrFeatures, Scores]:
    """Return a pipeline that scores stamps or features with a model.

    Parameters
    ----------
    engine, model
        As for :func:`space2vec.backends.cuda.device_batch.score`.
    ordinal : int
        The number of the device.
    checked : bool
        Whether the caller has checked that the batches give what the model needs.
    """
    width, device = 4 * len(model.header.feature_names), f"cuda:{ordinal}"

    def nbytes(batch: StampsOrFeatures, size: int) -> int:
        each = size * (STAMP_BYTES + RESULT_BYTES)
        if not isinstance(batch, Stamps):
            return each + size * width
        return each + score_bytes(engine, batch, DEPTH)

    def begin(slot: BatchSlot, batch: StampsOrFeatures) -> Begun:
        if not checked:
            model.needs.check(batch)
            model.needs.warn_of_units(batch)
        score(slot, engine, model, batch, DEPTH)
        return slot.download("score", "flags")

    def end(batch: StampsOrFeatures, begun: Begun) -> Scores:
        assert begun is not None
        score, flags = (part.copy() for part in begun)
        return Scores(score, flags, batch.object_id, batch.candidate_id, model.id, device, columns=batch.columns)

    return Pipeline(Work(nbytes, begin, end, Scores.concatenate), ordinal)


def embed_pipeline(engine: _cuda.Model, model: Model, ordinal: int, *, checked: bool) -> Pipeline[Stamps, Vectors]:
    """Return a pipeline that turns stamps into vectors; the parameters are those of :func:`score_pipeline`."""

    def nbytes(batch: Stamps, size: int) -> int:
        return size * (STAMP_BYTES + model.vector + 4) + score_bytes(engine, batch, DEPTH)

    def begin(slot: BatchSlot, batch: Stamps) -> Begun:
        if not checked:
            model.needs.check(batch)
            model.needs.warn_of_units(batch)
        embed(slot, engine, model, batch, DEPTH)
        return slot.download("vectors", "flags")

    def end(batch: Stamps, begun: Begun) -> Vectors:
        assert begun is not None
        vectors, flags = (part.copy() for part in begun)
        ids = batch.object_id, batch.candidate_id
        return Vectors(vectors, flags, *ids, model.id, f"cuda:{ordinal}", columns=batch.columns)

    return Pipeline(Work(nbytes, begin, end, Vectors.concatenate), ordinal)


def both_pipeline(
    engine: Engine, model: Model, embed_engine: _cuda.Model, embedder: Model, ordinal: int
) -> Pipeline[Stamps, Scores]:
    """Return a pipeline that copies stamps to a device once and gives their scores, with the vectors of the same rows.

    Parameters
    ----------
    engine, model
        The model that scores, as for :func:`score_pipeline`.
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
        score_and_embed(slot, (engine, model), (embed_engine, embedder), batch, DEPTH)
        return slot.download("score", "flags", "vectors", "vector flags")

    def end(batch: Stamps, begun: Begun) -> Scores:
        assert begun is not None
        score, flags, vectors, vector_flags = (part.copy() for part in begun)
        ids = batch.object_id, batch.candidate_id
        beside = Vectors(vectors, vector_flags, *ids, embedder.id, device, columns=batch.columns)
        return Scores(score, flags, *ids, model.id, device, columns=batch.columns, vectors=beside)

    return Pipeline(Work(nbytes, begin, end, Scores.concatenate), ordinal)
