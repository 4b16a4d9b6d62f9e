"""Scenes: what stands in the sky around one candidate, and the three images of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from space2vec.simulation.exposure import Exposure
from space2vec.simulation.psf import frequencies
from space2vec.simulation.sky import Galaxies, Stars, expose
from space2vec.simulation.starlight import bleed, draw_spikes

__all__ = ["Images", "Scene", "draw_scene"]

Array = NDArray[np.float64]

#: Stars that outshine the limit by so many magnitudes show the spider that holds the mirror.
_SPIKED = 6.5


@dataclass
class Scene:
    """Sources of the template, how the science image differs from it, and what the telescope does to both.

    Star 0 is the transient: it has no flux in the template unless the source fades. Positions are on the canvas.
    """

    exposure: Exposure
    stars: Stars
    science_flux: Array
    jitter: Array
    galaxies: Galaxies
    #: Shift (x, y) of the science image that the registration did not take out, pixel.
    shift: tuple[float, float]
    #: Factors on the width of the science point spread function that the matching does not know.
    stretch: tuple[float, float]
    #: Relative error of the photometric scale of the template.
    scale_error: float
    #: What the pipeline's interpolation does to the highest frequencies of the science image, along x and y.
    ripple: tuple[float, float] = (0.0, 0.0)
    saturates: bool = False
    #: Blocks (top, bottom, left, right) that the pipeline blanks.
    blanks: list[tuple[int, int, int, int]] = field(default_factory=list)

    def put(self, x: float, y: float, template: float, science: float) -> None:
        """Make star 0 a source at column ``x``, row ``y`` with a flux in either image."""
        self.stars.x[0], self.stars.y[0] = x, y
        self.stars.flux[0], self.science_flux[0] = template, science

    def add_stars(self, x: Array, y: Array, template: Array, science: Array) -> None:
        """Add sources (n,), registered without an error of their own."""
        stars = self.stars
        self.stars = Stars(np.append(stars.x, x), np.append(stars.y, y), np.append(stars.flux, template))
        self.science_flux = np.append(self.science_flux, science)
        self.jitter = np.concatenate([self.jitter, np.zeros((2, len(x)))], axis=1)

    def add_galaxy(
        self, x: float, y: float, flux: float, radius: float, ratio: float, angle: float, profile: str
    ) -> None:
        """Add a galaxy, see :class:`Galaxies`."""
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
    """Science, template and difference (science less template, brought together) of one canvas.

    ``detector`` is the part of the canvas that the detector covers: top, bottom, left, right, ends excluded.
    """

    science: Array
    template: Array
    difference: Array
    detector: tuple[int, int, int, int]

    @classmethod
    def of(cls, scene: Scene, rng: np.random.Generator, size: int, detector: tuple[int, int, int, int]) -> Images:
        """Expose a scene on a canvas of ``size`` x ``size`` pixels; nothing is subtracted yet."""
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
        """Return images that can be changed without changing these."""
        return Images(self.science.copy(), self.template.copy(), self.difference, self.detector)

    def subtract(self, scene: Scene) -> None:
        """Make the difference, with the pipeline's filters and its error of the photometric scale."""
        size = len(self.science)
        matching = scene.exposure.matched(size)
        taken = matching.science
        if any(scene.ripple):
            down, along = (np.sin(np.pi * f) ** 4 for f in frequencies(size))
            rippled: Array = 1.0 + scene.ripple[0] * along + scene.ripple[1] * down
            taken = rippled if taken is None else taken * rippled
        science, template = (np.fft.rfft2(image) for image in (self.science, self.template))
        science = science if taken is None else science * taken
        template = template if matching.template is None else template * matching.template
        spectrum = science - (1.0 + scene.scale_error) * template
        self.difference = np.fft.irfft2(spectrum, (size, size))

    def light(self, exposure: Exposure) -> Array:
        """Return the finished science image without its sky."""
        return self.science if exposure.survey.sky_subtracted else self.science - exposure.sky

    def lift(self, exposure: Exposure) -> None:
        """Give back the sky to the images of a survey that does not take it away."""
        if not exposure.survey.sky_subtracted:
            self.science = self.science + exposure.sky
            self.template = self.template + exposure.template_sky


def draw_scene(exposure: Exposure, rng: np.random.Generator, size: int) -> Scene:
    """Draw field stars and galaxies, and the small errors that every subtraction has."""
    count = int(rng.poisson(exposure.star_density * size * size))
    # Star counts rise by a factor of 1.8 a magnitude, over eight of them that end a little beyond the limit.
    steps = np.log(1.0 + rng.random(count + 1) * (1.8**8 - 1.0)) / np.log(1.8)
    flux = exposure.flux(exposure.limit - 7.0 + steps)
    flux[0] = 0.0
    stars = Stars(rng.uniform(0.0, size, count + 1), rng.uniform(0.0, size, count + 1), flux)
    number = int(rng.poisson(exposure.galaxy_density * size * size))
    # Galaxies rise by a factor of 2.2 a magnitude; fainter ones are smaller.
    fainter = np.log(1.0 + rng.random(number) * (2.2**5 - 1.0)) / np.log(2.2)
    wild = 1.0 + exposure.randomise
    galaxies = Galaxies(
        x=rng.uniform(0.0, size, number),
        y=rng.uniform(0.0, size, number),
        flux=exposure.flux(exposure.limit - 4.0 + fainter),
        radius=exposure.seeing * rng.uniform(0.25, 1.2, number) * 0.85**fainter,
        ratio=rng.uniform(0.15, 1.0, number),
        angle=rng.uniform(0.0, np.pi, number),
        profile=tuple("exponential" if late else "de_vaucouleurs" for late in rng.random(number) < 0.8),
    )
    return Scene(
        exposure=exposure,
        stars=stars,
        science_flux=flux * (1.0 + rng.normal(0.0, 0.006 * wild, count + 1)),
        jitter=rng.normal(0.0, 0.04 * wild, (2, count + 1)),
        galaxies=galaxies,
        shift=(rng.normal(0.0, 0.06 * wild), rng.normal(0.0, 0.06 * wild)),
        stretch=(1.0 + rng.normal(0.0, 0.025 * wild), 1.0 + rng.normal(0.0, 0.025 * wild)),
        scale_error=rng.normal(0.0, 0.005 * wild),
        ripple=tuple(exposure.ripple * rng.lognormal(0.0, 0.3, 2)),
    )
