"""The flags of stamps that models do not know, one triplet at a time, in sets of names.

``masked_core``: of the 3x3 pixels around the candidate, in the science plane or the difference, more than three are not
finite, null (1e-30) or outside the plane. ``no_flux_scale``: the difference and another plane have the same lowest and
highest value, which are finite and differ, or both have the mean square 1 or the sum of squares 1 to a part in a
thousand; without a difference the template takes its place, and a difference with infinite pixels, or whose pixels all
have one value, tells nothing.
"""

import numpy as np

from oracle.window import is_null, middle

CHANNELS = ("science", "template", "difference")


def core_is_masked(plane, centre=None):
    """Tell whether more than three of the nine pixels around the candidate are masked or outside."""
    row, column = middle(plane) if centre is None else centre
    wide = np.full((plane.shape[0] + 2, plane.shape[1] + 2), np.nan)
    with np.errstate(over="ignore"):
        wide[1:-1, 1:-1] = plane.astype(np.float32)
    core = [
        wide[y, x] if 0 <= y < wide.shape[0] and 0 <= x < wide.shape[1] else np.nan
        for y in range(row, row + 3)
        for x in range(column, column + 3)
    ]
    return int((~np.isfinite(core) | is_null(np.array(core))).sum()) > 3


def ends(plane):
    """Return the lowest and the highest value, NaN aside."""
    values = plane[~np.isnan(plane)]
    return (values.min(), values.max()) if values.size else (np.nan, np.nan)


def is_of_unit_scale(plane):
    """Tell whether the finite pixels have the mean square 1 or the sum of squares 1."""
    values = plane[np.isfinite(plane)].astype(np.float64)
    total = float((values**2).sum())
    return values.size > 0 and any(abs(total - target) <= 1e-3 * target for target in (1.0, values.size))


def stamp_flags(planes, centre=None):
    """Return the flags of the planes of a triplet that are looked at, by name; others are ``None`` or left out."""
    flags = set()
    held = {name: planes[name] for name in CHANNELS if planes.get(name) is not None}
    with np.errstate(over="ignore"):
        held = {name: np.asarray(plane).astype(np.float32) for name, plane in held.items()}
    if any(core_is_masked(plane, centre) for name, plane in held.items() if name != "template"):
        flags.add("masked_core")
    last = held.pop("difference" if "difference" in held else "template", None)
    if last is None or not (np.isfinite(ends(last)).all() and ends(last)[0] < ends(last)[1]):
        return flags
    if any(ends(plane) == ends(last) for plane in held.values()):
        flags.add("no_flux_scale")
    if is_of_unit_scale(last) and any(is_of_unit_scale(plane) for plane in held.values()):
        flags.add("no_flux_scale")
    return flags
