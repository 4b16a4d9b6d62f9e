"""Tables of results: one row for each candidate, in the order of the input, with ids and flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from space2vec.data import arrow
from space2vec.data import columns as further
from space2vec.data import flags as flag_bits
from space2vec.data.arrays import lies_on_device, on_host
from space2vec.data.ids import as_ids, id_keys
from space2vec.data.numeric import masked_to_nan
from space2vec.data.rows import RowParts, Rows
from space2vec.data.vectors import Vectors
from space2vec.errors.text import one_line

if TYPE_CHECKING:
    from typing import Self

    import pyarrow

    from space2vec.data.types import AnyArray, LibraryArray

__all__ = ["Features", "Scores"]


class Features(Rows):
    """Feature values of a batch.

    Parameters
    ----------
    values : ndarray of float32 (n, k)
        The values, NaN where a feature is undefined or its catalogue value unknown. Features of stamps on a device stay
        on that device; methods that make columns or tables copy them to the host.
    names : sequence of str (k,)
        The columns.
    flags : ndarray of uint32 (n,)
        The flags of each row, see :mod:`space2vec.data.flags`; on the host, copied there when they are first read.
    object_id, candidate_id : ndarray (n,), optional
        The ids of each row; row numbers by default.
    columns : mapping of str to array_like (n,), optional
        Extra columns that go along with the values, see :mod:`space2vec.data.columns`.

    Examples
    --------
    >>> table = s2v.Features([[0.5, 1.5], [0.25, 2.0]], ("AMP", "GAUSS"))
    >>> table[0]["AMP"]
    0.5
    >>> np.asarray(table).shape
    (2, 2)
    """

    _noun = "feature"

    def __init__(
        self,
        values: LibraryArray,
        names: tuple[str, ...],
        flags: flag_bits.FlagSource | None = None,
        object_id: NDArray[np.generic] | None = None,
        candidate_id: NDArray[np.generic] | None = None,
        *,
        columns: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        if not lies_on_device(values):
            values = np.asarray(masked_to_nan(values), dtype=np.float32)
        if values.ndim != 2 or values.shape[1] != len(names):
            shape = tuple(values.shape)
            raise ValueError(f"values must have shape (n, {len(names)}) for {len(names)} names; given {shape}")
        n = len(values)
        candidate_id = None if candidate_id is None else as_ids(candidate_id)
        for name, column in (("flags", flags), ("object_id", object_id), ("candidate_id", candidate_id)):
            if column is not None and not callable(column) and column.shape != (n,):
                raise ValueError(f"{name} must have one value for each of {n} rows; given {column.shape}")
        super().__init__(np.zeros(n, dtype=np.uint32) if flags is None else flags)
        self.values: NDArray[np.float32] = values
        self.names = tuple(names)
        self.object_id = np.array([str(i) for i in range(n)], dtype=object) if object_id is None else object_id
        self.candidate_id = np.arange(n) if candidate_id is None else candidate_id
        self.columns = further.check_columns(columns, n) if columns else {}

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> AnyArray:
        return np.array(self.host_values(), dtype=dtype, copy=copy)

    def host_values(self) -> NDArray[np.float32]:
        """Return the values on the host; those on a device are copied."""
        return on_host(self.values)

    def select(self, names: tuple[str, ...]) -> NDArray[np.float32]:
        """Return the named columns (n, len(names)), in that order, on the host.

        If `names` are all columns in their order, the result shares memory with the table.

        Raises
        ------
        KeyError
            If the table lacks one of them.
        """
        if tuple(names) == self.names:
            return self.host_values()
        missing = [name for name in names if name not in self.names]
        if missing:
            raise KeyError(one_line(f"the table lacks {', '.join(missing)}; it has {', '.join(self.names)}"))
        return np.ascontiguousarray(self.host_values()[:, [self.names.index(name) for name in names]])

    @classmethod
    def concatenate(cls, parts: Sequence[Features], names: tuple[str, ...]) -> Features:
        """Concatenate tables that have the columns `names`; without any table the result is empty."""
        if len(parts) == 1:
            return parts[0]
        empty = np.empty((0, len(names)), dtype=np.float32)
        return cls(np.concatenate([empty, *(part.host_values() for part in parts)]), names, **cls._concatenated(parts))

    def _values(self) -> dict[str, NDArray[np.float32]]:
        values = self.host_values()
        return {name: values[:, k] for k, name in enumerate(self.names)}

    def _with_values(self, rows: slice | NDArray[np.intp], part: RowParts) -> Self:
        return type(self)(self.host_values()[rows], self.names, **part)

    def _title(self) -> str:
        return f"Features: {len(self)} rows, {len(self.names)} features"


class Scores(Rows):
    """Scores of a batch.

    Parameters
    ----------
    score : ndarray of float32 (n,)
        P(real), NaN where a row could not be scored; its flags say why. Scores of stamps on a device are an array of
        the stamps' library on that device.
    flags : ndarray of uint32 (n,)
        The flags of each row.
    object_id, candidate_id : ndarray (n,)
        The ids of each row.
    model : str
        Name and digest of the model that gave the scores.
    device : str
        Where they were computed, ``cpu`` or ``cuda:0``.
    columns : mapping of str to array_like (n,), optional
        Extra columns that go along with the scores, see :mod:`space2vec.data.columns`.
    vectors : Vectors, optional
        The vectors of the same rows, where they were computed in the same pass; None by default.

    Examples
    --------
    >>> scores = s2v.load("default").score(s2v.simulate(20, seed=2).stamps)
    >>> good = scores[scores.score > 0.9]
    >>> table = good.to_arrow()
    >>> table.column_names
    ['object_id', 'candidate_id', 'score', 'flags']
    """

    def __init__(
        self,
        score: LibraryArray,
        flags: flag_bits.FlagSource,
        object_id: NDArray[np.generic],
        candidate_id: NDArray[np.generic],
        model: str,
        device: str = "cpu",
        *,
        columns: Mapping[str, ArrayLike] | None = None,
        vectors: Vectors | None = None,
    ) -> None:
        super().__init__(flags)
        self.vectors = vectors
        self.score: NDArray[np.float32] = score
        self.object_id = object_id
        self.candidate_id = as_ids(candidate_id)
        self.model = model
        self.device = device
        self.columns = further.check_columns(columns, len(object_id)) if columns else {}

    @classmethod
    def concatenate(cls, parts: Sequence[Scores]) -> Scores:
        """Concatenate one table or more, all of the same model."""
        if len(parts) == 1:
            return parts[0]
        score = np.concatenate([on_host(part.score) for part in parts])
        known = [part.vectors for part in parts if part.vectors is not None]
        vectors = Vectors.concatenate(known) if len(known) == len(parts) else None
        return cls(score, model=parts[0].model, device=parts[0].device, vectors=vectors, **cls._concatenated(parts))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> AnyArray:
        return np.array(on_host(self.score), dtype=dtype, copy=copy)

    def decide(self, threshold: float) -> NDArray[np.object_]:
        """Classify each candidate (n,): ``"real"`` at a threshold or above it, ``"bogus"`` below it.

        Parameters
        ----------
        threshold : float
            A score from 0 to 1, such as one of :attr:`space2vec.evaluation.Evaluation.thresholds`.

        Returns
        -------
        ndarray of object (n,)
            None where a row has no score.

        Raises
        ------
        ValueError
            If the threshold is outside 0 to 1.
        """
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold must lie from 0 to 1; given {threshold}")
        score = on_host(self.score).astype(np.float64)
        words = np.where(score >= threshold, "real", "bogus").astype(object)
        words[np.isnan(score)] = None
        return words

    @staticmethod
    def arrow_schema(*, text_ids: bool = False) -> pyarrow.Schema:
        """Return the schema of :meth:`to_batch`, which is the same for every batch of a table.

        Parameters
        ----------
        text_ids : bool, optional
            Whether the ids of candidates are text; int64 by default.
        """
        import pyarrow as pa

        return pa.schema(
            [
                ("object_id", pa.string()),
                ("candidate_id", pa.string() if text_ids else pa.int64()),
                ("score", pa.float32()),
                ("flags", pa.list_(pa.string())),
                ("model", pa.string()),
            ]
        )

    def to_batch(self, *, text_ids: bool | None = None) -> pyarrow.RecordBatch:
        """Return a ``pyarrow.RecordBatch``: object_id, candidate_id, score, flags (a list of names a row), model.

        Parameters
        ----------
        text_ids : bool, optional
            Whether the ids of candidates are to be text; as they are by default.

        Raises
        ------
        ValueError
            If ids that are text are to be integers.
        """
        import pyarrow as pa

        is_text = self.candidate_id.dtype.kind not in "iu"
        text_ids = is_text if text_ids is None else text_ids
        if is_text and not text_ids:
            raise ValueError("the ids of candidates are text, which a column of int64 does not hold")
        candidates = arrow.texts(id_keys(self.candidate_id)) if text_ids else arrow.ids(self.candidate_id)
        return pa.record_batch(
            [
                arrow.texts(self.object_id.tolist()),
                candidates,
                arrow.numbers(on_host(self.score)),
                self._arrow_flags(),
                pa.repeat(pa.scalar(self.model, pa.string()), len(self)),
            ],
            schema=self.arrow_schema(text_ids=text_ids),
        )

    @property
    def metadata(self) -> dict[str, str]:
        """The origin of the scores: the version of space2vec, and the model."""
        return {**super().metadata, "model": self.model}

    def _values(self) -> dict[str, NDArray[np.float32]]:
        return {"score": on_host(self.score)}

    def _with_values(self, rows: slice | NDArray[np.intp], part: RowParts) -> Self:
        vectors = None if self.vectors is None else self.vectors.rows(rows)
        return type(self)(on_host(self.score)[rows], model=self.model, device=self.device, vectors=vectors, **part)

    def _title(self) -> str:
        scored = int(np.count_nonzero(~np.isnan(on_host(self.score))))
        return f"Scores: {len(self)} rows, {scored} scored by {self.model or 'no named model'} on {self.device}"
