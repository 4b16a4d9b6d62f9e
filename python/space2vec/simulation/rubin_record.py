"""The record of a Rubin candidate: those fields of a ``diaSource`` that can be measured on the images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from space2vec.simulation.detection import Detection
from space2vec.simulation.scene import Scene
from space2vec.simulation.ztf_record import sky_position

if TYPE_CHECKING:
    from space2vec.data.types import Cell

__all__ = ["rubin_record"]

_LETTERS = {1: "g", 2: "r", 3: "i", 4: "z"}
#: The Julian date of the modified Julian date 0.
_MJD = 2400000.5


def rubin_record(
    scene: Scene, found: Detection, position: tuple[float, float], serial: int, rng: np.random.Generator
) -> dict[str, Cell]:
    """Return those fields of a ``diaSource`` that can be measured on the images.

    They are defined at https://sdm-schemas.lsst.io/apdb.html. The parameters are those of
    :func:`space2vec.simulation.ztf_record.ztf_record`. Fluxes are in nJy and second moments in arcsec^2; a source that
    has faded has a negative flux.
    """
    exposure = scene.exposure
    x, y = position
    ra, dec = sky_position(exposure, x, y)
    sign = 1.0 if found.positive else -1.0
    distance = np.hypot(scene.stars.x - found.x, scene.stars.y - found.y)
    template = float(scene.stars.flux[distance < 0.5 * exposure.seeing].sum())
    for k in np.nonzero(np.hypot(scene.galaxies.x - found.x, scene.galaxies.y - found.y) < exposure.seeing)[0]:
        # The share of a galaxy's light that a fit of a point source measures.
        template += float(scene.galaxies.flux[k] / (1.0 + (2.355 * scene.galaxies.radius[k] / exposure.seeing) ** 2))
    scale = exposure.survey.pixel_scale**2
    # The direction of the major axis is not measured: it is drawn at random.
    angle = rng.uniform(0.0, np.pi)
    middle, half = 0.5 * (found.major**2 + found.minor**2), 0.5 * (found.major**2 - found.minor**2)
    return {
        "diaSourceId": exposure.candidate_id(serial),
        "visit": exposure.pid,
        "detector": exposure.detector,
        "ra": ra,
        "dec": dec,
        "x": x - 1.0,
        "y": y - 1.0,
        "band": _LETTERS[exposure.band],
        "midpointMjdTai": exposure.jd - _MJD,
        "psfFlux": sign * found.flux,
        "psfFluxErr": found.flux_error,
        "apFlux": sign * found.aperture_flux,
        "apFluxErr": found.aperture_error,
        "snr": found.flux / found.flux_error,
        "templateFlux": template,
        "templateFluxErr": exposure.template_noise * float(np.sqrt(4.0 * np.pi)) * exposure.template_seeing / 2.355,
        "ixx": (middle + half * float(np.cos(2.0 * angle))) * scale,
        "iyy": (middle - half * float(np.cos(2.0 * angle))) * scale,
        "ixy": half * float(np.sin(2.0 * angle)) * scale,
        "isNegative": not found.positive,
    }
