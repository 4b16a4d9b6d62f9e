"""Real triplets that simulations change: measurements on them, and changes that keep the planes consistent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from space2vec.data.stamps import CHANNELS, Stamps
from space2vec.simulation.psf import Psf
from space2vec.simulation.sky import Galaxies, draw_galaxies

__all__ = ["Triplet", "measure_triplet"]

Array = NDArray[np.float64]
Place = tuple[float, float]

#: Electrons a DN, as in :mod:`space2vec.simulation.exposure`.
_GAIN = 6.2
#: Pixel values beyond this are no light: templates hold -3.4e38 where they have no pixel.
_LARGEST = 1e6
#: From here on a star may be saturated, DN.
_BRIGHT = 25_000.0
#: A source of the template is that many times its noise.
_SOURCE = 8.0
#: Radius within which a cosmic ray or hot pixel leaves traces that the subtraction has sharpened, pixel.
_SHARP = 4.0
#: Smallest and largest radius that is cleaned, pixel.
_RADII = (5, 12)


@dataclass(frozen=True)
class Triplet:
    """Three planes of one candidate; places are (row, column), pixel.

    Attributes
    ----------
    science, template, difference : ndarray (height, width)
        The planes, DN; NaN where there is no pixel.
    centre : tuple of int
        The candidate.
    sign : float
        The difference is ``sign`` times (science less matched template): -1 where a survey has turned it over.
    sky : float
        Median of the science plane.
    noise : float
        Noise of a pixel of the difference without light.
    fwhm : float
        Full width at half maximum of the science plane's stars, NaN where none can be measured.
    radius : int
        How far the candidate's light reaches in the difference.
    floor : (float, float)
        Median of the template, and its noise.
    stars : tuple of (row, column, peak)
        Sources of the template, not saturated; the peak in DN above the sky.
    """

    science: Array
    template: Array
    difference: Array
    centre: tuple[int, int]
    sign: float
    sky: float
    noise: float
    fwhm: float
    radius: int
    floor: tuple[float, float]
    stars: tuple[tuple[float, float, float], ...]

    @property
    def change(self) -> Array:
        """Science less matched template."""
        return self.sign * self.difference

    def changed(self, light: Array) -> Triplet:
        """Add light to the science plane, and so to the difference."""
        return replace(self, science=self.science + light, difference=self.difference + self.sign * light)

    def turned(self, sign: float) -> Triplet:
        """Return it with a difference of the given sign."""
        return replace(self, sign=sign, difference=self.difference * (sign * self.sign))

    def holds(self, place: Place, reach: int) -> bool:
        """Tell whether every pixel up to ``reach`` from a place is there and not near saturation."""
        row, column = round(place[0]), round(place[1])
        if min(row, column) < reach or row + reach >= self.science.shape[0] or column + reach >= self.science.shape[1]:
            return False
        near = np.s_[row - reach : row + reach + 1, column - reach : column + reach + 1]
        return bool(
            np.isfinite(self.difference[near]).all()
            and np.isfinite(self.template[near]).all()
            and (self.science[near] < _BRIGHT).all()
        )

    def blank(self, place: Place) -> bool:
        """Tell whether the template has no light near a place."""
        row, column = round(place[0]), round(place[1])
        near = self.template[max(row - 3, 0) : max(row + 4, 0), max(column - 3, 0) : max(column + 4, 0)]
        return bool(near.size) and bool(np.median(near) < self.floor[0] + self.floor[1])

    def local_noise(self, place: Place) -> float:
        """Noise of the difference at a place, with the photon noise of what stands there."""
        row, column = round(place[0]), round(place[1])
        light = float(np.nan_to_num(self.science[row, column] - self.change[row, column] - self.sky))
        return float(np.sqrt(self.noise**2 + max(light, 0.0) / _GAIN))

    def cleaned(self, place: Place, radius: float, rng: np.random.Generator) -> Triplet:
        """Take what changed near a place out of science and difference, and leave noise of the same texture.

        The noise is the difference's own, of another part of it. Both are joined so that the variance stays: old and
        new are weighted by cosine and sine, whose squares add to 1.
        """
        rows, columns = np.ogrid[: self.science.shape[0], : self.science.shape[1]]
        away = np.hypot(rows - place[0], columns - place[1])
        angle = np.clip((radius + 1.5 - away) / 3.0, 0.0, 1.0) * (np.pi / 2.0)
        still = self.science - self.change
        if all(np.hypot(y - place[0], x - place[1]) > _SHARP + 2.0 for y, x, _ in self.stars):
            still = _without_peaks(still, away <= _SHARP, rng)
        light = np.nan_to_num(np.maximum(still - self.sky, 0.0))
        fresh = self._noise_field(rng) * np.sqrt(1.0 + light / (_GAIN * self.noise**2))
        change = np.where(angle > 0.0, np.cos(angle) * self.change + np.sin(angle) * fresh, self.change)
        return replace(self, science=still + change, difference=self.sign * change)

    def _noise_field(self, rng: np.random.Generator) -> Array:
        """Return noise of the size of a plane: the difference itself, moved by about half its sides and turned over.

        What is not noise in it, or no pixel, gives way to a pixel drawn from the rest.
        """
        height, width = self.difference.shape
        shift = [int(rng.integers(side // 3, side - side // 3 + 1)) for side in (height, width)]
        field = np.roll(self.difference, shift, (0, 1))[:: rng.choice((-1, 1)), :: rng.choice((-1, 1))]
        with np.errstate(invalid="ignore"):
            usual = np.abs(field) < 3.5 * self.noise
        field = field.copy()
        field[~usual] = rng.choice(field[usual], int(np.count_nonzero(~usual)))
        return field

    def with_source(self, psf: Psf, place: Place, flux: float, rng: np.random.Generator) -> Triplet:
        """Let a point source shine in the science plane (DN), with its photon noise; a negative flux takes light."""
        light = flux * psf.image(place[1], place[0], *self.science.shape)
        if flux > 0.0:
            light = light + rng.normal(size=light.shape) * np.sqrt(light / _GAIN)
        return self.changed(light)

    def with_vanished_source(self, psf: Psf, sharper: Psf, place: Place, flux: float) -> Triplet:
        """Put a point source into the template alone, as if it had vanished (flux in DN of the science plane)."""
        shape = self.science.shape
        light = flux * psf.image(place[1], place[0], *shape)
        template = self.template + flux * sharper.image(place[1], place[0], *shape)
        return replace(self, template=template, difference=self.difference - self.sign * light)

    def with_galaxy(self, psf: Psf, sharper: Psf, galaxy: Galaxies, error: float, rng: np.random.Generator) -> Triplet:
        """Put a galaxy in science and template; its photon noise and the share ``error`` of it are not subtracted."""
        shape = self.science.shape
        light = draw_galaxies(psf, galaxy, *shape)
        left = error * light + rng.normal(size=shape) * np.sqrt(light / _GAIN)
        still = replace(self, template=self.template + draw_galaxies(sharper, galaxy, *shape))
        return replace(still, science=still.science + light).changed(left)

    def noisier(self, share: float, rng: np.random.Generator) -> Triplet:
        """Add white noise, ``share`` times that of the difference."""
        return self.changed(rng.normal(0.0, share * self.noise, self.science.shape))

    def brighter(self, factor: float) -> Triplet:
        """Scale all light; the sky stays."""
        base = self.floor[0]
        return replace(
            self,
            science=self.sky + factor * (self.science - self.sky),
            template=base + factor * (self.template - base),
            difference=factor * self.difference,
            noise=factor * self.noise,
        )

    def moved(self, shift: tuple[int, int]) -> Triplet:
        """Centre the stamp on what lies ``shift`` (rows, columns) from the candidate, and make that the candidate.

        Missing rows and columns are filled from the opposite side.
        """
        planes = [np.roll(plane, (-shift[0], -shift[1]), (0, 1)) for plane in self._pixels]
        return self._holding(planes, self.centre)

    def as_if_moved(self, shift: tuple[int, int]) -> Triplet:
        """Treat its border as :meth:`moved` does, and leave the rest."""
        inner = self._inner(shift)
        planes = []
        for plane in self._pixels:
            # What fills comes from the other side, as there, and turned, so that nothing is there twice in a row.
            turned = plane[::-1, ::-1].copy()
            turned[inner] = plane[inner]
            planes.append(turned)
        return self._holding(planes, self.centre)

    def cropped(self, shift: tuple[int, int]) -> Triplet:
        """Lose rows and columns as at a detector's edge: the last ``shift``, or the first where it is negative."""
        rows, columns = self._inner(shift)
        return self._holding(
            [plane[rows, columns] for plane in self._pixels],
            (self.centre[0] - rows.start, self.centre[1] - columns.start),
        )

    def _inner(self, shift: tuple[int, int]) -> tuple[slice, slice]:
        height, width = self.science.shape
        (down, right), (up, left) = ([max(sign * by, 0) for by in shift] for sign in (1, -1))
        return slice(up, height - down), slice(left, width - right)

    @property
    def _pixels(self) -> tuple[Array, Array, Array]:
        return self.science, self.template, self.difference

    def _holding(self, planes: Sequence[Array], centre: tuple[int, int]) -> Triplet:
        return replace(self, science=planes[0], template=planes[1], difference=planes[2], centre=centre)

    def planes(self, symmetry: int) -> tuple[list[NDArray[np.float32]], tuple[int, int]]:
        """Return the planes and the candidate in one of the eight symmetries of a square, 0 to 7."""
        row, column = self.centre
        height, width = self.science.shape
        planes = list(self._pixels)
        if symmetry & 1:
            planes, row = [plane[::-1] for plane in planes], height - 1 - row
        if symmetry & 2:
            planes, column = [plane[:, ::-1] for plane in planes], width - 1 - column
        if symmetry & 4:
            planes, row, column = [plane.T for plane in planes], column, row
        return [plane.astype(np.float32) for plane in planes], (row, column)


def measure_triplet(stamps: Stamps, row: int) -> Triplet | None:
    """Measure what is needed to change a candidate; ``None`` where a plane is missing or holds too little."""
    held = [stamps.plane(row, name) for name in CHANNELS]
    planes = [plane.astype(np.float64) for plane in held if plane is not None]
    if len(planes) < 3 or len({plane.shape for plane in planes}) > 1 or min(planes[0].shape) < 21:
        return None
    for plane in planes:
        plane[~(np.abs(plane) < _LARGEST)] = np.nan
    science, template, difference = planes
    centre = (int(stamps.centre[row, 0]), int(stamps.centre[row, 1]))
    good = np.isfinite(science) & np.isfinite(template) & np.isfinite(difference)
    if good.mean() < 0.5 or not (0 <= centre[0] < science.shape[0] and 0 <= centre[1] < science.shape[1]):
        return None
    (sky, spread), (base, grain), (middle, noise) = (_level(plane[good]) for plane in planes)
    if not (noise > 0.0 and spread > 0.0 and np.isfinite(difference[centre])):
        return None
    # The difference has most of its noise from the science plane: their correlation on blank sky tells the sign.
    blank = good & (np.abs(science - sky) < 2.5 * spread) & (np.abs(difference - middle) < 3.0 * noise)
    if np.count_nonzero(blank) < 200:
        return None
    sign = 1.0 if float(np.mean((science[blank] - sky) * (difference[blank] - middle))) >= 0.0 else -1.0
    found = _stars(np.nan_to_num(science - sky), 30.0 * spread)
    widths = [width for *_, width in found if np.isfinite(width)]
    floor = _SOURCE * max(grain, 0.5 * noise)
    stars = tuple((y, x, peak) for y, x, peak, _ in _stars(np.nan_to_num(template - base), floor))
    radius = _radius(difference - middle, centre, noise)
    fwhm = float(np.median(widths)) if widths else float("nan")
    return Triplet(science, template, difference, centre, sign, sky, noise, fwhm, radius, (base, grain), stars)


def _without_peaks(still: Array, near: NDArray[np.bool_], rng: np.random.Generator) -> Array:
    """Replace, near a place on blank sky, what is no noise in science less change, which has no source there."""
    here = still[near & np.isfinite(still)]
    if not len(here):
        return still
    middle = float(np.median(here))
    _, noise = _level(still[np.isfinite(still)])
    with np.errstate(invalid="ignore"):
        peaks = near & (np.abs(still - middle) > 2.5 * noise)
    return np.where(peaks, middle + rng.normal(0.0, noise, still.shape), still)


def _level(values: Array) -> tuple[float, float]:
    middle = float(np.median(values))
    return middle, 1.4826 * float(np.median(np.abs(values - middle)))


def _radius(flat: Array, centre: tuple[int, int], noise: float) -> int:
    """Return from where on no ring around the candidate is out of the ordinary."""
    rows, columns = np.ogrid[: flat.shape[0], : flat.shape[1]]
    ring = np.rint(np.hypot(rows - centre[0], columns - centre[1])).astype(int)
    for radius in range(_RADII[1], _RADII[0], -1):
        values = np.abs(flat[ring == radius])
        values = values[np.isfinite(values)]
        # Of Gaussian noise the mean of absolute values is 0.8; of 30 and more pixels it has an error of 0.1.
        if len(values) and float(np.mean(np.minimum(values / noise, 10.0))) > 1.15:
            return radius
    return _RADII[0]


def _stars(image: Array, floor: float) -> list[tuple[float, float, float, float]]:
    """Find local maxima: row, column, peak and width (NaN where it cannot be had) of each."""
    inner = image[2:-2, 2:-2]
    top = (inner > floor) & (inner < _BRIGHT)
    height, width = inner.shape
    for dy in range(5):
        for dx in range(5):
            if (dy, dx) != (2, 2):
                top &= inner >= image[dy : dy + height, dx : dx + width]
    found = []
    for y, x in np.argwhere(top).tolist():
        box = image[y + 1 : y + 4, x + 1 : x + 4]
        row, column, fwhm = float(y + 2), float(x + 2), float("nan")
        if (box > 0.0).all():
            log = np.log(box)
            # A Gaussian is a parabola in the logarithm; its curvature gives the width, its slope the place.
            curve = np.array([log[0, 1] + log[2, 1], log[1, 0] + log[1, 2]]) - 2.0 * log[1, 1]
            if (curve < 0.0).all():
                slope = 0.5 * np.array([log[2, 1] - log[0, 1], log[1, 2] - log[1, 0]])
                row, column = (float(v) for v in (row, column) - np.clip(slope / curve, -0.5, 0.5))
                fwhm = float(2.355 * np.sqrt(np.sqrt(1.0 / np.prod(-curve))))
        found.append((row, column, float(box[1, 1]), fwhm))
    return found
