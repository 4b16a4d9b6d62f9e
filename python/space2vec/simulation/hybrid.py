"""Hybrid data: fakes put into real stamps, against real bogus (docs/datasets.md).

The classes are made alike in all but the candidate: see :func:`hybrid`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import Stamps
from space2vec.simulation.psf import Psf
from space2vec.simulation.sky import Galaxies
from space2vec.simulation.triplet import Place, Triplet, measure_triplet

__all__ = ["hybrid"]

#: Share of rows in which the fake goes elsewhere than where the candidate was, if the stamp has a like place.
_MOVED = 0.6
#: Stars are alike if their peaks differ by less than this factor.
_LIKE = 3.0
#: Farthest that a fake comes from the old candidate along an axis, pixel: so much of the stamp is not there.
_FARTHEST = 14.0
#: Attempts to find a place.
_TRIES = 30
#: Shares of rows with a galaxy near the candidate, with another source off the middle, with more noise, at an edge.
_HOST, _NEIGHBOUR, _NOISE, _EDGE = 0.3, 0.25, 0.4, 0.05
#: Pixels between a candidate and an edge, at least.
_INSIDE = 5


@dataclass(frozen=True)
class _Plan:
    """Where the middle of the new stamp is to be, from the old candidate (pixel), and whether that is elsewhere."""

    elsewhere: bool
    away: Place

    @property
    def shift(self) -> tuple[int, int]:
        """The same in whole pixels."""
        return round(self.away[0]), round(self.away[1])


def hybrid(
    real: LabelledStamps,
    n: int,
    *,
    seed: int = 0,
    first: int = 0,
    real_fraction: float = 0.5,
    bogus_below: float = 0.3,
    snr: tuple[float, float] = (8.0, 200.0),
    progress: Callable[[int], object] | None = None,
) -> LabelledStamps:
    """Make hybrid data: point sources put into real stamps, against real bogus.

    Parameters
    ----------
    real : LabelledStamps
        Real alerts. Those that the teacher scores below `bogus_below`, or that are labelled bogus where it says
        nothing, are the bogus; the fakes are put into the same stamps.
    n : int
        Rows to make.
    seed : int, optional
        The same seed gives the same rows.
    first : int, optional
        Number of the first row. Rows depend on their number and the seed alone, so that a large set can be made in
        pieces.
    real_fraction : float, optional
        Share of fakes, exact to rounding.
    bogus_below : float, optional
        The teacher's score below which an alert is taken for bogus.
    snr : tuple of float, optional
        Least and largest signal to noise ratio of a fake, by a matched filter; the logarithm of what it exceeds the
        least by is distributed exponentially, so that most are faint. ZTF's own ratio is lower: its 5 is about 9.
    progress : callable, optional
        Called with 1 after each row.

    Returns
    -------
    LabelledStamps
        Label 1 and kind ``fake`` or ``variable`` (on a star of the template, or fading), or label 0 and ``bogus``. Both
        object id and group are those of the alert that was changed; no teacher, no catalogue.

    Raises
    ------
    ValueError
        If a number is out of range, or `real` has no bogus that can be changed.

    Notes
    -----
    A fake: the candidate is taken out of science and difference, and a point source of the width of the stamp's stars
    comes to its place, or to a place like it near by (a star of like brightness, blank sky), with photon noise, in
    science and difference alike. The stamp is cut around it; what that needs beyond the old one is what is left over on
    the other side. So that this tells nothing, the border of a bogus is treated as if it had been moved, and noise is
    renewed where a fake would have had its old candidate; galaxies, other sources off the middle, edges, symmetries,
    scale and added noise are drawn alike for both. No pixel is interpolated. Where a star fades, the difference is
    turned over, as ZTF does.

    All rows of one alert belong to one group, and both classes use all alerts: split by group.
    """
    if n < 0 or first < 0:
        raise ValueError(f"n and first must not be negative; given {n} and {first}")
    if not 0.0 <= real_fraction <= 1.0:
        raise ValueError(f"real_fraction must lie between 0 and 1; given {real_fraction}")
    if not 0.0 < snr[0] < snr[1]:
        raise ValueError(f"snr must be two numbers above 0, the smaller first; given {snr}")
    doubted = np.where(np.isnan(real.teacher), real.label == 0, real.teacher < bogus_below)
    measured = ((row, measure_triplet(real.stamps, row)) for row in np.flatnonzero(doubted).tolist())
    bases = [(row, triplet) for row, triplet in measured if triplet is not None]
    if not bases and n:
        raise ValueError(f"none of the {len(real)} alerts is a bogus (score below {bogus_below}) that can be changed")
    widths = [triplet.fwhm for _, triplet in bases if np.isfinite(triplet.fwhm)] or [2.4]
    planes, centres, kinds, groups = [], [], [], []
    labels = np.floor(np.arange(first + 1, first + n + 1) * real_fraction + 1e-9) > np.floor(
        np.arange(first, first + n) * real_fraction + 1e-9
    )
    for number, is_real in zip(range(first, first + n), labels.tolist(), strict=True):
        rng = np.random.default_rng([seed, number])
        row, triplet = bases[int(rng.integers(len(bases)))]
        if not np.isfinite(triplet.fwhm):
            triplet = replace(triplet, fwhm=float(rng.choice(widths)))
        kind, made = _fake(triplet, snr, rng) if is_real else ("bogus", _bogus(triplet, snr, rng))
        stamp, centre = made.planes(int(rng.integers(8)))
        planes.append(stamp)
        centres.append(centre)
        kinds.append(kind)
        groups.append(str(real.group[row]))
        if progress is not None:
            progress(1)
    stamps = Stamps(
        planes,
        object_id=groups,
        candidate_id=np.arange(first, first + n),
        centre=np.array(centres, dtype=np.int32).reshape(n, 2),
    )
    return LabelledStamps(stamps, labels.astype(np.int8), np.array(kinds, np.str_), group=np.array(groups, np.str_))


def _fake(triplet: Triplet, snr: tuple[float, float], rng: np.random.Generator) -> tuple[str, Triplet]:
    plan = _plan(triplet, 1.0, rng)
    place = (triplet.centre[0] + plan.away[0], triplet.centre[1] + plan.away[1])
    middle = (triplet.centre[0] + plan.shift[0], triplet.centre[1] + plan.shift[1])
    psf = _psf(triplet.fwhm, rng)
    # Of an old candidate that reaches far some may be left around the new one, as residuals are around real sources.
    clean = triplet.cleaned(triplet.centre, rng.uniform(4.0, triplet.radius), rng)
    clean = _surroundings(clean, middle, psf, snr, rng)
    flux = _flux(clean, place, psf, snr, rng)
    star = next((peak for y, x, peak in triplet.stars if np.hypot(y - place[0], x - place[1]) < 1.5), 0.0)
    if triplet.sign > 0.0:
        made = clean.with_source(psf, place, flux, rng)
    elif flux < 0.9 * star / float(psf.image(0.0, 0.0, 1, 1)[0, 0]):
        made = clean.with_source(psf, place, -flux, rng)
    else:
        # A star cannot fade by more than it had: this one was fainter in the science image than can be seen.
        made = clean.with_vanished_source(psf, _sharper(triplet), place, flux)
    kind = "variable" if star > 0.0 or triplet.sign < 0.0 else "fake"
    return kind, _varied(made.moved(plan.shift), rng)


def _bogus(triplet: Triplet, snr: tuple[float, float], rng: np.random.Generator) -> Triplet:
    plan = _plan(triplet, -1.0, rng)
    made = triplet
    if plan.elsewhere:
        other = (triplet.centre[0] - plan.away[0], triplet.centre[1] - plan.away[1])
        made = made.cleaned(other, triplet.radius, rng)
    made = _surroundings(made, triplet.centre, _psf(triplet.fwhm, rng), snr, rng)
    return _varied(made.as_if_moved(plan.shift), rng)


def _plan(triplet: Triplet, side: float, rng: np.random.Generator) -> _Plan:
    """Draw where a fake comes from the old candidate (``side`` 1), or where it would have come from (-1).

    It is where the candidate was, or on what that was on: a star of like brightness, or blank sky.
    """
    row, column = triplet.centre
    at = [star for star in triplet.stars if np.hypot(star[0] - row, star[1] - column) < 2.0]
    if rng.random() < _MOVED:
        least = triplet.radius + 5.0
        if at:
            like = [
                (y - row, x - column)
                for y, x, peak in triplet.stars
                if at[0][2] / _LIKE < peak < at[0][2] * _LIKE and max(abs(y - row), abs(x - column)) <= _FARTHEST
            ]
            places = [side * np.array(like[k]) + rng.normal(0.0, 0.1, 2) for k in rng.permutation(len(like))]
        elif triplet.blank((row, column)):
            drawn = rng.uniform(-_FARTHEST, _FARTHEST, (_TRIES, 2))
            places = [away for away in drawn if triplet.blank((row + side * away[0], column + side * away[1]))]
        else:
            places = []
        for away in places:
            if np.hypot(*away) > least and triplet.holds((row + side * away[0], column + side * away[1]), 3):
                return _Plan(True, (float(away[0]), float(away[1])))
    away = rng.uniform(-0.5, 0.5, 2) if not at else np.array(at[0][:2]) - triplet.centre + rng.normal(0.0, 0.1, 2)
    return _Plan(False, (float(away[0]), float(away[1])))


def _psf(fwhm: float, rng: np.random.Generator) -> Psf:
    """Draw the profile of a difference's source: a little wider than the stars, with Moffat wings, slightly oval."""
    width = np.clip(fwhm * 1.1 * np.exp(rng.normal(0.0, 0.08)), 1.6, 5.0)
    # What is measured has the pixel in it; the profile adds it again.
    psf = Psf.moffat(float(np.sqrt(width**2 - 0.46)), rng.uniform(3.0, 4.5))
    oval = np.exp(rng.normal(0.0, 0.04))
    return psf.stretched(oval, 1.0 / oval)


def _sharper(triplet: Triplet) -> Psf:
    """Return the profile of the template, which is of good nights."""
    return Psf.moffat(max(0.85 * triplet.fwhm, 1.4), 3.5)


def _flux(triplet: Triplet, place: Place, psf: Psf, snr: tuple[float, float], rng: np.random.Generator) -> float:
    """Draw a flux, DN."""
    ratio = snr[0] * np.exp(_truncated(np.log(snr[1] / snr[0]), rng))
    profile = psf.image(20.0, 20.0, 41, 41)
    return float(ratio * triplet.local_noise(place) / np.sqrt((profile**2).sum()))


def _truncated(most: float, rng: np.random.Generator) -> float:
    """Draw from the exponential distribution of mean 1, cut off at ``most``."""
    return float(-np.log1p(-rng.random() * -np.expm1(-most)))


def _surroundings(
    triplet: Triplet, middle: tuple[int, int], psf: Psf, snr: tuple[float, float], rng: np.random.Generator
) -> Triplet:
    """Draw what stands near a candidate of either class: a galaxy, another source that changed."""
    if rng.random() < _HOST:
        radius, angle = rng.uniform(0.7, 3.0), rng.uniform(0.0, 2.0 * np.pi)
        far = radius * rng.uniform(0.0, 2.0)
        place = (middle[0] + far * np.sin(angle), middle[1] + far * np.cos(angle))
        flux = triplet.noise * triplet.fwhm * np.exp(rng.uniform(np.log(10.0), np.log(400.0)))
        one = np.ones(1)
        galaxy = Galaxies(
            place[1] * one, place[0] * one, flux * one, radius * one, rng.uniform(0.3, 1.0) * one,
            rng.uniform(0.0, np.pi) * one, (str(rng.choice(["exponential", "de_vaucouleurs"])),),
        )  # fmt: skip
        triplet = triplet.with_galaxy(psf, _sharper(triplet), galaxy, rng.normal(0.0, 0.01), rng)
    if rng.random() < _NEIGHBOUR:
        for _ in range(_TRIES):
            near = (middle[0] + rng.uniform(-30.0, 30.0), middle[1] + rng.uniform(-30.0, 30.0))
            if np.hypot(near[0] - middle[0], near[1] - middle[1]) > 8.0 and triplet.holds(near, 1):
                flux = _flux(triplet, near, psf, snr, rng)
                if rng.random() < 0.5:
                    return triplet.with_source(psf, near, flux, rng)
                return triplet.with_vanished_source(psf, _sharper(triplet), near, flux)
    return triplet


def _varied(triplet: Triplet, rng: np.random.Generator) -> Triplet:
    """Vary what says nothing about a candidate: noise, scale, whether the detector ends near."""
    if rng.random() < _NOISE:
        triplet = triplet.noisier(rng.uniform(0.1, 0.7), rng)
    if rng.random() < _EDGE:
        axis, side = int(rng.integers(2)), int(rng.choice((-1, 1)))
        away = triplet.science.shape[axis] - 1 - triplet.centre[axis] if side > 0 else triplet.centre[axis]
        if away > _INSIDE:
            lost = side * int(rng.integers(1, away - _INSIDE + 1))
            triplet = triplet.cropped((lost, 0) if axis == 0 else (0, lost))
    return triplet.brighter(float(np.exp(rng.normal(0.0, 0.25))))
