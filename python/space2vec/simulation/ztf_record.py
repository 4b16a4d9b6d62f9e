"""The record of a ZTF candidate: the fields of ``candidate`` in an alert packet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from space2vec.simulation.detection import Detection
from space2vec.simulation.exposure import Exposure
from space2vec.simulation.scene import Scene

if TYPE_CHECKING:
    from space2vec.data.types import Cell

__all__ = ["NearestSource", "SkyPosition", "nearest_source", "sky_position", "ztf_record"]

_MAG_PER_RELATIVE_FLUX = 2.5 / np.log(10.0)
#: The catalogue of a template is deeper than one exposure by this many magnitudes.
_TEMPLATE_LIMIT = 2.0
#: The calibration error that is part of every magnitude error of ZTF, mag.
_CALIBRATION_ERROR = 0.02


class SkyPosition(NamedTuple):
    """Right ascension and declination, degrees."""

    ra: float
    dec: float


@dataclass(frozen=True)
class NearestSource:
    """The source in the template's catalogue that is nearest to a candidate.

    Attributes
    ----------
    dx, dy : float
        Offset from the candidate in columns and rows, pixels.
    magnitude, error : float
        Its magnitude, and the error.
    chi, sharpness : float
        Statistics of the fit of a point source, as those of ZTF's DAOPHOT.
    """

    dx: float
    dy: float
    magnitude: float
    error: float
    chi: float
    sharpness: float

    @property
    def distance(self) -> float:
        """Distance from the candidate, pixels."""
        return float(np.hypot(self.dx, self.dy))


def ztf_record(
    scene: Scene, found: Detection, position: tuple[float, float], serial: int, rng: np.random.Generator
) -> dict[str, Cell]:
    """Return the record ``candidate`` of a detection.

    It has those fields that are measured on the images or known of the exposure; the others are null in the packet.
    There is no history: every object is detected for the first time.

    Parameters
    ----------
    scene : Scene
        The exposure and the sources of the template.
    found : Detection
        The measurements of the candidate.
    position : tuple of float
        Column and row on the detector; the middle of the first pixel is 1.
    serial : int
        Number of the candidate in its exposure.
    rng : numpy.random.Generator
        Source of the values that the images do not give (statistics of fits to the template).
    """
    exposure = scene.exposure
    survey = exposure.survey
    x, y = position
    ra, dec = sky_position(exposure, x, y)
    magnitude = exposure.zeropoint - 2.5 * np.log10(found.flux)
    aperture = exposure.zeropoint - 2.5 * np.log10(found.aperture_flux)
    wide = exposure.zeropoint - 2.5 * np.log10(found.wide_flux)
    record: dict[str, Cell] = {
        "jd": round(exposure.jd, 7),
        "fid": exposure.band,
        "pid": exposure.pid,
        "diffmaglim": exposure.limit,
        "programid": 1,
        "candid": exposure.candidate_id(serial),
        "isdiffpos": "t" if found.positive else "f",
        "tblid": serial,
        "nid": exposure.night,
        "rcid": exposure.detector,
        "field": exposure.field,
        "xpos": x,
        "ypos": y,
        "ra": round(ra, 7),
        "dec": round(dec, 7),
        "magpsf": magnitude,
        "sigmapsf": np.hypot(_MAG_PER_RELATIVE_FLUX * found.flux_error / found.flux, _CALIBRATION_ERROR),
        "chipsf": found.chi,
        "magap": aperture,
        "sigmagap": _MAG_PER_RELATIVE_FLUX * found.aperture_error / found.aperture_flux,
        "magapbig": wide,
        "sigmagapbig": _MAG_PER_RELATIVE_FLUX * found.wide_error / found.wide_flux,
        "sky": found.sky,
        "magdiff": aperture - magnitude,
        "fwhm": found.fwhm,
        "mindtoedge": min(x - 0.5, y - 0.5, survey.width + 0.5 - x, survey.height + 0.5 - y),
        "magfromlim": exposure.limit - aperture,
        "seeratio": min(exposure.seeing / found.fwhm, 2.0),
        "aimage": found.major,
        "bimage": found.minor,
        "aimagerat": found.major / found.fwhm,
        "bimagerat": found.minor / found.fwhm,
        "elong": found.major / found.minor,
        "nneg": found.negative,
        "nbad": 0,
        "ssdistnr": -999.0,
        "ssmagnr": -999.0,
        "ssnamenr": "null",
        "sumrat": found.sum_ratio,
        "ndethist": 1,
        "ncovhist": int(rng.integers(5, 400)),
        "scorr": round(found.peak_snr, 4),
        "tooflag": 0,
        "nmtchps": len(scene.stars.x),
        "rfid": exposure.field * 10**6 + exposure.band * 10**5 + exposure.detector,
        "jdstartref": exposure.jd - 200.0,
        "jdendref": exposure.jd - 20.0,
        "nframesref": exposure.frames,
        "rbversion": "",
        "magzpsci": exposure.zeropoint,
        "nmatches": len(scene.stars.x),
        "exptime": 30.0,
        "drbversion": "",
    }
    record.update(_nearest_fields(scene, found, ra, dec, rng))
    # A packet holds all other numbers in single precision, and the record must equal what is read from the packet.
    double = {"jd", "ra", "dec", "ranr", "decnr", "scorr", "jdstartref", "jdendref"}
    return {
        name: float(value if name in double else np.float32(value)) if isinstance(value, float) else value
        for name, value in record.items()
    }


def sky_position(exposure: Exposure, x: float, y: float) -> SkyPosition:
    """Return the sky position of a pixel of the detector, without the distortion of a tangent projection."""
    scale = exposure.survey.pixel_scale / 3600.0
    dec = exposure.dec + (y - exposure.survey.height / 2) * scale
    ra = exposure.ra - (x - exposure.survey.width / 2) * scale / np.cos(np.radians(dec))
    return SkyPosition(float(ra % 360.0), float(dec))


def nearest_source(scene: Scene, found: Detection, rng: np.random.Generator) -> NearestSource | None:
    """Find the source in the template's catalogue that is nearest to a candidate; None if the catalogue is empty."""
    exposure = scene.exposure
    x = np.concatenate([scene.stars.x, scene.galaxies.x])
    y = np.concatenate([scene.stars.y, scene.galaxies.y])
    flux = np.concatenate([scene.stars.flux, scene.galaxies.flux])
    listed = flux > exposure.flux(exposure.limit + _TEMPLATE_LIMIT)
    chi, sharp, scatter = rng.lognormal(-0.4, 0.5), rng.normal(-0.015, 0.04), rng.normal(0.0, 0.1, 2)
    if not listed.any():
        return None
    offset_x, offset_y = x - found.x, y - found.y
    k = int(np.argmin(np.where(listed, np.hypot(offset_x, offset_y), np.inf)))
    star = k < len(scene.stars.x)
    radius = 0.0 if star else float(scene.galaxies.radius[k - len(scene.stars.x)])
    noise = exposure.template_noise * np.sqrt(4.0 * np.pi) * exposure.template_seeing / 2.355
    return NearestSource(
        # The positions in the catalogue have errors of a tenth of a pixel.
        dx=float(offset_x[k] + scatter[0]),
        dy=float(offset_y[k] + scatter[1]),
        # A point source that is fitted to a galaxy misses the light of its outskirts.
        magnitude=float(exposure.zeropoint - 2.5 * np.log10(flux[k]) + 0.15 * radius),
        error=float(np.hypot(_MAG_PER_RELATIVE_FLUX * 2.0 * noise / flux[k], 0.012)),
        chi=float(chi),
        sharpness=float(sharp + 0.1 * radius),
    )


def _nearest_fields(scene: Scene, found: Detection, ra: float, dec: float, rng: np.random.Generator) -> dict[str, Cell]:
    """Return the fields of the record about the nearest source of the template."""
    near = nearest_source(scene, found, rng)
    if near is None:
        unknown = dict.fromkeys(("distnr", "magnr", "sigmagnr", "chinr", "sharpnr"))
        return {**unknown, "ranr": round(ra, 7), "decnr": round(dec, 7)}
    scale = scene.exposure.survey.pixel_scale / 3600.0
    return {
        "distnr": near.distance,
        "magnr": near.magnitude,
        "sigmagnr": near.error,
        "chinr": near.chi,
        "sharpnr": near.sharpness,
        "ranr": round((ra - near.dx * scale / np.cos(np.radians(dec))) % 360.0, 7),
        "decnr": round(dec + near.dy * scale, 7),
    }
