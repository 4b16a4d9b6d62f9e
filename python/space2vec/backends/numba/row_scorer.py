"""Rows of stamps to the inputs of a network or forest, to scores and to vectors, as in ``cpp/src/row_scorer.hpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.model_file import ModelFile
from space2vec.backends.numba.network import Network
from space2vec.backends.numba.recipe_rows import RecipeRows
from space2vec.backends.numba.row_rule import apply_stamp_rule
from space2vec.backends.numba.stamp import Batch
from space2vec.backends.numba.stamp_features import features_rows
from space2vec.model_files.calibration import apply_calibration
from space2vec.registry import CATALOGUE, stamp_columns

__all__ = ["Flags", "Floats", "RowScorer", "Vectors"]

Floats = NDArray[np.float32]
Flags = NDArray[np.uint32]
Vectors = NDArray[np.int8]


class RowScorer:
    """A forest or an integer network without a first network, and the rule by which rows are scored.

    Parameters
    ----------
    model : ModelFile
        The contents of a model file.
    """

    def __init__(self, model: ModelFile) -> None:
        self.needs, self.names, self.shape = model.needs, model.names, (0, 0, 0)
        self.place, self.of_catalogue, self.rows = model.place, model.of_catalogue, model.rows
        self.channels: tuple[str, ...] = ()
        self.recipe: RecipeRows | None = None
        if model.recipe is not None:
            self.recipe, self.shape = RecipeRows(model.recipe), model.recipe.shape
            self.channels = model.recipe.channels
        self._measuring, self._paper, self._knots = model.measuring, model.paper, model.knots

    @property
    def network(self) -> Network | None:
        """The network that gives vectors; None if the model gives scores."""
        return self.rows if isinstance(self.rows, Network) and self.rows.vector else None

    def score_rows(self, batch: Batch, reader: Flags, catalogue: Floats | None, score: Floats, flags: Flags) -> None:
        """Write the scores and flags of a whole batch by this model, without a first network."""
        planes, columns = self.empty(len(score))
        scored = np.empty(len(score), dtype=np.bool_)
        self.take_inputs(batch, reader, catalogue, planes, columns, flags, scored)
        self.predict_scored(planes, columns, scored, score)

    def take_inputs(
        self,
        batch: Batch,
        reader: Flags,
        catalogue: Floats | None,
        planes: Floats | None,
        columns: Floats | None,
        flags: Flags,
        scored: NDArray[np.bool_],
    ) -> None:
        """Write the inputs and flags of a whole batch, and which rows can be scored."""
        n = len(reader)
        prepared, measured = np.zeros(n, dtype=np.uint32), np.zeros(n, dtype=np.uint32)
        if self.recipe is not None and planes is not None:
            self.recipe.prepare(batch, self.needs, planes, prepared, 0, n)
        if columns is not None:
            values = np.empty((n, len(stamp_columns(self._measuring.sets))), dtype=np.float32)
            features_rows(batch, self._measuring, self._paper, values, measured, 0, n)
            known = np.full((n, len(CATALOGUE)), np.nan, np.float32) if catalogue is None else catalogue
            columns[:] = np.concatenate([values, known], axis=1)[:, self.place]
        else:
            columns = np.empty((n, 0), dtype=np.float32)
        apply_stamp_rule(
            self.needs, batch, reader, prepared, measured, columns, self.of_catalogue, flags, scored, 0, n
        )  # fmt: skip

    def predict_scored(
        self, planes: Floats | None, columns: Floats | None, scored: NDArray[np.bool_], score: Floats
    ) -> None:
        """Write the scores of those rows that can be scored, and NaN for the others."""
        score[:] = np.nan
        own = np.empty(np.count_nonzero(scored), dtype=np.float32)
        self.predict_rows(
            planes if planes is None else planes[scored], columns if columns is None else columns[scored], own
        )
        score[scored] = own

    def predict_rows(self, planes: Floats | None, columns: Floats | None, score: Floats) -> None:
        """Write the calibrated scores of inputs, without a first network."""
        assert self.rows is not None
        self.rows.score_rows(planes, columns, score)
        if self._knots is not None:
            score[:] = apply_calibration(*self._knots, score)

    def empty(self, n: int) -> tuple[Floats | None, Floats | None]:
        """Allocate the inputs of the model for n rows."""
        planes = np.empty((n, *self.shape), dtype=np.float32) if self.recipe is not None else None
        columns = np.empty((n, len(self.place)), dtype=np.float32) if len(self.place) else None
        return planes, columns

    def embed_rows(self, batch: Batch, reader: Flags, catalogue: Floats | None, vectors: Vectors, flags: Flags) -> None:
        """Write the vectors and flags of a whole batch; the vector of a row that cannot be scored is zero."""
        assert self.network is not None
        planes, columns = self.empty(len(vectors))
        scored = np.empty(len(vectors), dtype=np.bool_)
        self.take_inputs(batch, reader, catalogue, planes, columns, flags, scored)
        own = np.empty((np.count_nonzero(scored), self.network.vector), dtype=np.int8)
        self.network.embed_rows(
            planes if planes is None else planes[scored], columns if columns is None else columns[scored], own
        )
        vectors[:] = 0
        vectors[scored] = own
