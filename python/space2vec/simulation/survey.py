"""Surveys: those properties of a camera, its site and its pipeline that stamps depend on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["SURVEYS", "Survey", "survey_by_name"]

Range = tuple[float, float]


@dataclass(frozen=True)
class Survey:
    """The properties that the exposures of a survey have in common; ranges are (lowest, highest).

    Attributes
    ----------
    name : str
        Its key in :data:`SURVEYS`.
    pixel_scale : float
        Arcsec a pixel.
    width, height, detectors : int
        Pixels of a detector (or readout channel), and the number of detectors.
    gain : (float, float)
        Electrons per unit of flux; the unit of flux is that of the pixels.
    read_noise : float
        Electrons per pixel.
    zeropoint : (float, float)
        Magnitude of one unit of flux.
    bands : dict of int to (share, lowest, highest)
        For each filter code, the share of the exposures, and the range of the sky (unit of flux per pixel).
    seeing, template_seeing : (float, float)
        Full width at half maximum of the point spread function without the blur by the pixels, pixels.
    sharper : float
        Share of the exposures that have a better seeing than their template.
    frames : (int, int)
        Number of exposures in a template.
    saturation : (float, float)
        Full well, unit of flux.
    sizes : dict of int to float
        Sides of the stamps in pixels, and the share of each.
    star_density, galaxy_density : (float, float)
        Sources per pixel.
    science_resampling, template_resampling : (float, float)
        Fraction of a pixel by which images were shifted onto a common grid, which correlates their noise.
    ripple : float
        Standard deviation of the relative error that interpolation causes at the highest frequencies.
    error_scale : (float, float)
        Factor by which the pipeline overestimates its errors.
    subtraction : {"kernel", "zogy"}
        How the images are matched: with a kernel for one of them, or with a filter for each (ZOGY).
    faded : {"flipped", "negative", "absent"}
        The difference of a source that has faded changes its sign, stays negative, or is not searched for.
    blank : float
        Value of a blank pixel.
    masking : {"blank", "difference", "interpolate"}
        Masked pixels are blanked in all planes, blanked in the difference only, or interpolated along their row.
    pads : bool
        Whether a stamp at the border of a detector is padded with blank pixels; otherwise it is smaller.
    sky_subtracted : bool
        Whether science image and template are published without their sky.
    rotates : bool
        Whether the camera rotates relative to the sky, so that diffraction spikes of two exposures have other angles.
    """

    name: str
    pixel_scale: float
    width: int
    height: int
    detectors: int
    gain: Range
    read_noise: float
    zeropoint: Range
    bands: dict[int, tuple[float, float, float]]
    seeing: Range
    template_seeing: Range
    sharper: float
    frames: tuple[int, int]
    saturation: Range
    sizes: dict[int, float]
    star_density: Range
    galaxy_density: Range
    science_resampling: Range
    template_resampling: Range
    ripple: float
    error_scale: Range
    subtraction: Literal["kernel", "zogy"]
    faded: Literal["flipped", "negative", "absent"]
    blank: float
    masking: Literal["blank", "difference", "interpolate"]
    pads: bool
    sky_subtracted: bool
    rotates: bool


#: The surveys by name. Levels, sizes and noise of ``ztf`` were measured on a night of public alerts, those of ``rubin``
#: on sample alerts that brokers have published; ``des`` follows DECam and Kessler et al. (2015, AJ 150, 172).
SURVEYS: dict[str, Survey] = {
    "ztf": Survey(
        name="ztf",
        pixel_scale=1.0125,
        width=3072,
        height=3080,
        detectors=64,
        gain=(6.2, 6.2),
        read_noise=10.0,
        zeropoint=(26.0, 26.4),
        bands={1: (0.4, 75.0, 190.0), 2: (0.6, 110.0, 260.0)},
        seeing=(1.45, 2.3),
        template_seeing=(1.4, 1.8),
        sharper=0.08,
        frames=(15, 40),
        saturation=(38_000.0, 52_000.0),
        sizes={63: 1.0},
        star_density=(0.0004, 0.01),
        galaxy_density=(0.0001, 0.0002),
        science_resampling=(0.0, 0.1),
        template_resampling=(0.15, 0.5),
        ripple=0.25,
        error_scale=(1.2, 1.9),
        subtraction="zogy",
        faded="flipped",
        blank=float("nan"),
        masking="blank",
        pads=False,
        sky_subtracted=False,
        rotates=False,
    ),
    "des": Survey(
        name="des",
        pixel_scale=0.263,
        width=2048,
        height=4096,
        detectors=62,
        gain=(3.6, 4.6),
        read_noise=7.0,
        zeropoint=(30.2, 31.2),
        bands={1: (0.25, 150.0, 400.0), 2: (0.3, 300.0, 900.0), 3: (0.25, 600.0, 1800.0), 4: (0.2, 1000.0, 3000.0)},
        seeing=(3.0, 6.0),
        template_seeing=(3.2, 4.6),
        sharper=0.25,
        frames=(3, 12),
        saturation=(30_000.0, 45_000.0),
        sizes={51: 1.0},
        star_density=(0.0001, 0.0008),
        galaxy_density=(0.0004, 0.002),
        science_resampling=(0.0, 0.3),
        template_resampling=(0.15, 0.5),
        ripple=0.02,
        error_scale=(1.0, 1.3),
        subtraction="kernel",
        faded="absent",
        blank=0.0,
        masking="difference",
        pads=True,
        sky_subtracted=True,
        rotates=False,
    ),
    "rubin": Survey(
        name="rubin",
        pixel_scale=0.2,
        width=4072,
        height=4000,
        detectors=189,
        gain=(0.6, 1.6),
        read_noise=9.0,
        zeropoint=(31.4, 31.4),
        bands={1: (0.2, 400.0, 900.0), 2: (0.35, 700.0, 1600.0), 3: (0.3, 1000.0, 2500.0), 4: (0.15, 1800.0, 4000.0)},
        seeing=(3.0, 5.0),
        template_seeing=(3.0, 4.2),
        sharper=0.15,
        frames=(6, 60),
        saturation=(100_000.0, 200_000.0),
        sizes={30: 0.8, 39: 0.06, 45: 0.05, 51: 0.04, 59: 0.03, 71: 0.02},
        star_density=(0.0001, 0.001),
        galaxy_density=(0.0005, 0.003),
        science_resampling=(0.0, 0.1),
        template_resampling=(0.15, 0.5),
        ripple=0.02,
        error_scale=(1.0, 1.2),
        subtraction="kernel",
        faded="negative",
        blank=float("nan"),
        masking="interpolate",
        pads=True,
        sky_subtracted=True,
        rotates=True,
    ),
}


def survey_by_name(name: str) -> Survey:
    """Return the survey of a name; ValueError if the name is unknown."""
    if name not in SURVEYS:
        raise ValueError(f"survey must be one of {', '.join(SURVEYS)}; given {name!r}")
    return SURVEYS[name]
