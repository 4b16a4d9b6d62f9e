"""Made stamps for tests, the same for the same seed: (science, template, difference) as float32, and adversarial ones.

``triplet(index, seed)`` mixes a scene (what the sky gives) with a fault (what the detector, the subtraction or the
file does to it); ``named_cases()`` gives each fault alone, on a plain scene, under its name.
"""

from typing import NamedTuple

import numpy as np

from oracle.faults import FAULTS, spot

SIZES = ((51, 51), (51, 51), (63, 63), (63, 63), (63, 63), (21, 21), (25, 40), (63, 30), (74, 74), (127, 127), (52, 50))


class Case(NamedTuple):
    """A triplet, its candidate's (row, column) in it, and what it is."""

    planes: tuple
    centre: tuple
    name: str


# Scenes: (rng, shape, (row, column)) -> science, template, difference as float64


def _sky(rng, shape, place, signal, offset=0.0, host=True):
    sigma, noise = rng.uniform(1.0, 3.0), rng.uniform(1.0, 30.0)
    row, column = np.asarray(place) + rng.normal(0, 0.3, 2)
    level = rng.uniform(-50.0, 500.0)
    galaxy = np.zeros(shape)
    if host:
        away = rng.normal(0, 4, 2)
        galaxy = noise * rng.uniform(0, 60) * spot(shape, row + away[0], column + away[1], rng.uniform(2, 8), 1.6)
    template = level + galaxy + rng.normal(0, noise / 2, shape)
    source = signal * noise * spot(shape, row + offset, column, sigma)
    science = level + galaxy + source + rng.normal(0, noise, shape)
    return science, template, science - template


def noise_only(rng, shape, place):
    """Sky and noise, no source."""
    return _sky(rng, shape, place, 0.0)


def faint(rng, shape, place):
    """A source near the limit."""
    return _sky(rng, shape, place, rng.uniform(1, 6))


def bright(rng, shape, place):
    """A source well above the noise."""
    return _sky(rng, shape, place, 10 ** rng.uniform(1, 2.5))


def negative(rng, shape, place):
    """A source that faded."""
    return _sky(rng, shape, place, -(10 ** rng.uniform(0.7, 2)))


def off_middle(rng, shape, place):
    """A source some pixels off the middle."""
    return _sky(rng, shape, place, rng.uniform(5, 60), offset=rng.uniform(2, 8))


def dipole(rng, shape, place):
    """A misregistered subtraction of a star."""
    science, template, difference = _sky(rng, shape, place, 0.0)
    row, column = place
    shift, peak, sigma = rng.uniform(0.05, 1.5), 10 ** rng.uniform(2, 4), rng.uniform(1, 3)
    star, moved = spot(shape, row, column, sigma), spot(shape, row + shift, column - shift / 2, sigma)
    return science + peak * star, template + peak * moved, difference + peak * (star - moved)


def cosmic_ray(rng, shape, place):
    """A short sharp track."""
    science, template, difference = _sky(rng, shape, place, 0.0)
    track = np.zeros(shape)
    slope, peak = rng.uniform(-1, 1), 10 ** rng.uniform(2, 4)
    for step in range(-rng.integers(1, 5), rng.integers(2, 6)):
        row, column = round(place[0] + slope * step), place[1] + step
        if 0 <= row < shape[0] and 0 <= column < shape[1]:
            track[row, column] = peak * rng.uniform(0.3, 1)
    return science + track, template, difference + track


def saturated_star(rng, shape, place):
    """A plateau with a bleed along its column."""
    science, template, _ = _sky(rng, shape, place, 0.0)
    star = 1e5 * spot(shape, *place, rng.uniform(2, 4))
    science, template = np.minimum(science + star, 65535.0), np.minimum(template + 0.98 * star, 65535.0)
    column = place[1]
    science[:, column] = 65535.0
    return science, template, science - template


def gradient(rng, shape, place):
    """A background that the subtraction left."""
    science, template, difference = _sky(rng, shape, place, rng.uniform(0, 20))
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    slope = rng.normal(0, 2, 2)
    return science, template, difference + slope[0] * rows + slope[1] * columns


SCENES = (
    noise_only,
    faint,
    bright,
    bright,
    negative,
    off_middle,
    dipole,
    cosmic_ray,
    saturated_star,
    gradient,
)


def _scene(rng, scene, shape, place):
    with np.errstate(over="ignore"):
        return [np.ascontiguousarray(plane, dtype=np.float32) for plane in scene(rng, shape, place)]


def _spoil(rng, fault, plane):
    with np.errstate(all="ignore"):
        fault(rng, plane)


def triplet(index, seed=0):
    """Return the :class:`Case` of a number: half are plain scenes, half have a fault in one or all planes."""
    rng = np.random.default_rng([seed, index])
    shape = SIZES[int(rng.integers(len(SIZES)))]
    place = [length // 2 for length in shape]
    if rng.random() < 0.15:
        place = [int(rng.integers(0, length)) for length in shape]
    scene = SCENES[index % len(SCENES)]
    planes = _scene(rng, scene, shape, place)
    name = scene.__name__
    if index % 2:
        fault = FAULTS[index // 2 % len(FAULTS)]
        which = rng.choice([0, 1, 2, 2, 3])
        for plane in planes if which == 3 else [planes[which]]:
            _spoil(rng, fault, plane)
        name += f"+{fault.__name__}:{('science', 'template', 'difference', 'all')[which]}"
    if rng.random() < 0.01:
        gone = int(rng.integers(3))
        planes[gone] = None
        name += f"+missing:{gone}"
    return Case(tuple(planes), tuple(place), f"{index}:{name}:{shape[0]}x{shape[1]}")


def realistic(index, seed=0, shape=(51, 51)):
    """Return the :class:`Case` of a number without faults, candidate in the middle."""
    rng = np.random.default_rng([seed, index, 1])
    scene = SCENES[index % len(SCENES)]
    place = tuple(length // 2 for length in shape)
    return Case(tuple(_scene(rng, scene, shape, place)), place, f"{index}:{scene.__name__}")


def batch(n, seed=0):
    """Return n cases."""
    return [triplet(index, seed) for index in range(n)]


#: Ways to bring each plane of a stamp to a scale of its own.
NORMALISED = {
    "range": lambda plane: (plane - plane.min()) / (plane.max() - plane.min()),
    "bytes": lambda plane: np.rint(np.clip(255 * (plane - plane.min()) / np.ptp(np.sort(plane.ravel())[:-20]), 0, 255)),
    "z-score": lambda plane: (plane - plane.mean()) / plane.std(),
    "l2": lambda plane: plane / np.sqrt((plane**2).sum()),
    "half": lambda plane: ((plane - plane.mean()) / plane.std()).astype(np.float16),
}


def named_cases(seed=0):
    """Return every scene, fault (in the difference, template, all planes), size and normalisation, as cases by name."""
    middle = (25, 25)
    cases = []
    for number, scene in enumerate(dict.fromkeys(SCENES)):
        rng = np.random.default_rng([seed, number, 2])
        cases.append((scene.__name__, Case(tuple(_scene(rng, scene, (51, 51), middle)), middle, scene.__name__)))
    for number, fault in enumerate(FAULTS):
        for where, which in (("difference", (2,)), ("template", (1,)), ("all", (0, 1, 2))):
            rng = np.random.default_rng([seed, number, 3])
            planes = _scene(rng, bright, (51, 51), middle)
            for k in which:
                _spoil(rng, fault, planes[k])
            name = f"{fault.__name__}:{where}"
            cases.append((name, Case(tuple(planes), middle, name)))
    plain = realistic(2).planes
    for k, channel in enumerate(("science", "template", "difference")):
        planes = tuple(None if i == k else plane for i, plane in enumerate(plain))
        cases.append((f"missing:{channel}", Case(planes, middle, f"missing:{channel}")))
    for height, width, row, column in (
        (21, 21, 10, 10),
        (63, 63, 31, 31),
        (63, 40, 31, 8),
        (30, 63, 0, 62),
        (127, 127, 63, 63),
        (127, 64, 120, 3),
        (1, 1, 0, 0),
        (51, 51, 0, 0),
        (51, 3, 25, 1),
    ):
        rng = np.random.default_rng([seed, height, width])
        name = f"size:{height}x{width}@{row},{column}"
        planes = _scene(rng, bright, (height, width), (row, column))
        cases.append((name, Case(tuple(planes), (row, column), name)))
    for number, (way, change) in enumerate(NORMALISED.items()):
        planes = tuple(change(plane.astype(np.float64)).astype(np.float32) for plane in realistic(number, seed).planes)
        cases.append((f"normalised:{way}", Case(planes, middle, f"normalised:{way}")))
    science, template, _ = plain
    cases.append(("repeated", Case((science, template, science), middle, "repeated")))
    return cases
