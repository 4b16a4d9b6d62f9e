"""Models in Numba: the twin of ``space2vec._core.Model``, with the same bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.model_file import FOREIGN, read_model
from space2vec.backends.numba.network import Network
from space2vec.backends.numba.row_rule import apply_table_rule
from space2vec.backends.numba.row_scorer import Flags, Floats, RowScorer, Vectors
from space2vec.backends.numba.stamp import FLAG, Batch, batch_of
from space2vec.backends.numba.team import parallel_for
from space2vec.model_files.calibration import apply_calibration
from space2vec.model_files.header import is_in_doubt
from space2vec.registry import CATALOGUE

if TYPE_CHECKING:
    from space2vec.data.stamps import Stamps

__all__ = ["Model"]


class Model(RowScorer):
    """A forest or an integer network, and the rule by which rows are scored.

    Parameters
    ----------
    file : bytes
        The bytes of a model file.

    Raises
    ------
    ValueError
        If the file is damaged, holds another kind of model, or was trained on another version of the features; the
        message says which.
    """

    def __init__(self, file: bytes) -> None:
        try:
            model = read_model(file)
        except ValueError as error:
            raise ValueError(f"Model: {error}") from error
        super().__init__(model)
        self.header = model.text
        self._doubt = model.doubt
        self._first = None if model.first is None else RowScorer(model.first)

    @property
    def runs(self) -> bool:
        """Whether kernels can run it: a forest or a network in integers."""
        return self.rows is not None

    @property
    def vector(self) -> int:
        """The integers of a vector that the model gives; 0 if it gives scores."""
        return 0 if self.network is None else self.network.vector

    def predict(self, planes: Floats | None, columns: Floats | None, score: Floats, threads: int) -> None:
        """Write the scores (n,) of prepared inputs.

        Parameters
        ----------
        planes : ndarray of float32 (n, channel, height, width) or None
            Prepared planes; None if the model takes none. A row with a pixel that is not finite gets NaN.
        columns : ndarray of float32 (n, k) or None
            Columns; None if the model takes none.
        score : ndarray of float32 (n,)
            The scores are written here.
        threads : int
            Number of threads.

        Raises
        ------
        ValueError
            If the model is in floating point only, gives vectors, or an array has another shape.
        """
        self._check_gives_scores()
        self._check_all_inputs(len(score), planes, columns)
        _check("score", score, np.float32, score.shape[:1])

        def work(begin: int, end: int) -> None:
            own_planes, own_columns = _part(planes, begin, end), _part(columns, begin, end)
            if self._first is None:
                self.predict_rows(own_planes, own_columns, score[begin:end])
            else:
                self._predict_cascade(self._first, own_planes, own_columns, score[begin:end])

        parallel_for(len(score), threads, work)

    def score(self, stamps: Stamps, catalogue: Floats | None, score: Floats, flags: Flags, threads: int) -> None:
        """Write the scores and flags (n,) of stamps; the score of a row that cannot be scored is NaN.

        Parameters
        ----------
        stamps : Stamps
            The candidates, with the flags that their reader raised.
        catalogue : ndarray of float32 (n, 20) or None
            All catalogue columns in the order of the registry, NaN where unknown.
        score : ndarray of float32 (n,)
            The scores are written here.
        flags : ndarray of uint32 (n,)
            The flags are written here.
        threads : int
            Number of threads.

        Raises
        ------
        ValueError
            If the model is in floating point only, gives vectors, takes columns that stamps do not have, or an array
            has another shape.
        """
        self._check_gives_scores()
        self._check_stamps(stamps, catalogue, len(score), flags)
        _check("score", score, np.float32, score.shape[:1])
        batch, reader = batch_of(stamps), stamps.flags

        def work(begin: int, end: int) -> None:
            part = _rows(batch, slice(begin, end)), reader[begin:end], _part(catalogue, begin, end)
            if self._first is None:
                self.score_rows(*part, score[begin:end], flags[begin:end])
            else:
                self._score_cascade(self._first, *part, score[begin:end], flags[begin:end])

        parallel_for(len(score), threads, work)

    def embed(self, stamps: Stamps, catalogue: Floats | None, vectors: Vectors, flags: Flags, threads: int) -> None:
        """Write the vectors (n, k) and flags (n,) of stamps; the vector of a row that cannot be scored is zero.

        Parameters
        ----------
        stamps, catalogue, flags, threads
            As for :meth:`score`.
        vectors : ndarray of int8 (n, k)
            The vectors are written here.

        Raises
        ------
        ValueError
            If the model gives scores or is in floating point only, takes columns that stamps do not have, or an array
            has another shape.
        """
        network = self._check_gives_vectors()
        self._check_stamps(stamps, catalogue, len(vectors), flags)
        _check("vectors", vectors, np.int8, (*vectors.shape[:1], network.vector))
        batch, reader = batch_of(stamps), stamps.flags

        def work(begin: int, end: int) -> None:
            part = _rows(batch, slice(begin, end)), reader[begin:end], _part(catalogue, begin, end)
            self.embed_rows(*part, vectors[begin:end], flags[begin:end])

        parallel_for(len(vectors), threads, work)

    def predict_vectors(self, planes: Floats | None, columns: Floats | None, vectors: Vectors, threads: int) -> None:
        """Write the vectors (n, k) of prepared inputs.

        Parameters
        ----------
        planes, columns, threads
            As for :meth:`predict`. A row with a pixel that is not finite gets zeros.
        vectors : ndarray of int8 (n, k)
            The vectors are written here.

        Raises
        ------
        ValueError
            If the model gives scores or is in floating point only, or an array has another shape.
        """
        network = self._check_gives_vectors()
        self._check_all_inputs(len(vectors), planes, columns)
        _check("vectors", vectors, np.int8, (*vectors.shape[:1], network.vector))

        def work(begin: int, end: int) -> None:
            network.embed_rows(_part(planes, begin, end), _part(columns, begin, end), vectors[begin:end])

        parallel_for(len(vectors), threads, work)

    def score_columns(self, columns: Floats, raised: Flags, score: Floats, flags: Flags, threads: int) -> None:
        """Write the scores and flags (n,) of rows of a table; the score of a row that cannot be scored is NaN.

        Parameters
        ----------
        columns : ndarray of float32 (n, k)
            The model's columns in its order, NaN where undefined.
        raised : ndarray of uint32 (n,)
            The flags of the table.
        score : ndarray of float32 (n,)
            The scores are written here.
        flags : ndarray of uint32 (n,)
            The flags are written here.
        threads : int
            Number of threads.

        Raises
        ------
        ValueError
            If the model is in floating point only, gives vectors, takes planes, or an array has another shape.
        """
        self._check_gives_scores()
        n = len(score)
        scored = np.empty(n, dtype=np.bool_)
        self.check_columns(columns, raised, flags, scored)
        _check("score", score, np.float32, (n,))

        def work(begin: int, end: int) -> None:
            self.predict_scored(None, columns[begin:end], scored[begin:end], score[begin:end])

        parallel_for(n, threads, work)

    def check_columns(self, columns: Floats, raised: Flags, flags: Flags, scored: NDArray[np.bool_]) -> None:
        """Write the flags (n,) of rows of a table, and which of the rows can be scored.

        Parameters
        ----------
        columns, raised, flags
            As for :meth:`score_columns`.
        scored : ndarray of bool (n,)
            Whether each row can be scored is written here.

        Raises
        ------
        ValueError
            If the model takes planes, or an array has another shape.
        """
        n = len(scored)
        if self.recipe is not None:
            raise ValueError("Model: the model takes planes, which a table has not")
        self._check_inputs(n, None, columns)
        _check("raised", raised, np.uint32, (n,))
        _check("flags", flags, np.uint32, (n,))
        _check("scored", scored, np.bool_, (n,))
        apply_table_rule(self.needs, raised, columns, self.of_catalogue, flags, scored, 0, n)

    def inputs(
        self,
        stamps: Stamps,
        catalogue: Floats | None,
        planes: Floats | None,
        columns: Floats | None,
        flags: Flags,
        scored: NDArray[np.bool_],
        threads: int,
    ) -> None:
        """Write the inputs of the model for stamps, and which rows can be scored.

        Parameters
        ----------
        stamps, catalogue
            As for :meth:`score`.
        planes : ndarray of float32 (n, channel, height, width) or None
            The prepared planes are written here: NaN for a row that cannot be prepared, 0 for a missing plane that the
            model can do without. None if they are not wanted.
        columns : ndarray of float32 (n, k) or None
            The columns are written here, NaN where undefined. None if they are not wanted.
        flags : ndarray of uint32 (n,)
            The flags are written here, as by :meth:`score`.
        scored : ndarray of bool (n,)
            Whether each row can be scored is written here.
        threads : int
            Number of threads.

        Raises
        ------
        ValueError
            If the model takes columns that stamps do not have, or an array has another shape.
        """
        self._check_stamps(stamps, catalogue, len(scored), flags)
        self._check_inputs(len(scored), planes, columns)
        _check("scored", scored, np.bool_, scored.shape[:1])
        batch, reader = batch_of(stamps), stamps.flags

        def work(begin: int, end: int) -> None:
            part, known = _rows(batch, slice(begin, end)), _part(catalogue, begin, end)
            own_planes, own_columns = self.empty(end - begin)
            if planes is not None:
                own_planes = planes[begin:end]
            if columns is not None:
                own_columns = columns[begin:end]
            self.take_inputs(
                part, reader[begin:end], known, own_planes, own_columns, flags[begin:end], scored[begin:end]
            )

        parallel_for(len(flags), threads, work)

    def _score_cascade(
        self, first: RowScorer, batch: Batch, reader: Flags, catalogue: Floats | None, score: Floats, flags: Flags
    ) -> None:
        """Write the scores and flags of a whole batch by a cascade: this network scores rows in doubt."""
        first.score_rows(batch, reader, catalogue, score, flags)
        doubtful = self._calibrate_certain(score)
        flags[~doubtful & ~np.isnan(score)] |= np.uint32(FLAG.scored_early)
        rows = np.flatnonzero(doubtful)
        own_score, own_flags = np.empty(len(rows), dtype=np.float32), np.empty(len(rows), dtype=np.uint32)
        known = None if catalogue is None else catalogue[rows]
        self.score_rows(_rows(batch, rows), reader[rows], known, own_score, own_flags)
        score[rows], flags[rows] = own_score, own_flags

    def _predict_cascade(self, first: RowScorer, planes: Floats | None, columns: Floats | None, score: Floats) -> None:
        """Write the scores of inputs by a cascade; the inputs of the first network are among those of this one."""
        assert planes is not None
        channels = [self.channels.index(channel) for channel in first.channels]
        places = [view + k for view in range(0, self.shape[0], len(self.channels)) for k in channels]
        known = None if columns is None else columns[:, [self.names.index(name) for name in first.names]]
        first.predict_rows(np.ascontiguousarray(planes[:, places]), None if known is None else known.copy(), score)
        rows = np.flatnonzero(self._calibrate_certain(score))
        own = np.empty(len(rows), dtype=np.float32)
        self.predict_rows(planes[rows], None if columns is None else columns[rows], own)
        score[rows] = own

    def _calibrate_certain(self, score: Floats) -> NDArray[np.bool_]:
        """Calibrate those scores of the first network that are final, and return which are in doubt."""
        assert self._doubt is not None
        doubtful = is_in_doubt(self._doubt, score)
        if self._knots is not None:
            score[~doubtful] = apply_calibration(*self._knots, score[~doubtful])
        return doubtful

    def _check_gives_scores(self) -> None:
        if not self.runs:
            raise ValueError("Model: the model holds no integers, and floats are not run here")
        if self.vector:
            raise ValueError("Model: the model gives vectors, not scores")

    def _check_gives_vectors(self) -> Network:
        """Return the network that gives vectors."""
        if not self.runs:
            raise ValueError("Model: the model holds no integers, and floats are not run here")
        if self.network is None:
            raise ValueError("Model: the model gives scores, not vectors")
        return self.network

    def _check_all_inputs(self, n: int, planes: Floats | None, columns: Floats | None) -> None:
        """Check planes and columns, which are None exactly if the model does not take them."""
        if (planes is None) != (self.recipe is None) or (columns is None) == self.needs.columns:
            raise ValueError("Model: planes and columns must be what the model takes")
        self._check_inputs(n, planes, columns)

    def _check_inputs(self, n: int, planes: Floats | None, columns: Floats | None) -> None:
        """Check planes and columns, either of which may be None."""
        for name, array, takes, shape in (
            ("planes", planes, self.recipe is not None, self.shape),
            ("columns", columns, self.needs.columns, self.place.shape),
        ):
            if array is not None and not takes:
                raise ValueError(f"Model: the model takes no {name}")
            if array is not None:
                _check(name, array, np.float32, (n, *shape))

    def _check_stamps(self, stamps: Stamps, catalogue: Floats | None, n: int, flags: Flags) -> None:
        if (self.place == FOREIGN).any():
            raise ValueError("Model: the model needs columns that stamps do not give")
        if len(stamps.offset) != n:
            raise ValueError(f"Model: {len(stamps.offset)} stamps, and room for {n}")
        _check("the flags of the stamps", stamps.flags, np.uint32, (n,))
        _check("flags", flags, np.uint32, (n,))
        if catalogue is not None:
            _check("catalogue", catalogue, np.float32, (n, len(CATALOGUE)))


def _check(name: str, array: NDArray[np.generic], kind: type[np.generic], shape: tuple[int, ...]) -> None:
    """Check the dtype, order and shape of an array."""
    if array.dtype != kind or not array.flags.c_contiguous:
        raise TypeError(f"Model: {name} must be {np.dtype(kind)} in C order; given {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"Model: {name} must have shape {shape}; given {array.shape}")


def _part(array: Floats | None, begin: int, end: int) -> Floats | None:
    return None if array is None else array[begin:end]


def _rows(batch: Batch, rows: slice | NDArray[np.intp]) -> Batch:
    """Return some rows of a batch."""
    return batch._replace(offset=batch.offset[rows], shape=batch.shape[rows], centre=batch.centre[rows])
