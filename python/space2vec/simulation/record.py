"""The candidate record: what a ZTF packet says of a detection."""

from __future__ import annotations

from typing import Any

import numpy as np

from space2vec.simulation.exposure import DETECTOR_HEIGHT, DETECTOR_WIDTH, PIXEL_SCALE, Exposure
from space2vec.simulation.measure import Detection
from space2vec.simulation.scene import Scene

__all__ = ["candidate_record", "object_name"]

_MAG_PER_RELATIVE_FLUX = 2.5 / np.log(10.0)
#: Faintest source in the catalogue of a template.
_TEMPLATE_LIMIT = 22.5
#: Calibration error that ZTF's magnitudes never fall below.
_FLOOR = 0.02


def object_name(record: dict[str, Any], row: int) -> str:
    """Return a name in the form of ZTF's, year and seven letters, that no real object has."""
    letters = ""
    for _ in range(7):
        row, letter = divmod(row, 26)
        letters = chr(ord("a") + letter) + letters
    return f"SIM{17 + int((record['jd'] - 2457754.5) / 365.25):02d}{letters}"


def candidate_record(
    scene: Scene, found: Detection, position: tuple[float, float], serial: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Return the ``candidate`` record of a detection.

    Only what is measured on the images or known of the exposure is filled in; the rest stays null in the packet. There
    is no history: every object is seen for the first time.

    Parameters
    ----------
    scene : Scene
        Gives the exposure and the sources of the template.
    found : Detection
        The measured candidate.
    position : tuple of float
        Column and row on the detector, from 1.
    serial : int
        Number of the candidate in its exposure.
    rng : numpy.random.Generator
        For quantities that the images do not give (the template's fit statistics).
    """
    exposure = scene.exposure
    x, y = position
    ra, dec = _sky_position(exposure, x, y)
    magnitude = exposure.zeropoint - 2.5 * np.log10(found.flux)
    aperture = exposure.zeropoint - 2.5 * np.log10(found.aperture_flux)
    wide = exposure.zeropoint - 2.5 * np.log10(found.wide_flux)
    candid = exposure.pid * 10**6 + 15 * 1000 + serial
    record: dict[str, Any] = {
        "jd": round(exposure.jd, 7),
        "fid": exposure.fid,
        "pid": exposure.pid,
        "diffmaglim": exposure.limit,
        "programid": 1,
        "candid": candid,
        "isdiffpos": "t" if found.positive else "f",
        "tblid": serial,
        "nid": exposure.night,
        "rcid": exposure.rcid,
        "field": exposure.field,
        "xpos": x,
        "ypos": y,
        "ra": round(ra, 7),
        "dec": round(dec, 7),
        "magpsf": magnitude,
        "sigmapsf": np.hypot(_MAG_PER_RELATIVE_FLUX * found.flux_error / found.flux, _FLOOR),
        "chipsf": found.chi,
        "magap": aperture,
        "sigmagap": _MAG_PER_RELATIVE_FLUX * found.aperture_error / found.aperture_flux,
        "magapbig": wide,
        "sigmagapbig": _MAG_PER_RELATIVE_FLUX * found.wide_error / found.wide_flux,
        "sky": found.sky,
        "magdiff": aperture - magnitude,
        "fwhm": found.fwhm,
        "mindtoedge": min(x - 0.5, y - 0.5, DETECTOR_WIDTH + 0.5 - x, DETECTOR_HEIGHT + 0.5 - y),
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
        "rfid": exposure.field * 10**6 + exposure.fid * 10**5 + exposure.rcid,
        "jdstartref": exposure.jd - 200.0,
        "jdendref": exposure.jd - 20.0,
        "nframesref": exposure.frames,
        "rbversion": "",
        "magzpsci": exposure.zeropoint,
        "nmatches": len(scene.stars.x),
        "exptime": 30.0,
        "drbversion": "",
    }
    record.update(_nearest(scene, found, ra, dec, rng))
    # A packet holds single precision but for these; the record must say what the packet will say.
    double = {"jd", "ra", "dec", "ranr", "decnr", "scorr", "jdstartref", "jdendref"}
    return {
        name: float(value if name in double else np.float32(value)) if isinstance(value, float) else value
        for name, value in record.items()
    }


def _sky_position(exposure: Exposure, x: float, y: float) -> tuple[float, float]:
    """Return right ascension and declination (degrees) of a pixel: a tangent plane is more than a stamp needs."""
    scale = PIXEL_SCALE / 3600.0
    dec = exposure.dec + (y - DETECTOR_HEIGHT / 2) * scale
    ra = exposure.ra - (x - DETECTOR_WIDTH / 2) * scale / np.cos(np.radians(dec))
    return float(ra % 360.0), float(dec)


def _nearest(scene: Scene, found: Detection, ra: float, dec: float, rng: np.random.Generator) -> dict[str, Any]:
    """Return what the template's catalogue says of its nearest source."""
    exposure = scene.exposure
    x = np.concatenate([scene.stars.x, scene.galaxies.x])
    y = np.concatenate([scene.stars.y, scene.galaxies.y])
    flux = np.concatenate([scene.stars.flux, scene.galaxies.flux])
    listed = flux > 10.0 ** (-0.4 * (_TEMPLATE_LIMIT - exposure.zeropoint))
    chi, sharp, scatter = rng.lognormal(-0.4, 0.5), rng.normal(-0.015, 0.04), rng.normal(0.0, 0.1, 2)
    if not listed.any():
        unknown = dict.fromkeys(("distnr", "magnr", "sigmagnr", "chinr", "sharpnr"))
        return {**unknown, "ranr": round(ra, 7), "decnr": round(dec, 7)}
    offset_x, offset_y = x - found.x, y - found.y
    k = int(np.argmin(np.where(listed, np.hypot(offset_x, offset_y), np.inf)))
    # The catalogue's own positions scatter by a tenth of a pixel.
    dx, dy = float(offset_x[k] + scatter[0]), float(offset_y[k] + scatter[1])
    star = k < len(scene.stars.x)
    radius = 0.0 if star else float(scene.galaxies.radius[k - len(scene.stars.x)])
    noise = exposure.noise / np.sqrt(exposure.frames) * np.sqrt(4.0 * np.pi) * exposure.template_seeing / 2.355
    scale = PIXEL_SCALE / 3600.0
    return {
        "distnr": float(np.hypot(dx, dy)),
        # A profile fitted to a galaxy misses its outskirts.
        "magnr": float(exposure.zeropoint - 2.5 * np.log10(flux[k]) + 0.15 * radius),
        "sigmagnr": float(np.hypot(_MAG_PER_RELATIVE_FLUX * 2.0 * noise / flux[k], 0.012)),
        "chinr": chi,
        "sharpnr": sharp + 0.1 * radius,
        "ranr": round((ra - dx * scale / np.cos(np.radians(dec))) % 360.0, 7),
        "decnr": round(dec + dy * scale, 7),
    }
