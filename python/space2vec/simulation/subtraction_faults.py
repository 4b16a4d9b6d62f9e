"""Faults of the subtraction: what a bright source leaves where the two images were not brought together."""

from __future__ import annotations

import numpy as np

from space2vec.simulation.scene import Scene
from space2vec.simulation.transients import add_host

__all__ = ["mismatch", "misregistered", "saturated"]


def _star(scene: Scene, rng: np.random.Generator, x: float, y: float, brighter: tuple[float, float]) -> None:
    """Put a star that outshines the limit by so many magnitudes."""
    flux = scene.exposure.flux(scene.exposure.limit - rng.uniform(*brighter))
    scene.put(x, y, flux, flux)


def misregistered(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Miss the registration of a star or a galaxy by a fraction of a pixel, which leaves a dipole."""
    louder = 0.5 * np.log(boost)
    _star(scene, rng, x, y, (1.3 + louder, 5.8 + louder))
    if rng.random() < 0.3:
        # The star becomes the nucleus of a galaxy, much fainter than it was.
        scene.stars.flux[0] = scene.science_flux[0] = 0.1 * scene.stars.flux[0]
        add_host(scene, rng, x, y)
    angle, length = rng.uniform(0.0, 2.0 * np.pi), boost * np.exp(rng.uniform(np.log(0.07), np.log(0.7)))
    length *= scene.exposure.seeing / 2.2
    scene.shift = (length * np.cos(angle), length * np.sin(angle))


def mismatch(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Put a bright source whose point spread function the kernel does not match: rings and clover leaves."""
    louder = 0.5 * np.log(boost)
    _star(scene, rng, x, y, (2.6 + louder, 6.8 + louder))
    common, skew = rng.normal(0.0, 0.045) * boost, rng.normal(0.0, 0.03) * boost
    scene.stretch = (max(1.0 + common + skew, 0.7), max(1.0 + common - skew, 0.7))
    scene.scale_error = rng.normal(0.0, 0.01)
    if rng.random() < 0.6:
        ripples = boost * np.exp(rng.uniform(np.log(0.05), np.log(0.6), 2)) * rng.choice([-1.0, 1.0], 2)
        scene.ripple = float(ripples[0]), float(ripples[1])


def saturated(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Put a star that fills its pixels near by.

    It is clipped and bleeds along the row; most often the pipeline blanks its core by a block.
    """
    angle, away = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(4.0, 14.0)
    star_x, star_y = x + away * np.cos(angle), y + away * np.sin(angle)
    louder = np.log(boost)
    _star(scene, rng, star_x, star_y, (8.4 + louder, 11.0 + louder))
    scene.saturates = True
    common = rng.normal(0.0, 0.05) * boost
    scene.stretch = (1.0 + common, 1.0 + common)
    if rng.random() < 0.85:
        # The block ends before the candidate, so that something is left to be detected.
        half = min(round(rng.uniform(4.0, 10.0)), max(round(max(abs(star_x - x), abs(star_y - y))) - 1, 2))
        row, column = round(star_y), round(star_x)
        scene.blanks.append((row - half, row + half, column - half, column + half))
