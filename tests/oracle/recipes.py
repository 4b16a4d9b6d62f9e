"""Every recipe for a network's input, one triplet at a time.

What all recipes share: a missing plane refuses the row (flag missing); a plane whose usable pixels all have one value,
or that has none, refuses it too (flag constant); a refused row is NaN throughout. Usable are finite pixels, and for the
DES recipes (``autoscan-r``, ``autoscan-b``, ``ayyar``, ``acero-3sigma``) and chains of steps those of them that are not
nulls (1e-30).
Arithmetic is in float64, the result is rounded to float32; what overflows there becomes +-float32 max.
"""

from typing import NamedTuple

import numpy as np

from oracle import autoscan, normalisers
from oracle.stamp_flags import stamp_flags
from oracle.window import FLOAT32_MAX, cut, is_constant, middle, pixel_flags

CHANNELS = ("science", "template", "difference")
SHAPES = {
    "braai": (3, 63, 63),
    "boom": (3, 63, 63),
    "btsbot": (3, 63, 63),
    "alerce-stamp": (3, 21, 21),
    "transinet": (3, 51, 51),
    "autoscan-r": (3, 25, 25),
    "autoscan-b": (3, 51, 51),
    "ayyar": (3, 51, 51),
    "acero-3sigma": (3, 51, 51),
    "robust-asinh": (3, 63, 63),
    "zscale": (3, 63, 63),
}
STEPS = {
    "robust-asinh": (("median-mad", {}), ("asinh", {})),
    "zscale": (("zscale", {}), ("asinh", {})),
}
ORDER = {
    "transinet": ("difference", "science", "template"),
    "ayyar": ("template", "science", "difference"),
    "acero-3sigma": ("difference", "science", "template"),
}


class Prepared(NamedTuple):
    """Planes (channel, height, width) float32, the flags, and whether the row was refused (planes are NaN)."""

    planes: np.ndarray
    flags: set
    refused: bool


def replace_bad(values):
    """Replace NaN by 0 and +-inf by +-float32 max."""
    return np.nan_to_num(values, nan=0.0, posinf=FLOAT32_MAX, neginf=-FLOAT32_MAX)


def crop(plane, size, centre):
    """Crop what is larger than ``size`` on an axis to ``size`` pixels around the candidate; return it and a flag set.

    The candidate lands on pixel size // 2 where the stamp reaches far enough; else the crop stops at the stamp's edge.
    """
    with np.errstate(over="ignore"):
        plane = np.asarray(plane).astype(np.float32).astype(np.float64)
    flags, slices = set(), []
    for length, place in zip(plane.shape, middle(plane) if centre is None else centre, strict=True):
        start = 0
        if length > size:
            flags.add("cropped")
            start = min(max(place - size // 2, 0), length - size)
        slices.append(slice(start, min(start + size, length)))
    return plane[tuple(slices)], flags


def _braai(plane, centre):
    """Crop to 63, bad pixels, l2 norm over the stamp as delivered, then 1e-9 at the end up to 63x63."""
    stamp, flags = crop(plane, 63, centre)
    flags |= pixel_flags(stamp, np.zeros(stamp.shape, bool), nulls=False)
    if is_constant(stamp[np.isfinite(stamp)]):
        return None, flags | {"constant"}
    clean = replace_bad(stamp)
    scaled = clean / np.sqrt((clean**2).sum())
    if scaled.shape != (63, 63):
        flags.add("padded")
    padding = [(0, 63 - length) for length in scaled.shape]
    return np.pad(scaled, padding, constant_values=1e-9), flags


def _boom(plane, centre):
    """Crop to 63, bad pixels, 0 around the stamp (shifted by ceil((63 - n) / 2)), then l2 norm."""
    stamp, flags = crop(plane, 63, centre)
    flags |= pixel_flags(stamp, np.zeros(stamp.shape, bool), nulls=False)
    if is_constant(stamp[np.isfinite(stamp)]):
        return None, flags | {"constant"}
    if stamp.shape != (63, 63):
        flags.add("padded")
    canvas = np.zeros((63, 63))
    top, left = (-(-(63 - length) // 2) for length in stamp.shape)
    canvas[top : top + stamp.shape[0], left : left + stamp.shape[1]] = replace_bad(stamp)
    return canvas / np.sqrt((canvas**2).sum()), flags


def _btsbot(plane, centre):
    """As braai; a stamp whose median over the pixels that are not NaN is infinite is refused with bad_stamp.

    The median is that of the stamp as delivered, before any crop. All zero, and all NaN, are caught as constant.
    """
    with np.errstate(over="ignore"):
        values = np.asarray(plane).astype(np.float32).astype(np.float64)
    values = values[~np.isnan(values)]
    with np.errstate(invalid="ignore"):
        refused = values.size > 0 and not np.isfinite(np.median(values))
    prepared, flags = _braai(plane, centre)
    if refused:
        return None, flags | {"bad_stamp"}
    return prepared, flags


def _alerce(plane, _centre):
    """Take the central 21x21 of a 63x63 stamp, (x - min) / max(x - min) over finite pixels; pixels not finite are 0."""
    if np.shape(plane) != (63, 63):
        return None, {"off_shape"}
    with np.errstate(over="ignore"):
        stamp = np.asarray(plane)[21:42, 21:42].astype(np.float32).astype(np.float64)
    finite = np.isfinite(stamp)
    # The crop is the recipe's own, from the one shape it accepts: no flag.
    flags = pixel_flags(stamp, np.zeros(stamp.shape, bool), nulls=False)
    values = stamp[finite]
    if is_constant(values):
        return None, flags | {"constant"}
    low, high = values.min(), values.max()
    return np.where(finite, (np.where(finite, stamp, low) - low) / (high - low), 0.0), flags


def _transinet(plane, centre):
    """Cut the 51x51 window, bad pixels, 0 outside the stamp; no scaling."""
    window, outside, flags = cut(plane, 51, centre)
    flags |= pixel_flags(window, outside, nulls=False)
    if is_constant(window[np.isfinite(window)]):
        return None, flags | {"constant"}
    return replace_bad(window), flags


def _des(plane, centre, whole=False):
    """Return the 51x51 window with NaN where masked, and the flags; the window is ``None`` where it is constant.

    Where the recipe is one of the whole stamp, a pixel of the stamp outside the window raises ``cropped``.
    """
    window, outside, flags = cut(plane, 51, centre)
    if whole and (~outside).sum() < np.size(plane):
        flags.add("cropped")
    flags |= pixel_flags(window, outside)
    masked = autoscan.masked(window)
    if is_constant(window[~masked]):
        return None, flags | {"constant"}
    return window, flags


def _autoscan_r(plane, centre):
    """R of autoScan; masked blocks 0. Refused (zero_scale) where the MAD is 0 or every block is masked."""
    window, flags = _des(plane, centre)
    if window is None:
        return None, flags
    r, scaled = autoscan.normalise_r(window)
    return (np.nan_to_num(r, nan=0.0), flags) if scaled else (None, flags | {"zero_scale"})


def _autoscan_b(plane, centre):
    """B of autoScan; masked pixels 0."""
    window, flags = _des(plane, centre)
    return (None if window is None else np.nan_to_num(autoscan.normalise_b(window), nan=0.0)), flags


def _ayyar(planes, centre):
    """Divide all planes by 1.4826 * MAD of the difference's unmasked pixels in the window; masked pixels 0."""
    windows, flags = {}, set()
    for name, plane in planes.items():
        windows[name], raised = _des(plane, centre, whole=True)
        flags |= raised
    if any(window is None for window in windows.values()):
        return None, flags
    values = windows["difference"][~autoscan.masked(windows["difference"])]
    scale = 1.4826 * np.median(np.abs(values - np.median(values)))
    if scale == 0:
        return None, flags | {"zero_scale"}
    return {name: np.where(autoscan.masked(w), 0.0, w) / scale for name, w in windows.items()}, flags


def _acero(plane, centre, is_difference):
    """Standardise the difference; map mean - 3 std .. mean + 3 std of the others to 0 .. 1; masked pixels 0."""
    window, flags = _des(plane, centre, whole=True)
    if window is None:
        return None, flags
    masked = autoscan.masked(window)
    mean, std = window[~masked].mean(), window[~masked].std()
    if std == 0:
        return None, flags | {"zero_scale"}
    scaled = (window - mean) / std if is_difference else (window - (mean - 3 * std)) / (6 * std)
    return np.where(masked, 0.0, scaled), flags


def compose(plane, centre, side, steps):
    """Cut a square around the candidate and apply steps; what is masked, bad or outside the stamp is 0."""
    window, outside, flags = cut(plane, side, centre)
    flags |= pixel_flags(window, outside)
    masked = autoscan.masked(window)
    if is_constant(window[~masked]):
        return None, flags | {"constant"}
    out, met = normalisers.normalise(window, steps, masked)
    refused = met & {"constant", "zero_scale"}
    return (None if refused else np.nan_to_num(out, nan=0.0)), flags | refused


_ONE_BY_ONE = {
    "braai": _braai,
    "boom": _boom,
    "btsbot": _btsbot,
    "alerce-stamp": _alerce,
    "transinet": _transinet,
    "autoscan-r": _autoscan_r,
    "autoscan-b": _autoscan_b,
}


def prepare(recipe, triplet, centre=None):
    """Prepare a triplet (science, template, difference), each a 2-D array or ``None``."""
    order = ORDER.get(recipe, CHANNELS)
    planes = dict(zip(CHANNELS, triplet, strict=True))
    refused = Prepared(np.full(SHAPES[recipe], np.nan, np.float32), set(), True)
    if any(plane is None for plane in triplet):
        return refused._replace(flags={"missing"} | stamp_flags(planes, centre))
    flags, prepared = set(), {}
    with np.errstate(over="ignore", invalid="ignore"):
        if recipe == "ayyar":
            together, flags = _ayyar(planes, centre)
            prepared = together or dict.fromkeys(CHANNELS)
        else:
            for name, plane in planes.items():
                if recipe in STEPS:
                    prepared[name], raised = compose(plane, centre, SHAPES[recipe][1], STEPS[recipe])
                elif recipe == "acero-3sigma":
                    prepared[name], raised = _acero(plane, centre, name == "difference")
                else:
                    prepared[name], raised = _ONE_BY_ONE[recipe](plane, centre)
                flags |= raised
        if any(plane is None for plane in prepared.values()):
            return refused._replace(flags=flags | stamp_flags(planes, centre))
        stacked = np.stack([prepared[name] for name in order])
        return Prepared(
            np.clip(stacked, -FLOAT32_MAX, FLOAT32_MAX).astype(np.float32), flags | stamp_flags(planes, centre), False
        )
