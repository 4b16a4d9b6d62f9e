"""What is real: sources that differ between the template and the science image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from space2vec.simulation.scene import Scene
from space2vec.simulation.sky import Galaxies

__all__ = ["TRANSIENTS", "Place"]

#: Puts a source at column ``x``, row ``y`` of a scene; ``boost`` (1 and more) makes it stronger.
Place = Callable[[Scene, np.random.Generator, float, float, float], None]


def _flux(scene: Scene, magnitude: float) -> float:
    return float(10.0 ** (-0.4 * (magnitude - scene.exposure.zeropoint)))


def _transient_flux(scene: Scene, rng: np.random.Generator, boost: float) -> float:
    """Draw a flux (DN): most sources stand near the limit, a few are up to five magnitudes brighter."""
    return boost * _flux(scene, scene.exposure.limit + 0.2 - min(rng.exponential(1.6), 5.0))


def _add_host(scene: Scene, rng: np.random.Generator, x: float, y: float) -> float:
    """Put a host galaxy there and return its half-light radius, pixel."""
    radius = float(rng.uniform(1.0, 5.0))
    old = scene.galaxies
    scene.galaxies = Galaxies(
        x=np.append(old.x, x),
        y=np.append(old.y, y),
        flux=np.append(old.flux, _flux(scene, rng.uniform(15.5, 20.5))),
        radius=np.append(old.radius, radius),
        ratio=np.append(old.ratio, rng.uniform(0.3, 1.0)),
        angle=np.append(old.angle, rng.uniform(0.0, np.pi)),
        profile=(*old.profile, "exponential" if rng.random() < 0.6 else "de_vaucouleurs"),
    )
    return radius


def _place(scene: Scene, x: float, y: float, template: float, science: float) -> None:
    scene.stars.x[0], scene.stars.y[0] = x, y
    scene.stars.flux[0], scene.science_flux[0] = template, science


def supernova(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Put a new point source off the middle of a galaxy."""
    away, angle = rng.uniform(0.2, 2.5), rng.uniform(0.0, 2.0 * np.pi)
    # The host is drawn about the origin, then moved so that the source lies `away` half-light radii from it.
    radius = _add_host(scene, rng, 0.0, 0.0)
    scene.galaxies.x[-1], scene.galaxies.y[-1] = x + away * radius * np.cos(angle), y + away * radius * np.sin(angle)
    _place(scene, x, y, 0.0, _transient_flux(scene, rng, boost))


def nuclear(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Let a nucleus brighten or fade: an active galaxy, a tidal disruption."""
    _add_host(scene, rng, x + rng.normal(0.0, 0.1), y + rng.normal(0.0, 0.1))
    change = _transient_flux(scene, rng, boost)
    steady = change * rng.uniform(0.1, 2.0)
    _place(scene, x, y, *((steady, steady + change) if rng.random() < 0.6 else (steady + change, steady)))


def variable(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Put a star that is brighter or fainter than it was in the template."""
    change = _transient_flux(scene, rng, boost)
    # The relative change lies between 5 % and 90 % of the brighter state.
    brighter = change / np.exp(rng.uniform(np.log(0.05), np.log(0.9)))
    _place(scene, x, y, *((brighter - change, brighter) if rng.random() < 0.45 else (brighter, brighter - change)))


def hostless(scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> None:
    """Put a source where the template shows nothing: an asteroid, a flare, a supernova in a faint host."""
    _place(scene, x, y, 0.0, _transient_flux(scene, rng, boost))


#: Kinds that are real, with their share.
TRANSIENTS: dict[str, tuple[Place, float]] = {
    "supernova": (supernova, 0.3),
    "nuclear": (nuclear, 0.15),
    "variable": (variable, 0.35),
    "hostless": (hostless, 0.2),
}
