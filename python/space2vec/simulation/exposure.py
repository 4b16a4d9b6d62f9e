"""Exposures: the conditions under which a science image and its template were taken."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from space2vec.simulation.engine import AnyProfile, Engine, NumpyEngine
from space2vec.simulation.psf import matching_kernel, zogy_filters
from space2vec.simulation.survey import SURVEYS, Survey

__all__ = ["Exposure", "Matching", "draw_exposure", "draw_log_uniform"]

Array = NDArray[np.float64]

#: The smallest seeing, whatever the randomisation: full width at half maximum, pixels.
_SHARPEST = 1.2
#: The most crowded field, whatever the randomisation: stars per pixel.
_CROWDED = 0.02

#: How the pipeline matches the images: with a kernel for the template; the same, damped; with a kernel for the science
#: image; or with ZOGY's filters for both.
_Method = Literal["template", "damped", "science", "zogy"]


@dataclass(frozen=True)
class Matching:
    """The filters with which the pipeline matches the images, as transforms (size, size // 2 + 1).

    Attributes
    ----------
    science, template : ndarray or None
        The filter of each image; None if the image is not filtered.
    profile : ndarray
        The point spread function of the difference image.
    """

    science: Array | None
    template: Array | None
    profile: Array


class _Seeing(NamedTuple):
    """Full width at half maximum of both point spread functions in pixels, and how the pipeline matches them."""

    science: float
    template: float
    matching: _Method


@dataclass(frozen=True)
class Exposure:
    """The conditions of one science image and its template.

    Lengths are in pixels and levels in the unit of the survey.

    Attributes
    ----------
    survey : Survey
        The survey.
    engine : Engine
        The engine that draws its point spread functions and sources.
    night, fraction : int
        Night, counted from 2017-01-01, and millionths of the day.
    field, detector, band : int
        Field, detector and filter code.
    ra, dec : float
        Sky position of the middle of the detector, degrees.
    zeropoint : float
        Magnitude of one unit of flux.
    gain : float
        Electrons per unit of flux.
    read_noise : float
        Electrons per pixel.
    sky, template_sky : float
        Level of the sky.
    frames : int
        Number of exposures in the template.
    seeing, template_seeing : float
        Full width at half maximum of the point spread functions, without the blur by the pixels.
    psf, template_psf : Profile
        The point spread functions.
    matching : {"template", "damped", "science", "zogy"}
        How the pipeline matches the images.
    damping : float
        See :func:`space2vec.simulation.psf.matching_kernel`.
    resampling, template_resampling : tuple of float
        Fractions of a pixel by which each image was shifted along rows and columns.
    saturation : float
        Level of saturation.
    star_density, galaxy_density : float
        Sources per pixel.
    error_scale : float
        Factor by which the pipeline overestimates its errors.
    spikes : tuple of float
        Angles of the diffraction spikes in science image and template, radians.
    ripple : ndarray (2,)
        Relative errors of the pipeline's interpolation at the highest frequencies, along x and y.
    randomise : float
        How much wider than in the survey the ranges are from which the conditions of each candidate are drawn.
    """

    survey: Survey
    engine: Engine
    night: int
    fraction: int
    field: int
    detector: int
    band: int
    ra: float
    dec: float
    zeropoint: float
    gain: float
    read_noise: float
    sky: float
    template_sky: float
    frames: int
    seeing: float
    template_seeing: float
    psf: AnyProfile
    template_psf: AnyProfile
    matching: _Method
    damping: float
    resampling: tuple[float, float]
    template_resampling: tuple[float, float]
    saturation: float
    star_density: float
    galaxy_density: float
    error_scale: float
    spikes: tuple[float, float]
    ripple: Array
    randomise: float = 0.0
    _filters: dict[int, Matching] = dataclasses.field(default_factory=dict, repr=False, compare=False)

    def visited_again(self, rng: np.random.Generator) -> Exposure:
        """Draw a later exposure of the same field with the same detector and filter, and with the same template."""
        other = draw_exposure(rng, self.survey, randomise=self.randomise, engine=self.engine)
        matching = self.matching
        if matching != "zogy":
            sharper = other.seeing < self.template_seeing
            matching = "template" if not sharper else "science" if rng.random() < 0.5 else "damped"
        return dataclasses.replace(
            self,
            night=self.night + int(rng.integers(1, 60)),
            fraction=other.fraction,
            sky=draw_log_uniform(rng, self.survey.bands[self.band][1:], self.randomise),
            seeing=other.seeing,
            psf=other.psf,
            matching=matching,
            resampling=other.resampling,
            spikes=(other.spikes[0], self.spikes[1]),
            ripple=other.ripple,
            _filters={},
        )

    @property
    def jd(self) -> float:
        """Julian date of the start of the exposure."""
        return 2457754.5 + self.night + self.fraction * 1e-6

    @property
    def pid(self) -> int:
        """ZTF's processing id: night, fraction of the day, readout channel."""
        return (self.night * 10**6 + self.fraction) * 1000 + self.detector * 10 + 5

    def candidate_id(self, serial: int) -> int:
        """Return the id of a candidate from its number in this exposure."""
        return self.pid * 10**6 + 15 * 1000 + serial

    @property
    def noise(self) -> float:
        """Noise of a pixel of blank sky in the science image, in the unit of the survey."""
        return float(np.hypot(np.sqrt(self.sky / self.gain), self.read_noise / self.gain))

    @property
    def template_noise(self) -> float:
        """Noise of a pixel of blank sky in the template before resampling, in the unit of the survey."""
        variance = self.template_sky / self.gain + (self.read_noise / self.gain) ** 2
        return float(np.sqrt(variance / self.frames))

    @property
    def limit(self) -> float:
        """Magnitude of a point source whose flux is five times the error that the pipeline assumes."""
        area = 4.0 * np.pi * (self.seeing / 2.355) ** 2
        return float(self.zeropoint - 2.5 * np.log10(5.0 * self.noise * np.sqrt(area) * self.error_scale))

    @overload
    def flux(self, magnitude: float) -> float: ...

    @overload
    def flux(self, magnitude: Array) -> Array: ...

    def flux(self, magnitude: float | Array) -> float | Array:
        """Return the flux of a magnitude, in the unit of the survey."""
        return 10.0 ** (-0.4 * (magnitude - self.zeropoint))

    def matching_filters(self, size: int) -> Matching:
        """Return the filters with which the pipeline matches images of ``size`` x ``size`` pixels."""
        if size not in self._filters:
            science, template = self.psf.transform(size), self.template_psf.transform(size)
            if self.matching == "zogy":
                filters = zogy_filters(science, template, self.noise, self.template_noise)
                self._filters[size] = Matching(*filters, profile=filters.science * science)
            elif self.matching == "science":
                kernel = matching_kernel(template, science, self.damping)
                self._filters[size] = Matching(kernel, None, profile=kernel * science)
            else:
                damping = self.damping if self.matching == "damped" else 0.0
                self._filters[size] = Matching(None, matching_kernel(science, template, damping), profile=science)
        return self._filters[size]


def draw_log_uniform(rng: np.random.Generator, limits: tuple[float, float], randomise: float = 0.0) -> float:
    """Draw a positive number whose logarithm is uniformly distributed over a range.

    ``randomise`` widens the range of the logarithm by that factor of its width, and by at least 0.15 times that factor
    on each side. In a range that starts at 0 the number itself is uniformly distributed, and the range is extended
    upwards.
    """
    low, high = limits
    if low == 0.0:
        return float(rng.uniform(0.0, high * (1.0 + randomise)))
    more = randomise * max(0.5 * np.log(high / low), 0.15)
    return float(np.exp(rng.uniform(np.log(low) - more, np.log(high) + more)))


def draw_exposure(
    rng: np.random.Generator,
    survey: Survey = SURVEYS["ztf"],
    *,
    randomise: float = 0.0,
    engine: Engine | None = None,
) -> Exposure:
    """Draw the conditions of an exposure of a survey from its ranges, which ``randomise`` widens."""
    engine = engine or NumpyEngine()
    codes = list(survey.bands)
    band = codes[int(rng.choice(len(codes), p=[survey.bands[code][0] for code in codes]))]
    seeing = _draw_seeing(rng, survey, randomise)
    psf, template_psf = _draw_profiles(rng, engine, seeing, randomise)
    sky = draw_log_uniform(rng, survey.bands[band][1:], randomise)
    frames = max(round(draw_log_uniform(rng, (float(survey.frames[0]), float(survey.frames[1])), randomise)), 1)

    def shift(limits: tuple[float, float]) -> tuple[float, float]:
        first, second = (min(draw_log_uniform(rng, limits, randomise), 0.5) for _ in range(2))
        return first, second

    return Exposure(
        survey=survey,
        engine=engine,
        night=int(rng.integers(558, 1800)),
        fraction=int(rng.integers(120_000, 500_000)),
        field=int(rng.integers(250, 860)),
        detector=int(rng.integers(survey.detectors)),
        band=band,
        ra=rng.uniform(0.0, 360.0),
        dec=rng.uniform(-25.0, 75.0),
        zeropoint=rng.uniform(*survey.zeropoint),
        gain=draw_log_uniform(rng, survey.gain, randomise),
        read_noise=survey.read_noise * (draw_log_uniform(rng, (0.8, 1.25), randomise) if randomise else 1.0),
        sky=sky,
        template_sky=sky + rng.normal(0.0, 1.0),
        frames=frames,
        seeing=seeing.science,
        template_seeing=seeing.template,
        psf=psf,
        template_psf=template_psf,
        matching=seeing.matching,
        damping=float(np.exp(rng.uniform(np.log(0.03), np.log(0.15)))),
        resampling=shift(survey.science_resampling),
        template_resampling=shift(survey.template_resampling),
        saturation=rng.uniform(*survey.saturation),
        star_density=min(draw_log_uniform(rng, survey.star_density, randomise), _CROWDED),
        galaxy_density=min(draw_log_uniform(rng, survey.galaxy_density, randomise), 0.3 * _CROWDED),
        error_scale=rng.uniform(*survey.error_scale),
        spikes=_draw_spike_angles(rng, survey),
        # Interpolation of an undersampled image has errors, which leave stripes at bright stars.
        ripple=rng.normal(0.0, survey.ripple * (1.0 + randomise), 2),
        randomise=randomise,
    )


def _draw_seeing(rng: np.random.Generator, survey: Survey, randomise: float) -> _Seeing:
    """Draw the seeing of science image and template, and how the pipeline matches them."""
    template = max(draw_log_uniform(rng, survey.template_seeing, randomise), _SHARPEST)
    seeing = max(draw_log_uniform(rng, survey.seeing, randomise), _SHARPEST)
    sharper = rng.random() < survey.sharper * (1.0 + randomise)
    # The seeing of the template is at most a little worse, since it was taken in good nights.
    if sharper:
        seeing = max(template * rng.uniform(0.85, 1.0), _SHARPEST)
    elif seeing < 1.02 * template:
        seeing = float(np.hypot(template, rng.uniform(0.2, 0.6) * template))
    if survey.subtraction == "zogy":
        return _Seeing(seeing, template, "zogy")
    if not sharper:
        return _Seeing(seeing, template, "template")
    return _Seeing(seeing, template, "science" if rng.random() < 0.5 else "damped")


def _draw_profiles(
    rng: np.random.Generator, engine: Engine, seeing: _Seeing, randomise: float
) -> tuple[AnyProfile, AnyProfile]:
    """Draw the two point spread functions, with almost the same wings and different elongations."""
    beta = draw_log_uniform(rng, (3.0, 4.5), randomise)
    spread = 0.03 * (1.0 + 3.0 * randomise)
    science, template = (np.clip(rng.normal(0.0, spread, 2), -0.3, 0.3) * scale for scale in (1.0, 0.5))
    return (
        engine.psf(seeing.science, beta, (float(science[0]), float(science[1]))),
        engine.psf(seeing.template, max(beta + rng.normal(0.0, 0.1), 2.2), (float(template[0]), float(template[1]))),
    )


def _draw_spike_angles(rng: np.random.Generator, survey: Survey) -> tuple[float, float]:
    """Draw the angles (radians) of the diffraction spikes in science image and template."""
    angle = rng.uniform(0.0, 0.5 * np.pi) if survey.rotates else rng.normal(0.0, 0.03)
    return float(angle), float(rng.uniform(0.0, 0.5 * np.pi) if survey.rotates else angle)
