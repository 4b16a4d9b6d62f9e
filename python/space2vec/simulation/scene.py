"""Scenes: the stars and galaxies around one candidate, and the three images of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from space2vec.simulation.exposure import Exposure
from space2vec.simulation.psf import frequencies
from space2vec.simulation.sky import Galaxies, Stars, expose
from space2vec.simulation.starlight import bleed, draw_spikes

__all__ = ["Images", "Scene", "draw_again", "draw_scene"]

Array = NDArray[np.float64]

#: Stars brighter than the limit by this many magnitudes have visible diffraction spikes.
_SPIKED = 6.5


@dataclass
class Scene:
    """The sources of the template, how the science image differs from it, and the errors of the subtraction.

    Star 0 is the candidate. Positions are on the canvas, in pixels.

    Attributes
    ----------
    exposure : Exposure
        The conditions of both images.
    stars : Stars
        The point sources (n,) of the template.
    science_flux : ndarray (n,)
        Their fluxes in the science image.
    jitter : ndarray (2, n)
        Error of the registration of each star along x and y, pixels.
    galaxies : Galaxies
        The galaxies of both images.
    shift : tuple of float
        Shift (x, y) of the science image that the registration has not removed, pixels.
    stretch : tuple of float
        Factors (x, y) by which the science point spread function is wider than the pipeline assumes.
    scale_error : float
        Relative error of the photometric scale of the template.
    ripple : tuple of float
        Relative errors (x, y) of the pipeline's interpolation at the highest frequencies of the science image.
    saturates : bool
        Whether pixels of both images are clipped at saturation, and bleed.
    masks : list of tuple of int
        Blocks (top, bottom, left, right) that the pipeline masks.
    """

    exposure: Exposure
    stars: Stars
    science_flux: Array
    jitter: Array
    galaxies: Galaxies
    shift: tuple[float, float]
    stretch: tuple[float, float]
    scale_error: float
    ripple: tuple[float, float] = (0.0, 0.0)
    saturates: bool = False
    masks: list[tuple[int, int, int, int]] = field(default_factory=list)

    def set_candidate(self, x: float, y: float, template: float, science: float) -> None:
        """Set the position and the fluxes, in template and science image, of star 0."""
        self.stars.x[0], self.stars.y[0] = x, y
        self.stars.flux[0], self.science_flux[0] = template, science

    def add_stars(self, x: Array, y: Array, template: Array, science: Array) -> None:
        """Add point sources (n,) without an error of their registration."""
        stars = self.stars
        self.stars = Stars(np.append(stars.x, x), np.append(stars.y, y), np.append(stars.flux, template))
        self.science_flux = np.append(self.science_flux, science)
        self.jitter = np.concatenate([self.jitter, np.zeros((2, len(x)))], axis=1)

    def add_galaxy(
        self, x: float, y: float, flux: float, radius: float, ratio: float, angle: float, profile: str
    ) -> None:
        """Add one galaxy; the arguments are the attributes of :class:`Galaxies`."""
        old = self.galaxies
        self.galaxies = Galaxies(
            x=np.append(old.x, x),
            y=np.append(old.y, y),
            flux=np.append(old.flux, flux),
            radius=np.append(old.radius, radius),
            ratio=np.append(old.ratio, ratio),
            angle=np.append(old.angle, angle),
            profile=(*old.profile, profile),
        )


@dataclass
class Images:
    """Science image, template and difference (science less template, after matching) of one canvas (size, size).

    ``detector`` is the part of the canvas that the detector covers: top, bottom, left, right, ends excluded.
    """

    science: Array
    template: Array
    difference: Array
    detector: tuple[int, int, int, int]

    @classmethod
    def exposed(cls, scene: Scene, rng: np.random.Generator, size: int, detector: tuple[int, int, int, int]) -> Images:
        """Expose science image and template of a scene, (size, size) pixels each; the difference is left empty."""
        exposure, stars = scene.exposure, scene.stars
        dx, dy = scene.shift
        moved = Stars(stars.x + dx + scene.jitter[0], stars.y + dy + scene.jitter[1], scene.science_flux)
        shifted = replace(scene.galaxies, x=scene.galaxies.x + dx, y=scene.galaxies.y + dy)
        draw = exposure.engine.draw
        science = exposure.sky + draw(exposure.psf.stretched(*scene.stretch), moved, shifted, size)
        template = exposure.template_sky + draw(exposure.template_psf, stars, scene.galaxies, size)
        bright = exposure.flux(exposure.limit - _SPIKED)
        for k in np.nonzero(np.maximum(stars.flux, scene.science_flux) > bright)[0]:
            for image, flux, seeing, angle in (
                (science, scene.science_flux[k], exposure.seeing, exposure.spikes[0]),
                (template, stars.flux[k], exposure.template_seeing, exposure.spikes[1]),
            ):
                draw_spikes(image, float(stars.x[k]), float(stars.y[k]), float(flux), seeing, angle)
        gain, read_noise = exposure.gain, exposure.read_noise
        science = expose(rng, science, gain=gain, read_noise=read_noise, resampling=exposure.resampling)
        template = expose(
            rng,
            template,
            gain=gain,
            read_noise=read_noise,
            frames=exposure.frames,
            resampling=exposure.template_resampling,
        )
        if scene.saturates:
            science, template = bleed(science, exposure.saturation), bleed(template, exposure.saturation)
        return cls(science - exposure.sky, template - exposure.template_sky, np.empty(0), detector)

    def copy(self) -> Images:
        """Return a copy whose science image and template can be changed."""
        return Images(self.science.copy(), self.template.copy(), self.difference, self.detector)

    def subtract(self, scene: Scene) -> None:
        """Compute the difference, with the pipeline's filters and the errors of the scene."""
        size = len(self.science)
        filters = scene.exposure.matching_filters(size)
        science_filter = filters.science
        if any(scene.ripple):
            along_y, along_x = (np.sin(np.pi * f) ** 4 for f in frequencies(size))
            ripple: Array = 1.0 + scene.ripple[0] * along_x + scene.ripple[1] * along_y
            science_filter = ripple if science_filter is None else science_filter * ripple
        science, template = (np.fft.rfft2(image) for image in (self.science, self.template))
        science = science if science_filter is None else science * science_filter
        template = template if filters.template is None else template * filters.template
        spectrum = science - (1.0 + scene.scale_error) * template
        self.difference = np.fft.irfft2(spectrum, (size, size))

    def without_sky(self, exposure: Exposure) -> Array:
        """Return the science image, as the survey publishes it, without its sky."""
        return self.science if exposure.survey.sky_subtracted else self.science - exposure.sky

    def add_sky(self, exposure: Exposure) -> None:
        """Add the sky to science image and template if the survey does not subtract it."""
        if not exposure.survey.sky_subtracted:
            self.science = self.science + exposure.sky
            self.template = self.template + exposure.template_sky


def draw_scene(exposure: Exposure, rng: np.random.Generator, size: int) -> Scene:
    """Draw the stars and galaxies of a field (size, size), and the small errors that every subtraction has."""
    count = int(rng.poisson(exposure.star_density * size * size))
    # Star counts rise by a factor of 1.8 per magnitude, over eight magnitudes that end one beyond the limit.
    steps = np.log(1.0 + rng.random(count + 1) * (1.8**8 - 1.0)) / np.log(1.8)
    flux = exposure.flux(exposure.limit - 7.0 + steps)
    flux[0] = 0.0
    stars = Stars(rng.uniform(0.0, size, count + 1), rng.uniform(0.0, size, count + 1), flux)
    number = int(rng.poisson(exposure.galaxy_density * size * size))
    # Galaxy counts rise by a factor of 2.2 per magnitude; fainter galaxies are smaller.
    fainter = np.log(1.0 + rng.random(number) * (2.2**5 - 1.0)) / np.log(2.2)
    galaxies = Galaxies(
        x=rng.uniform(0.0, size, number),
        y=rng.uniform(0.0, size, number),
        flux=exposure.flux(exposure.limit - 4.0 + fainter),
        radius=exposure.seeing * rng.uniform(0.25, 1.2, number) * 0.85**fainter,
        ratio=rng.uniform(0.15, 1.0, number),
        angle=rng.uniform(0.0, np.pi, number),
        profile=tuple("exponential" if late else "de_vaucouleurs" for late in rng.random(number) < 0.8),
    )
    return Scene(exposure, stars, galaxies=galaxies, **_draw_errors(exposure, rng, flux))


def draw_again(scene: Scene, exposure: Exposure, rng: np.random.Generator, factor: float) -> Scene:
    """Draw a later science image of a scene: the change of the candidate's flux is `factor` times as large.

    The template, its sources and those of the field stay; the small errors of the subtraction are drawn anew.
    """
    steady = scene.stars.flux
    errors = _draw_errors(exposure, rng, steady)
    errors["science_flux"][0] = max(steady[0] + factor * (scene.science_flux[0] - steady[0]), 0.0)
    return replace(scene, exposure=exposure, masks=[], **errors)


class _Errors(TypedDict):
    """What a science image adds to a scene; the names are those of the attributes of :class:`Scene`."""

    science_flux: Array
    jitter: Array
    shift: tuple[float, float]
    stretch: tuple[float, float]
    scale_error: float
    ripple: tuple[float, float]


def _draw_errors(exposure: Exposure, rng: np.random.Generator, flux: Array) -> _Errors:
    """Draw the fluxes of stars (n,) in the science image, and the small errors that every subtraction has."""
    wild = 1.0 + exposure.randomise
    return {
        "science_flux": flux * (1.0 + rng.normal(0.0, 0.006 * wild, len(flux))),
        "jitter": rng.normal(0.0, 0.04 * wild, (2, len(flux))),
        "shift": (rng.normal(0.0, 0.06 * wild), rng.normal(0.0, 0.06 * wild)),
        "stretch": (1.0 + rng.normal(0.0, 0.025 * wild), 1.0 + rng.normal(0.0, 0.025 * wild)),
        "scale_error": rng.normal(0.0, 0.005 * wild),
        "ripple": tuple((exposure.ripple * rng.lognormal(0.0, 0.3, 2)).tolist()),
    }
