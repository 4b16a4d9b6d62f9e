"""The rule that decides which rows are scored and which flags they get, as in ``cpp/kernel/row_rule.hpp``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.stamp import FLAG, REFUSED, UNSCORABLE, Batch, Triplet, triplet_of
from space2vec.backends.numba.team import jit

__all__ = [
    "NO_MODEL",
    "ModelNeeds",
    "absent_planes",
    "apply_stamp_rule",
    "apply_table_rule",
    "join_flag_rows",
    "lacks_only_optional",
]

#: Pixels a side that a stamp has at least for a recipe: no star's image fits on fewer.
_LEAST_SIDE = 5


class ModelNeeds(NamedTuple):
    """The needs of a model. Planes are bits, ``1 << channel``.

    Attributes
    ----------
    planes : int
        The planes that it uses.
    recipe : int
        Those of them that a recipe prepares.
    optional : int
        Those that it can do without.
    columns : bool
        Whether it takes columns.
    on_catalogue : bool
        Whether most of these are catalogue columns.
    flags_measured : bool
        Whether measuring a stamp raises every flag of the stamp that its recipe would (``covers_flags``).
    """

    planes: int
    recipe: int
    optional: int
    columns: bool
    on_catalogue: bool
    flags_measured: bool


#: A recipe without a model: no plane may be absent.
NO_MODEL = ModelNeeds(0, 0, 0, False, False, False)


@jit
def absent_planes(triplet: Triplet) -> int:
    """Return the planes that a candidate lacks, bits."""
    absent = 0
    for channel, plane in enumerate(triplet.plane):
        if plane.size == 0:
            absent |= 1 << channel
    return absent


@jit
def lacks_only_optional(needs: ModelNeeds, absent: int) -> bool:
    """Return whether a candidate lacks planes, but none that the model needs, and not all that are prepared."""
    if needs.recipe and not needs.recipe & ~absent:
        return False
    return absent & needs.planes != 0 and not absent & needs.planes & ~needs.optional


@jit
def _join_flags(reader: int, kernels: int, absent: int) -> int:
    """Join the flags that the reader raised with those of the kernels.

    For an absent plane, the reader knows the reason, and the kernels know whether it is needed.
    """
    if absent and not kernels & FLAG.missing:
        reader &= ~(FLAG.bad_stamp | FLAG.missing)
    if reader & FLAG.bad_stamp:
        kernels &= ~FLAG.missing
    return reader | kernels


@jit
def join_flag_rows(
    offset: NDArray[np.int64], raised: NDArray[np.uint32], flags: NDArray[np.uint32], joined: NDArray[np.uint32]
) -> None:
    """Join the flags that the reader raised with those of the kernels, for every row."""
    for row in range(len(flags)):
        absent = 0
        for channel in range(offset.shape[1]):
            if offset[row, channel] < 0:
                absent |= 1 << channel
        joined[row] = _join_flags(int(raised[row]), int(flags[row]), absent)


@jit
def _is_off_shape(needs: ModelNeeds, triplet: Triplet) -> bool:
    """Return whether a plane that a recipe prepares is too small, or does not contain the candidate."""
    off = False
    for channel, plane in enumerate(triplet.plane):
        height, width = plane.shape
        if needs.recipe >> channel & 1 and plane.size > 0:
            small = height < _LEAST_SIDE or width < _LEAST_SIDE
            off = off or small or not (0 <= triplet.row < height and 0 <= triplet.column < width)
    return off


@jit
def _apply_pixel_rule(
    needs: ModelNeeds, triplet: Triplet, reader: int, prepared: int, measured: int
) -> tuple[int, bool]:
    """Return the flags of a row, and whether its pixels allow a score."""
    absent = absent_planes(triplet)
    spared = FLAG.missing if lacks_only_optional(needs, absent) else 0
    flags, refused = 0, False
    if needs.recipe:
        flags |= _join_flags(reader, prepared, absent)
        if _is_off_shape(needs, triplet):
            flags |= FLAG.off_shape
        refused = prepared & REFUSED & ~spared != 0
    if needs.columns:
        flags |= _join_flags(reader, measured, absent)
    return flags, not refused and not flags & UNSCORABLE & ~spared


@jit
def _apply_column_rule(
    needs: ModelNeeds, flags: int, scored: bool, row: NDArray[np.float32], of_catalogue: NDArray[np.bool_]
) -> tuple[int, bool]:
    """Return the flags of a row, and whether it can be scored, from the values of its columns too."""
    if not needs.columns or not scored:
        return flags, scored
    any_value = catalogue_value = False
    for k in range(row.size):
        if row[k] == row[k]:
            any_value = True
            catalogue_value = catalogue_value or of_catalogue[k]
    silent = not needs.recipe and not any_value
    bare = needs.on_catalogue and not catalogue_value
    return (flags | FLAG.missing if silent or bare else flags), not silent


@jit
def apply_stamp_rule(
    needs: ModelNeeds,
    batch: Batch,
    reader: NDArray[np.uint32],
    prepared: NDArray[np.uint32],
    measured: NDArray[np.uint32],
    columns: NDArray[np.float32],
    of_catalogue: NDArray[np.bool_],
    flags: NDArray[np.uint32],
    scored: NDArray[np.bool_],
    begin: int,
    end: int,
) -> None:
    """Judge rows begin to end of a batch, by the flags of the reader, of preparing and of measuring."""
    for row in range(begin, end):
        met, good = _apply_pixel_rule(
            needs, triplet_of(batch, row), int(reader[row]), int(prepared[row]), int(measured[row])
        )
        flags[row], scored[row] = _apply_column_rule(needs, met, good, columns[row], of_catalogue)


@jit
def apply_table_rule(
    needs: ModelNeeds,
    raised: NDArray[np.uint32],
    columns: NDArray[np.float32],
    of_catalogue: NDArray[np.bool_],
    flags: NDArray[np.uint32],
    scored: NDArray[np.bool_],
    begin: int,
    end: int,
) -> None:
    """Judge rows begin to end of a table, by the flags that were raised when it was made."""
    for row in range(begin, end):
        met = int(raised[row])
        flags[row], scored[row] = _apply_column_rule(needs, met, not met & UNSCORABLE, columns[row], of_catalogue)
