"""The record of a DES candidate: the catalogue columns that autoScan uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from space2vec.simulation.detection import Detection
from space2vec.simulation.scene import Scene
from space2vec.simulation.ztf_record import nearest_source

if TYPE_CHECKING:
    from space2vec.data.types import Cell

__all__ = ["des_record"]

_MAG_PER_RELATIVE_FLUX = 2.5 / np.log(10.0)
#: autoScan uses a source of the template up to this distance, arcsec.
_REACH = 5.0


def des_record(
    scene: Scene, found: Detection, position: tuple[float, float], serial: int, rng: np.random.Generator
) -> dict[str, Cell]:
    """Return those columns that can be measured on the images, with autoScan's names.

    The columns are defined by Goldstein et al. (2015, AJ 150, 82, table 2).


    The parameters are those of :func:`space2vec.simulation.ztf_record.ztf_record`.
    """
    exposure, survey = scene.exposure, scene.exposure.survey
    x, y = position
    magnitude = exposure.zeropoint - 2.5 * np.log10(found.flux)
    near = nearest_source(scene, found, rng)
    distance = np.inf if near is None else near.distance * survey.pixel_scale
    listed = near is not None and distance <= _REACH
    reference = near.magnitude if listed and near is not None else np.nan
    return {
        "ID": exposure.candidate_id(serial),
        "A_IMAGE": found.major,
        "BAND": exposure.band,
        "B_IMAGE": found.minor,
        "CCDID": exposure.detector + 1,
        "ELLIPTICITY": 1.0 - found.minor / found.major,
        "GFLUX": 1.0 + (10.0 ** (0.4 * (magnitude - reference)) if listed else 0.0),
        "MAG": magnitude,
        "MAGDIFF": (reference if listed else exposure.limit) - magnitude,
        "MAGLIM": 0.0 if listed else 1.0,
        "MAG_FROM_LIMIT": exposure.limit - magnitude,
        "MAG_REF": reference,
        "MAG_REF_ERR": near.error if listed and near is not None else np.nan,
        "MIN_DISTANCE_TO_EDGE_IN_NEW": min(x - 0.5, y - 0.5, survey.width + 0.5 - x, survey.height + 0.5 - y),
        "NN_DIST_RENORM": distance if listed else np.nan,
        "SNR": found.flux / found.flux_error,
    }
