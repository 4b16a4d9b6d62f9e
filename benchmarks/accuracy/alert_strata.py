"""Strata of alerts: what a stamp has near its candidate and at its edges, how crowded, bright and sharp it is."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from space2vec.data.stamps import CHANNELS, Stamps

__all__ = ["CLEAN", "EDGE", "NAN_CORE", "describe_strata", "missing_pixels", "strata_of", "template_sources"]

#: A pixel is near the core if neither its row nor its column is more than this many pixels from the candidate's.
CORE = 5
#: A whole stamp reaches this many pixels from the candidate to every side.
WHOLE = 31
#: Larger values are no light: some templates hold -3.4e38 where they have no pixel.
_LARGEST = 1e6
#: A source of the template has a pixel this many times the noise of the template above its median.
_SOURCE = 10.0
#: Bounds of the strata of sources in the template, of the catalogue's SNR, and of the width of the candidate in pixels.
SOURCES, SNR, FWHM = (0, 6, 21, np.inf), (0.0, 8.0, 15.0, np.inf), (0.0, 2.0, 2.7, np.inf)

CLEAN, NAN_CORE, EDGE = "clean", "NaN near the core", "edge"


def missing_pixels(stamps: Stamps, row: int) -> list[NDArray[np.bool_]]:
    """Return, for each plane of a candidate that exists, which pixels (height, width) are missing."""
    planes = (stamps.plane(row, name) for name in CHANNELS)
    with np.errstate(invalid="ignore"):
        return [~(np.abs(plane) < _LARGEST) for plane in planes if plane is not None]


def template_sources(template: NDArray[np.floating]) -> int:
    """Count the local maxima of 5 x 5 pixels that stand out of the sky of a template (height, width)."""
    plane = np.where(np.abs(template) < _LARGEST, template, np.nan).astype(np.float64)
    good = plane[np.isfinite(plane)]
    if not len(good) or min(plane.shape) < 5:
        return 0
    middle = float(np.median(good))
    noise = 1.4826 * float(np.median(np.abs(good - middle)))
    filled = np.nan_to_num(plane, nan=middle)
    around = np.lib.stride_tricks.sliding_window_view(filled, (5, 5))
    inner = filled[2:-2, 2:-2]
    return int(((inner >= around.max((2, 3))) & (inner > middle + _SOURCE * noise)).sum())


def strata_of(stamps: Stamps) -> dict[str, NDArray[np.bool_]]:
    """Return which rows (n,) belong to each stratum; strata of one kind do not overlap, except `edge` and `NaN core`.

    ``clean`` stamps are whole and have no missing pixel. A stratum of a quantity that the catalogue does not give for a
    row does not hold the row.
    """
    n = len(stamps)
    near, any_missing, cut = (np.zeros(n, dtype=bool) for _ in range(3))
    sources = np.zeros(n)
    for row in range(n):
        y, x = (int(at) for at in stamps.centre[row])
        for missing in missing_pixels(stamps, row):
            height, width = missing.shape
            near[row] |= missing[max(y - CORE, 0) : y + CORE + 1, max(x - CORE, 0) : x + CORE + 1].any()
            any_missing[row] |= missing.any()
            # Lines without a pixel at a side are outside the detector, as lines that were cut off are.
            lines, columns = (np.flatnonzero(~missing.all(axis=axis)) for axis in (1, 0))
            if not len(lines):
                continue
            room = (y - lines[0], lines[-1] - y, x - columns[0], columns[-1] - x)
            cut[row] |= min(room) < min(WHOLE, (max(height, width) - 1) // 2)
        template = stamps.plane(row, "template")
        sources[row] = np.nan if template is None else template_sources(template)
    found = {
        CLEAN: ~any_missing & ~cut,
        NAN_CORE: near,
        "NaN elsewhere": any_missing & ~near,
        EDGE: cut,
    }
    catalogue = stamps.catalogue or {}
    snr, major = (np.asarray(catalogue.get(name, np.full(n, np.nan)), dtype=np.float64) for name in ("SNR", "A_IMAGE"))
    # The survey's width of the candidate is that of a Gaussian of its longer axis.
    found |= _between("sources in the template", sources, SOURCES, "{:.0f}")
    found |= _between("SNR", snr, SNR, "{:g}")
    found |= _between("FWHM", 2.3548 * major, FWHM, "{:g} px")
    return found


def describe_strata(strata: Mapping[str, NDArray[np.bool_]]) -> str:
    """Return the number of rows of each stratum as text."""
    return ", ".join(f"{name} {int(here.sum())}" for name, here in strata.items())


def _between(
    name: str, values: NDArray[np.float64], bounds: tuple[float, ...], form: str
) -> dict[str, NDArray[np.bool_]]:
    """Return the rows between consecutive bounds, the lower one included."""
    found = {}
    with np.errstate(invalid="ignore"):
        for low, high in pairwise(bounds):
            words = f"below {form.format(high)}" if low == bounds[0] else f"{form.format(low)} or more"
            if np.isfinite(high) and low != bounds[0]:
                words = f"{form.format(low)} to {form.format(high)}"
            found[f"{name} {words}"] = (values >= low) & (values < high)
    return found
