"""What is bogus: faults of the subtraction, of the detector and of the noise that look like a source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from space2vec.simulation.exposure import Exposure
from space2vec.simulation.scene import Images, Scene
from space2vec.simulation.transients import Place

__all__ = ["ARTIFACTS", "Artifact", "Spoil"]

#: Changes the images of an exposure around column ``x``, row ``y``; ``boost`` (1 and more) makes it stronger.
Spoil = Callable[[Images, Exposure, np.random.Generator, float, float, float], None]


@dataclass(frozen=True)
class Artifact:
    """A kind of bogus.

    Attributes
    ----------
    share : float
        Its share of all bogus candidates.
    before, after : callable, optional
        What it does to the scene before the exposure, or to the images after it.
    reach : float
        How far from where it was put its detection may lie, pixel.
    """

    share: float
    before: Place | None = None
    after: Spoil | None = None
    reach: float = 3.0


def _star(scene: Scene, x: float, y: float, magnitude: float) -> None:
    flux = 10.0 ** (-0.4 * (magnitude - scene.exposure.zeropoint))
    scene.stars.x[0], scene.stars.y[0] = x, y
    scene.stars.flux[0] = scene.science_flux[0] = flux


def misregistered(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Miss the registration of a star by a fraction of a pixel, which leaves a dipole."""
    _star(scene, x, y, rng.uniform(13.5, 18.0) - 0.5 * np.log(boost))
    angle, length = rng.uniform(0.0, 2.0 * np.pi), boost * np.exp(rng.uniform(np.log(0.15), np.log(0.8)))
    scene.shift = (length * np.cos(angle), length * np.sin(angle))


def mismatch(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Put a bright star whose point spread function the kernel does not match: rings and clover leaves."""
    _star(scene, x, y, rng.uniform(13.0, 17.0) - 0.5 * np.log(boost))
    common, skew = rng.normal(0.0, 0.07) * boost, rng.normal(0.0, 0.04) * boost
    scene.stretch = (max(1.0 + common + skew, 0.7), max(1.0 + common - skew, 0.7))
    scene.scale_error = rng.normal(0.0, 0.01)


def saturated(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Put a star that fills its pixels near by.

    It is clipped and bleeds along the row; most often the pipeline blanks its core by a block.
    """
    angle, away = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(4.0, 14.0)
    star_x, star_y = x + away * np.cos(angle), y + away * np.sin(angle)
    _star(scene, star_x, star_y, rng.uniform(9.5, 12.5) - np.log(boost))
    scene.saturates = True
    common = rng.normal(0.0, 0.05) * boost
    scene.stretch = (1.0 + common, 1.0 + common)
    if rng.random() < 0.85:
        # The block ends before the candidate, so that something is left to be detected.
        half = min(round(rng.uniform(4.0, 10.0)), max(round(max(abs(star_x - x), abs(star_y - y))) - 1, 2))
        row, column = round(star_y), round(star_x)
        scene.blanks.append((row - half, row + half, column - half, column + half))


def cosmic_ray(images: Images, exposure: Exposure, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Let a particle pass the science detector: a hot spot, or a track that no optics has blurred."""
    length = 0.0 if rng.random() < 0.4 else rng.exponential(6.0) + 1.0
    angle = rng.uniform(0.0, np.pi)
    deposit = boost * exposure.noise * np.exp(rng.uniform(np.log(12.0), np.log(300.0)))
    steps = int(np.ceil(length * 3.0)) + 1
    along = np.linspace(-0.5, 0.5, steps) * length
    # The energy left a step varies; the charge falls on the pixel it was made in and spills a little on its neighbours.
    energy = rng.gamma(2.0, 0.5, steps) * deposit / max(steps / 3.0, 1.0)
    columns = np.rint(x + along * np.cos(angle)).astype(int)
    rows = np.rint(y + along * np.sin(angle)).astype(int)
    hit = np.zeros_like(images.science)
    inside = (rows > 0) & (columns > 0) & (rows < hit.shape[0] - 1) & (columns < hit.shape[1] - 1)
    np.add.at(hit, (rows[inside], columns[inside]), energy[inside])
    spill = rng.uniform(0.02, 0.12)
    spread = hit * (1.0 - 4.0 * spill)
    for axis in (0, 1):
        spread += spill * (np.roll(hit, 1, axis) + np.roll(hit, -1, axis))
    images.science += spread
    images.difference += spread


def bad_column(images: Images, exposure: Exposure, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Give a column an offset and noise of its own, whole or from some row on."""
    column, width = round(x), int(rng.choice([1, 1, 2]))
    start = 0 if rng.random() < 0.6 else max(round(y) - int(rng.integers(0, 12)), 0)
    level = boost * exposure.noise * np.exp(rng.uniform(np.log(2.0), np.log(25.0)))
    level *= 1.0 if rng.random() < 0.75 else -1.0
    part = np.s_[start:, column : column + width]
    fault = level * (1.0 + rng.normal(0.0, 0.3, images.science[part].shape))
    images.science[part] += fault
    images.difference[part] += fault


def hot_pixel(images: Images, exposure: Exposure, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Let a pixel, now and then a pair, count without light."""
    level = boost * exposure.noise * np.exp(rng.uniform(np.log(15.0), np.log(200.0)))
    row, column = round(y), round(x)
    for plane in (images.science, images.difference):
        plane[row, column] += level
    if rng.random() < 0.25:
        for plane in (images.science, images.difference):
            plane[row + 1, column] += 0.3 * level


def noise_peak(images: Images, exposure: Exposure, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Raise the noise of a patch, with heavy tails: a seam of the template, scattered light, a bad flat."""
    size = images.difference.shape[0]
    rows, columns = np.ogrid[:size, :size]
    patch = np.exp(-0.5 * ((columns - x) ** 2 + (rows - y) ** 2) / rng.uniform(1.5, 6.0) ** 2)
    level = boost * rng.uniform(0.6, 1.3) * exposure.noise
    # Noise that was resampled once is no longer white: half of a pixel's noise it shares with its neighbours.
    white = np.clip(rng.standard_t(4.0, (size, size)), -8.0, 8.0)
    shared = white.copy()
    for axis in (0, 1):
        shared = (shared + 0.4 * (np.roll(shared, 1, axis) + np.roll(shared, -1, axis))) / 1.15
    noise = patch * level * shared
    images.science += noise
    images.difference += noise


def edge(images: Images, exposure: Exposure, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Let the last rows or columns of the nearest border of the detector glow, unevenly."""
    top, bottom, left, right = images.detector
    size = images.difference.shape[0]
    borders = {("y", top): y - top, ("y", bottom - 1): bottom - 1 - y}
    borders |= {("x", left): x - left, ("x", right - 1): right - 1 - x}
    axis, border = min(borders, key=lambda key: borders[key])
    profile = np.exp(-np.abs(np.arange(size) - border) / rng.uniform(1.5, 5.0))
    level = boost * exposure.noise * rng.uniform(2.0, 8.0)
    glow = level * (profile[:, None] if axis == "y" else profile[None, :]) * (1.0 + rng.normal(0.0, 0.5, (size, size)))
    images.science += glow
    images.difference += glow


#: Kinds that are bogus.
ARTIFACTS: dict[str, Artifact] = {
    "misregistered": Artifact(0.26, before=misregistered, reach=4.0),
    "mismatch": Artifact(0.22, before=mismatch, reach=5.0),
    "saturated": Artifact(0.1, before=saturated, reach=6.0),
    "cosmic_ray": Artifact(0.12, after=cosmic_ray, reach=6.0),
    "bad_column": Artifact(0.07, after=bad_column, reach=4.0),
    "hot_pixel": Artifact(0.07, after=hot_pixel, reach=2.0),
    "noise_peak": Artifact(0.13, after=noise_peak, reach=9.0),
    "edge": Artifact(0.03, after=edge, reach=6.0),
}
