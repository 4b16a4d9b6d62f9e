"""Scenes: what stands in the sky around one candidate, and the three images of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from space2vec.simulation.exposure import GAIN, READ_NOISE, Exposure
from space2vec.simulation.sky import Galaxies, Stars, draw_galaxies, draw_stars, expose

__all__ = ["Images", "Scene", "draw_scene"]

Array = NDArray[np.float64]


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
    saturates: bool = False
    #: Blocks (top, bottom, left, right) that the pipeline blanks.
    blanks: list[tuple[int, int, int, int]] = field(default_factory=list)


@dataclass
class Images:
    """Science, template and difference (science less matched template) of one canvas, DN.

    ``detector`` is the part of the canvas that the detector covers: top, bottom, left, right, ends excluded.
    """

    science: Array
    template: Array
    difference: Array
    detector: tuple[int, int, int, int]

    @classmethod
    def of(cls, scene: Scene, rng: np.random.Generator, size: int, detector: tuple[int, int, int, int]) -> Images:
        """Expose a scene on a canvas of ``size`` x ``size`` pixels and subtract."""
        exposure, stars = scene.exposure, scene.stars
        psf = exposure.psf.stretched(*scene.stretch)
        dx, dy = scene.shift
        moved = Stars(stars.x + dx + scene.jitter[0], stars.y + dy + scene.jitter[1], scene.science_flux)
        galaxies = scene.galaxies
        shifted = replace(galaxies, x=galaxies.x + dx, y=galaxies.y + dy)
        science = exposure.sky + draw_stars(psf, moved, size, size) + draw_galaxies(psf, shifted, size, size)
        template = exposure.template_sky + draw_stars(exposure.template_psf, stars, size, size)
        template += draw_galaxies(exposure.template_psf, galaxies, size, size)
        science = expose(rng, science, gain=GAIN, read_noise=READ_NOISE)
        template = expose(rng, template, gain=GAIN, read_noise=READ_NOISE, frames=exposure.frames)
        if scene.saturates:
            science, template = _bleed(science, exposure.saturation), _bleed(template, exposure.saturation)
        return cls(science, template, science - _matched(template, scene), detector)


def _matched(template: Array, scene: Scene) -> Array:
    """Return the template as the pipeline brings it to the science image: its kernel, its scale, its sky."""
    exposure = scene.exposure
    spectrum = np.fft.rfft2(template - exposure.template_sky) * exposure.kernel
    image: Array = np.fft.irfft2(spectrum, template.shape) * (1.0 + scene.scale_error)
    return image + exposure.sky


def _bleed(image: Array, level: float) -> Array:
    """Clip at the saturation level; the charge above it runs along the row, half to either side."""
    clipped = np.minimum(image, level)
    for row in np.nonzero((image > level).any(axis=1))[0]:
        columns = np.nonzero(image[row] > level)[0]
        excess = float((image[row] - clipped[row]).sum()) * 0.5
        for side in (range(columns[0] - 1, -1, -1), range(columns[-1] + 1, image.shape[1])):
            left = excess
            for column in side:
                if left <= 0.0:
                    break
                # A trail that is far from full fades instead of ending.
                taken = min(level - clipped[row, column], max(0.3 * left, 50.0), left)
                clipped[row, column] += taken
                left -= taken
    return clipped


def draw_scene(exposure: Exposure, rng: np.random.Generator, size: int) -> Scene:
    """Draw field stars and galaxies, and the small errors that every subtraction has."""
    count = int(rng.poisson(exposure.star_density * size * size))
    # Star counts rise by a factor of 1.8 a magnitude, from 13.5 to 21.5.
    magnitude = 13.5 + np.log(1.0 + rng.random(count + 1) * (1.8**8 - 1.0)) / np.log(1.8)
    flux = 10.0 ** (-0.4 * (magnitude - exposure.zeropoint))
    flux[0] = 0.0
    stars = Stars(rng.uniform(0.0, size, count + 1), rng.uniform(0.0, size, count + 1), flux)
    number = int(rng.poisson(1.2))
    galaxies = Galaxies(
        x=rng.uniform(0.0, size, number),
        y=rng.uniform(0.0, size, number),
        flux=10.0 ** (-0.4 * (rng.uniform(18.0, 21.5, number) - exposure.zeropoint)),
        radius=rng.uniform(0.8, 2.0, number),
        ratio=rng.uniform(0.3, 1.0, number),
        angle=rng.uniform(0.0, np.pi, number),
        profile=tuple("exponential" for _ in range(number)),
    )
    return Scene(
        exposure=exposure,
        stars=stars,
        science_flux=flux * (1.0 + rng.normal(0.0, 0.003, count + 1)),
        jitter=rng.normal(0.0, 0.03, (2, count + 1)),
        galaxies=galaxies,
        shift=(rng.normal(0.0, 0.05), rng.normal(0.0, 0.05)),
        stretch=(1.0 + rng.normal(0.0, 0.02), 1.0 + rng.normal(0.0, 0.02)),
        scale_error=rng.normal(0.0, 0.005),
    )
