"""GalSim as an engine: Kolmogorov and Moffat profiles with optics, Sersic galaxies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from space2vec.errors.packages import need
from space2vec.simulation.sky import Galaxies, Stars

__all__ = ["GalsimEngine"]

Array = NDArray[np.float64]

#: Pixels around the canvas into which light may wrap, and by how much the grid is finer than the pixels.
_BORDER, _FINER = 16, 2
#: Sersic indices of the profiles.
_SERSIC = {"exponential": 1.0, "de_vaucouleurs": 4.0}


class GalsimProfile:
    """A surface brightness profile of GalSim, pixel included, with unit flux."""

    def __init__(self, light: Any) -> None:
        import galsim

        self.light = light
        self._seen = galsim.Convolve(light, galsim.Pixel(1.0))
        self._transforms: dict[tuple[int, int], Array] = {}

    def stretched(self, x: float, y: float) -> GalsimProfile:
        """Return the same profile, wider by the factors ``x`` and ``y``."""
        return GalsimProfile(self.light.transform(x, 0.0, 0.0, y).withFlux(1.0))

    def transform(self, size: int, finer: int = 1) -> Array:
        """Return its Fourier transform on the grid of ``numpy.fft.rfft2`` of a square image of ``size`` pixels.

        With ``finer`` it is that of an image with pixels so many times smaller.
        """
        if (size, finer) not in self._transforms:
            self._transforms[size, finer] = _transform(self._seen, size, finer).real
        return self._transforms[size, finer]


def _transform(light: Any, size: int, finer: int = 1) -> NDArray[np.complex128]:
    import galsim

    wide = 2 * (size // 2) + 1
    image = galsim.ImageCD(wide, wide, scale=2.0 * np.pi * finer / size)
    light.drawKImage(image=image)
    middle = size // 2
    rows = np.rint(np.fft.fftfreq(size) * size).astype(int) + middle
    values: NDArray[np.complex128] = image.array[rows][:, middle : middle + size // 2 + 1]
    return values


class GalsimEngine:
    """Draws by the Fourier transforms that GalSim gives: any profile, no wrap within 16 pixels, no aliasing."""

    def __init__(self) -> None:
        need("galsim", "the engine galsim needs GalSim")

    def psf(self, fwhm: float, beta: float, ellipticity: tuple[float, float], *, obscured: float = 0.3) -> Any:
        """Return an atmosphere seen by an obscured mirror.

        Wings of ``beta`` above 4 are those of Kolmogorov turbulence; below, the atmosphere is a Moffat profile.
        ``obscured`` is the share of the mirror's diameter that is hidden; 0 leaves the optics out.
        """
        import galsim

        air = galsim.Kolmogorov(fwhm=fwhm) if beta > 4.0 and obscured else galsim.Moffat(beta, fwhm=fwhm)
        # Second moments of ellipticity e are those of a distortion e; GalSim's x is the column, as here.
        air = air.shear(e1=ellipticity[0], e2=ellipticity[1])
        if obscured:
            air = galsim.Convolve(air, galsim.Airy(lam_over_diam=0.08 * fwhm, obscuration=obscured))
        return GalsimProfile(air)

    def draw(self, psf: GalsimProfile, stars: Stars, galaxies: Galaxies, size: int) -> Array:
        """Draw sources, (size, size)."""
        grid = (size + 2 * _BORDER) * _FINER
        fy, fx = np.fft.fftfreq(grid)[:, None], np.fft.rfftfreq(grid)[None, :]

        def moved(x: Array, y: Array) -> tuple[Array, Array]:
            down = np.exp(-2j * np.pi * fy * ((y + _BORDER) * _FINER))
            along = np.exp(-2j * np.pi * fx.T * ((x + _BORDER) * _FINER)).T
            return down, along

        # What lies beyond the border would wrap to the other side.
        near = (np.abs(stars.x - size / 2) < size / 2 + _BORDER / 2) & (
            np.abs(stars.y - size / 2) < size / 2 + _BORDER / 2
        )
        down, along = moved(stars.x[near], stars.y[near])
        spectrum = (down * stars.flux[near]) @ along
        for k, profile in enumerate(galaxies.profile):
            down, along = moved(galaxies.x[k : k + 1], galaxies.y[k : k + 1])
            spectrum += galaxies.flux[k] * _galaxy(galaxies, k, profile, grid) * (down * along)
        image = np.fft.irfft2(spectrum * psf.transform(grid, _FINER), (grid, grid)) * _FINER**2
        window = slice(_BORDER * _FINER, (size + _BORDER) * _FINER, _FINER)
        drawn: Array = image[window, window]
        return drawn


def _galaxy(galaxies: Galaxies, k: int, profile: str, grid: int) -> NDArray[np.complex128]:
    import galsim

    radius, ratio = float(galaxies.radius[k]), float(galaxies.ratio[k])
    # The half-light radius is that along the major axis; GalSim's shear keeps the area.
    light = galsim.Sersic(_SERSIC[profile], half_light_radius=radius * np.sqrt(ratio))
    return _transform(light.shear(q=ratio, beta=galaxies.angle[k] * galsim.radians), grid, _FINER)
