"""Features of a batch of stamps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from space2vec import backend
from space2vec import device as devices
from space2vec import flags as flag_bits
from space2vec.registry import FEATURES, STAMP_SETS, Convention, FeatureEntry, FeatureSet, feature_set, stamp_columns
from space2vec.stamps import CHANNELS, Stamps
from space2vec.table import Features

__all__ = ["Measure", "features"]


def features(
    stamps: Stamps,
    *,
    set: FeatureSet = "autoscan",
    convention: Convention = "code",
    threads: int | None = None,
    device: str = "auto",
) -> Features:
    """Extract the features of a set.

    Parameters
    ----------
    stamps : Stamps
        The candidates.
    set : {"autoscan", "autoscan-stamp", "s2v", "stamp", "all"}, optional
        ``autoscan``: the 38 columns of Goldstein et al. 2015 (AJ 150, 82) under their public names, NaN where the
        catalogue is silent. ``autoscan-stamp``: the eighteen of them that come from the pixels. ``s2v``: features
        from the pixels alone, in units of the noise and of the PSF, of a triplet or of a difference alone.
        ``stamp``: the eighteen and ``s2v``. ``all``: the 38 and ``s2v``. See docs/features.md.
    convention : {"code", "paper"}
        Where autoScan's released code and its paper disagree, whose definition is used.
    threads : int, optional
        Number of threads, on the host; one a usable core by default.
    device : {"auto", "cpu", "cuda", "cuda:N"}, optional
        Where to compute: where the stamps lie by default. ``"cuda"`` takes stamps of the host to a device and their
        features back. The values are the same to the bit.

    Returns
    -------
    Features
        Values (n, k) float32, names and flags. What is undefined (0/0, x/0, no usable pixel) is NaN. Those of stamps on
        a device lie there, in their library; a set that has catalogue columns is put together on the host in between.

    Raises
    ------
    TypeError
        If ``stamps`` are no :class:`Stamps`.
    ValueError
        If the set or the convention is unknown, or ``threads`` is not positive.
    BackendError
        If no backend can run here, or not on that device.
    """
    names = feature_set(set)
    if convention not in ("code", "paper"):
        raise ValueError(f"unknown convention {convention!r}; accepted are 'code' and 'paper'")
    if not isinstance(stamps, Stamps):
        raise TypeError(f"stamps must be space2vec.Stamps; given {type(stamps).__name__}. Wrap arrays in Stamps(...)")
    measure = Measure(names, convention)
    where = devices.follow(device, stamps)
    if stamps.device != "cpu":
        return _in_place(stamps, measure)
    if where != "cpu":
        from space2vec.cuda.pipeline import Pipeline
        from space2vec.cuda.work import FeatureWork

        with Pipeline(FeatureWork(measure), devices.ordinal(where)) as pipeline:
            return next(pipeline.run([stamps]))
    n = len(stamps)
    values = np.empty((n, len(stamp_columns(measure.sets))), dtype=np.float32)
    flags = np.empty(n, dtype=np.uint32)
    backend.active().features(
        stamps,
        measure.sets,
        convention == "paper",
        values,
        flags,
        backend.thread_count(threads),
    )
    joined = flag_bits.joined(stamps.flags, flags, stamps.offset)
    table = measure.in_columns(values, stamps.catalogue)
    return Features(table, names, joined, stamps.object_id, stamps.candidate_id, columns=stamps.columns)


def _in_place(stamps: Stamps, measure: Measure) -> Features:
    """Return the features of stamps that lie on a device."""
    from space2vec.cuda import kernels

    values, read = kernels.features(stamps, measure.sets, measure.convention == "paper")
    if measure.names != stamp_columns(measure.sets):
        values = values.like(measure.in_columns(values.to_host(), stamps.catalogue))

    def flags() -> NDArray[np.uint32]:
        return flag_bits.joined(stamps.flags, read(), stamps.offset)

    ids = stamps.object_id, stamps.candidate_id
    return Features(values.owner, measure.names, flags, *ids, columns=stamps.columns)


@dataclass(frozen=True, slots=True)
class Measure:
    """What is to be measured of stamps, so that their pixels need not be kept once they are read.

    Attributes
    ----------
    names : tuple of str
        Columns of the registry.
    convention : {"code", "paper"}
        Whose definition is used.
    """

    names: tuple[str, ...]
    convention: Convention = "code"

    def _stamp_features(self) -> list[FeatureEntry]:
        return [FEATURES[name] for name in self.names if name in FEATURES and FEATURES[name].source == "stamp"]

    @property
    def sets(self) -> int:
        """The sets that kernels must compute, as bits of :data:`space2vec.registry.STAMP_SETS`."""
        asked = {entry.set for entry in self._stamp_features()} or {"autoscan"}
        return sum(STAMP_SETS[name] for name in asked)

    @property
    def planes(self) -> tuple[str, ...]:
        """The planes that the features need; the set s2v takes the difference alone or all three."""
        asked = {plane for entry in self._stamp_features() for plane in entry.planes} | {"difference"}
        if self.sets & STAMP_SETS["s2v"] and len(asked) > 1:
            return CHANNELS
        return tuple(channel for channel in CHANNELS if channel in asked)

    def in_columns(
        self, values: NDArray[np.float32], catalogue: Mapping[str, NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """Return the columns (n, k) out of the stamp features of the sets and the catalogue, NaN where it is silent."""
        written = stamp_columns(self.sets)
        if self.names == written:
            return values
        table = np.full((len(values), len(self.names)), np.nan, dtype=np.float32)
        for column, name in enumerate(self.names):
            if name in written:
                table[:, column] = values[:, written.index(name)]
            elif name in catalogue:
                table[:, column] = catalogue[name]
        return table
