"""Point spread functions as sums of Gaussians, and the filters that match two images before they are subtracted.

Lengths are in pixels, fluxes in the unit of the survey.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["PIXEL_VARIANCE", "Frequencies", "Psf", "ZogyFilters", "frequencies", "matching_kernel", "zogy_filters"]

Array = NDArray[np.float64]

#: Matrix products are cut to this size: OpenBLAS uses threads for larger ones, which is slower on a busy machine.
_ONE_THREAD = 1 << 18

#: The variance of a square pixel. A Gaussian at least half a pixel wide, averaged over pixels, is a Gaussian whose
#: variance is larger by this, to 1 %.
PIXEL_VARIANCE = 1.0 / 12.0


class Frequencies(NamedTuple):
    """The frequencies of ``numpy.fft.rfft2`` in cycles per pixel: along y (size, 1) and along x (1, size // 2 + 1)."""

    y: Array
    x: Array


class ZogyFilters(NamedTuple):
    """The transforms of the filters that are applied to the science image and to the template."""

    science: Array
    template: Array


@dataclass(frozen=True)
class Psf:
    """A point spread function as a sum of concentric Gaussians; the average over a pixel is included.

    Attributes
    ----------
    weight : ndarray (k,)
        Share of the flux in each Gaussian; the sum is 1.
    sigma_x, sigma_y : ndarray (k,)
        Standard deviations along columns and rows, pixels.
    covariance : ndarray (k,)
        Off-diagonal second moment, pixels squared; not 0 if the profile is longer along a diagonal.
    """

    weight: Array
    sigma_x: Array
    sigma_y: Array
    covariance: Array

    @classmethod
    def moffat(
        cls, fwhm: float, beta: float, components: int = 4, *, ellipticity: tuple[float, float] = (0.0, 0.0)
    ) -> Psf:
        """Return a Moffat profile.

        A Moffat profile is an integral over Gaussians, ``(1+u)**-beta ~ int s**(beta-1) exp(-s (1+u)) ds``. The
        integral is replaced by a sum over values of ``s`` that are evenly spaced in ``log s``.

        Parameters
        ----------
        fwhm : float
            Full width at half maximum, pixels.
        beta : float
            Index of the wings.
        components : int, optional
            Number of Gaussians.
        ellipticity : tuple of float, optional
            Ellipticity of the second moments, along the axes and along the diagonals.
        """
        alpha = fwhm / (2.0 * np.sqrt(2.0 ** (1.0 / beta) - 1.0))
        s = np.geomspace(0.12 * beta, 2.2 * beta, components)
        weight = s ** (beta - 1.0) * np.exp(-s)
        variance = alpha**2 / (2.0 * s)
        along, across = ellipticity
        return cls(
            weight / weight.sum(),
            np.sqrt(variance * (1.0 + along) + PIXEL_VARIANCE),
            np.sqrt(variance * (1.0 - along) + PIXEL_VARIANCE),
            variance * across,
        )

    def stretched(self, x: float, y: float) -> Psf:
        """Return the same profile, wider by the factors ``x`` and ``y``."""
        return Psf(self.weight, self.sigma_x * x, self.sigma_y * y, self.covariance * x * y)

    def transform(self, size: int) -> Array:
        """Return its Fourier transform (size, size // 2 + 1) on the grid of ``numpy.fft.rfft2``."""
        fy, fx = (f[..., None] for f in frequencies(size))
        form = (fx * self.sigma_x) ** 2 + (fy * self.sigma_y) ** 2 + 2.0 * fx * fy * self.covariance
        total: Array = np.exp(-2.0 * np.pi**2 * form) @ self.weight
        return total

    def draw(self, x: Array, y: Array, flux: Array, height: int, width: int) -> Array:
        """Draw point sources at columns ``x`` and rows ``y`` (n,) into an image (height, width)."""
        weight, sigma_x, sigma_y, dx, dy = (values[:, None] for values in self._separable())
        # A Gaussian is a product of a function of x and one of y: one matrix product draws all sources.
        along_y = _gaussian(np.arange(height), (y + dy).ravel(), sigma_y, len(x))
        along_x = _gaussian(np.arange(width), (x + dx).ravel(), sigma_x, len(x))
        along_y *= (flux * (weight / (2.0 * np.pi * sigma_x * sigma_y))).ravel()[:, None]
        image = np.zeros((height, width))
        step = max(_ONE_THREAD // (height * width), 1)
        for first in range(0, len(along_y), step):
            image += along_y[first : first + step].T @ along_x[first : first + step]
        return image

    def image(self, x: float, y: float, height: int, width: int) -> Array:
        """Draw a point source of flux 1 at column ``x`` and row ``y`` into an image (height, width)."""
        one = np.ones(1)
        return self.draw(one * x, one * y, one, height, width)

    def _separable(self) -> tuple[Array, Array, Array, Array, Array]:
        """Return weight, sigma_x, sigma_y, x and y of Gaussians without covariance that have the same second moments.

        A Gaussian that is longer along a diagonal is replaced by two that are displaced along that diagonal.
        """
        zero = np.zeros_like(self.weight)
        if not self.covariance.any():
            return self.weight, self.sigma_x, self.sigma_y, zero, zero
        apart = np.sqrt(np.abs(self.covariance))
        sigma_x = np.sqrt(np.maximum(self.sigma_x**2 - apart**2, 0.2 * self.sigma_x**2))
        sigma_y = np.sqrt(np.maximum(self.sigma_y**2 - apart**2, 0.2 * self.sigma_y**2))
        twice = [np.tile(values, 2) for values in (0.5 * self.weight, sigma_x, sigma_y)]
        dx, dy = apart, apart * np.sign(self.covariance)
        return twice[0], twice[1], twice[2], np.concatenate([dx, -dx]), np.concatenate([dy, -dy])


def _gaussian(pixels: NDArray[np.int_], mean: Array, sigma: Array, n: int) -> Array:
    """Return Gaussians of unit height (k n, pixels) with means (k n,); ``sigma`` is (k, 1)."""
    scale = np.repeat(np.sqrt(0.5) / sigma, n)
    form = (pixels - mean[:, None]) * scale[:, None]
    values: Array = np.exp(-(form * form))
    return values


def frequencies(size: int) -> Frequencies:
    """Return the frequencies of the transform of an image (size, size)."""
    y = np.asarray(np.fft.fftfreq(size), dtype=np.float64)
    x = np.asarray(np.fft.rfftfreq(size), dtype=np.float64)
    return Frequencies(y[:, None], x[None, :])


def matching_kernel(science: Array, template: Array, damping: float = 0.0) -> Array:
    """Return the transform of the kernel that turns the template's profile into that of the science image.

    All arguments and the result are transforms. If the profile of the science image is the sharper one, the quotient of
    the transforms grows without bound; ``damping`` keeps it below ``1 / (2 damping)``, but causes rings.
    """
    return science * template / (template**2 + damping**2)


def zogy_filters(science: Array, template: Array, noise: float, template_noise: float) -> ZogyFilters:
    """Return filters of science image and template with which the difference has white noise (ZOGY).

    The filters are equation 13 of Zackay, Ofek & Gal-Yam (2016, ApJ 830, 27), scaled so that a source keeps its flux.

    Parameters
    ----------
    science, template : ndarray (size, size // 2 + 1)
        The transforms of the two profiles.
    noise, template_noise : float
        The noise of a pixel in the two images.
    """
    width = np.sqrt((noise * template) ** 2 + (template_noise * science) ** 2)
    scale = width[0, 0] / template[0, 0]
    return ZogyFilters(science=scale * template / width, template=scale * science / width)
