"""Flags: one uint32 for each row, in which each bit is one kind of fault or doubt."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.registry import FLAGS

__all__ = [
    "UNFAMILIAR",
    "UNSCORABLE",
    "FlagSource",
    "Flagged",
    "bits",
    "count",
    "familiar",
    "names",
    "refusals",
    "scorable",
]

#: Flags on the host, or a function that fetches them from a device when they are first read.
FlagSource: TypeAlias = "NDArray[np.uint32] | Callable[[], NDArray[np.uint32]]"


class Flagged:
    """Base of results that have flags; flags on a device are copied to the host when they are first read."""

    def __init__(self, flags: FlagSource) -> None:
        self._flags = flags

    @property
    def flags(self) -> NDArray[np.uint32]:
        """The flags, on the host."""
        if callable(self._flags):
            self._flags = self._flags()
        return self._flags

    @flags.setter
    def flags(self, values: NDArray[np.uint32]) -> None:
        self._flags = values


def bits(flags: Iterable[str] | str) -> int:
    """Return the bits of one flag name or of several.

    Raises
    ------
    ValueError
        If a name is not a flag.
    """
    total = 0
    for name in (flags,) if isinstance(flags, str) else flags:
        if name not in FLAGS:
            raise ValueError(f"unknown flag {name!r}; known flags: {', '.join(FLAGS)}")
        total |= 1 << FLAGS[name].bit
    return total


def names(value: int) -> list[str]:
    """Return the names of the flags that are set in one row's bits, in the order of their bits."""
    return [flag.name for flag in FLAGS.values() if int(value) >> flag.bit & 1]


def refusals(value: int) -> dict[str, str]:
    """Return the flags of one row's bits that forbid a score: their names and meanings."""
    return {flag.name: flag.meaning for flag in FLAGS.values() if not flag.scored and int(value) >> flag.bit & 1}


def count(values: ArrayLike) -> dict[str, int]:
    """Count the rows that carry each flag; flags that no row carries are left out."""
    rows: NDArray[np.uint32] = np.asarray(values, dtype=np.uint32)
    totals = {flag.name: int(np.count_nonzero(rows >> np.uint32(flag.bit) & np.uint32(1))) for flag in FLAGS.values()}
    return {name: total for name, total in totals.items() if total}


#: The bits of the flags that forbid a score.
UNSCORABLE: int = bits(flag.name for flag in FLAGS.values() if not flag.scored)


#: The bits of the flags that mark stamps unlike any that the packaged models learned from.
UNFAMILIAR: int = bits(flag.name for flag in FLAGS.values() if not flag.familiar)


def familiar(values: ArrayLike) -> NDArray[np.bool_]:
    """Return which rows are like those that models learned from, as far as flags tell, in the shape of the flags.

    A score of another row says little, whatever its value. The flags are ``masked_core`` and ``no_flux_scale``.
    """
    known: NDArray[np.bool_] = (np.asarray(values, dtype=np.uint32) & np.uint32(UNFAMILIAR)) == 0
    return known


def scorable(values: ArrayLike) -> NDArray[np.bool_]:
    """Return which rows can be scored: True if no flag forbids it, in the shape of the flags."""
    sound: NDArray[np.bool_] = (np.asarray(values, dtype=np.uint32) & np.uint32(UNSCORABLE)) == 0
    return sound
