"""The normalisers in float64, by NumPy and Astropy.

``scaling(name, values, **parameters)`` takes the usable pixels of a plane (float64, in the plane's order) and returns
(offset, scale): the normalised pixels are (x - offset) / scale. ``normalise`` applies steps to a plane.
"""

import warnings

import numpy as np
from astropy.stats import sigma_clipped_stats
from astropy.visualization import ZScaleInterval

FLOAT32_MAX = float(np.finfo(np.float32).max)
CLIPPED = {"percentile"}


def median_mad(values):
    """Median, and 1.4826 times the median absolute deviation."""
    centre = np.median(values)
    return centre, 1.4826 * np.median(np.abs(values - centre))


def sigma_clip(values, sigma=3.0, maxiters=5):
    """Median and standard deviation of what sigma clipping keeps."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, centre, deviation = sigma_clipped_stats(values, sigma=sigma, maxiters=int(maxiters))
    return centre, deviation


def l2(values):
    """0 and the norm."""
    return 0.0, np.sqrt((values**2).sum())


def min_max(values):
    """Smallest value and range."""
    return values.min(), values.max() - values.min()


def zscale(values, contrast=0.25, clip=0):
    """The limits of zscale."""
    low, high = ZScaleInterval(contrast=contrast).get_limits(values)
    return low, high - low


def percentile(values, low=1.0, high=99.0):
    """Two percentiles."""
    bottom, top = np.percentile(values, [low, high])
    return bottom, top - bottom


SCALINGS = {
    "median-mad": median_mad,
    "sigma-clip": sigma_clip,
    "l2": l2,
    "min-max": min_max,
    "zscale": zscale,
    "percentile": percentile,
}


def step(values, name, **parameters):
    """Return the usable pixels after a step; None where there is nothing to divide by."""
    if name == "asinh":
        return np.arcsinh(np.clip(values / parameters.get("softening", 1.0), -FLOAT32_MAX, FLOAT32_MAX))
    offset, scale = SCALINGS[name](values, **parameters)
    if not scale > 0:
        return None
    clipped = name == "percentile" or (name == "zscale" and parameters.get("clip", 0))
    return np.clip((values - offset) / scale, *((0, 1) if clipped else (-FLOAT32_MAX, FLOAT32_MAX)))


def normalise(plane, steps, mask=None):
    """Return a plane after steps (name, parameters) and a set of flags; NaN throughout where it is refused."""
    plane = np.asarray(plane, dtype=np.float64)
    masked = np.zeros(plane.shape, bool) if mask is None else mask
    usable = np.isfinite(plane) & ~masked
    flags = ({"masked_pixels"} if masked.any() else set()) | ({"nan_pixels"} if (~usable & ~masked).any() else set())
    out = np.full(plane.shape, np.nan)
    values = plane[usable]
    if not values.size:
        return out, flags | {"constant"}
    for name, parameters in steps:
        before, values = values, step(values, name, **parameters)
        if values is None:
            return out, flags | {"constant" if np.ptp(before) == 0 else "zero_scale"}
    out[usable] = values
    return out, flags
