"""The groups `mask` and `noise` of the set s2v, and the polarity: one triplet at a time, from their definitions."""

import numpy as np
from scipy.stats import median_abs_deviation

from oracle.window import cut, is_null

SIZE = 51
RADIUS = np.hypot(*(np.mgrid[:SIZE, :SIZE] - 25))


def window(plane, centre):
    """Return the window (51, 51) of a plane as float64, NaN where masked; None for a plane that is missing."""
    if plane is None:
        return None
    pixels = cut(plane, SIZE, centre)[0]
    return np.where(np.isfinite(pixels) & ~is_null(pixels), pixels, np.nan)


def level(pixels):
    """Return median and sigma (1.4826 MAD) of a window; NaN where nothing is usable."""
    kept = pixels[~np.isnan(pixels)]
    if kept.size == 0:
        return np.nan, np.nan
    return np.median(kept), 1.4826 * median_abs_deviation(kept)


def box(pixels, side):
    """Return the box of side x side in the middle."""
    half = side // 2
    return pixels[25 - half : 26 + half, 25 - half : 26 + half]


def features(planes, centre, saturation):
    """Return the values of the two groups and the polarity, by name; what is undefined is left out."""
    science, template, difference = (window(plane, centre) for plane in planes)
    values = {
        "bad_core": np.isnan(box(difference, 7)).mean(),
        "bad_fraction": np.isnan(difference).mean(),
    }
    if science is not None and saturation is not None:
        values["saturated_core"] = (box(science, 7) >= saturation).mean()
        values["saturated_fraction"] = (science >= saturation).mean()
    median, sigma = level(difference)
    if not sigma > 0:
        return values
    polarity = -1 if np.nansum(box(difference, 5) - median) < 0 else 1
    values["polarity"] = polarity
    values["background"] = polarity * median / sigma
    far = difference[(RADIUS > 8) & ~np.isnan(difference)]
    if far.size:
        values["outlier_fraction"] = (np.abs(far - median) > 3 * sigma).mean()
    if science is not None and template is not None:
        others = level(science)[1], level(template)[1]
        if min(others) > 0:
            values["noise_ratio"] = sigma / np.hypot(*others)
    return values
