"""What columns of autoScan's set say together: differences and ratios that no single column shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

__all__ = ["DerivedColumns"]


def _magnitudes(ratio: Tensor) -> Tensor:
    return 2.5 * torch.log10(ratio.abs())


#: What is derived of which columns. Magnitudes stay magnitudes; a quotient by 0 is undefined.
_DERIVED: tuple[tuple[tuple[str, ...], Callable[..., Tensor]], ...] = (
    # The host against the candidate, where MAGDIFF takes the limit for a host that is not there.
    (("MAG_REF", "MAG"), lambda host, mag: host - mag),
    # Sizes: area, size against the host's, against the fitted Gaussian's, shape of the host.
    (("A_IMAGE", "B_IMAGE"), lambda a, b: a * b),
    (("A_IMAGE", "A_REF"), lambda a, host: a / host),
    (("SCALE", "A_IMAGE", "B_IMAGE"), lambda scale, a, b: scale / (a * b).sqrt()),
    (("A_REF", "B_REF"), lambda a, b: a / b),
    # How far from a point source in units of the error, how far from the host in units of its size.
    (("SPREAD_MODEL", "SPREADERR_MODEL"), lambda spread, error: spread / error),
    (("NN_DIST_RENORM", "A_REF", "B_REF"), lambda away, a, b: away / (a * b).sqrt()),
    # The exposure: its noise and its limit as magnitudes; the host's surface brightness, and its own signal to noise.
    (("MAG", "SNR"), lambda mag, snr: mag + _magnitudes(snr)),
    (("MAG", "MAG_FROM_LIMIT"), lambda mag, below: mag + below),
    (("MAG_REF", "A_REF", "B_REF"), lambda mag, a, b: mag + _magnitudes(a * b)),
    (("MAG_REF", "MAG", "SNR"), lambda host, mag, snr: host - mag - _magnitudes(snr)),
    # Fluxes measured twice: within the aperture and the box, by the fit, and by the catalogue.
    (("FLUX_RATIO", "MAG_REF", "MAG"), lambda ratio, host, mag: _magnitudes(1.0 + ratio) - (host - mag)),
    (("AMP", "SCALE"), lambda height, scale: height * scale * scale),
    (("DIFFSUMRN", "SNR"), lambda total, snr: total / snr),
    (("L1", "GAUSS"), lambda l1, residual: l1 / residual),
    (("L1", "DIFFSUMRN"), lambda l1, total: l1 / total),
    # The ring between the boxes of 5 and 7 pixels, and what is left of the shifts once negative pixels are counted.
    (("N2SIG5SHIFT", "N2SIG3SHIFT"), lambda outer, inner: outer - inner),
    (("N2SIG5", "N2SIG3"), lambda outer, inner: outer - inner),
    (("N3SIG5", "N3SIG3"), lambda outer, inner: outer - inner),
    (("N2SIG3SHIFT", "N2SIG3"), lambda shift, negative: shift + negative),
)


class DerivedColumns(nn.Module):
    """Append to feature columns what is derived of them; what needs a column that is not there is left out.

    Parameters
    ----------
    names : sequence of str (k,)
        The columns; those of :data:`space2vec.registry.AUTOSCAN` have derived ones.

    Attributes
    ----------
    width : int
        Number of columns that come out.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        place = {name: k for k, name in enumerate(names)}
        self._known = [([place[name] for name in needs], rule) for needs, rule in _DERIVED if place.keys() >= {*needs}]
        self.width = len(names) + len(self._known)

    def forward(self, x: Tensor) -> Tensor:
        """Return the columns (n, k) and the derived ones, NaN where undefined, float32 (n, width)."""
        derived = [rule(*(x[:, k] for k in places)) for places, rule in self._known]
        if not derived:
            return x
        values = torch.stack(derived, dim=1)
        return torch.cat([x, torch.where(torch.isfinite(values), values, torch.full_like(values, torch.nan))], dim=1)
