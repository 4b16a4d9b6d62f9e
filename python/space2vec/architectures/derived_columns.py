"""What columns of autoScan's set say together: differences and ratios that no single column shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from space2vec.plans.derived_columns import derived_places

__all__ = ["DerivedColumns"]


def _magnitudes(ratio: Tensor) -> Tensor:
    return 2.5 * torch.log10(ratio.abs())


#: What is derived of the columns of :data:`DERIVED`. Magnitudes stay magnitudes; a quotient by 0 is undefined.
_RULES: tuple[Callable[..., Tensor], ...] = (
    # The host against the candidate, where MAGDIFF takes the limit for a host that is not there.
    lambda host, mag: host - mag,
    # Sizes: area, size against the host's, against the fitted Gaussian's, shape of the host.
    lambda a, b: a * b,
    lambda a, host: a / host,
    lambda scale, a, b: scale / (a * b).sqrt(),
    lambda a, b: a / b,
    # How far from a point source in units of the error, how far from the host in units of its size.
    lambda spread, error: spread / error,
    lambda away, a, b: away / (a * b).sqrt(),
    # The exposure: its noise and its limit as magnitudes; the host's surface brightness, and its own signal to noise.
    lambda mag, snr: mag + _magnitudes(snr),
    lambda mag, below: mag + below,
    lambda mag, a, b: mag + _magnitudes(a * b),
    lambda host, mag, snr: host - mag - _magnitudes(snr),
    # Fluxes measured twice: within the aperture and the box, by the fit, and by the catalogue.
    lambda ratio, host, mag: _magnitudes(1.0 + ratio) - (host - mag),
    lambda height, scale: height * scale * scale,
    lambda total, snr: total / snr,
    lambda l1, residual: l1 / residual,
    lambda l1, total: l1 / total,
    # The ring between the boxes of 5 and 7 pixels, and what is left of the shifts once negative pixels are counted.
    lambda outer, inner: outer - inner,
    lambda outer, inner: outer - inner,
    lambda outer, inner: outer - inner,
    lambda shift, negative: shift + negative,
)


class DerivedColumns(nn.Module):
    """Append to feature columns what is derived of them; what needs a column that is not there is left out.

    Those of :data:`space2vec.registry.AUTOSCAN` have derived ones; `width` columns come out.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        places = derived_places(names).tolist()
        self._known = [([k for k in own if k >= 0], _RULES[number]) for number, *own in places]
        self.width = len(names) + len(self._known)

    def forward(self, x: Tensor) -> Tensor:
        """Return the columns (n, k) and the derived ones, NaN where undefined, float32 (n, width)."""
        derived = [rule(*(x[:, k] for k in places)) for places, rule in self._known]
        if not derived:
            return x
        values = torch.stack(derived, dim=1)
        return torch.cat([x, torch.where(torch.isfinite(values), values, torch.full_like(values, torch.nan))], dim=1)
