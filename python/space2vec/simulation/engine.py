"""Engines: what draws point spread functions, stars and galaxies."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from space2vec.simulation.psf import Psf
from space2vec.simulation.sky import Galaxies, Stars, draw_sky

__all__ = ["ENGINES", "Engine", "NumpyEngine", "Profile", "engine_of"]

Array = NDArray[np.float64]

#: The engines that :func:`engine_of` knows.
ENGINES: tuple[str, ...] = ("numpy", "galsim")


class Profile(Protocol):
    """A point spread function of an engine."""

    def stretched(self, x: float, y: float) -> Any:
        """Return the same profile, wider by the factors ``x`` and ``y``."""

    def transform(self, size: int) -> Array:
        """Return its Fourier transform on the grid of ``numpy.fft.rfft2`` of a square image of ``size`` pixels."""


class Engine(Protocol):
    """Draws a sky; lengths are in pixels, fluxes in the unit of the survey."""

    def psf(self, fwhm: float, beta: float, ellipticity: tuple[float, float]) -> Any:
        """Return a :class:`Profile` of a width (FWHM), a wing index, and an ellipticity along axes and diagonals."""

    def draw(self, psf: Any, stars: Stars, galaxies: Galaxies, size: int) -> Array:
        """Draw sources, (size, size)."""


class NumpyEngine:
    """Sums of Gaussians: Moffat profiles to a few per cent, drawn without a convolution."""

    def psf(self, fwhm: float, beta: float, ellipticity: tuple[float, float]) -> Psf:
        """Return a Moffat profile."""
        return Psf.moffat(fwhm, beta, ellipticity=ellipticity)

    def draw(self, psf: Psf, stars: Stars, galaxies: Galaxies, size: int) -> Array:
        """Draw sources, (size, size)."""
        return draw_sky(psf, stars, galaxies, size, size)


def engine_of(name: str) -> Engine:
    """Return an engine by its name; :class:`ValueError` where there is none, :class:`ImportError` without GalSim."""
    if name == "numpy":
        return NumpyEngine()
    if name == "galsim":
        from space2vec.simulation.galsim_engine import GalsimEngine

        return GalsimEngine()
    raise ValueError(f"engine must be one of {', '.join(ENGINES)}; given {name!r}")
