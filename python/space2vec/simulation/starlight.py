"""What bright stars do to an image besides their profile: diffraction spikes, and charge that bleeds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["bleed", "draw_spikes"]

Array = NDArray[np.float64]

#: Share of a star's light in its spikes, and their length in units of the seeing.
_SPIKE_LIGHT, _SPIKE_LENGTH = 0.004, 8.0


def draw_spikes(image: Array, x: float, y: float, flux: float, seeing: float, angle: float) -> None:
    """Add the four diffraction spikes of a star at column ``x``, row ``y``; one lies at ``angle`` (radian)."""
    height, width = image.shape
    columns, rows = np.arange(width)[None, :] - x, np.arange(height)[:, None] - y
    sigma, length = seeing / 2.355, _SPIKE_LENGTH * seeing
    along = np.cos(angle) * columns + np.sin(angle) * rows
    across = np.cos(angle) * rows - np.sin(angle) * columns
    scale = 0.5 * _SPIKE_LIGHT * flux / (2.0 * length * np.sqrt(2.0 * np.pi) * sigma)
    for u, v in ((along, across), (across, along)):
        image += scale * np.exp(-np.abs(u) / length - 0.5 * (v / sigma) ** 2)


def bleed(image: Array, level: float) -> Array:
    """Clip at the saturation level; the charge above it runs along the row, half to either side."""
    clipped = np.minimum(image, level)
    for row in np.nonzero((image > level).any(axis=1))[0]:
        columns = np.nonzero(image[row] > level)[0]
        excess = float((image[row] - clipped[row]).sum()) * 0.5
        for side in (range(columns[0] - 1, -1, -1), range(columns[-1] + 1, image.shape[1])):
            left = excess
            for column in side:
                if left <= 0.0:
                    break
                # A trail that is far from full fades instead of ending.
                taken = min(level - clipped[row, column], max(0.3 * left, 50.0), left)
                clipped[row, column] += taken
                left -= taken
    return clipped
