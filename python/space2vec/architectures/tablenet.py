"""``tablenet``: a perceptron that takes the features of a candidate."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from space2vec.architectures.derived_columns import DerivedColumns
from space2vec.architectures.feature_input import FeatureInput

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["TableNet"]

#: The lower edge of a bin that is not used; no scaled value reaches it.
_NEVER = 100.0


class PiecewiseLinear(nn.Module):
    """Piecewise linear encoding of columns (Gorishniy et al. 2022, arXiv:2203.05556).

    A value becomes one number for each bin of its column: 0 if it is below the bin, 1 if it is above, and otherwise the
    fraction of the bin that is below it. A linear layer can then change its slope at every edge of a bin, as a tree
    splits there.
    """

    low: Tensor
    size: Tensor

    def __init__(self, columns: int, bins: int) -> None:
        super().__init__()
        self.register_buffer("low", torch.full((columns, bins), _NEVER))
        self.register_buffer("size", torch.ones(columns, bins))

    def fit(self, z: Tensor, missing: Tensor) -> None:
        """Set the edges of the bins to quantiles of each column of training rows z (n, k), without undefined values."""
        columns, bins = self.low.shape
        for k in range(columns):
            values = z[~missing[:, k], k].double().numpy()
            # Several quantiles of a column of counts may be equal; it gets fewer bins.
            edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1))) if len(values) else np.zeros(0)
            used = max(len(edges) - 1, 0)
            self.low[k, :used] = torch.from_numpy(edges[:-1])
            self.size[k, :used] = torch.from_numpy(np.maximum(np.diff(edges), 1e-6))

    def forward(self, z: Tensor) -> Tensor:
        """Return the encoding (n, k * bins) of columns (n, k)."""
        return ((z[:, :, None] - self.low) / self.size).clamp(0.0, 1.0).flatten(1)


class TableNet(nn.Module):
    """A perceptron that takes features, columns derived from them, and the piecewise linear encoding of both.

    Parameters
    ----------
    names : sequence of str (k,)
        The features, in order.
    hidden : sequence of int
        Number of units of each hidden layer.
    bins : int
        Bins per column.
    dropout : float
        Share of the hidden units that are dropped in training.
    """

    takes: ClassVar[tuple[str, ...]] = ("features",)

    def __init__(
        self, *, names: Sequence[str], hidden: Sequence[int] = (256, 256), bins: int = 12, dropout: float = 0.05
    ) -> None:
        super().__init__()
        self.settings: dict[str, Json] = {
            "names": list(names), "hidden": list(hidden), "bins": bins, "dropout": dropout
        }  # fmt: skip
        self.derived = DerivedColumns(names)
        columns = self.derived.width
        self.scaled = FeatureInput(columns)
        self.encoded = PiecewiseLinear(columns, bins)
        widths = [self.scaled.width + columns * bins, *hidden]
        layers: list[nn.Module] = []
        for inner, outer in pairwise(widths):
            layers += [nn.Linear(inner, outer), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], 1))

    def fit_features(self, x: ArrayLike) -> None:
        """Set scales and bins from training rows (n, k).

        Raises
        ------
        ValueError
            If x is not (n, k) or has no row.
        """
        with torch.no_grad():
            rows = self.derived(torch.tensor(np.asarray(x, dtype=np.float32)))
            self.scaled.fit_features(rows.numpy())
            self.encoded.fit(self.scaled(rows)[:, : rows.shape[1]], ~torch.isfinite(rows))

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (n,) of features (n, k), NaN where undefined."""
        rows = self.derived(features)
        scaled = self.scaled(rows)
        logit: Tensor = self.layers(torch.cat([scaled, self.encoded(scaled[:, : rows.shape[1]])], dim=1))
        return logit[:, 0]
