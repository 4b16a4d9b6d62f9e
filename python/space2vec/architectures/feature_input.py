"""Scaling of features for networks: columns are centred, of similar width, without heavy tails, and never NaN."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

__all__ = ["FeatureInput"]

#: Scaled values are clipped to plus and minus this number.
_BOUND = 10.0
#: The quantiles one standard deviation below and above the mean of a Gaussian.
_ONE_SIGMA = (0.1587, 0.8413)


class FeatureInput(nn.Module):
    """Scale columns by the distribution of the training rows, and mark undefined values.

    A column x becomes z = asinh((x - median) / s), where s is half the width of its central 68 %, and then (z - mean) /
    deviation, clipped to +-10. This is linear in the centre of a distribution and logarithmic in its tails. An
    undefined value (NaN) becomes 0, which is the mean. A second column is 1 where the value is undefined and 0
    elsewhere; it is always 0 for a column that had no undefined value in training, since the network could not learn
    what one means.

    Parameters
    ----------
    columns : int
        Number of columns k.

    Attributes
    ----------
    width : int
        Number of columns of the output, 2 k: the scaled values, then the marks of undefined values.
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
            Features; values that are not finite count as undefined. A column that has no value, or only equal values,
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
        # Most values of counts and flags are equal: the standard deviation is their spread.
        spread = _or_one(np.where(high > low, (high - low) / 2, np.nanstd(rows, axis=0)))
        z = np.arcsinh((rows - median) / spread)
        scales = {"median": median, "spread": spread, "mean": np.nanmean(z, axis=0),
                  "deviation": _or_one(np.nanstd(z, axis=0)), "lacking": lacking.any(axis=0)}  # fmt: skip
        for name, values in scales.items():
            getattr(self, name).copy_(torch.from_numpy(values.astype(np.float32)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the scaled columns and the marks of undefined values (n, 2 k) of features (n, k)."""
        missing = torch.isnan(x)
        z = (torch.asinh((x - self.median) / self.spread) - self.mean) / self.deviation
        values = torch.where(missing, torch.zeros_like(z), z.clamp(-_BOUND, _BOUND))
        return torch.cat([values, missing.to(z.dtype) * self.lacking], dim=1)


def _or_one(scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Replace a scale that is 0 up to rounding, as that of a constant column, by 1."""
    return np.where(scale > 1e-12, scale, 1.0)
