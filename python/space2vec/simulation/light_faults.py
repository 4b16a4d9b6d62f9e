"""Light that is not from a source in the sky: satellite trails and ghosts.

Each function changes the images before they are subtracted; its arguments are those of an
:data:`space2vec.simulation.artifacts.ImageFault`.
"""

from __future__ import annotations

import numpy as np

from space2vec.simulation.exposure import Exposure
from space2vec.simulation.scene import Images

__all__ = ["ghost", "ghost_spot", "satellite"]

Rng = np.random.Generator


def satellite(images: Images, exposure: Exposure, rng: Rng, x: float, y: float, boost: float) -> None:
    """Add the trail of a satellite to the science image, of constant brightness or flickering as it tumbles."""
    size = len(images.science)
    rows, columns = np.ogrid[:size, :size]
    angle = rng.uniform(0.0, np.pi)
    along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
    across = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
    # Satellites are so near that they are out of focus.
    sigma = exposure.seeing / 2.355 * rng.uniform(0.95, 1.8)
    level = boost * exposure.noise * 20.0 ** rng.random() ** 1.5
    flicker = 1.0
    if rng.random() < 0.25:
        period = exposure.seeing * rng.uniform(4.0, 12.0)
        flicker = np.clip(np.cos(2.0 * np.pi * along / period) + rng.uniform(-0.3, 1.0), 0.0, None)
    images.science += level * flicker * np.exp(-0.5 * (across / sigma) ** 2)


def ghost(images: Images, exposure: Exposure, rng: Rng, x: float, y: float, boost: float) -> None:
    """Add the rim of an image of the pupil, or of the halo of a bright star, to the science image."""
    size = len(images.science)
    rows, columns = np.ogrid[:size, :size]
    radius, angle = rng.uniform(10.0, 80.0), rng.uniform(0.0, 2.0 * np.pi)
    middle = x + radius * np.cos(angle), y + radius * np.sin(angle)
    inside = radius - np.hypot(columns - middle[0], rows - middle[1])
    level = boost * exposure.noise * 5.0 ** rng.random() ** 1.5
    rim = np.exp(-np.abs(inside) / rng.uniform(1.0, 5.0))
    plateau = 1.0 / (1.0 + np.exp(-np.clip(inside / rng.uniform(0.7, 3.0), -50.0, 50.0)))
    images.science += level * (plateau + rng.uniform(0.0, 1.5) * rim)


def ghost_spot(images: Images, exposure: Exposure, rng: Rng, x: float, y: float, boost: float) -> None:
    """Add the small, out-of-focus image of a bright star far away to the science image: a disc with a hole."""
    size = len(images.science)
    rows, columns = np.ogrid[:size, :size]
    radius = exposure.seeing * rng.uniform(1.4, 4.5)
    squeeze, angle = rng.uniform(0.75, 1.0), rng.uniform(0.0, np.pi)
    along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
    across = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
    away = np.hypot(along, across / squeeze)
    hole, soft = rng.uniform(0.0, 0.6) * radius, rng.uniform(0.4, 1.2)
    inside = 1.0 / (1.0 + np.exp(np.clip((away - radius) / soft, -50.0, 50.0)))
    outside_hole = 1.0 / (1.0 + np.exp(np.clip((hole - away) / soft, -50.0, 50.0))) if hole > 1.0 else 1.0
    level = boost * exposure.noise * 1.2 * 8.0 ** rng.random() ** 1.5
    images.science += level * inside * outside_hole
