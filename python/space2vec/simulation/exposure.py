"""Exposures: the conditions that all candidates of one image share."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from space2vec.simulation.engine import Engine, NumpyEngine
from space2vec.simulation.psf import matching_kernel, zogy_filters
from space2vec.simulation.survey import SURVEYS, Survey

__all__ = ["Exposure", "Matching", "draw_exposure", "draw_log_uniform"]

Array = NDArray[np.float64]

#: Nothing is sampled worse than this, whatever the randomisation: full width at half maximum, pixel.
_SHARPEST = 1.2
#: Nor is any field more crowded: stars a pixel.
_CROWDED = 0.02


@dataclass(frozen=True)
class Matching:
    """Transforms, on one canvas, of the filters that the pipeline puts on the images before it subtracts them.

    Attributes
    ----------
    science, template : ndarray or None
        Filter of each image; ``None`` leaves it as it is.
    profile : ndarray
        Point spread function of the difference image.
    """

    science: Array | None
    template: Array | None
    profile: Array


@dataclass(frozen=True)
class Exposure:
    """One science image and its template; lengths in pixels, levels in the survey's unit, angles in degrees."""

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
    psf: Any
    template_psf: Any
    matching: Literal["template", "damped", "science", "zogy"]
    damping: float
    resampling: tuple[float, float]
    template_resampling: tuple[float, float]
    saturation: float
    star_density: float
    galaxy_density: float
    error_scale: float
    spikes: tuple[float, float]
    ripple: Array
    #: How much wider than usual everything is drawn that is drawn for each candidate.
    randomise: float = 0.0
    _matched: dict[int, Matching] = dataclasses.field(default_factory=dict, repr=False, compare=False)

    @property
    def jd(self) -> float:
        """Julian date of the start of the exposure."""
        return 2457754.5 + self.night + self.fraction * 1e-6

    @property
    def pid(self) -> int:
        """Processing id: night, fraction of the day, readout channel."""
        return (self.night * 10**6 + self.fraction) * 1000 + self.detector * 10 + 5

    def candidate_id(self, serial: int) -> int:
        """Return the id of a candidate by its number in this exposure."""
        return self.pid * 10**6 + 15 * 1000 + serial

    @property
    def noise(self) -> float:
        """Noise of one pixel of blank sky in the science image."""
        return float(np.hypot(np.sqrt(self.sky / self.gain), self.read_noise / self.gain))

    @property
    def template_noise(self) -> float:
        """Noise of one pixel of blank sky in the template, before it was resampled."""
        variance = self.template_sky / self.gain + (self.read_noise / self.gain) ** 2
        return float(np.sqrt(variance / self.frames))

    @property
    def limit(self) -> float:
        """Magnitude of a point source at five times the pipeline's own error."""
        area = 4.0 * np.pi * (self.seeing / 2.355) ** 2
        return float(self.zeropoint - 2.5 * np.log10(5.0 * self.noise * np.sqrt(area) * self.error_scale))

    def flux(self, magnitude: float | Array) -> Any:
        """Return the flux of a magnitude."""
        return 10.0 ** (-0.4 * (magnitude - self.zeropoint))

    def matched(self, size: int) -> Matching:
        """Return the filters for square images of ``size`` pixels."""
        if size not in self._matched:
            science, template = self.psf.transform(size), self.template_psf.transform(size)
            if self.matching == "zogy":
                filters = zogy_filters(science, template, self.noise, self.template_noise)
                self._matched[size] = Matching(*filters, profile=filters[0] * science)
            elif self.matching == "science":
                kernel = matching_kernel(template, science, self.damping)
                self._matched[size] = Matching(kernel, None, profile=kernel * science)
            else:
                damping = self.damping if self.matching == "damped" else 0.0
                self._matched[size] = Matching(None, matching_kernel(science, template, damping), profile=science)
        return self._matched[size]


def draw_log_uniform(rng: np.random.Generator, limits: tuple[float, float], randomise: float = 0.0) -> float:
    """Draw a positive number, even in its logarithm, from a range that ``randomise`` widens.

    The logarithm's range grows by ``randomise`` times itself, and that of a narrow range by 0.15 ``randomise`` to
    either side at least. A range that starts at 0 is drawn evenly and grows upwards.
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
    """Draw the conditions of an exposure of a survey; ``randomise`` widens the ranges they are drawn from."""
    engine = engine or NumpyEngine()
    codes = list(survey.bands)
    band = codes[int(rng.choice(len(codes), p=[survey.bands[code][0] for code in codes]))]
    seeing, template_seeing, matching = _seeing(rng, survey, randomise)
    psf, template_psf = _profiles(rng, engine, seeing, template_seeing, randomise)
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
        seeing=seeing,
        template_seeing=template_seeing,
        psf=psf,
        template_psf=template_psf,
        matching=matching,
        damping=float(np.exp(rng.uniform(np.log(0.03), np.log(0.15)))),
        resampling=shift(survey.science_resampling),
        template_resampling=shift(survey.template_resampling),
        saturation=rng.uniform(*survey.saturation),
        star_density=min(draw_log_uniform(rng, survey.star_density, randomise), _CROWDED),
        galaxy_density=min(draw_log_uniform(rng, survey.galaxy_density, randomise), 0.3 * _CROWDED),
        error_scale=rng.uniform(*survey.error_scale),
        spikes=_spikes(rng, survey),
        # A camera that samples its profile badly cannot be interpolated well: stripes remain of bright stars.
        ripple=rng.normal(0.0, survey.ripple * (1.0 + randomise), 2),
        randomise=randomise,
    )


def _seeing(
    rng: np.random.Generator, survey: Survey, randomise: float
) -> tuple[float, float, Literal["template", "damped", "science", "zogy"]]:
    """Draw the seeing of science image and template, and what the pipeline then does."""
    template = max(draw_log_uniform(rng, survey.template_seeing, randomise), _SHARPEST)
    seeing = max(draw_log_uniform(rng, survey.seeing, randomise), _SHARPEST)
    sharper = rng.random() < survey.sharper * (1.0 + randomise)
    # The template is the wider one by a tenth or so at most: it was made of good nights.
    if sharper:
        seeing = max(template * rng.uniform(0.85, 1.0), _SHARPEST)
    elif seeing < 1.02 * template:
        seeing = float(np.hypot(template, rng.uniform(0.2, 0.6) * template))
    if survey.subtraction == "zogy":
        return seeing, template, "zogy"
    if not sharper:
        return seeing, template, "template"
    return seeing, template, "science" if rng.random() < 0.5 else "damped"


def _profiles(
    rng: np.random.Generator, engine: Engine, seeing: float, template_seeing: float, randomise: float
) -> tuple[Any, Any]:
    """Draw the two point spread functions: alike in their wings, each with an elongation of its own."""
    beta = draw_log_uniform(rng, (3.0, 4.5), randomise)
    spread = 0.03 * (1.0 + 3.0 * randomise)
    science, template = (np.clip(rng.normal(0.0, spread, 2), -0.3, 0.3) * scale for scale in (1.0, 0.5))
    return (
        engine.psf(seeing, beta, (float(science[0]), float(science[1]))),
        engine.psf(template_seeing, max(beta + rng.normal(0.0, 0.1), 2.2), (float(template[0]), float(template[1]))),
    )


def _spikes(rng: np.random.Generator, survey: Survey) -> tuple[float, float]:
    """Draw the angles (radian) of the diffraction spikes in science image and template."""
    angle = rng.uniform(0.0, 0.5 * np.pi) if survey.rotates else rng.normal(0.0, 0.03)
    return float(angle), float(rng.uniform(0.0, 0.5 * np.pi) if survey.rotates else angle)
