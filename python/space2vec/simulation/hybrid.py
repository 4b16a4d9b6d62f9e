"""Hybrid training data: point sources injected into real stamps, and real bogus (docs/datasets.md).

The stamps of both labels are treated alike, so that they differ only in the candidate: see :func:`hybrid`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import Stamps
from space2vec.simulation.psf import Psf
from space2vec.simulation.sky import Galaxies
from space2vec.simulation.triplet import Position, Triplet, measure_triplet

__all__ = ["hybrid"]

#: Share of the fakes that are injected at another position than the candidate's, if the stamp has a similar position.
_MOVED = 0.6
#: Stars are similar if their peaks differ by less than this factor.
_SIMILAR = 3.0
#: Largest distance of a fake from the old candidate along an axis, in pixels. So many rows or columns of the new stamp
#: have to be filled.
_FARTHEST = 14.0
#: Attempts to find a position.
_TRIES = 30
#: Shares of the rows with a galaxy near the candidate, with another source in the stamp, with added noise, and at an
#: edge of the detector.
_HOST, _NEIGHBOUR, _NOISE, _EDGE = 0.3, 0.25, 0.4, 0.05
#: Smallest number of pixels between a candidate and an edge.
_INSIDE = 5


@dataclass(frozen=True)
class _Offset:
    """The offset (rows, columns) of a fake from the old candidate in pixels, and whether it is at another position."""

    elsewhere: bool
    exact: Position

    @property
    def pixels(self) -> tuple[int, int]:
        """The offset in whole pixels."""
        return round(self.exact[0]), round(self.exact[1])


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
    """Make hybrid training data: point sources injected into real stamps (fakes), and real bogus.

    Parameters
    ----------
    real : LabelledStamps
        Real alerts. Bogus are those that the teacher scores below `bogus_below` or, without a teacher's score, those
        labelled bogus. Fakes are injected into the same stamps.
    n : int
        Number of rows to make.
    seed : int, optional
        The same seed gives the same rows.
    first : int, optional
        Number of the first row. A row depends only on its number and the seed, so that a large set can be made in
        pieces.
    real_fraction : float, optional
        Share of fakes, exact to rounding.
    bogus_below : float, optional
        An alert with a lower score of the teacher counts as bogus.
    snr : tuple of float, optional
        Smallest and largest signal-to-noise ratio of a fake in a matched filter. The logarithm of (ratio / smallest
        ratio) has an exponential distribution, so that most fakes are faint. ZTF's own ratio is smaller: its 5 is about
        9 here.
    progress : callable, optional
        Called with 1 after each row.

    Returns
    -------
    LabelledStamps
        Fakes have the label 1 and the kind ``fake``, or ``variable`` if they are on a star of the template or fade.
        Bogus have the label 0 and the kind ``bogus``. Object id and group are those of the alert that was changed;
        there are no teacher's scores and no catalogue columns.

    Raises
    ------
    ValueError
        If a number is out of range, or `real` has no bogus that can be changed.

    Notes
    -----
    For a fake, the candidate is removed from science and difference. A point source as wide as the stars in the stamp
    is added to both, with photon noise, where the candidate was or at a similar position nearby (a star of similar
    brightness, or blank sky). The stamp is centred on it, and missing rows and columns are filled from the opposite
    side.

    To give no hint of the label, the border of a bogus is filled in the same way, and its noise is replaced where a
    fake would have had its old candidate. Galaxies, other sources, edges, symmetries, scale and added noise are drawn
    from the same distributions for both. No pixel is interpolated. If a star fades, the sign of the difference is
    changed, as ZTF does.

    All rows made from one alert are in one group, and rows of both labels are made from every alert: split by group.
    """
    if n < 0 or first < 0:
        raise ValueError(f"n and first must not be negative; given {n} and {first}")
    if not 0.0 <= real_fraction <= 1.0:
        raise ValueError(f"real_fraction must lie between 0 and 1; given {real_fraction}")
    if not 0.0 < snr[0] < snr[1]:
        raise ValueError(f"snr must be two numbers above 0, the smaller first; given {snr}")
    bogus = np.where(np.isnan(real.teacher), real.label == 0, real.teacher < bogus_below)
    measured = ((row, measure_triplet(real.stamps, row)) for row in np.flatnonzero(bogus).tolist())
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
        kind, triplet = _fake(triplet, snr, rng) if is_real else ("bogus", _bogus(triplet, snr, rng))
        stamp = triplet.oriented(int(rng.integers(8)))
        planes.append(stamp.planes)
        centres.append(stamp.centre)
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
    """Replace the candidate of a triplet by an injected source; return its kind and the new triplet."""
    offset = _draw_offset(triplet, 1.0, rng)
    position = (triplet.centre[0] + offset.exact[0], triplet.centre[1] + offset.exact[1])
    middle = (triplet.centre[0] + offset.pixels[0], triplet.centre[1] + offset.pixels[1])
    psf = _psf(triplet.fwhm, rng)
    # The outer parts of a bright old candidate may remain around the new one, as residuals do around real sources.
    base = triplet.without_change(triplet.centre, rng.uniform(4.0, triplet.radius), rng)
    base = _with_surroundings(base, middle, psf, snr, rng)
    flux = _draw_flux(base, position, psf, snr, rng)
    distances = ((np.hypot(star.row - position[0], star.column - position[1]), star.peak) for star in triplet.stars)
    peak = next((peak for distance, peak in distances if distance < 1.5), 0.0)
    if triplet.sign > 0.0:
        fake = base.with_source(psf, position, flux, rng)
    elif flux < 0.9 * peak / float(psf.image(0.0, 0.0, 1, 1)[0, 0]):
        fake = base.with_source(psf, position, -flux, rng)
    else:
        # A star cannot lose more light than it has: here the source has vanished from the science image.
        fake = base.with_vanished_source(psf, _template_psf(triplet), position, flux)
    kind = "variable" if peak > 0.0 or triplet.sign < 0.0 else "fake"
    return kind, _vary(fake.recentred(offset.pixels), rng)


def _bogus(triplet: Triplet, snr: tuple[float, float], rng: np.random.Generator) -> Triplet:
    """Treat the stamp of a bogus as that of a fake is treated, and leave the candidate in it."""
    offset = _draw_offset(triplet, -1.0, rng)
    bogus = triplet
    if offset.elsewhere:
        other = (triplet.centre[0] - offset.exact[0], triplet.centre[1] - offset.exact[1])
        bogus = bogus.without_change(other, triplet.radius, rng)
    bogus = _with_surroundings(bogus, triplet.centre, _psf(triplet.fwhm, rng), snr, rng)
    return _vary(bogus.with_recentred_border(offset.pixels), rng)


def _draw_offset(triplet: Triplet, side: float, rng: np.random.Generator) -> _Offset:
    """Draw the offset of a fake from the old candidate (``side`` 1), or of a bogus from an imagined one (-1).

    The fake is at the position of the candidate or at a similar one: on a star of similar brightness, or on blank sky.
    """
    row, column = triplet.centre
    at = [star for star in triplet.stars if np.hypot(star.row - row, star.column - column) < 2.0]
    if rng.random() < _MOVED:
        least = triplet.radius + 5.0
        if at:
            similar = [
                (y - row, x - column)
                for y, x, peak in triplet.stars
                if at[0].peak / _SIMILAR < peak < at[0].peak * _SIMILAR
                and max(abs(y - row), abs(x - column)) <= _FARTHEST
            ]
            offsets = [side * np.array(similar[k]) + rng.normal(0.0, 0.1, 2) for k in rng.permutation(len(similar))]
        elif triplet.is_blank((row, column)):
            drawn = rng.uniform(-_FARTHEST, _FARTHEST, (_TRIES, 2))
            offsets = [away for away in drawn if triplet.is_blank((row + side * away[0], column + side * away[1]))]
        else:
            offsets = []
        for away in offsets:
            if np.hypot(*away) > least and triplet.is_usable((row + side * away[0], column + side * away[1]), 3):
                return _Offset(True, (float(away[0]), float(away[1])))
    away = rng.uniform(-0.5, 0.5, 2) if not at else np.array(at[0][:2]) - triplet.centre + rng.normal(0.0, 0.1, 2)
    return _Offset(False, (float(away[0]), float(away[1])))


def _psf(fwhm: float, rng: np.random.Generator) -> Psf:
    """Draw the profile of a source in the difference: a slightly oval Moffat profile, a little wider than the stars."""
    width = np.clip(fwhm * 1.1 * np.exp(rng.normal(0.0, 0.08)), 1.6, 5.0)
    # The measured width includes the pixel, which the profile adds again.
    psf = Psf.moffat(float(np.sqrt(width**2 - 0.46)), rng.uniform(3.0, 4.5))
    oval = np.exp(rng.normal(0.0, 0.04))
    return psf.stretched(oval, 1.0 / oval)


def _template_psf(triplet: Triplet) -> Psf:
    """Return the profile of the template, which is sharper, since it was taken in good nights."""
    return Psf.moffat(max(0.85 * triplet.fwhm, 1.4), 3.5)


def _draw_flux(
    triplet: Triplet, position: Position, psf: Psf, snr: tuple[float, float], rng: np.random.Generator
) -> float:
    """Draw a flux in DN, by its signal-to-noise ratio at a position."""
    ratio = snr[0] * np.exp(_draw_exponential(np.log(snr[1] / snr[0]), rng))
    profile = psf.image(20.0, 20.0, 41, 41)
    return float(ratio * triplet.local_noise(position) / np.sqrt((profile**2).sum()))


def _draw_exponential(most: float, rng: np.random.Generator) -> float:
    """Draw from the exponential distribution of mean 1, cut off at ``most``."""
    return float(-np.log1p(-rng.random() * -np.expm1(-most)))


def _with_surroundings(
    triplet: Triplet, middle: tuple[int, int], psf: Psf, snr: tuple[float, float], rng: np.random.Generator
) -> Triplet:
    """Add, at random, a galaxy near a candidate of either label, and another source that changed."""
    if rng.random() < _HOST:
        radius, angle = rng.uniform(0.7, 3.0), rng.uniform(0.0, 2.0 * np.pi)
        far = radius * rng.uniform(0.0, 2.0)
        position = (middle[0] + far * np.sin(angle), middle[1] + far * np.cos(angle))
        flux = triplet.noise * triplet.fwhm * np.exp(rng.uniform(np.log(10.0), np.log(400.0)))
        one = np.ones(1)
        galaxy = Galaxies(
            position[1] * one, position[0] * one, flux * one, radius * one, rng.uniform(0.3, 1.0) * one,
            rng.uniform(0.0, np.pi) * one, (str(rng.choice(["exponential", "de_vaucouleurs"])),),
        )  # fmt: skip
        triplet = triplet.with_galaxy(psf, _template_psf(triplet), galaxy, rng.normal(0.0, 0.01), rng)
    if rng.random() < _NEIGHBOUR:
        for _ in range(_TRIES):
            near = (middle[0] + rng.uniform(-30.0, 30.0), middle[1] + rng.uniform(-30.0, 30.0))
            if np.hypot(near[0] - middle[0], near[1] - middle[1]) > 8.0 and triplet.is_usable(near, 1):
                flux = _draw_flux(triplet, near, psf, snr, rng)
                if rng.random() < 0.5:
                    return triplet.with_source(psf, near, flux, rng)
                return triplet.with_vanished_source(psf, _template_psf(triplet), near, flux)
    return triplet


def _vary(triplet: Triplet, rng: np.random.Generator) -> Triplet:
    """Vary at random what does not depend on the label: noise, scale, and whether an edge of the detector is near."""
    if rng.random() < _NOISE:
        triplet = triplet.with_noise(rng.uniform(0.1, 0.7), rng)
    if rng.random() < _EDGE:
        axis, side = int(rng.integers(2)), int(rng.choice((-1, 1)))
        away = triplet.science.shape[axis] - 1 - triplet.centre[axis] if side > 0 else triplet.centre[axis]
        if away > _INSIDE:
            removed = side * int(rng.integers(1, away - _INSIDE + 1))
            triplet = triplet.cropped((removed, 0) if axis == 0 else (0, removed))
    return triplet.scaled(float(np.exp(rng.normal(0.0, 0.25))))
