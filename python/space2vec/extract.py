"""Features of a batch of stamps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from space2vec import backend
from space2vec import flags as flag_bits
from space2vec.registry import AUTOSCAN_STAMP, FEATURES, feature_set
from space2vec.stamps import CHANNELS, Stamps
from space2vec.table import Features

__all__ = ["PLANES", "Measure", "features", "in_columns"]


def features(
    stamps: Stamps,
    *,
    set: str = "autoscan",
    convention: Literal["code", "paper"] = "code",
    threads: int | None = None,
) -> Features:
    """Extract the features of a set.

    Parameters
    ----------
    stamps : Stamps
        The candidates.
    set : str
        ``autoscan``: the 38 columns of Goldstein et al. 2015 (AJ 150, 82) under their public names, NaN where the
        catalogue is silent. ``autoscan-stamp``: the eighteen of them that come from the pixels.
    convention : {"code", "paper"}
        Where autoScan's released code and its paper disagree, whose definition is used.
    threads : int, optional
        Number of threads; one a usable core by default.

    Returns
    -------
    Features
        Values (n, k) float32, names and flags. What is undefined (0/0, x/0, no usable pixel) is NaN.

    Raises
    ------
    TypeError
        If ``stamps`` are no :class:`Stamps`.
    ValueError
        If the set or the convention is unknown, or ``threads`` is not positive.
    BackendError
        If no backend can run here.
    """
    names = feature_set(set)
    if convention not in ("code", "paper"):
        raise ValueError(f"unknown convention {convention!r}; accepted are 'code' and 'paper'")
    if not isinstance(stamps, Stamps):
        raise TypeError(f"stamps must be space2vec.Stamps; given {type(stamps).__name__}. Wrap arrays in Stamps(...)")
    n = len(stamps)
    values = np.empty((n, len(AUTOSCAN_STAMP)), dtype=np.float32)
    flags = np.empty(n, dtype=np.uint32)
    backend.active().features(
        stamps.buffer,
        stamps.offset,
        stamps.shape,
        stamps.centre,
        math.nan if stamps.saturation is None else stamps.saturation,
        convention == "paper",
        values,
        flags,
        backend.thread_count(threads),
    )
    joined = flag_bits.joined(stamps.flags, flags, stamps.offset)
    return Features(in_columns(names, values, stamps.catalogue), names, joined, stamps.object_id, stamps.candidate_id)


def in_columns(
    names: tuple[str, ...], values: NDArray[np.float32], catalogue: Mapping[str, NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return the named columns (n, k) out of the stamp features (n, 18) and the catalogue, NaN where that is silent."""
    if names == AUTOSCAN_STAMP:
        return values
    table = np.full((len(values), len(names)), np.nan, dtype=np.float32)
    for column, name in enumerate(names):
        if FEATURES[name].source == "stamp":
            table[:, column] = values[:, AUTOSCAN_STAMP.index(name)]
        elif name in catalogue:
            table[:, column] = catalogue[name]
    return table


#: The planes that the stamp features need.
PLANES: tuple[str, ...] = tuple(
    channel for channel in CHANNELS if any(channel in FEATURES[name].planes for name in AUTOSCAN_STAMP)
)


@dataclass(frozen=True, slots=True)
class Measure:
    """What is to be measured of stamps while they are read, so that their pixels need not be kept.

    Attributes
    ----------
    names : tuple of str
        Columns of the registry.
    convention : {"code", "paper"}
        Whose definition is used.
    """

    names: tuple[str, ...]
    convention: Literal["code", "paper"] = "code"
