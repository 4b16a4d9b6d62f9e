"""Transients: sources that differ between the template and the science image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from space2vec.simulation.exposure import draw_log_uniform
from space2vec.simulation.scene import Scene

__all__ = ["TRANSIENTS", "AddSource", "add_host"]

#: Puts a source at column ``x``, row ``y`` of a scene; ``boost`` (1 and more) makes it stronger.
AddSource = Callable[[Scene, np.random.Generator, float, float, float], None]


def _transient_flux(scene: Scene, rng: np.random.Generator, boost: float) -> float:
    """Draw a flux: half of the sources stand within 0.7 mag of the limit, a few are five magnitudes brighter."""
    return float(boost * scene.exposure.flux(scene.exposure.limit + 0.05 - min(rng.exponential(1.0), 5.0)))


def add_host(scene: Scene, rng: np.random.Generator, x: float, y: float) -> float:
    """Put a galaxy at column ``x``, row ``y`` and return its half-light radius, pixel.

    Discs at any angle, some edge-on, with a bulge or a bright nucleus or neither; ellipticals; now and then a
    neighbour that overlaps.
    """
    exposure, wild = scene.exposure, scene.exposure.randomise
    # ZTF's hosts of a few arcsec are resolved by 2 pixels of seeing as others' fainter ones are by 4.
    radius = min(exposure.seeing * draw_log_uniform(rng, (0.45, 2.2), wild), 14.0)
    flux = exposure.flux(exposure.limit + rng.uniform(-5.0 - wild, 0.3 + wild))
    angle = rng.uniform(0.0, np.pi)
    if rng.random() < 0.25:
        scene.add_galaxy(x, y, flux, radius, rng.uniform(0.5, 1.0), angle, "de_vaucouleurs")
    else:
        ratio = rng.uniform(0.1, 0.22) if rng.random() < 0.15 else rng.uniform(0.25, 1.0)
        bulge = rng.uniform(0.05, 0.6) if rng.random() < 0.5 else 0.0
        scene.add_galaxy(x, y, flux * (1.0 - bulge), radius, ratio, angle, "exponential")
        if bulge:
            round_ratio = max(ratio, rng.uniform(0.5, 1.0))
            scene.add_galaxy(x, y, flux * bulge, 0.35 * radius, round_ratio, angle, "de_vaucouleurs")
    one = np.ones(1)
    if rng.random() < 0.12:
        nucleus = flux * rng.uniform(0.1, 1.0) * one
        scene.add_stars(x * one, y * one, nucleus, nucleus)
    if rng.random() < 0.2:
        away, side = exposure.seeing * rng.uniform(0.8, 3.5), rng.uniform(0.0, 2.0 * np.pi)
        near_x, near_y, near = x + away * np.cos(side), y + away * np.sin(side), flux * rng.lognormal(-1.0, 1.0)
        if rng.random() < 0.5:
            scene.add_stars(near_x * one, near_y * one, near * one, near * one)
        else:
            scene.add_galaxy(near_x, near_y, near, 0.7 * radius, rng.uniform(0.3, 1.0), side, "exponential")
    return float(radius)


def _change(scene: Scene, x: float, y: float, steady: float, change: float, brightens: bool) -> None:
    """Put a source of flux ``steady`` that gains ``change`` or has lost it; some pipelines see only what brightens."""
    if brightens or scene.exposure.survey.faded == "absent":
        scene.put(x, y, steady, steady + change)
    else:
        scene.put(x, y, steady + change, steady)


def supernova(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Put a new point source off the middle of a galaxy."""
    away, angle = rng.uniform(0.2, 2.5), rng.uniform(0.0, 2.0 * np.pi)
    # The host and what belongs to it is drawn about the source, then moved by `away` half-light radii.
    stars, galaxies = len(scene.stars.x), len(scene.galaxies.x)
    offset = away * add_host(scene, rng, x, y)
    for places, first in ((scene.stars, stars), (scene.galaxies, galaxies)):
        places.x[first:] += offset * np.cos(angle)
        places.y[first:] += offset * np.sin(angle)
    scene.put(x, y, 0.0, _transient_flux(scene, rng, boost))


def nuclear(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Let a nucleus brighten or fade: an active galaxy, a tidal disruption."""
    add_host(scene, rng, x + rng.normal(0.0, 0.1), y + rng.normal(0.0, 0.1))
    change = _transient_flux(scene, rng, boost)
    _change(scene, x, y, change * rng.uniform(0.1, 2.0), change, rng.random() < 0.6)


def variable(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Put a star that is brighter or fainter than it was in the template."""
    change = _transient_flux(scene, rng, boost)
    # The relative change lies between 4 % and 90 % of the brighter state.
    steady = change * (1.0 / np.exp(rng.uniform(np.log(0.04), np.log(0.9))) - 1.0)
    _change(scene, x, y, steady, change, rng.random() < 0.45)


def hostless(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Put a source where the template shows nothing: a flare, a supernova in a faint host."""
    scene.put(x, y, 0.0, _transient_flux(scene, rng, boost))


def asteroid(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Put a source that moved while the shutter was open: most by less than the seeing, some draw a short streak."""
    length = scene.exposure.seeing * np.exp(rng.uniform(np.log(0.15), np.log(3.0)))
    angle = rng.uniform(0.0, 2.0 * np.pi)
    steps = 2 + int(2.0 * length)
    along = (np.arange(steps) + 0.5) / steps - 0.5
    # The light of a streak is spread, so that a longer one is found only if it is brighter.
    flux = _transient_flux(scene, rng, boost) * (1.0 + 0.3 * length / scene.exposure.seeing) / steps
    places = x + length * along * np.cos(angle), y + length * along * np.sin(angle)
    scene.put(float(places[0][0]), float(places[1][0]), 0.0, flux)
    scene.add_stars(places[0][1:], places[1][1:], np.zeros(steps - 1), np.full(steps - 1, flux))


#: The kinds of real sources with their shares, which add up to 1.
TRANSIENTS: dict[str, tuple[AddSource, float]] = {
    "supernova": (supernova, 0.28),
    "nuclear": (nuclear, 0.15),
    "variable": (variable, 0.31),
    "hostless": (hostless, 0.18),
    "asteroid": (asteroid, 0.08),
}
