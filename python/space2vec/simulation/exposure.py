"""Exposures: the conditions that all candidates of one image share, as a survey like ZTF meets them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from space2vec.simulation.sky import Psf, matching_kernel

__all__ = ["DETECTOR_HEIGHT", "DETECTOR_WIDTH", "GAIN", "PIXEL_SCALE", "READ_NOISE", "Exposure", "draw_exposure"]

#: ZTF's camera: pixels of a readout channel, electrons a DN, electrons, arcsec a pixel.
DETECTOR_WIDTH, DETECTOR_HEIGHT = 3072, 3080
GAIN, READ_NOISE, PIXEL_SCALE = 6.2, 10.0, 1.0125


@dataclass(frozen=True)
class Exposure:
    """One science image and its template; lengths in pixels, levels in DN, angles in degrees."""

    night: int
    fraction: int
    field: int
    rcid: int
    fid: int
    ra: float
    dec: float
    zeropoint: float
    sky: float
    template_sky: float
    frames: int
    seeing: float
    template_seeing: float
    psf: Psf
    template_psf: Psf
    kernel: NDArray[np.float64]
    psf_transform: NDArray[np.float64]
    saturation: float
    star_density: float
    error_scale: float

    @property
    def jd(self) -> float:
        """Julian date of the start of the exposure."""
        return 2457754.5 + self.night + self.fraction * 1e-6

    @property
    def pid(self) -> int:
        """Processing id: night, fraction of the day, readout channel."""
        return (self.night * 10**6 + self.fraction) * 1000 + self.rcid * 10 + 5

    @property
    def noise(self) -> float:
        """Noise of one pixel of blank sky in the science image, DN."""
        return float(np.hypot(np.sqrt(self.sky / GAIN), READ_NOISE / GAIN))

    @property
    def limit(self) -> float:
        """Magnitude of a point source at five times the pipeline's own error."""
        area = 4.0 * np.pi * (self.seeing / 2.355) ** 2
        return float(self.zeropoint - 2.5 * np.log10(5.0 * self.noise * np.sqrt(area) * self.error_scale))


def draw_exposure(rng: np.random.Generator, size: int) -> Exposure:
    """Draw the conditions of an exposure; ``size`` is the side of the square images that its kernel will be used on.

    The ranges are those of public ZTF alerts: seeing of 1.7 to 2.7 pixels, sky of 80 to 260 DN, templates of 15 to 40
    frames.
    """
    fid = int(rng.choice([1, 2], p=[0.4, 0.6]))
    template_seeing = rng.uniform(1.65, 2.1)
    seeing = np.hypot(template_seeing, rng.uniform(0.3, 1.6))
    beta = rng.uniform(3.0, 4.5)
    psf, template_psf = Psf.moffat(seeing, beta), Psf.moffat(template_seeing, beta)
    sky = rng.uniform(75.0, 190.0) if fid == 1 else rng.uniform(110.0, 260.0)
    return Exposure(
        night=int(rng.integers(558, 1800)),
        fraction=int(rng.integers(120_000, 500_000)),
        field=int(rng.integers(250, 860)),
        rcid=int(rng.integers(64)),
        fid=fid,
        ra=rng.uniform(0.0, 360.0),
        dec=rng.uniform(-25.0, 75.0),
        zeropoint=rng.uniform(26.0, 26.4),
        sky=sky,
        template_sky=sky + rng.normal(0.0, 1.0),
        frames=int(rng.integers(15, 41)),
        seeing=float(seeing),
        template_seeing=template_seeing,
        psf=psf,
        template_psf=template_psf,
        kernel=matching_kernel(psf, template_psf, size),
        psf_transform=psf.transform(size),
        saturation=rng.uniform(38_000.0, 52_000.0),
        star_density=float(np.exp(rng.uniform(np.log(0.0004), np.log(0.006)))),
        error_scale=rng.uniform(1.2, 1.9),
    )
