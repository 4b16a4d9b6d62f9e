"""Windows around a candidate, masks, and the flags that pixels raise."""

import numpy as np

NULL = np.float32(1e-30)
FLOAT32_MAX = float(np.finfo(np.float32).max)


def middle(plane):
    """Return the default (row, column) of the candidate in a plane."""
    return plane.shape[0] // 2, plane.shape[1] // 2


def cut(plane, size, centre=None, outside=np.nan):
    """Cut a (size, size) float64 window with the candidate in its middle pixel.

    Returns the window, its pixels that lie outside the plane (bool), and the flag padded. The pixels are rounded to
    float32 first, as the library holds them.
    """
    with np.errstate(over="ignore"):
        plane = np.asarray(plane).astype(np.float32).astype(np.float64)
    row, column = middle(plane) if centre is None else centre
    height, width = plane.shape
    rows = np.arange(size) - size // 2 + row
    columns = np.arange(size) - size // 2 + column
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))[None, :]
    window = plane[np.clip(rows, 0, height - 1)[:, None], np.clip(columns, 0, width - 1)[None, :]]
    window = np.where(inside, window, outside)
    flags = set()
    if not inside.all():
        flags.add("padded")
    return window, ~inside, flags


def is_null(values):
    """Tell which pixels have the DES null value: magnitude 1e-30 as float32."""
    with np.errstate(over="ignore"):
        return np.abs(values.astype(np.float32)) == NULL


def pixel_flags(window, outside, nulls=True):
    """Return nan_pixels and masked_pixels as a window's own pixels raise them; padding raises neither."""
    flags = set()
    if (~np.isfinite(window) & ~outside).any():
        flags.add("nan_pixels")
    if nulls and (is_null(window) & ~outside).any():
        flags.add("masked_pixels")
    return flags


def is_constant(values):
    """Tell whether there is no value, or only one (0 and -0 are one)."""
    return values.size == 0 or bool((values == values.flat[0]).all())
