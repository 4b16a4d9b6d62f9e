"""Surveys: a camera, its site, and the habits of its pipeline, as far as a stamp shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["SURVEYS", "Survey", "survey_of"]

Range = tuple[float, float]


@dataclass(frozen=True)
class Survey:
    """What the exposures of a survey have in common; ranges are (lowest, highest).

    Attributes
    ----------
    name : str
        Its key in :data:`SURVEYS`.
    pixel_scale : float
        Arcsec a pixel.
    width, height, detectors : int
        Pixels of a detector (or readout channel), and how many there are.
    gain : (float, float)
        Electrons a unit of flux; the unit is that of the pixels.
    read_noise : float
        Electrons.
    zeropoint : (float, float)
        Magnitude of one unit of flux.
    bands : dict of int to (share, lowest, highest)
        Filter codes, how often each is used, and its sky (unit of flux a pixel).
    seeing, template_seeing : (float, float)
        Full width at half maximum before the pixels blur it, pixel.
    sharper : float
        Share of the exposures whose template has the worse seeing.
    frames : (int, int)
        Exposures in a template.
    saturation : (float, float)
        Full well, unit of flux.
    sizes : dict of int to float
        Sides of the stamps, pixel, and their shares.
    star_density, galaxy_density : (float, float)
        Sources a pixel.
    science_resampling, template_resampling : (float, float)
        Fraction of a pixel by which images were shifted onto a common grid; it correlates their noise.
    ripple : float
        Scatter of the error that interpolation makes at the highest frequencies, relative.
    error_scale : (float, float)
        Factor by which the pipeline overrates its errors.
    subtraction : {"kernel", "zogy"}
        How the images are brought together.
    faded : {"flipped", "negative", "absent"}
        What becomes of a source that faded: its difference is turned over, stays negative, or is not looked at.
    blank : float
        Value of a blank pixel.
    masking : {"blank", "difference", "interpolate"}
        What the pipeline does to the pixels that it masks: blanks them in all planes, or in the difference alone, or
        fills them along their row.
    pads : bool
        Whether a stamp at the border of a detector is filled up with blank pixels; else it is cut.
    sky_subtracted : bool
        Whether science image and template come without their sky.
    rotates : bool
        Whether the sky turns on the camera, so that the diffraction spikes of two exposures do not coincide.
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


#: The surveys by name. Levels, sizes and noise of ``ztf`` are those of a night of public alerts, of ``rubin`` those of
#: the alerts that brokers publish as samples; ``des`` follows DECam and Kessler et al. 2015 (AJ 150, 172).
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


def survey_of(name: str) -> Survey:
    """Return a survey by its name; :class:`ValueError` where there is none."""
    if name not in SURVEYS:
        raise ValueError(f"survey must be one of {', '.join(SURVEYS)}; given {name!r}")
    return SURVEYS[name]
