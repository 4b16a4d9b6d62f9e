"""The engine GalSim: Kolmogorov and Moffat profiles with optics, and Sersic galaxies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec.errors.packages import need
from space2vec.simulation.sky import Galaxies, Stars

if TYPE_CHECKING:
    from space2vec.data.types import Untyped

__all__ = ["GalsimEngine"]

Array = NDArray[np.float64]

#: Width in pixels of a border around the canvas, into which light may wrap.
_BORDER = 16
#: The grid on which sources are drawn is finer than the pixels by this factor.
_FINER = 2
#: The Sersic index of each profile of :data:`space2vec.simulation.sky.PROFILES`.
_SERSIC = {"exponential": 1.0, "de_vaucouleurs": 4.0}


class GalsimProfile:
    """A point spread function of GalSim with flux 1; the average over a pixel is included."""

    def __init__(self, light: Untyped) -> None:
        import galsim

        self.light = light
        self._with_pixel = galsim.Convolve(light, galsim.Pixel(1.0))
        self._transforms: dict[tuple[int, int], Array] = {}

    def stretched(self, x: float, y: float) -> GalsimProfile:
        """Return the same profile, wider by the factors ``x`` and ``y``."""
        return GalsimProfile(self.light.transform(x, 0.0, 0.0, y).withFlux(1.0))

    def transform(self, size: int, finer: int = 1) -> Array:
        """Return its Fourier transform (size, size // 2 + 1) on the grid of ``numpy.fft.rfft2``.

        The pixels of the image are smaller than those of the camera by the factor ``finer``.
        """
        if (size, finer) not in self._transforms:
            self._transforms[size, finer] = _transform(self._with_pixel, size, finer).real
        return self._transforms[size, finer]


def _transform(light: Untyped, size: int, finer: int = 1) -> NDArray[np.complex128]:
    """Return the Fourier transform (size, size // 2 + 1) of a surface brightness profile of GalSim."""
    import galsim

    wide = 2 * (size // 2) + 1
    image = galsim.ImageCD(wide, wide, scale=2.0 * np.pi * finer / size)
    light.drawKImage(image=image)
    middle = size // 2
    rows = np.rint(np.fft.fftfreq(size) * size).astype(int) + middle
    values: NDArray[np.complex128] = image.array[rows][:, middle : middle + size // 2 + 1]
    return values


class GalsimEngine:
    """The engine that draws with GalSim's Fourier transforms of profiles.

    Images have no aliasing, and light wraps from one side to the other only beyond a border of 16 pixels.
    """

    def __init__(self) -> None:
        need("galsim", "the engine galsim needs GalSim")

    def psf(
        self, fwhm: float, beta: float, ellipticity: tuple[float, float], *, obscured: float = 0.3
    ) -> GalsimProfile:
        """Return the profile of an atmosphere, convolved with that of an obscured mirror.

        Parameters
        ----------
        fwhm : float
            Full width at half maximum, pixels.
        beta : float
            Moffat index of the wings; above 4 the profile of the atmosphere is that of Kolmogorov turbulence.
        ellipticity : tuple of float
            Ellipticity of the second moments, along the axes and along the diagonals.
        obscured : float, optional
            Diameter of the obscuration divided by that of the mirror; with 0 there is no mirror.
        """
        import galsim

        air = galsim.Kolmogorov(fwhm=fwhm) if beta > 4.0 and obscured else galsim.Moffat(beta, fwhm=fwhm)
        # GalSim's e1 and e2 are the ellipticity of the second moments too, and its x is the column, as here.
        air = air.shear(e1=ellipticity[0], e2=ellipticity[1])
        if obscured:
            air = galsim.Convolve(air, galsim.Airy(lam_over_diam=0.08 * fwhm, obscuration=obscured))
        return GalsimProfile(air)

    def draw(self, psf: GalsimProfile, stars: Stars, galaxies: Galaxies, size: int) -> Array:
        """Draw sources into an image (size, size)."""
        grid = (size + 2 * _BORDER) * _FINER
        fy, fx = np.fft.fftfreq(grid)[:, None], np.fft.rfftfreq(grid)[None, :]

        def shifts(x: Array, y: Array) -> tuple[Array, Array]:
            """Return the factors along y and x that shift a transform to each position."""
            down = np.exp(-2j * np.pi * fy * ((y + _BORDER) * _FINER))
            along = np.exp(-2j * np.pi * fx.T * ((x + _BORDER) * _FINER)).T
            return down, along

        # Stars beyond the border would wrap to the other side.
        near = (np.abs(stars.x - size / 2) < size / 2 + _BORDER / 2) & (
            np.abs(stars.y - size / 2) < size / 2 + _BORDER / 2
        )
        down, along = shifts(stars.x[near], stars.y[near])
        spectrum = (down * stars.flux[near]) @ along
        for k, profile in enumerate(galaxies.profile):
            down, along = shifts(galaxies.x[k : k + 1], galaxies.y[k : k + 1])
            spectrum += galaxies.flux[k] * _galaxy(galaxies, k, profile, grid) * (down * along)
        image = np.fft.irfft2(spectrum * psf.transform(grid, _FINER), (grid, grid)) * _FINER**2
        window = slice(_BORDER * _FINER, (size + _BORDER) * _FINER, _FINER)
        drawn: Array = image[window, window]
        return drawn


def _galaxy(galaxies: Galaxies, k: int, profile: str, grid: int) -> NDArray[np.complex128]:
    """Return the Fourier transform of the profile of one galaxy."""
    import galsim

    radius, ratio = float(galaxies.radius[k]), float(galaxies.ratio[k])
    # The half-light radius is that along the major axis; GalSim's shear keeps the area.
    light = galsim.Sersic(_SERSIC[profile], half_light_radius=radius * np.sqrt(ratio))
    return _transform(light.shear(q=ratio, beta=galaxies.angle[k] * galsim.radians), grid, _FINER)
