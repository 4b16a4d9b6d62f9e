"""Faults: what a detector, a subtraction or a file does to a plane. Each changes one float32 plane in place."""

import numpy as np

from oracle.window import NULL


def spot(shape, row, column, sigma, ratio=1.0):
    """Return a Gaussian of peak 1; ``ratio`` stretches it along columns."""
    rows, columns = np.arange(shape[0])[:, None] - row, np.arange(shape[1])[None, :] - column
    return np.exp(-(rows**2 + (columns / ratio) ** 2) / (2 * sigma**2))


def chip_edge(rng, plane):
    """Rows or columns beyond the detector, NaN."""
    width = int(rng.integers(1, max(2, plane.shape[1] // 2)))
    plane[:, :width] = np.nan


def zero_edge(rng, plane):
    """Rows beyond the detector, filled with 0."""
    plane[-int(rng.integers(1, max(2, plane.shape[0] // 2))) :] = 0


def dead_pixels(rng, plane):
    """Single pixels at 0."""
    plane.flat[rng.integers(0, plane.size, 12)] = 0


def null_patch(rng, plane):
    """A box of nulls, of either sign, over the middle."""
    row, column = plane.shape[0] // 2, plane.shape[1] // 2
    half = int(rng.integers(1, 8))
    plane[max(row - half, 0) : row + 2, max(column - half, 0) : column + half] = NULL * rng.choice([-1, 1])


def null_columns(rng, plane):
    """Whole columns of nulls."""
    plane[:, rng.integers(0, plane.shape[1], 3)] = NULL


def null_rows(rng, plane):
    """Whole rows of nulls."""
    plane[rng.integers(0, plane.shape[0], 3)] = NULL


def null_scatter(rng, plane):
    """A tenth of the pixels null."""
    plane[rng.random(plane.shape) < 0.1] = NULL


def nan_patch(rng, plane):
    """A box of NaN."""
    row, column = (int(rng.integers(0, max(1, n - 6))) for n in plane.shape)
    plane[row : row + 6, column : column + 7] = np.nan


def nan_scatter(rng, plane):
    """A fifth of the pixels NaN."""
    plane[rng.random(plane.shape) < 0.2] = np.nan


def almost_all_masked(rng, plane):
    """Three to seven pixels left."""
    keep = plane.flat[: int(rng.integers(3, 8))].copy()
    plane[:] = np.nan
    row, column = plane.shape[0] // 2, plane.shape[1] // 2
    plane[row, column - len(keep) // 2 : column - len(keep) // 2 + len(keep)] = keep


def infinities(rng, plane):
    """Pixels at + and - infinity."""
    plane.flat[rng.integers(0, plane.size, 3)] = np.inf
    plane.flat[rng.integers(0, plane.size, 3)] = -np.inf


def mostly_infinite(rng, plane):
    """More than half the pixels infinite."""
    plane[rng.random(plane.shape) < 0.7] = np.inf


def bad_columns(rng, plane):
    """Columns far above the rest."""
    plane[:, rng.integers(0, plane.shape[1], 2)] += np.float32(10 ** rng.uniform(1, 4))


def hot_pixel(rng, plane):
    """One pixel far above the rest, at or near the middle."""
    row, column = plane.shape[0] // 2, plane.shape[1] // 2
    plane[row + int(rng.integers(-1, 2)), column + int(rng.integers(-1, 2))] = 1e4


def lone_pixel(rng, plane):
    """Nothing but one pixel."""
    plane[:] = 0
    plane[plane.shape[0] // 2, plane.shape[1] // 2 + int(rng.integers(0, 3))] = 100


def huge(rng, plane):
    """Values near 1e30."""
    plane *= np.float32(1e30 / max(1e-3, np.nanmax(np.abs(plane))))


def huge_pixel(rng, plane):
    """One pixel at 1e30."""
    plane.flat[int(rng.integers(plane.size))] = 1e30


def tiny(rng, plane):
    """Values near 1e-35: below the null value."""
    plane *= np.float32(1e-35) / max(np.float32(1), np.nanmax(np.abs(plane)))


def denormal(rng, plane):
    """Values near 1e-40: denormal float32."""
    plane[:] = (rng.integers(-50, 51, plane.shape) * 2e-42).astype(np.float32)


def few_levels(rng, plane):
    """Integers with many ties, as in an 8-bit image."""
    low, high = np.nanmin(plane), np.nanmax(plane)
    plane[:] = np.round((plane - low) / max(high - low, 1e-20) * 12)


def bytes_255(rng, plane):
    """Integers 0 to 255."""
    low, high = np.nanmin(plane), np.nanmax(plane)
    plane[:] = np.round((plane - low) / max(high - low, 1e-20) * 255)


def mostly_one_level(rng, plane):
    """More than half the pixels at one value: a median absolute deviation of 0."""
    plane[rng.random(plane.shape) < 0.95] = 0


def checkerboard(rng, plane):
    """Plus and minus one in turn: 2x2 means are all 0."""
    plane[:] = np.where(np.indices(plane.shape).sum(axis=0) % 2, 1, -1)


def exact_sigmas(rng, plane):
    """Blocks whose R is exactly at the thresholds but for rounding."""
    plane[:] = np.kron(rng.integers(-4, 5, (-(-plane.shape[0] // 2), -(-plane.shape[1] // 2))), np.ones((2, 2)))[
        : plane.shape[0], : plane.shape[1]
    ]


def ramp(rng, plane):
    """A gradient without noise."""
    plane[:] = np.arange(plane.shape[1])[None, :] + 0.5 * np.arange(plane.shape[0])[:, None]


def clean_spot(rng, plane):
    """A Gaussian without noise, away from the middle of its pixel."""
    plane[:] = 50 * spot(plane.shape, plane.shape[0] // 2 + 0.3, plane.shape[1] // 2 - 0.2, 1.7)


def minus_zero(rng, plane):
    """-0 and 0 among values."""
    plane.flat[rng.integers(0, plane.size, plane.size // 3)] = -0.0
    plane.flat[rng.integers(0, plane.size, plane.size // 3)] = 0.0


def constant(rng, plane):
    """One value."""
    plane[:] = np.float32(rng.normal(0, 100))


def all_zero(rng, plane):
    """Zero, of both signs."""
    plane[:] = 0
    plane[::2] = -0.0


def all_nan(rng, plane):
    """No pixel."""
    plane[:] = np.nan


def all_null(rng, plane):
    """No pixel but nulls."""
    plane[:] = NULL


def constant_and_masked(rng, plane):
    """One value where there is any."""
    plane[:] = 7
    plane[rng.random(plane.shape) < 0.5] = np.nan
    plane[:, 3] = NULL


FAULTS = (
    chip_edge,
    zero_edge,
    dead_pixels,
    null_patch,
    null_columns,
    null_rows,
    null_scatter,
    nan_patch,
    nan_scatter,
    almost_all_masked,
    infinities,
    mostly_infinite,
    bad_columns,
    hot_pixel,
    lone_pixel,
    huge,
    huge_pixel,
    tiny,
    denormal,
    few_levels,
    bytes_255,
    mostly_one_level,
    checkerboard,
    exact_sigmas,
    ramp,
    clean_spot,
    minus_zero,
    constant,
    all_zero,
    all_nan,
    all_null,
    constant_and_masked,
)
