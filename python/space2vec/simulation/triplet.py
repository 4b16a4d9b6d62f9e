"""Triplets of real alerts that are changed: science, template and difference stay consistent with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.data.stamps import CHANNELS, Stamps
from space2vec.simulation.psf import Psf
from space2vec.simulation.sky import Galaxies, draw_galaxies

__all__ = ["Level", "OrientedStamp", "Position", "TemplateSource", "Triplet", "measure_triplet"]

Array = NDArray[np.float64]
#: Row and column, in pixels from the middle of the first pixel.
Position = tuple[float, float]

#: Electrons per DN, as in :mod:`space2vec.simulation.exposure`.
_GAIN = 6.2
#: Larger pixel values are not light: templates hold -3.4e38 where they have no pixel.
_LARGEST = 1e6
#: A star with a brighter pixel may be saturated, DN.
_BRIGHT = 25_000.0
#: The peak of a source of the template is at least this many times the noise.
_SOURCE = 8.0
#: Within this radius, in pixels, the subtraction leaves sharp traces of a cosmic ray or a hot pixel.
_SHARP = 4.0
#: Smallest and largest radius of the region in which a candidate is removed, in pixels.
_RADII = (5, 12)


class Level(NamedTuple):
    """The median of pixels and their noise, estimated from the median absolute deviation."""

    median: float
    noise: float


class TemplateSource(NamedTuple):
    """A source of the template: its position in pixels, and its peak in DN above the sky."""

    row: float
    column: float
    peak: float


class OrientedStamp(NamedTuple):
    """Science, template and difference as float32, rotated or mirrored, and the candidate's (row, column) in them."""

    planes: list[NDArray[np.float32]]
    centre: tuple[int, int]


@dataclass(frozen=True)
class Triplet:
    """The three planes of one candidate, with the measurements on them; positions are (row, column) in pixels.

    Attributes
    ----------
    science, template, difference : ndarray of float64 (height, width)
        The planes in DN, NaN where there is no pixel.
    centre : tuple of int
        The candidate.
    sign : float
        The difference is ``sign`` times (science less matched template). It is -1 if the survey has changed the sign.
    sky : float
        Median of the science plane, DN.
    noise : float
        Noise of a pixel of the difference on blank sky, DN.
    fwhm : float
        Full width at half maximum of the stars in the science plane in pixels, NaN if none can be measured.
    radius : int
        Radius to which the candidate's light can be seen in the difference, pixels.
    template_level : Level
        Median and noise of the template.
    stars : tuple of TemplateSource
        The sources of the template that are not saturated.
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
    template_level: Level
    stars: tuple[TemplateSource, ...]

    @property
    def change(self) -> Array:
        """Science less matched template (height, width), DN: the difference without the survey's change of sign."""
        return self.sign * self.difference

    def with_light(self, light: Array) -> Triplet:
        """Add light (height, width), in DN, to the science plane and so to the difference."""
        return replace(self, science=self.science + light, difference=self.difference + self.sign * light)

    def with_sign(self, sign: float) -> Triplet:
        """Return the same triplet with a difference of the sign 1 or -1 (see :attr:`sign`)."""
        return replace(self, sign=sign, difference=self.difference * (sign * self.sign))

    def is_usable(self, position: Position, reach: int) -> bool:
        """Return whether all pixels up to ``reach`` from a position exist, are finite, and are far from saturation."""
        row, column = round(position[0]), round(position[1])
        if min(row, column) < reach or row + reach >= self.science.shape[0] or column + reach >= self.science.shape[1]:
            return False
        near = np.s_[row - reach : row + reach + 1, column - reach : column + reach + 1]
        return bool(
            np.isfinite(self.difference[near]).all()
            and np.isfinite(self.template[near]).all()
            and (self.science[near] < _BRIGHT).all()
        )

    def is_blank(self, position: Position) -> bool:
        """Return whether the template shows only sky near a position."""
        row, column = round(position[0]), round(position[1])
        near = self.template[max(row - 3, 0) : max(row + 4, 0), max(column - 3, 0) : max(column + 4, 0)]
        return bool(near.size) and bool(np.median(near) < sum(self.template_level))

    def local_noise(self, position: Position) -> float:
        """Return the noise of the difference at a position, in DN, with the photon noise of the source there."""
        row, column = round(position[0]), round(position[1])
        light = float(np.nan_to_num(self.science[row, column] - self.change[row, column] - self.sky))
        return float(np.sqrt(self.noise**2 + max(light, 0.0) / _GAIN))

    def without_change(self, position: Position, radius: float, rng: np.random.Generator) -> Triplet:
        """Remove what changed near a position from science and difference, and leave noise of the same texture.

        The noise is taken from another part of the difference. At the border of the region old and new pixels are
        blended with a cosine and a sine as weights, whose squares add up to 1, so that the variance does not change.
        """
        rows, columns = np.ogrid[: self.science.shape[0], : self.science.shape[1]]
        away = np.hypot(rows - position[0], columns - position[1])
        angle = np.clip((radius + 1.5 - away) / 3.0, 0.0, 1.0) * (np.pi / 2.0)
        still = self.science - self.change
        if all(np.hypot(star.row - position[0], star.column - position[1]) > _SHARP + 2.0 for star in self.stars):
            still = _without_peaks(still, away <= _SHARP, rng)
        light = np.nan_to_num(np.maximum(still - self.sky, 0.0))
        fresh = self._noise_field(rng) * np.sqrt(1.0 + light / (_GAIN * self.noise**2))
        change = np.where(angle > 0.0, np.cos(angle) * self.change + np.sin(angle) * fresh, self.change)
        return replace(self, science=still + change, difference=self.sign * change)

    def _noise_field(self, rng: np.random.Generator) -> Array:
        """Return noise (height, width): the difference, shifted by about half its sides and mirrored at random.

        Pixels that are not noise, or missing, are replaced by others that are drawn at random.
        """
        height, width = self.difference.shape
        shift = [int(rng.integers(side // 3, side - side // 3 + 1)) for side in (height, width)]
        field = np.roll(self.difference, shift, (0, 1))[:: rng.choice((-1, 1)), :: rng.choice((-1, 1))]
        with np.errstate(invalid="ignore"):
            usual = np.abs(field) < 3.5 * self.noise
        field = field.copy()
        field[~usual] = rng.choice(field[usual], int(np.count_nonzero(~usual)))
        return field

    def with_source(self, psf: Psf, position: Position, flux: float, rng: np.random.Generator) -> Triplet:
        """Add a point source of a flux in DN, with its photon noise, to science and difference.

        A negative flux removes light, as of a star that has faded.
        """
        light = flux * psf.image(position[1], position[0], *self.science.shape)
        if flux > 0.0:
            light = light + rng.normal(size=light.shape) * np.sqrt(light / _GAIN)
        return self.with_light(light)

    def with_vanished_source(self, psf: Psf, template_psf: Psf, position: Position, flux: float) -> Triplet:
        """Add a point source to the template, and remove it from the difference, as if it had vanished.

        `psf` is the profile in the difference, and `flux` is in DN of the science plane.
        """
        shape = self.science.shape
        light = flux * psf.image(position[1], position[0], *shape)
        template = self.template + flux * template_psf.image(position[1], position[0], *shape)
        return replace(self, template=template, difference=self.difference - self.sign * light)

    def with_galaxy(
        self, psf: Psf, template_psf: Psf, galaxy: Galaxies, error: float, rng: np.random.Generator
    ) -> Triplet:
        """Add a galaxy to science and template.

        The share ``error`` of its light, and its photon noise, remain in the difference.
        """
        shape = self.science.shape
        light = draw_galaxies(psf, galaxy, *shape)
        residual = error * light + rng.normal(size=shape) * np.sqrt(light / _GAIN)
        still = replace(self, template=self.template + draw_galaxies(template_psf, galaxy, *shape))
        return replace(still, science=still.science + light).with_light(residual)

    def with_noise(self, share: float, rng: np.random.Generator) -> Triplet:
        """Add white noise of ``share`` times the noise of the difference to science and difference."""
        return self.with_light(rng.normal(0.0, share * self.noise, self.science.shape))

    def scaled(self, factor: float) -> Triplet:
        """Multiply all light by a factor; the levels of the sky stay."""
        base = self.template_level.median
        return replace(
            self,
            science=self.sky + factor * (self.science - self.sky),
            template=base + factor * (self.template - base),
            difference=factor * self.difference,
            noise=factor * self.noise,
        )

    def recentred(self, shift: tuple[int, int]) -> Triplet:
        """Centre the stamp on the pixel that is ``shift`` (rows, columns) away from the candidate: the new candidate.

        Missing rows and columns are filled from the opposite side.
        """
        planes = [np.roll(plane, (-shift[0], -shift[1]), (0, 1)) for plane in self._pixels]
        return self._with_planes(planes, self.centre)

    def with_recentred_border(self, shift: tuple[int, int]) -> Triplet:
        """Fill those rows and columns that :meth:`recentred` would fill, and leave the candidate where it is."""
        inner = self._inner(shift)
        planes = []
        for plane in self._pixels:
            # The filling is from the opposite side, as there, and rotated, so that no pixel is beside its own copy.
            rotated = plane[::-1, ::-1].copy()
            rotated[inner] = plane[inner]
            planes.append(rotated)
        return self._with_planes(planes, self.centre)

    def cropped(self, shift: tuple[int, int]) -> Triplet:
        """Remove rows and columns as at the edge of a detector: the last ``shift``, or the first if it is negative."""
        rows, columns = self._inner(shift)
        return self._with_planes(
            [plane[rows, columns] for plane in self._pixels],
            (self.centre[0] - rows.start, self.centre[1] - columns.start),
        )

    def _inner(self, shift: tuple[int, int]) -> tuple[slice, slice]:
        """Return the rows and columns that remain in the stamp when it is shifted."""
        height, width = self.science.shape
        (down, right), (up, left) = ([max(sign * pixels, 0) for pixels in shift] for sign in (1, -1))
        return slice(up, height - down), slice(left, width - right)

    @property
    def _pixels(self) -> tuple[Array, Array, Array]:
        return self.science, self.template, self.difference

    def _with_planes(self, planes: Sequence[Array], centre: tuple[int, int]) -> Triplet:
        return replace(self, science=planes[0], template=planes[1], difference=planes[2], centre=centre)

    def oriented(self, symmetry: int) -> OrientedStamp:
        """Return the planes in one of the eight symmetries of a square: bit 1 and 2 mirror, bit 4 transposes."""
        row, column = self.centre
        height, width = self.science.shape
        planes = list(self._pixels)
        if symmetry & 1:
            planes, row = [plane[::-1] for plane in planes], height - 1 - row
        if symmetry & 2:
            planes, column = [plane[:, ::-1] for plane in planes], width - 1 - column
        if symmetry & 4:
            planes, row, column = [plane.T for plane in planes], column, row
        return OrientedStamp([plane.astype(np.float32) for plane in planes], (row, column))


def measure_triplet(stamps: Stamps, row: int) -> Triplet | None:
    """Measure levels, noise and stars of a candidate, so that its planes can be changed.

    Returns None if a plane is missing, smaller than 21 pixels, of another size than the others, or has too few pixels
    of blank sky.
    """
    stored = [stamps.plane(row, name) for name in CHANNELS]
    planes = [plane.astype(np.float64) for plane in stored if plane is not None]
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
    # Most of the noise of the difference is that of the science plane: their correlation on blank sky gives the sign.
    blank = good & (np.abs(science - sky) < 2.5 * spread) & (np.abs(difference - middle) < 3.0 * noise)
    if np.count_nonzero(blank) < 200:
        return None
    sign = 1.0 if float(np.mean((science[blank] - sky) * (difference[blank] - middle))) >= 0.0 else -1.0
    widths = [fwhm for *_, fwhm in _stars(np.nan_to_num(science - sky), 30.0 * spread) if np.isfinite(fwhm)]
    threshold = _SOURCE * max(grain, 0.5 * noise)
    stars = tuple(TemplateSource(y, x, peak) for y, x, peak, _ in _stars(np.nan_to_num(template - base), threshold))
    radius = _radius(difference - middle, centre, noise)
    fwhm = float(np.median(widths)) if widths else float("nan")
    return Triplet(science, template, difference, centre, sign, sky, noise, fwhm, radius, Level(base, grain), stars)


def _without_peaks(still: Array, near: NDArray[np.bool_], rng: np.random.Generator) -> Array:
    """Replace peaks by noise in the unchanging sky (science less change), where the mask `near` is blank sky."""
    here = still[near & np.isfinite(still)]
    if not len(here):
        return still
    middle = float(np.median(here))
    _, noise = _level(still[np.isfinite(still)])
    with np.errstate(invalid="ignore"):
        peaks = near & (np.abs(still - middle) > 2.5 * noise)
    return np.where(peaks, middle + rng.normal(0.0, noise, still.shape), still)


def _level(values: Array) -> Level:
    middle = float(np.median(values))
    return Level(middle, 1.4826 * float(np.median(np.abs(values - middle))))


def _radius(flat: Array, centre: tuple[int, int], noise: float) -> int:
    """Return the largest radius, in pixels, at which a ring around the candidate is brighter than noise."""
    rows, columns = np.ogrid[: flat.shape[0], : flat.shape[1]]
    ring = np.rint(np.hypot(rows - centre[0], columns - centre[1])).astype(int)
    for radius in range(_RADII[1], _RADII[0], -1):
        values = np.abs(flat[ring == radius])
        values = values[np.isfinite(values)]
        # For Gaussian noise the mean of the absolute values is 0.8, with an error of 0.1 for 30 pixels or more.
        if len(values) and float(np.mean(np.minimum(values / noise, 10.0))) > 1.15:
            return radius
    return _RADII[0]


def _stars(image: Array, threshold: float) -> list[tuple[float, float, float, float]]:
    """Find local maxima above a threshold: row, column, peak, and full width at half maximum (NaN if unmeasurable)."""
    inner = image[2:-2, 2:-2]
    top = (inner > threshold) & (inner < _BRIGHT)
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
            # The logarithm of a Gaussian is a parabola: its curvature gives the width, its slope the position.
            curve = np.array([log[0, 1] + log[2, 1], log[1, 0] + log[1, 2]]) - 2.0 * log[1, 1]
            if (curve < 0.0).all():
                slope = 0.5 * np.array([log[2, 1] - log[0, 1], log[1, 2] - log[1, 0]])
                row, column = (float(v) for v in (row, column) - np.clip(slope / curve, -0.5, 0.5))
                fwhm = float(2.355 * np.sqrt(np.sqrt(1.0 / np.prod(-curve))))
        found.append((row, column, float(box[1, 1]), fwhm))
    return found
