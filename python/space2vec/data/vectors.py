"""Vectors of stamps: one row of 8-bit integers for each candidate, in the order of the input, with ids and flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from space2vec.data import columns as further
from space2vec.data import flags as flag_bits
from space2vec.data.arrays import lies_on_device, on_host
from space2vec.data.ids import as_ids
from space2vec.data.rows import RowParts, Rows

if TYPE_CHECKING:
    from typing import Self

    from space2vec.data.types import AnyArray, LibraryArray

__all__ = ["Vectors"]


class Vectors(Rows):
    """Vectors of a batch: stamps that look alike have vectors of nearly the same direction.

    The likeness of two candidates is the cosine of the angle between their vectors. Vectors of two models cannot be
    compared.

    Parameters
    ----------
    vector : ndarray of int8 (n, k)
        The vectors, from -127 to 127. A row is zero where the stamp gave no vector; its flags say why. Vectors of
        stamps on a device are an array of the stamps' library on that device.
    flags : ndarray of uint32 (n,)
        The flags of each row, see :mod:`space2vec.data.flags`.
    object_id, candidate_id : ndarray (n,)
        The ids of each row.
    model : str
        Name and digest of the model that gave the vectors.
    device : str
        Where they were computed, ``cpu`` or ``cuda:0``.
    columns : mapping of str to array_like (n,), optional
        Extra columns that go along with the vectors, see :mod:`space2vec.data.columns`.

    Raises
    ------
    TypeError
        If the vectors are not of int8.
    ValueError
        If the vectors do not have the shape (n, k), or flags, ids or a column have another number of rows.

    Examples
    --------
    >>> ids = np.arange(2)
    >>> vectors = s2v.Vectors(np.array([[3, 4], [0, 0]], np.int8), ids.astype(np.uint32), ids.astype(str), ids, "mine")
    >>> vectors.has_vector.tolist()
    [True, False]
    >>> vectors.to_arrow().schema.field("vector").type
    FixedSizeListType(fixed_size_list<item: int8>[2])
    """

    def __init__(
        self,
        vector: LibraryArray,
        flags: flag_bits.FlagSource,
        object_id: NDArray[np.generic],
        candidate_id: NDArray[np.generic],
        model: str,
        device: str = "cpu",
        *,
        columns: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        if not lies_on_device(vector):
            vector = np.asarray(vector)
            if vector.dtype != np.int8:
                raise TypeError(f"vectors must be of int8; given {vector.dtype}")
        shape = tuple(vector.shape)
        if len(shape) != 2 or not shape[1]:
            raise ValueError(f"vectors must have shape (n, k) with k above 0; given {shape}")
        n, candidate_id = shape[0], as_ids(candidate_id)
        for name, column in (("flags", flags), ("object_id", object_id), ("candidate_id", candidate_id)):
            if not callable(column) and column.shape != (n,):
                raise ValueError(f"{name} must have one value for each of {n} rows; given {column.shape}")
        super().__init__(flags)
        self.vector: NDArray[np.int8] = vector
        self.object_id = object_id
        self.candidate_id = candidate_id
        self.model = model
        self.device = device
        self.columns = further.check_columns(columns, n) if columns else {}

    @classmethod
    def concatenate(cls, parts: Sequence[Vectors]) -> Vectors:
        """Concatenate one table or more on the host.

        Raises
        ------
        ValueError
            If there is no table, or two are of different models or lengths of a vector.
        """
        if not parts:
            raise ValueError("there are no vectors to concatenate")
        first = parts[0]
        for part in parts:
            if part.model != first.model:
                raise ValueError(f"vectors of {first.model} and of {part.model} cannot be compared, nor be one table")
        if len(parts) == 1:
            return first
        vector = np.concatenate([on_host(part.vector) for part in parts])
        return cls(vector, model=first.model, device=first.device, **cls._concatenated(parts))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> AnyArray:
        return np.array(on_host(self.vector), dtype=dtype, copy=copy)

    def to_numpy(self) -> NDArray[np.int8]:
        """Return the vectors (n, k) on the host; those on the host already are not copied.

        ``torch.from_numpy(vectors.to_numpy())`` is a tensor that shares their memory.
        """
        return on_host(self.vector)

    @property
    def size(self) -> int:
        """The number of integers k of a vector."""
        return int(self.vector.shape[1])

    @property
    def has_vector(self) -> NDArray[np.bool_]:
        """Which rows (n,) have a vector; the others are zero, and their flags say why."""
        return np.asarray(self.to_numpy().any(axis=1))

    @property
    def metadata(self) -> dict[str, str]:
        """The origin of the vectors: the version of space2vec, and the model."""
        return {**super().metadata, "model": self.model}

    def _values(self) -> dict[str, AnyArray]:
        return {"vector": self.to_numpy()}

    def _with_values(self, rows: slice | NDArray[np.intp], part: RowParts) -> Self:
        return type(self)(self.to_numpy()[rows], model=self.model, device=self.device, **part)

    def _title(self) -> str:
        found = int(np.count_nonzero(self.has_vector))
        model = self.model or "no named model"
        return f"Vectors: {len(self)} rows of {self.size} integers, {found} by {model} on {self.device}"
