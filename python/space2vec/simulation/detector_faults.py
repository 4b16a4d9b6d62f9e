"""Faults of the detector and of the noise.

Each function changes the images before they are subtracted; its arguments are those of an
:data:`space2vec.simulation.artifacts.ImageFault`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.simulation.exposure import Exposure
from space2vec.simulation.scene import Images
from space2vec.simulation.sky import resampled_noise

__all__ = [
    "amplifier", "bad_column", "cosmic_ray", "edge", "hot_pixel", "noise_peak", "row_noise", "template_defect",
]  # fmt: skip

Array = NDArray[np.float64]
Rng = np.random.Generator


def _level(exposure: Exposure, rng: Rng, low: float, high: float, boost: float) -> float:
    """Draw a level between ``low`` and ``high`` times the noise of a pixel; low levels are more frequent."""
    return float(boost * exposure.noise * low * (high / low) ** rng.random() ** 2)


def _track(shape: tuple[int, ...], rng: Rng, x: float, y: float, deposit: float) -> Array:
    """Return an image of the charge that a particle leaves, a spot or a track; a little of it spills to neighbours."""
    length = 0.0 if rng.random() < 0.4 else rng.exponential(6.0) + 1.0
    angle = rng.uniform(0.0, np.pi)
    steps = int(np.ceil(length * 3.0)) + 1
    along = np.linspace(-0.5, 0.5, steps) * length
    # The energy that the particle loses varies along the track.
    energy = rng.gamma(2.0, 0.5, steps) * deposit / max(steps / 3.0, 1.0)
    columns = np.rint(x + along * np.cos(angle)).astype(int)
    rows = np.rint(y + along * np.sin(angle)).astype(int)
    hit = np.zeros(shape)
    inside = (rows > 0) & (columns > 0) & (rows < shape[0] - 1) & (columns < shape[1] - 1)
    np.add.at(hit, (rows[inside], columns[inside]), energy[inside])
    spill = rng.uniform(0.02, 0.15)
    spread = hit * (1.0 - 4.0 * spill)
    for axis in (0, 1):
        spread += spill * (np.roll(hit, 1, axis) + np.roll(hit, -1, axis))
    return spread


def cosmic_ray(images: Images, exposure: Exposure, rng: Rng, x: float, y: float, boost: float) -> None:
    """Add the track of a cosmic ray to the science image."""
    images.science += _track(images.science.shape, rng, x, y, _level(exposure, rng, 6.0, 200.0, boost))


def template_defect(images: Images, exposure: Exposure, rng: Rng, x: float, y: float, boost: float) -> None:
    """Add a cosmic-ray track, negative in the difference, or a pit of dead pixels to the template."""
    track = _track(images.template.shape, rng, x, y, _level(exposure, rng, 8.0, 150.0, boost))
    pit = exposure.survey.faded == "absent" or rng.random() < 0.25
    images.template += -track if pit else track


def bad_column(images: Images, exposure: Exposure, rng: Rng, x: float, y: float, boost: float) -> None:
    """Give one or two columns of the science image, or a part of them, an offset and additional noise."""
    column, width = round(x), int(rng.choice([1, 1, 2]))
    start = 0 if rng.random() < 0.6 else max(round(y) - int(rng.integers(0, 12)), 0)
    level = _level(exposure, rng, 1.5, 20.0, boost) * (1.0 if rng.random() < 0.75 else -1.0)
    part = np.s_[start:, column : column + width]
    images.science[part] += level * (1.0 + rng.normal(0.0, 0.3, images.science[part].shape))


def hot_pixel(images: Images, exposure: Exposure, rng: Rng, x: float, y: float, boost: float) -> None:
    """Add charge to one pixel of the science image, or sometimes to two."""
    level = _level(exposure, rng, 8.0, 120.0, boost)
    row, column = round(y), round(x)
    images.science[row, column] += level
    if rng.random() < 0.25:
        images.science[row + 1, column] += rng.uniform(0.1, 0.8) * level


def noise_peak(images: Images, exposure: Exposure, rng: Rng, x: float, y: float, boost: float) -> None:
    """Increase the noise in a patch of the science image, with heavy tails, as scattered light or a bad flat does."""
    size = len(images.science)
    rows, columns = np.ogrid[:size, :size]
    patch = np.exp(-0.5 * ((columns - x) ** 2 + (rows - y) ** 2) / rng.uniform(1.5, 6.0) ** 2)
    level = boost * rng.uniform(0.6, 1.3) * exposure.noise
    # The noise of a resampled image is correlated: a pixel shares half of it with its neighbours.
    white = np.clip(rng.standard_t(4.0, (size, size)), -8.0, 8.0)
    shared = white.copy()
    for axis in (0, 1):
        shared = (shared + 0.4 * (np.roll(shared, 1, axis) + np.roll(shared, -1, axis))) / 1.15
    images.science += patch * level * shared


def edge(images: Images, exposure: Exposure, rng: Rng, x: float, y: float, boost: float) -> None:
    """Add an uneven glow along the nearest border of the detector to the science image."""
    top, bottom, left, right = images.detector
    size = len(images.science)
    borders = {("y", top): y - top, ("y", bottom - 1): bottom - 1 - y}
    borders |= {("x", left): x - left, ("x", right - 1): right - 1 - x}
    axis, border = min(borders, key=lambda key: borders[key])
    profile = np.exp(-np.abs(np.arange(size) - border) / rng.uniform(1.5, 5.0))
    level = boost * exposure.noise * rng.uniform(1.0, 6.0)
    glow = profile[:, None] if axis == "y" else profile[None, :]
    images.science += level * glow * (1.0 + rng.normal(0.0, 0.5, (size, size)))


def amplifier(images: Images, exposure: Exposure, rng: Rng, x: float, y: float, boost: float) -> None:
    """Add the border between two readout channels: a step in level, and an overshoot that decays away from it."""
    steps = np.arange(len(images.science)) - round(x)
    side = 1.0 if rng.random() < 0.5 else -1.0
    level = _level(exposure, rng, 0.2, 2.0, boost)
    tail = _level(exposure, rng, 1.0, 6.0, boost) * np.exp(-np.maximum(side * steps, 0) / rng.uniform(1.0, 4.0))
    profile = np.where(side * steps >= 0, level + tail, 0.0)
    images.science += profile * (1.0 + rng.normal(0.0, 0.3, (len(images.science), 1)))


def row_noise(images: Images, exposure: Exposure, rng: Rng, x: float, y: float, boost: float) -> None:
    """Shift the level of each row of the science image by a different amount, which varies along the row."""
    size = len(images.science)
    rows = np.arange(size)[:, None] - y
    reach = rng.uniform(2.0, 12.0)
    offset = rng.normal(0.0, 1.0, (size, 1)) * np.exp(-0.5 * (rows / reach) ** 2)
    slow = 1.0 + 0.5 * resampled_noise(rng, (1, size), (0.0, 0.5))
    images.science += boost * exposure.noise * rng.uniform(0.5, 2.0) * offset * slow
