"""The features that are to be measured of stamps, and the planes that they need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from space2vec.data.channels import CHANNELS
from space2vec.registry import FEATURES, STAMP_SETS, Convention, FeatureEntry, stamp_columns

__all__ = ["FeaturePlan"]


@dataclass(frozen=True, slots=True)
class FeaturePlan:
    """The features that are to be measured of stamps.

    A reader that has such a plan measures stamps when it reads them, and need not keep their pixels.

    Attributes
    ----------
    names : tuple of str
        Features of the registry, in order.
    convention : {"code", "paper"}
        Whether autoScan's published code or its paper defines a feature that they define differently.
    """

    names: tuple[str, ...]
    convention: Convention = "code"

    def _stamp_features(self) -> list[FeatureEntry]:
        """Return the entries of those features that are measured on pixels."""
        return [FEATURES[name] for name in self.names if name in FEATURES and FEATURES[name].source == "stamp"]

    @property
    def sets(self) -> int:
        """The sets of features to compute, as bits of :data:`space2vec.registry.STAMP_SETS`."""
        sets = {entry.set for entry in self._stamp_features()} or {"autoscan"}
        return sum(STAMP_SETS[name] for name in sets)

    @property
    def planes(self) -> tuple[str, ...]:
        """The planes that the features need. The set s2v needs either the difference alone or all three planes."""
        planes = {plane for entry in self._stamp_features() for plane in entry.planes} | {"difference"}
        if self.sets & STAMP_SETS["s2v"] and len(planes) > 1:
            return CHANNELS
        return tuple(channel for channel in CHANNELS if channel in planes)

    def in_columns(
        self, values: NDArray[np.float32], catalogue: Mapping[str, NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """Return computed features (n, m) and catalogue columns (n,) in the order of `names` (n, k), NaN if unknown."""
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
