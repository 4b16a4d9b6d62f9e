"""Faults of the subtraction: residuals of bright sources whose two images do not match."""

from __future__ import annotations

import numpy as np

from space2vec.simulation.scene import Scene
from space2vec.simulation.transients import add_host

__all__ = ["mismatch", "misregistered", "saturated"]


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
