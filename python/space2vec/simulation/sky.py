"""The sky as a camera sees it: stars, galaxies and the noise of a detector.

Profiles of galaxies and point spread functions are sums of Gaussians, so that their convolution is a sum of Gaussians
too, with the sums of their variances: no image has to be convolved. Lengths are in pixels, fluxes in the unit of the
survey.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.simulation.psf import Psf

__all__ = ["PROFILES", "Galaxies", "GalaxyProfile", "Stars", "draw_galaxies", "draw_sky", "draw_stars", "expose"]
__all__ += ["resampled_noise"]

Array = NDArray[np.float64]


class GalaxyProfile(NamedTuple):
    """A light profile as a sum of Gaussians: their weights and their variances (half-light radius squared), (k,)."""

    weight: Array
    variance: Array


#: The light profiles of galaxies. The numbers are those of Hogg & Lang 2013 (PASP 125, 719) in their code, the Tractor.
PROFILES: dict[str, GalaxyProfile] = {
    "exponential": GalaxyProfile(
        np.array([2.34853813e-3, 3.07995260e-2, 2.23364214e-1, 1.17949102, 4.33873750, 5.99820770]),
        np.array([1.20078965e-3, 8.84526493e-3, 3.91463084e-2, 1.39976817e-1, 4.60962500e-1, 1.50159566]),
    ),
    "de_vaucouleurs": GalaxyProfile(
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


@dataclass(frozen=True)
class Stars:
    """Point sources: column and row in pixels, flux in the unit of the survey; each (n,)."""

    x: Array
    y: Array
    flux: Array


@dataclass(frozen=True)
class Galaxies:
    """Extended sources, each attribute (n,).

    Attributes
    ----------
    x, y : ndarray
        Column and row, pixels.
    flux : ndarray
        Flux, in the unit of the survey.
    radius : ndarray
        Half-light radius along the major axis, pixels.
    ratio : ndarray
        Minor axis divided by major axis.
    angle : ndarray
        Angle of the major axis from the rows, radians.
    profile : tuple of str
        A name of :data:`PROFILES`.
    """

    x: Array
    y: Array
    flux: Array
    radius: Array
    ratio: Array
    angle: Array
    profile: tuple[str, ...]


def draw_stars(psf: Psf, stars: Stars, height: int, width: int) -> Array:
    """Draw point sources into an image (height, width)."""
    return psf.draw(stars.x, stars.y, stars.flux, height, width)


def draw_galaxies(psf: Psf, galaxies: Galaxies, height: int, width: int) -> Array:
    """Draw galaxies, convolved with the point spread function, into an image (height, width).

    Each galaxy is drawn out to six half-light radii.
    """
    nothing = np.zeros(0)
    return draw_sky(psf, Stars(nothing, nothing, nothing), galaxies, height, width)


def draw_sky(psf: Psf, stars: Stars, galaxies: Galaxies, height: int, width: int) -> Array:
    """Draw stars and galaxies into an image (height, width)."""
    image = np.zeros((height, width))
    cores = np.array([_add_galaxy(image, psf, galaxies, k) for k in range(len(galaxies.profile))]).reshape(-1, 3)
    points = (np.append(stars.x, cores[:, 0]), np.append(stars.y, cores[:, 1]), np.append(stars.flux, cores[:, 2]))
    return image + psf.draw(*points, height, width) if len(points[0]) else image


def _add_galaxy(image: Array, psf: Psf, galaxies: Galaxies, k: int) -> tuple[float, float, float]:
    """Add one galaxy without its unresolved core to an image; return column, row and flux of the core."""
    x, y, flux, radius = (float(v[k]) for v in (galaxies.x, galaxies.y, galaxies.flux, galaxies.radius))
    reach = int(6.0 * radius) + 8
    left, top = max(int(x) - reach, 0), max(int(y) - reach, 0)
    part = image[top : max(int(y) + reach, 0), left : max(int(x) + reach, 0)]
    dx = np.arange(left, left + part.shape[1])[None, :] - x
    dy = np.arange(top, top + part.shape[0])[:, None] - y
    squares = (dx * dx, dy * dy, dx * dy)
    major, minor = radius**2, (radius * float(galaxies.ratio[k])) ** 2
    c, s = np.cos(galaxies.angle[k]), np.sin(galaxies.angle[k])
    shape = (major * c * c + minor * s * s, major * s * s + minor * c * c, (major - minor) * c * s)
    moments = (psf.sigma_x**2, psf.sigma_y**2, psf.covariance)
    # For a component that is wider than the seeing, a single Gaussian with the variance of the seeing is enough.
    mean = tuple(np.array([psf.weight @ term]) for term in moments)
    core = 0.0
    share, variance = PROFILES[galaxies.profile[k]]
    for a, v in zip(share / share.sum(), variance, strict=True):
        if v * major < 0.1:
            # This component is much smaller than the seeing: a point.
            core += a
            continue
        wide = v * minor > mean[0][0]
        for weight, sxx, syy, sxy in zip(*((np.ones(1), *mean) if wide else (psf.weight, *moments)), strict=True):
            xx, yy, xy = v * shape[0] + sxx, v * shape[1] + syy, v * shape[2] + sxy
            det = xx * yy - xy * xy
            form = (-0.5 * yy / det) * squares[0] + (-0.5 * xx / det) * squares[1] + (xy / det) * squares[2]
            part += (flux * a * weight / (2.0 * np.pi * np.sqrt(det))) * np.exp(form)
    return x, y, core * flux


def expose(
    rng: np.random.Generator,
    light: Array,
    *,
    gain: float,
    read_noise: float,
    frames: int = 1,
    resampling: tuple[float, float] = (0.0, 0.0),
) -> Array:
    """Add photon noise and read noise to an image.

    Pixels have hundreds of photons, so that photon noise is drawn from a Gaussian distribution.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the random numbers.
    light : ndarray (height, width)
        The light that reaches the detector, sky included, in the unit of the survey.
    gain : float
        Electrons per unit of flux.
    read_noise : float
        Electrons per pixel.
    frames : int, optional
        The image is the mean of so many exposures.
    resampling : tuple of float, optional
        The fractions of a pixel, along rows and columns, by which the image was shifted afterwards.
    """
    variance = np.maximum(light, 0.0) * (1.0 / gain) + (read_noise / gain) ** 2
    noise = resampled_noise(rng, light.shape, resampling)
    exposed: Array = light + np.sqrt(variance / frames) * noise
    return exposed


def resampled_noise(
    rng: np.random.Generator, shape: tuple[int, ...], resampling: tuple[float, float] = (0.0, 0.0)
) -> Array:
    """Draw noise of unit variance that was shifted by a fraction of a pixel, so that neighbouring pixels correlate.

    The shift is a bilinear interpolation.
    """
    noise: Array = rng.standard_normal(shape, dtype=np.float32).astype(np.float64)
    for axis, fraction in enumerate(resampling):
        if fraction:
            kept = 1.0 / np.hypot(1.0 - fraction, fraction)
            noise = kept * ((1.0 - fraction) * noise + fraction * np.roll(noise, 1, axis))
    return noise
