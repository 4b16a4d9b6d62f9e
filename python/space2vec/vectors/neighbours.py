"""The look-alikes of candidates: for each one the most like it, with their likeness, ids and flags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec.data import arrow
from space2vec.data.flags import names
from space2vec.data.ids import id_keys

if TYPE_CHECKING:
    import pyarrow

    from space2vec.data.types import AnyArray

__all__ = ["Neighbours"]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The candidates of an index that are most like each of m others, the most alike first.

    Attributes
    ----------
    query_id : ndarray (m,)
        The candidates whose look-alikes these are.
    query_object_id : ndarray (m,)
        Their objects; for a file that cannot be read, its name.
    query_flags : ndarray of uint32 (m,)
        Their flags, which say why one has no vector, and so no look-alikes.
    likeness : ndarray of float32 (m, k)
        The cosine of the angle between the two vectors: 1 for the same direction. NaN where the index has fewer
        candidates, or the other one has no vector.
    row : ndarray of int64 (m, k)
        The rows of the index; -1 where there is none.
    candidate_id, object_id : ndarray of object (m, k)
        Their ids as text; ``None`` where there is none or it is unknown.
    flags : ndarray of object (m, k)
        The names of the flags of each, joined by ``|``.
    """

    query_id: AnyArray
    query_object_id: AnyArray
    query_flags: NDArray[np.uint32]
    likeness: NDArray[np.float32]
    row: NDArray[np.int64]
    candidate_id: NDArray[np.object_]
    object_id: NDArray[np.object_]
    flags: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.row)

    def to_arrow(self) -> pyarrow.Table:
        """Return a ``pyarrow.Table`` with a row for each pair, and one for each candidate without look-alikes.

        Its columns are query_id, rank (1 for the most alike), candidate_id, object_id, likeness and flags of the
        look-alike, null or empty where a candidate has none, and query_object_id and query_flags.
        """
        import pyarrow as pa

        found = self.row >= 0
        shown = found.copy()
        if shown.shape[1]:
            shown[:, 0] |= ~found.any(axis=1)
        query, rank = np.nonzero(shown)
        absent = ~found[query, rank]
        keys, bits = id_keys(self.query_id), self.query_flags[query].tolist()
        flags = [text.split("|") if text else [] for text in self.flags[query, rank].tolist()]
        return pa.table(
            {
                "query_id": arrow.texts([keys[at] for at in query.tolist()]),
                "rank": arrow.numbers(rank.astype(np.int64) + 1, absent),
                "candidate_id": arrow.texts(self.candidate_id[query, rank].tolist()),
                "object_id": arrow.texts(self.object_id[query, rank].tolist()),
                "likeness": arrow.numbers(self.likeness[query, rank], absent),
                "flags": _lists(flags),
                "query_object_id": arrow.texts(self.query_object_id[query].tolist()),
                "query_flags": _lists([names(packed) for packed in bits]),
            }
        )


def _lists(rows: Sequence[Sequence[str]]) -> pyarrow.Array:
    """Return an Arrow array of lists of names."""
    return arrow.text_lists(
        np.cumsum([len(row) for row in rows], dtype=np.int64), (name for row in rows for name in row)
    )
