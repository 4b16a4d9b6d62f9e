"""Adaptive moments and likeness to the PSF, from their definitions and in float64."""

import numpy as np
from scipy.stats import pearsonr

from oracle.shapes import RADIUS, box, in_noise

ROUNDS = 3000


def sums(pixels, x0, y0, m):
    """Return the total, mean and second moments of a box about (x0, y0) under the weight of moments m, and rho^2."""
    y, x = np.indices(pixels.shape, dtype=float)
    place = np.stack([x - x0, y - y0])
    rho2 = np.einsum("i...,ij,j...->...", place, np.linalg.inv(m), place)
    weighted = np.where(np.isnan(pixels), 0.0, pixels) * np.exp(-rho2 / 2)
    total = weighted.sum()
    mean = (weighted * place).sum(axis=(1, 2)) / total
    second = np.einsum("ixy,jxy,xy->ij", place, place, weighted) / total
    return total, mean, second, (weighted * rho2**2).sum() / total


def distance(pixels, x0, y0, m):
    """Return how far (x0, y0, m) is from a fixed point, as a share of the size."""
    total, mean, second, _ = sums(pixels, x0, y0, m)
    size = np.sqrt(np.linalg.det(m))
    return max(np.abs(mean).max() / np.sqrt(size), np.abs(2 * second - m).max() / size) if total > 0 else np.inf


def moments(pixels):
    """Return centre, second moments and kurtosis of a box by short steps; None where they do not converge."""
    x0, y0 = (side // 2 for side in pixels.shape[::-1])
    m = 4.0 * np.eye(2)
    for _ in range(ROUNDS):
        total, mean, second, kurtosis = sums(pixels, x0, y0, m)
        after = m + 0.7 * (2 * second - m)
        if not total > 0 or not np.linalg.eigvalsh(after)[0] > 0.01:
            return None
        if distance(pixels, x0, y0, m) < 1e-10:
            return x0, y0, m, kurtosis
        x0, y0, m = x0 + mean[0], y0 + mean[1], after
    return None


def ellipse(m):
    """Return a, b, angle in degrees and ellipticity."""
    (minor, major), axes = np.linalg.eigh(m)
    angle = np.degrees(np.arctan2(axes[1, 1], axes[0, 1]))
    angle = angle - 180 if angle > 90 else angle + 180 if angle <= -90 else angle
    return np.sqrt(major), np.sqrt(minor), angle, 1 - np.sqrt(minor / major)


def star(window, saturation):
    """Return the (row, column) of the star in the science window; None where there is none."""
    s, _ = in_noise(window)
    index = np.arange(51)
    inside = (index >= 6) & (index < 45)
    usable = inside[:, None] & inside & (RADIUS > 5) & ~np.isnan(window) & ~(window >= saturation)
    if not usable.any():
        return None
    at = np.unravel_index(np.where(usable, window, -np.inf).argmax(), window.shape)
    return at if s[at] >= 5 else None


def psf_likeness(d, x0, y0, m):
    """Return the normalised correlation of D with a Gaussian of moments m at (x0, y0) of the window."""
    d = box(d, (25, 25), 5)
    y, x = np.indices(d.shape) + 20.0
    place = np.stack([x - x0, y - y0])
    p = np.exp(-np.einsum("i...,ij,j...->...", place, np.linalg.inv(m), place) / 2)
    d, p = d[~np.isnan(d)], p[~np.isnan(d)]
    return (d * p).sum() / np.sqrt((d**2).sum() * (p**2).sum())


def science_likeness(d, s):
    """Return the correlation coefficient of D and S where both are usable."""
    d, s = box(d, (25, 25), 5), box(s, (25, 25), 5)
    both = ~np.isnan(d) & ~np.isnan(s)
    return pearsonr(d[both], s[both]).statistic
