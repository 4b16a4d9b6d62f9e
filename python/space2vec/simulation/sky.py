"""The sky as a camera sees it: point spread functions, stars, galaxies and the noise of a detector.

Everything that shines is a sum of Gaussians, so that a profile convolved with a point spread function is a sum of
Gaussians too, whose variances add: no image is ever convolved to be drawn. Lengths are in pixels, fluxes in DN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["PROFILES", "Galaxies", "Psf", "Stars", "draw_galaxies", "draw_stars", "expose", "matching_kernel"]

Array = NDArray[np.float64]

#: Light profiles as Gaussians: share of the flux, and variance in units of the half-light radius squared.
#: Hogg & Lang 2013 (PASP 125, 719), the values of the Tractor.
PROFILES: dict[str, tuple[Array, Array]] = {
    "exponential": (
        np.array([2.34853813e-3, 3.07995260e-2, 2.23364214e-1, 1.17949102, 4.33873750, 5.99820770]),
        np.array([1.20078965e-3, 8.84526493e-3, 3.91463084e-2, 1.39976817e-1, 4.60962500e-1, 1.50159566]),
    ),
    "de_vaucouleurs": (
        np.array([0.0426347652, 0.240127183, 0.685907632, 1.51937350, 2.83627243, 4.46467501, 5.72440830, 5.60989349]),
        np.array(
            [
                2.23759216e-4,
                1.00220099e-3,
                4.18731126e-3,
                0.0169432589,
                0.0684850479,
                0.287207080,
                1.33320254,
                8.40215071,
            ]
        ),
    ),
}

# The variance of a square pixel: a Gaussian of at least half a pixel, averaged over pixels, stays one to 1 %.
_PIXEL_VARIANCE = 1.0 / 12.0


@dataclass(frozen=True)
class Psf:
    """A point spread function, pixel included: a sum of Gaussians with axes along the detector's.

    Attributes
    ----------
    weight : ndarray (k,)
        Share of the flux; the sum is 1.
    sigma_x, sigma_y : ndarray (k,)
        Widths, pixel.
    """

    weight: Array
    sigma_x: Array
    sigma_y: Array

    @classmethod
    def moffat(cls, fwhm: float, beta: float, components: int = 5) -> Psf:
        """Return a Moffat profile of the given full width at half maximum (pixel) and wing index.

        A Moffat profile is an integral over Gaussians, ``(1+u)**-beta ~ int s**(beta-1) exp(-s (1+u)) ds``; here that
        integral is a sum over nodes that are even in ``log s``.
        """
        alpha = fwhm / (2.0 * np.sqrt(2.0 ** (1.0 / beta) - 1.0))
        s = np.geomspace(0.12 * beta, 3.0 * beta, components)
        weight = s ** (beta - 1.0) * np.exp(-s)
        sigma = np.sqrt(alpha**2 / (2.0 * s) + _PIXEL_VARIANCE)
        return cls(weight / weight.sum(), sigma, sigma)

    def stretched(self, x: float, y: float) -> Psf:
        """Return the same profile, wider by the factors ``x`` and ``y``."""
        return Psf(self.weight, self.sigma_x * x, self.sigma_y * y)

    def transform(self, size: int) -> Array:
        """Return its Fourier transform on the grid of ``numpy.fft.rfft2`` of a square image of ``size`` pixels."""
        fy = np.fft.fftfreq(size)[:, None, None]
        fx = np.fft.rfftfreq(size)[None, :, None]
        terms = np.exp(-2.0 * np.pi**2 * ((fx * self.sigma_x) ** 2 + (fy * self.sigma_y) ** 2))
        total: Array = terms @ self.weight
        return total

    def image(self, x: float, y: float, height: int, width: int) -> Array:
        """Draw it with flux 1 at column ``x`` and row ``y``, (height, width)."""
        one = np.ones(1)
        return draw_stars(self, Stars(one * x, one * y, one), height, width)


@dataclass(frozen=True)
class Stars:
    """Point sources: column and row (pixel), flux (DN); each (n,)."""

    x: Array
    y: Array
    flux: Array


@dataclass(frozen=True)
class Galaxies:
    """Extended sources: place (pixel), flux (DN), half-light radius (pixel), axis ratio, angle, profile; each (n,)."""

    x: Array
    y: Array
    flux: Array
    radius: Array
    ratio: Array
    angle: Array
    profile: tuple[str, ...]


def draw_stars(psf: Psf, stars: Stars, height: int, width: int) -> Array:
    """Draw point sources, (height, width) in DN."""
    image = np.zeros((height, width))
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    for weight, sx, sy in zip(psf.weight, psf.sigma_x, psf.sigma_y, strict=True):
        # A Gaussian along the axes is a product of a row and a column: all stars in one matrix product.
        along_y = np.exp(-0.5 * ((rows - stars.y) / sy) ** 2) * (stars.flux * weight / (2.0 * np.pi * sx * sy))
        along_x = np.exp(-0.5 * ((columns - stars.x[:, None]) / sx) ** 2)
        image += along_y @ along_x
    return image


def draw_galaxies(psf: Psf, galaxies: Galaxies, height: int, width: int) -> Array:
    """Draw galaxies convolved with the point spread function, (height, width) in DN, out to six half-light radii."""
    image = np.zeros((height, width))
    cores: list[tuple[float, float, float]] = []
    for k, profile in enumerate(galaxies.profile):
        x, y, flux = float(galaxies.x[k]), float(galaxies.y[k]), float(galaxies.flux[k])
        reach = int(6.0 * galaxies.radius[k]) + 8
        left, top = max(int(x) - reach, 0), max(int(y) - reach, 0)
        part = image[top : max(int(y) + reach, 0), left : max(int(x) + reach, 0)]
        dx = np.arange(left, left + part.shape[1])[None, :] - x
        dy = np.arange(top, top + part.shape[0])[:, None] - y
        squares = (dx * dx, dy * dy, dx * dy)
        major, minor = galaxies.radius[k] ** 2, (galaxies.radius[k] * galaxies.ratio[k]) ** 2
        c, s = np.cos(galaxies.angle[k]), np.sin(galaxies.angle[k])
        shape = np.array([major * c * c + minor * s * s, major * s * s + minor * c * c, (major - minor) * c * s])
        core = 0.0
        share, variance = PROFILES[profile]
        for a, v in zip(share / share.sum(), variance, strict=True):
            if v * major < 0.1:
                # Far smaller than any seeing: a point.
                core += a
                continue
            for weight, sx, sy in zip(psf.weight, psf.sigma_x, psf.sigma_y, strict=True):
                xx, yy, xy = v * shape + (sx * sx, sy * sy, 0.0)
                det = xx * yy - xy * xy
                form = (yy / det) * squares[0] + (xx / det) * squares[1] - (2.0 * xy / det) * squares[2]
                part += flux * a * weight / (2.0 * np.pi * np.sqrt(det)) * np.exp(-0.5 * form)
        cores.append((x, y, core * flux))
    if cores:
        image += draw_stars(psf, Stars(*np.array(cores).T), height, width)
    return image


def matching_kernel(science: Psf, template: Psf, size: int) -> Array:
    """Return the transform of the kernel that brings the template's point spread function to that of the science image.

    The template must be the sharper one: then the quotient nowhere exceeds 1 and needs no damping.
    """
    return science.transform(size) / template.transform(size)


def expose(rng: np.random.Generator, light: Array, *, gain: float, read_noise: float, frames: int = 1) -> Array:
    """Count photons of light (DN, sky included): Poisson and read noise (electrons), mean of ``frames`` exposures."""
    electrons = rng.poisson(np.maximum(light, 0.0) * (gain * frames)).astype(np.float64)
    electrons += rng.normal(0.0, read_noise * np.sqrt(frames), light.shape)
    return electrons / (gain * frames)
