"""Stamps with labels (real or bogus), from which models learn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.data.ids import text_array
from space2vec.data.numeric import masked_to_nan
from space2vec.data.row_index import row_index
from space2vec.data.stamps import Stamps

__all__ = ["LabelledStamps"]

_COLUMNS = ("label", "kind", "weight", "teacher", "group")


@dataclass(frozen=True, repr=False)
class LabelledStamps:
    """Stamps with a label, a kind, a weight and a group for each candidate.

    Attributes
    ----------
    stamps : Stamps
        The candidates.
    label : ndarray of int8 (n,)
        1 for real, 0 for bogus.
    kind : ndarray of str (n,)
        What each candidate is, such as ``transient``. As `group`, an array of objects if a text is longer than 64
        characters.
    weight : ndarray of float32 (n,)
        The weight of each candidate in training; 1 by default.
    teacher : ndarray of float32 (n,)
        P(real) by another model that serves as a teacher, NaN where unknown; all NaN by default.
    group : ndarray of str (n,)
        The object of each candidate: rows of one group are never split between training and test. By default the
        object ids of the stamps.

    Raises
    ------
    ValueError
        If lengths do not agree, or a label is neither 0 nor 1.
    """

    stamps: Stamps
    label: NDArray[np.int8]
    kind: NDArray[np.str_]
    weight: NDArray[np.float32] = None  # type: ignore[assignment] # set below, as the next two
    teacher: NDArray[np.float32] = None  # type: ignore[assignment]
    group: NDArray[np.str_] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        n = len(self.stamps)
        if not np.isin(self.label, (0, 1)).all():
            raise ValueError("label must be 1 for real and 0 for bogus")
        given = {
            "label": np.asarray(self.label).astype(np.int8),
            "kind": text_array(self.kind),
            "weight": np.ones(n, np.float32)
            if self.weight is None
            else np.asarray(masked_to_nan(self.weight), np.float32),
            "teacher": np.full(n, np.nan, np.float32)
            if self.teacher is None
            else np.asarray(masked_to_nan(self.teacher), np.float32),
            "group": text_array(self.stamps.object_id if self.group is None else self.group),
        }
        for name, values in given.items():
            if values.shape != (n,):
                raise ValueError(f"{name} must have one value for each of {n} stamps; given {values.shape}")
            object.__setattr__(self, name, values)

    def __len__(self) -> int:
        return len(self.stamps)

    def __repr__(self) -> str:
        real = int(self.label.sum())
        return f"LabelledStamps(n={len(self)}, real={real}, bogus={len(self) - real}, objects={len(set(self.group))})"

    def __iter__(self) -> Iterator[LabelledStamps]:
        """Yield the rows, each as labelled stamps of one row."""
        return (self[row : row + 1] for row in range(len(self)))

    def __getitem__(self, rows: int | slice | ArrayLike) -> LabelledStamps:
        """Select rows by a slice, a mask or row numbers; the pixels are shared. One row number gives one row."""
        index = row_index(rows, len(self))
        if isinstance(index, int):
            index = slice(index, index + 1)
        return LabelledStamps(self.stamps[index], **{name: getattr(self, name)[index] for name in _COLUMNS})

    @classmethod
    def concatenate(cls, parts: Iterable[LabelledStamps]) -> LabelledStamps:
        """Join several in order."""
        held = list(parts)
        if not held:
            return cls(Stamps.concatenate([]), np.empty(0, np.int8), np.empty(0, np.str_))
        columns = {name: np.concatenate([getattr(part, name) for part in held]) for name in _COLUMNS}
        return cls(Stamps.concatenate([part.stamps for part in held]), **columns)
