"""Artifacts: faults of subtraction, detector, light and noise that look like sources, and how frequent each is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from space2vec.simulation import detector_faults as detector
from space2vec.simulation import light_faults as light
from space2vec.simulation import subtraction_faults as subtraction
from space2vec.simulation.exposure import Exposure
from space2vec.simulation.scene import Images
from space2vec.simulation.transients import AddSource

__all__ = ["ARTIFACTS", "BYSTANDERS", "Artifact", "ImageFault"]

#: A function that adds a fault to the images of an exposure at column ``x``, row ``y``; it is stronger by the factor
#: ``boost``, 1 or more.
ImageFault = Callable[[Images, Exposure, np.random.Generator, float, float, float], None]


@dataclass(frozen=True)
class Artifact:
    """A kind of bogus: one of two functions adds it, before or after the exposure.

    Attributes
    ----------
    share : float
        Its share of all bogus candidates.
    before : callable, optional
        Changes the scene before it is exposed.
    after : callable, optional
        Changes the images after the exposure, before they are subtracted.
    reach : float
        Largest distance of its detection from the position where it was added, pixels.
    """

    share: float
    before: AddSource | None = None
    after: ImageFault | None = None
    reach: float = 3.0


#: The kinds of bogus; their shares add up to 1. Those of share 0 are drawn only where a user names them.
ARTIFACTS: dict[str, Artifact] = {
    "misregistered": Artifact(0.23, before=subtraction.misregistered, reach=4.0),
    "mismatch": Artifact(0.21, before=subtraction.mismatch, reach=5.0),
    "saturated": Artifact(0.08, before=subtraction.saturated, reach=6.0),
    "cosmic_ray": Artifact(0.1, after=detector.cosmic_ray, reach=6.0),
    "template_defect": Artifact(0.05, after=detector.template_defect, reach=6.0),
    "bad_column": Artifact(0.05, after=detector.bad_column, reach=4.0),
    "hot_pixel": Artifact(0.08, after=detector.hot_pixel, reach=2.0),
    "noise_peak": Artifact(0.09, after=detector.noise_peak, reach=9.0),
    "edge": Artifact(0.02, after=detector.edge, reach=6.0),
    "amplifier": Artifact(0.02, after=detector.amplifier, reach=6.0),
    "row_noise": Artifact(0.02, after=detector.row_noise, reach=8.0),
    "satellite": Artifact(0.03, after=light.satellite, reach=6.0),
    "ghost": Artifact(0.02, after=light.ghost, reach=8.0),
    "crowded": Artifact(0.0, before=subtraction.crowded, reach=5.0),
    "striped": Artifact(0.0, before=subtraction.striped, reach=7.0),
    "saturated_core": Artifact(0.0, before=subtraction.saturated_core, reach=6.0),
    "ghost_spot": Artifact(0.0, after=light.ghost_spot, reach=9.0),
}

#: The artifacts that may be in the stamp of any candidate, away from the candidate itself.
BYSTANDERS: tuple[ImageFault, ...] = (
    detector.cosmic_ray, detector.template_defect, detector.bad_column, detector.hot_pixel, detector.noise_peak,
    detector.row_noise, detector.amplifier, light.satellite, light.ghost,
)  # fmt: skip
