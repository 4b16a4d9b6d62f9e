"""Effects of bright stars on an image: diffraction spikes, and charge that bleeds along the rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["bleed", "draw_spikes"]

Array = NDArray[np.float64]

#: The share of a star's light that is in its spikes, and the length of these in units of the seeing.
_SPIKE_LIGHT, _SPIKE_LENGTH = 0.004, 8.0


def draw_spikes(image: Array, x: float, y: float, flux: float, seeing: float, angle: float) -> None:
    """Add the four diffraction spikes of a star at column ``x``, row ``y``; one is at ``angle`` (radians)."""
    height, width = image.shape
    columns, rows = np.arange(width)[None, :] - x, np.arange(height)[:, None] - y
    sigma, length = seeing / 2.355, _SPIKE_LENGTH * seeing
    along = np.cos(angle) * columns + np.sin(angle) * rows
    across = np.cos(angle) * rows - np.sin(angle) * columns
    scale = 0.5 * _SPIKE_LIGHT * flux / (2.0 * length * np.sqrt(2.0 * np.pi) * sigma)
    for u, v in ((along, across), (across, along)):
        image += scale * np.exp(-np.abs(u) / length - 0.5 * (v / sigma) ** 2)


def bleed(image: Array, level: float) -> Array:
    """Clip an image at the saturation level, and let the charge above it bleed along the rows, half to each side."""
    clipped = np.minimum(image, level)
    for row in np.nonzero((image > level).any(axis=1))[0]:
        columns = np.nonzero(image[row] > level)[0]
        excess = float((image[row] - clipped[row]).sum()) * 0.5
        for side in (range(columns[0] - 1, -1, -1), range(columns[-1] + 1, image.shape[1])):
            charge = excess
            for column in side:
                if charge <= 0.0:
                    break
                # A pixel takes only a part of the charge, so that the trail fades out.
                taken = min(level - clipped[row, column], max(0.3 * charge, 50.0), charge)
                clipped[row, column] += taken
                charge -= taken
    return clipped
