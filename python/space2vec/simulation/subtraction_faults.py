"""Faults of the subtraction: residuals of bright sources whose two images do not match."""

from __future__ import annotations

import numpy as np

from space2vec.simulation.scene import Scene
from space2vec.simulation.transients import add_host

__all__ = ["crowded", "mismatch", "misregistered", "saturated", "saturated_core", "striped"]


def _star(scene: Scene, rng: np.random.Generator, x: float, y: float, brighter: tuple[float, float]) -> None:
    """Add a star that is brighter than the limit by a number of magnitudes drawn from a range."""
    flux = scene.exposure.flux(scene.exposure.limit - rng.uniform(*brighter))
    scene.set_candidate(x, y, flux, flux)


def misregistered(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Shift a star or a galaxy by a fraction of a pixel between the images, which leaves a dipole."""
    brighter = 0.5 * np.log(boost)
    _star(scene, rng, x, y, (1.3 + brighter, 5.8 + brighter))
    if rng.random() < 0.3:
        # The star becomes the nucleus of a galaxy, much fainter than it was.
        scene.stars.flux[0] = scene.science_flux[0] = 0.1 * scene.stars.flux[0]
        add_host(scene, rng, x, y)
    angle, length = rng.uniform(0.0, 2.0 * np.pi), boost * np.exp(rng.uniform(np.log(0.07), np.log(0.7)))
    length *= scene.exposure.seeing / 2.2
    scene.shift = (length * np.cos(angle), length * np.sin(angle))


def mismatch(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Add a bright source whose point spread functions the kernel does not match: rings and clover leaves."""
    brighter = 0.5 * np.log(boost)
    _star(scene, rng, x, y, (2.6 + brighter, 6.8 + brighter))
    common, skew = rng.normal(0.0, 0.045) * boost, rng.normal(0.0, 0.03) * boost
    scene.stretch = (max(1.0 + common + skew, 0.7), max(1.0 + common - skew, 0.7))
    scene.scale_error = rng.normal(0.0, 0.01)
    if rng.random() < 0.6:
        ripples = boost * np.exp(rng.uniform(np.log(0.05), np.log(0.6), 2)) * rng.choice([-1.0, 1.0], 2)
        scene.ripple = float(ripples[0]), float(ripples[1])


def saturated(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Add a star nearby that saturates its pixels.

    It is clipped and its charge bleeds along the row. In most cases the pipeline masks a block around its core.
    """
    angle, away = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(4.0, 14.0)
    star_x, star_y = x + away * np.cos(angle), y + away * np.sin(angle)
    brighter = np.log(boost)
    _star(scene, rng, star_x, star_y, (8.4 + brighter, 11.0 + brighter))
    scene.saturates = True
    common = rng.normal(0.0, 0.05) * boost
    scene.stretch = (1.0 + common, 1.0 + common)
    if rng.random() < 0.85:
        # The block does not reach the candidate, so that a residual can be detected.
        half = min(round(rng.uniform(4.0, 10.0)), max(round(max(abs(star_x - x), abs(star_y - y))) - 1, 2))
        row, column = round(star_y), round(star_x)
        scene.masks.append((row - half, row + half, column - half, column + half))


def crowded(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Add a close pair of stars in a crowded field, each with its own subtraction error: dipoles that overlap.

    If the kernel of a crowded field is wrong, many stars leave a residual, so that none is isolated.
    """
    seeing, size = scene.exposure.seeing, int(2 * max(x, y))
    brighter = 0.5 * np.log(boost)
    _star(scene, rng, x, y, (0.5 + brighter, 4.5 + brighter))
    first = len(scene.stars.x)
    close = 1 + int(rng.random() < 0.3)
    away, side = seeing * rng.uniform(0.6, 2.2, close), rng.uniform(0.0, 2.0 * np.pi, close)
    flux = scene.stars.flux[0] * np.exp(rng.uniform(np.log(0.3), np.log(2.0), close))
    scene.add_stars(x + away * np.cos(side), y + away * np.sin(side), flux, flux)
    # The field: star counts rise by a factor of 1.8 per magnitude, as everywhere.
    count = int(rng.poisson(rng.uniform(0.006, 0.03) * size * size))
    steps = np.log(1.0 + rng.random(count) * (1.8**6 - 1.0)) / np.log(1.8)
    field = scene.exposure.flux(scene.exposure.limit - 5.0 + steps)
    scene.add_stars(rng.uniform(0.0, size, count), rng.uniform(0.0, size, count), field, field)
    # The fit of overlapping stars is worse than that of single ones: each has its own registration error.
    pair = np.r_[0, first : first + close]
    length = boost * np.exp(rng.uniform(np.log(0.05), np.log(0.45), len(pair))) * seeing / 2.2
    angle = rng.uniform(0.0, 2.0 * np.pi, len(pair))
    scene.jitter[:, pair] = length * np.cos(angle), length * np.sin(angle)
    scene.jitter[:, first + close :] = rng.normal(0.0, 0.06 * seeing / 2.2, (2, count))
    scene.science_flux[pair] = scene.stars.flux[pair] * (1.0 + rng.normal(0.0, 0.02, len(pair)))


def striped(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Add a star near saturation nearby, whose interpolation leaves stripes that alternate in sign, and no mask."""
    angle, away = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(0.0, 7.0)
    brighter = np.log(boost)
    _star(scene, rng, x + away * np.cos(angle), y + away * np.sin(angle), (6.8 + brighter, 9.6 + brighter))
    scene.saturates = True
    along, across = boost * np.exp(rng.uniform(np.log(0.4), np.log(2.0))), boost * rng.uniform(0.0, 0.3)
    ripples = (along, across) if rng.random() < 0.5 else (across, along)
    signs = rng.choice([-1.0, 1.0], 2)
    scene.ripple = float(signs[0] * ripples[0]), float(signs[1] * ripples[1])
    scene.scale_error = rng.normal(0.0, 0.01)


def saturated_core(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Add a saturated star under the candidate: pixels of its core are masked up to those that are detected."""
    angle, away = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(1.0, 5.0)
    star_x, star_y = x + away * np.cos(angle), y + away * np.sin(angle)
    brighter = np.log(boost)
    _star(scene, rng, star_x, star_y, (7.6 + brighter, 10.5 + brighter))
    scene.saturates = True
    common = rng.normal(0.0, 0.06) * boost
    scene.stretch = (1.0 + common, 1.0 + common)
    row, column = round(star_y), round(star_x)
    # A disc, in strips of one row, and the trail of charge along the row.
    radius = rng.uniform(0.6, 3.5)
    for step in range(-int(radius), int(radius) + 1):
        half = int(np.sqrt(radius**2 - step**2))
        scene.masks.append((row + step, row + step, column - half, column + half))
    if rng.random() < 0.4:
        trail = int(rng.integers(4, 20))
        scene.masks.append((row, row, column - trail, column + trail))
