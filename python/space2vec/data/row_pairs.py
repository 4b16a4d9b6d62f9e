"""Match the rows of two tables one to one by candidate id; an id that occurs twice is an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec.data.ids import id_keys
from space2vec.errors import ReadError

if TYPE_CHECKING:
    from space2vec.data.types import AnyArray

__all__ = ["Pairs", "Side", "pair_rows"]

#: Ids that an error names.
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Side:
    """One of two tables to join: the candidate ids (n,) of its rows; a row with an unknown id matches none."""

    ids: AnyArray
    #: The name of the table in errors, such as a file.
    name: str
    #: Returns the place of a row (such as its file) for errors, given its number. By default errors give the number.
    place: Callable[[int], str] | None = None


@dataclass(frozen=True, slots=True)
class Pairs:
    """Matching rows: their row numbers (k,) in both tables, in the order of the left table."""

    left: NDArray[np.intp]
    right: NDArray[np.intp]
    #: The number of rows without a match in each table.
    unmatched_left: int
    unmatched_right: int


def pair_rows(left: Side, right: Side) -> Pairs:
    """Find the rows of two tables that belong to the same candidate.

    Ids are compared as text, so 7 and ``007`` are different candidates. An id that both tables have, and one of them
    more than once, raises a ReadError, because the match would be ambiguous.
    """
    rows = [_rows_by_id(side) for side in (left, right)]
    common = [key for key in rows[0] if key in rows[1]]
    for side, held, other in zip((left, right), rows, (right, left), strict=True):
        _check_once(side, {key: held[key] for key in common if len(held[key]) > 1}, other)
    a, b = (np.array([held[key][0] for key in common], dtype=np.intp) for held in rows)
    order = np.argsort(a, kind="stable")
    return Pairs(a[order], b[order], len(left.ids) - len(a), len(right.ids) - len(b))


def _rows_by_id(side: Side) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row, key in enumerate(id_keys(side.ids)):
        if key is not None:
            rows.setdefault(key, []).append(row)
    return rows


def _check_once(side: Side, repeated: dict[str, list[int]], other: Side) -> None:
    if not repeated:
        return
    key, rows = next(iter(repeated.items()))
    if side.place is None:
        where = f"rows {_listed([str(row) for row in rows])}"
    else:
        where = _listed([*dict.fromkeys(side.place(row) for row in rows)])
    others = f", and so do {len(repeated) - 1} more ({_listed([*repeated][1:])})" if len(repeated) > 1 else ""
    raise ReadError(
        f"{side.name}: candidate {key} occurs more than once ({where}){others}; rows cannot be joined one to one with "
        f"{other.name}"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
