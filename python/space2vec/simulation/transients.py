"""Transients: real sources whose flux differs between template and science image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from space2vec.simulation.exposure import draw_log_uniform
from space2vec.simulation.scene import Scene

__all__ = ["TRANSIENTS", "AddSource", "Transient", "add_host"]

#: A function that adds a source to a scene at column ``x``, row ``y``; its flux is larger by the factor ``boost``, 1 or
#: more.
AddSource = Callable[[Scene, np.random.Generator, float, float, float], None]


@dataclass(frozen=True)
class Transient:
    """A kind of real source: the function that adds one to a scene, and its share of all real candidates."""

    add: AddSource
    share: float


def _draw_flux(scene: Scene, rng: np.random.Generator, boost: float) -> float:
    """Draw the flux of a transient: half of them are within 0.7 mag of the limit, a few are 5 mag brighter."""
    return float(boost * scene.exposure.flux(scene.exposure.limit + 0.05 - min(rng.exponential(1.0), 5.0)))


def add_host(scene: Scene, rng: np.random.Generator, x: float, y: float) -> float:
    """Add a galaxy at column ``x``, row ``y`` of a scene and return its half-light radius in pixels.

    It is a disc at any inclination, with a bulge, a bright nucleus or neither, or an elliptical galaxy. Some have a
    neighbour that overlaps.
    """
    exposure, wild = scene.exposure, scene.exposure.randomise
    # Radii are relative to the seeing: ZTF's seeing of 2 pixels resolves its bright hosts as well as the seeing of 4
    # pixels of other surveys resolves their fainter ones.
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
    """Set a candidate of flux ``steady`` that has gained or lost ``change``.

    It always gains where the survey does not look for sources that fade.
    """
    if brightens or scene.exposure.survey.faded == "absent":
        scene.set_candidate(x, y, steady, steady + change)
    else:
        scene.set_candidate(x, y, steady + change, steady)


def supernova(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Add a new point source that is not at the centre of its galaxy."""
    away, angle = rng.uniform(0.2, 2.5), rng.uniform(0.0, 2.0 * np.pi)
    # The host is drawn around the source, and then moved by `away` half-light radii.
    stars, galaxies = len(scene.stars.x), len(scene.galaxies.x)
    offset = away * add_host(scene, rng, x, y)
    for sources, first in ((scene.stars, stars), (scene.galaxies, galaxies)):
        sources.x[first:] += offset * np.cos(angle)
        sources.y[first:] += offset * np.sin(angle)
    scene.set_candidate(x, y, 0.0, _draw_flux(scene, rng, boost))


def nuclear(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Add the nucleus of a galaxy that brightens or fades: an active galaxy, or a tidal disruption."""
    add_host(scene, rng, x + rng.normal(0.0, 0.1), y + rng.normal(0.0, 0.1))
    change = _draw_flux(scene, rng, boost)
    _change(scene, x, y, change * rng.uniform(0.1, 2.0), change, rng.random() < 0.6)


def variable(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Add a star that is brighter or fainter than in the template."""
    change = _draw_flux(scene, rng, boost)
    # The change is between 4 % and 90 % of the larger of the two fluxes.
    steady = change * (1.0 / np.exp(rng.uniform(np.log(0.04), np.log(0.9))) - 1.0)
    _change(scene, x, y, steady, change, rng.random() < 0.45)


def hostless(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Add a source where the template shows nothing: a flare, or a supernova in a faint host."""
    scene.set_candidate(x, y, 0.0, _draw_flux(scene, rng, boost))


def asteroid(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Add a source that moved during the exposure: most by less than the seeing, some leave a short streak."""
    length = scene.exposure.seeing * np.exp(rng.uniform(np.log(0.15), np.log(3.0)))
    angle = rng.uniform(0.0, 2.0 * np.pi)
    steps = 2 + int(2.0 * length)
    along = (np.arange(steps) + 0.5) / steps - 0.5
    # A longer streak is detected only if it is brighter, since its light is spread.
    flux = _draw_flux(scene, rng, boost) * (1.0 + 0.3 * length / scene.exposure.seeing) / steps
    xs, ys = x + length * along * np.cos(angle), y + length * along * np.sin(angle)
    scene.set_candidate(float(xs[0]), float(ys[0]), 0.0, flux)
    scene.add_stars(xs[1:], ys[1:], np.zeros(steps - 1), np.full(steps - 1, flux))


#: The kinds of real sources; their shares add up to 1.
TRANSIENTS: dict[str, Transient] = {
    "supernova": Transient(supernova, 0.28),
    "nuclear": Transient(nuclear, 0.15),
    "variable": Transient(variable, 0.31),
    "hostless": Transient(hostless, 0.18),
    "asteroid": Transient(asteroid, 0.08),
}
