"""Point spread functions as sums of Gaussians, and the filters by which two images are brought together.

Lengths are in pixels, fluxes in the unit of the survey.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["PIXEL_VARIANCE", "Psf", "frequencies", "matching_kernel", "zogy_filters"]

Array = NDArray[np.float64]

# OpenBLAS wakes its threads for larger products, which costs more than it gains where they are busy.
_ONE_THREAD = 1 << 18

#: The variance of a square pixel: a Gaussian of at least half a pixel, averaged over pixels, stays one to 1 %.
PIXEL_VARIANCE = 1.0 / 12.0


@dataclass(frozen=True)
class Psf:
    """A point spread function, pixel included: a sum of Gaussians about one middle.

    Attributes
    ----------
    weight : ndarray (k,)
        Share of the flux; the sum is 1.
    sigma_x, sigma_y : ndarray (k,)
        Widths, pixel.
    covariance : ndarray (k,)
        Off-diagonal term, pixel squared: a profile that is longer along a diagonal.
    """

    weight: Array
    sigma_x: Array
    sigma_y: Array
    covariance: Array

    @classmethod
    def moffat(
        cls, fwhm: float, beta: float, components: int = 4, *, ellipticity: tuple[float, float] = (0.0, 0.0)
    ) -> Psf:
        """Return a Moffat profile of the given full width at half maximum (pixel) and wing index.

        A Moffat profile is an integral over Gaussians, ``(1+u)**-beta ~ int s**(beta-1) exp(-s (1+u)) ds``; here that
        integral is a sum over nodes that are even in ``log s``. ``ellipticity`` is that of the second moments: along
        the axes, along the diagonals.
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
        """Return its Fourier transform on the grid of ``numpy.fft.rfft2`` of a square image of ``size`` pixels."""
        fy, fx = (f[..., None] for f in frequencies(size))
        form = (fx * self.sigma_x) ** 2 + (fy * self.sigma_y) ** 2 + 2.0 * fx * fy * self.covariance
        total: Array = np.exp(-2.0 * np.pi**2 * form) @ self.weight
        return total

    def draw(self, x: Array, y: Array, flux: Array, height: int, width: int) -> Array:
        """Draw point sources at columns ``x`` and rows ``y`` (n,), (height, width)."""
        weight, sigma_x, sigma_y, dx, dy = (values[:, None] for values in self._separable())
        # A Gaussian along the axes is a product of a row and a column: all sources in one matrix product.
        along_y = _gaussian(np.arange(height), (y + dy).ravel(), sigma_y, len(x))
        along_x = _gaussian(np.arange(width), (x + dx).ravel(), sigma_x, len(x))
        along_y *= (flux * (weight / (2.0 * np.pi * sigma_x * sigma_y))).ravel()[:, None]
        image = np.zeros((height, width))
        step = max(_ONE_THREAD // (height * width), 1)
        for first in range(0, len(along_y), step):
            image += along_y[first : first + step].T @ along_x[first : first + step]
        return image

    def image(self, x: float, y: float, height: int, width: int) -> Array:
        """Draw it with flux 1 at column ``x`` and row ``y``, (height, width)."""
        one = np.ones(1)
        return self.draw(one * x, one * y, one, height, width)

    def _separable(self) -> tuple[Array, Array, Array, Array, Array]:
        """Return weight, width and place (x, y) of Gaussians along the axes that together have its second moments.

        One that is longer along a diagonal is split in two that lie apart along that diagonal.
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


def _gaussian(pixels: NDArray[np.int_], place: Array, sigma: Array, n: int) -> Array:
    """Return Gaussians of unit height at ``place`` (k n,), (k n, pixels); ``sigma`` is (k, 1)."""
    scale = np.repeat(np.sqrt(0.5) / sigma, n)
    form = (pixels - place[:, None]) * scale[:, None]
    values: Array = np.exp(-(form * form))
    return values


def frequencies(size: int) -> tuple[Array, Array]:
    """Return the frequencies (cycles a pixel) of ``numpy.fft.rfft2``, down (size, 1) and along (1, size // 2 + 1)."""
    down = np.asarray(np.fft.fftfreq(size), dtype=np.float64)
    along = np.asarray(np.fft.rfftfreq(size), dtype=np.float64)
    return down[:, None], along[None, :]


def matching_kernel(science: Array, template: Array, damping: float = 0.0) -> Array:
    """Return the transform of the kernel that brings one profile (its transform) to another.

    Where the first profile is the sharper one, the plain quotient grows without bound; ``damping`` keeps it below
    ``1 / (2 damping)``, at the price of rings.
    """
    return science * template / (template**2 + damping**2)


def zogy_filters(science: Array, template: Array, noise: float, template_noise: float) -> tuple[Array, Array]:
    """Return the filters of science image and template whose difference has white noise.

    Zackay, Ofek & Gal-Yam 2016 (ApJ 830, 27), equation 13, scaled so that a source keeps its flux.
    """
    width = np.sqrt((noise * template) ** 2 + (template_noise * science) ** 2)
    scale = width[0, 0] / template[0, 0]
    first: Array = scale * template / width
    second: Array = scale * science / width
    return first, second
