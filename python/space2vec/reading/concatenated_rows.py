"""Concatenate the rows of several batches: stamps, features, or a model's scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features, Scores
from space2vec.data.vectors import Vectors

if TYPE_CHECKING:
    from space2vec.backends.interfaces import Model
    from space2vec.plans.features import FeaturePlan
    from space2vec.reading.batch import BatchRows
    from space2vec.reading.options import ReadOptions

    class ScoringModel(Model, Protocol):
        """A model with a method `score`, such as :class:`space2vec.Forest`."""

        def score(self, source: Stamps | Features, *, threads: int | None = None, device: str = "auto") -> Scores:
            """Score candidates."""


__all__ = ["as_scores", "concatenate_rows", "no_scores"]


def concatenate_rows(parts: Sequence[BatchRows], options: ReadOptions, model: ScoringModel | None) -> BatchRows:
    """Concatenate the rows of consecutive batches, and score them if the reader has not.

    Parameters
    ----------
    parts : sequence of Stamps, of Features, or of Scores
        The rows, as a reader with these options returns them.
    options : ReadOptions
        How they were read.
    model : ScoringModel or None
        The model for the scores, if scores are wanted.
    """
    if options.model is not None:
        scores = [part for part in parts if isinstance(part, Scores)]
        return Scores.concatenate(scores) if scores else no_scores(options.model)
    rows = _concatenate(parts, options.measure)
    return rows if model is None else model.score(rows)


def _concatenate(parts: Sequence[BatchRows], measure: FeaturePlan | None) -> Stamps | Features:
    if measure is not None:
        return Features.concatenate([part for part in parts if isinstance(part, Features)], measure.names)
    return Stamps.concatenate(part for part in parts if isinstance(part, Stamps))


def as_scores(rows: BatchRows, model: ScoringModel, *, threads: int | None = None, device: str = "cpu") -> Scores:
    """Return the scores of a batch, computing them if the reader has not."""
    if isinstance(rows, Scores):
        return rows
    assert not isinstance(rows, Vectors), "a model that scores was given to the reader"
    return model.score(rows, threads=threads, device=device)


def no_scores(model: Model) -> Scores:
    """Return an empty table of scores."""
    return Scores(
        np.empty(0, dtype=np.float32),
        np.empty(0, dtype=np.uint32),
        np.empty(0, dtype=object),
        np.empty(0, dtype=np.int64),
        model.id,
    )
