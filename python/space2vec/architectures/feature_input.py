"""Feature columns made fit for a network: centred, of like width, without heavy tails, and never NaN."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

__all__ = ["FeatureInput"]

#: Half the width of a column in the units of its own spread; what lies further out is as far out as it can be.
_BOUND = 10.0
#: The quantiles that lie one standard deviation either side of a Gaussian's middle.
_ONE_SIGMA = (0.1587, 0.8413)


class FeatureInput(nn.Module):
    """Scale columns by what the training rows hold, and say where a value is missing.

    A column x becomes z = asinh((x - median) / s), s half the width of its middle 68 %, then (z - mean) / deviation,
    kept within +-10: linear in the body of a column and logarithmic in its tails. A missing value (NaN) becomes 0, the
    mean. Beside each column stands 1 where the value is missing and 0 elsewhere; in a column that lacked no value in
    training it is 0 throughout, as the network has not learned what a gap there means.

    Parameters
    ----------
    columns : int
        Number of columns k.

    Attributes
    ----------
    width : int
        Number of columns that come out, 2 k: the values, then the marks of missing ones.
    """

    median: Tensor
    spread: Tensor
    mean: Tensor
    deviation: Tensor
    lacking: Tensor

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.columns, self.width = columns, 2 * columns
        for name, value in (("median", 0.0), ("spread", 1.0), ("mean", 0.0), ("deviation", 1.0), ("lacking", 0.0)):
            self.register_buffer(name, torch.full((columns,), value))

    def fit_features(self, x: ArrayLike) -> None:
        """Set the scales from training rows.

        Parameters
        ----------
        x : array_like (n, k)
            Features; what is not finite counts as missing. A column without a value, or with one value throughout,
            is only centred.

        Raises
        ------
        ValueError
            If x is not (n, k) or has no row.
        """
        rows = np.array(x, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != self.columns or not len(rows):
            raise ValueError(f"x must have shape (n, {self.columns}) with n of 1 or more; given {rows.shape}")
        rows[~np.isfinite(rows)] = np.nan
        lacking = np.isnan(rows)
        rows[:, lacking.all(axis=0)] = 0.0
        median = np.nanmedian(rows, axis=0)
        low, high = np.nanquantile(rows, _ONE_SIGMA, axis=0)
        # Of counts and flags most are equal: their spread is the deviation.
        spread = _or_one(np.where(high > low, (high - low) / 2, np.nanstd(rows, axis=0)))
        z = np.arcsinh((rows - median) / spread)
        told = {"median": median, "spread": spread, "mean": np.nanmean(z, axis=0),
                "deviation": _or_one(np.nanstd(z, axis=0)), "lacking": lacking.any(axis=0)}  # fmt: skip
        for name, values in told.items():
            getattr(self, name).copy_(torch.from_numpy(values.astype(np.float32)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the scaled columns and the marks of missing values, float32 (n, 2 k), of features (n, k)."""
        missing = torch.isnan(x)
        z = (torch.asinh((x - self.median) / self.spread) - self.mean) / self.deviation
        values = torch.where(missing, torch.zeros_like(z), z.clamp(-_BOUND, _BOUND))
        return torch.cat([values, missing.to(z.dtype) * self.lacking], dim=1)


def _or_one(scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scales, 1 where a column is constant, up to rounding."""
    return np.where(scale > 1e-12, scale, 1.0)
