"""Engines, which draw point spread functions, stars and galaxies."""

from __future__ import annotations

from typing import Any, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from space2vec.simulation.psf import Psf
from space2vec.simulation.sky import Galaxies, Stars, draw_sky

__all__ = ["ENGINES", "AnyProfile", "Engine", "NumpyEngine", "Profile", "engine_by_name"]

Array = NDArray[np.float64]

#: The names that :func:`engine_by_name` knows.
ENGINES: tuple[str, ...] = ("numpy", "galsim")


class Profile(Protocol):
    """A point spread function of an engine."""

    def stretched(self, x: float, y: float) -> Self:
        """Return the same profile, wider by the factors ``x`` and ``y``."""

    def transform(self, size: int) -> Array:
        """Return its Fourier transform (size, size // 2 + 1) on the grid of ``numpy.fft.rfft2``."""


#: A :class:`Profile` of the engine in use.
AnyProfile: TypeAlias = Any  # each engine takes the profiles alone that it has made itself


class Engine(Protocol):
    """Draws point spread functions and skies; lengths are in pixels, fluxes in the unit of the survey."""

    def psf(self, fwhm: float, beta: float, ellipticity: tuple[float, float]) -> AnyProfile:
        """Return a :class:`Profile`.

        `fwhm` is its full width at half maximum, `beta` the Moffat index of its wings, and `ellipticity` that of its
        second moments, along the axes and along the diagonals.
        """

    def draw(self, psf: AnyProfile, stars: Stars, galaxies: Galaxies, size: int) -> Array:
        """Draw sources into an image (size, size)."""


class NumpyEngine:
    """The engine that needs NumPy only: profiles are sums of Gaussians, right to a few per cent."""

    def psf(self, fwhm: float, beta: float, ellipticity: tuple[float, float]) -> Psf:
        """Return a Moffat profile."""
        return Psf.moffat(fwhm, beta, ellipticity=ellipticity)

    def draw(self, psf: Psf, stars: Stars, galaxies: Galaxies, size: int) -> Array:
        """Draw sources into an image (size, size)."""
        return draw_sky(psf, stars, galaxies, size, size)


def engine_by_name(name: str) -> Engine:
    """Return the engine of a name; ValueError if the name is unknown, ImportError if GalSim is not installed."""
    if name == "numpy":
        return NumpyEngine()
    if name == "galsim":
        from space2vec.simulation.galsim_engine import GalsimEngine

        return GalsimEngine()
    raise ValueError(f"engine must be one of {', '.join(ENGINES)}; given {name!r}")
