"""Columns that are derived from others of autoScan's set: differences and ratios of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from space2vec.plans.derived_columns import applicable_rules

__all__ = ["DerivedColumns"]


def _magnitudes(ratio: Tensor) -> Tensor:
    """Return a ratio of fluxes in magnitudes."""
    return 2.5 * torch.log10(ratio.abs())


#: The rules, in the order of :data:`space2vec.plans.derived_columns.DERIVED`, which names their columns. A quotient
#: by 0 is undefined.
_RULES: tuple[Callable[..., Tensor], ...] = (
    # Magnitude of the host relative to the candidate. (MAGDIFF uses the limit if there is no host.)
    lambda host, mag: host - mag,
    # Sizes: area; size relative to the host; the fitted Gaussian relative to the size; shape of the host.
    lambda a, b: a * b,
    lambda a, host: a / host,
    lambda scale, a, b: scale / (a * b).sqrt(),
    lambda a, b: a / b,
    # Deviation from a point source in units of its error; distance from the host in units of the host's size.
    lambda spread, error: spread / error,
    lambda away, a, b: away / (a * b).sqrt(),
    # Noise and limit of the exposure as magnitudes; surface brightness of the host; signal-to-noise ratio of the host.
    lambda mag, snr: mag + _magnitudes(snr),
    lambda mag, below: mag + below,
    lambda mag, a, b: mag + _magnitudes(a * b),
    lambda host, mag, snr: host - mag - _magnitudes(snr),
    # Ratios of fluxes that are measured in two ways: in an aperture, in a box, by a fit, in the catalogue.
    lambda ratio, host, mag: _magnitudes(1.0 + ratio) - (host - mag),
    lambda height, scale: height * scale * scale,
    lambda total, snr: total / snr,
    lambda l1, residual: l1 / residual,
    lambda l1, total: l1 / total,
    # Counts of pixels in the ring between the boxes of 5 and 7 pixels; the shift, corrected for negative pixels.
    lambda outer, inner: outer - inner,
    lambda outer, inner: outer - inner,
    lambda outer, inner: outer - inner,
    lambda shift, negative: shift + negative,
)


class DerivedColumns(nn.Module):
    """Append derived columns to columns of features.

    A derived column is left out if a column that it uses is not among the features, so that only columns of
    :data:`space2vec.registry.AUTOSCAN` have derived ones.

    Parameters
    ----------
    names : sequence of str (k,)
        The names of the features.

    Attributes
    ----------
    width : int
        Number of columns of the output.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        rules = applicable_rules(names).tolist()
        self._rules = [([k for k in positions if k >= 0], _RULES[number]) for number, *positions in rules]
        self.width = len(names) + len(self._rules)

    def forward(self, x: Tensor) -> Tensor:
        """Return the columns (n, k) with the derived ones appended (n, width), NaN where undefined."""
        derived = [rule(*(x[:, k] for k in positions)) for positions, rule in self._rules]
        if not derived:
            return x
        values = torch.stack(derived, dim=1)
        return torch.cat([x, torch.where(torch.isfinite(values), values, torch.full_like(values, torch.nan))], dim=1)
