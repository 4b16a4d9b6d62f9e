"""Flags: a bit a reason, in an unsigned 32-bit integer a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.registry import FLAGS

__all__ = ["UNSCORABLE", "Flagged", "Given", "bits", "count", "joined", "names", "scorable"]

#: Flags, or what fetches them from a device when they are looked at.
Given: TypeAlias = "NDArray[np.uint32] | Callable[[], NDArray[np.uint32]]"


class Flagged:
    """What has flags, which may still lie on a device: they are fetched when they are first looked at."""

    def __init__(self, flags: Given) -> None:
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


def count(values: ArrayLike) -> dict[str, int]:
    """Count the rows that carry each flag; flags that no row carries are left out."""
    rows: NDArray[np.uint32] = np.asarray(values, dtype=np.uint32)
    totals = {flag.name: int(np.count_nonzero(rows >> np.uint32(flag.bit) & np.uint32(1))) for flag in FLAGS.values()}
    return {name: total for name, total in totals.items() if total}


def joined(
    of_reader: NDArray[np.uint32], of_kernels: NDArray[np.uint32], offset: NDArray[np.int64]
) -> NDArray[np.uint32]:
    """Join the flags (n,) that the reader raised with those of the kernels.

    Of a plane that is not there (its offset is -1), the reader knows why (``missing`` or ``bad_stamp``), and the
    kernels whether it is needed at all: a row is not refused for one that is not.
    """
    undecoded, missing = np.uint32(bits("bad_stamp")), np.uint32(bits("missing"))
    idle = (offset < 0).any(axis=1) & ((of_kernels & missing) == 0)
    reader: NDArray[np.uint32] = np.where(idle, of_reader & ~(undecoded | missing), of_reader)
    kernels: NDArray[np.uint32] = np.where((reader & undecoded) != 0, of_kernels & ~missing, of_kernels)
    return reader | kernels


#: The bits with which a row cannot be scored.
UNSCORABLE: int = bits(flag.name for flag in FLAGS.values() if not flag.scored)


def scorable(values: ArrayLike) -> NDArray[np.bool_]:
    """Tell which rows no flag forbids to score: their flags, one by one, to bool of the same shape."""
    sound: NDArray[np.bool_] = (np.asarray(values, dtype=np.uint32) & np.uint32(UNSCORABLE)) == 0
    return sound
