"""Groups aperture, profile, daofind, hot_pixel, lobes, symmetry, template, lines: one triplet, from their definitions.

Pixels and D are float32, as the library holds them; all else is float64. Masked pixels are NaN in ``window`` and D.
"""

import numpy as np
from scipy import ndimage

from oracle import noise
from oracle.autoscan import aperture_weights

Y, X = np.mgrid[:51, :51] - 25
RADIUS = np.hypot(Y, X)
NAMES = (
    "peak_snr",
    "snr_2",
    "snr_3",
    "snr_5",
    "snr_8",
    "concentration",
    "profile_3",
    "profile_5",
    "profile_8",
    "sharpness",
    "roundness1",
    "roundness2",
    "hot_pixel_likeness",
    "neighbour_ratio",
    "positive_snr",
    "negative_snr",
    "lobe_ratio",
    "lobe_separation",
    "asymmetry",
    "template_snr",
    "template_distance",
    "template_flux_ratio",
    "template_gradient",
    "flux_balance",
    "row_median",
    "column_median",
)


def median32(values):
    """Return the median as float32, without overflow between the middle two."""
    ordered = np.sort(values.astype(np.float32))
    lower, upper = ordered[(ordered.size - 1) // 2], ordered[ordered.size // 2]
    return lower if lower == upper else np.float32(lower * np.float32(0.5) + upper * np.float32(0.5))


def in_noise(window):
    """Return D (51, 51) of a window in units of its noise, and its sigma; None where it has none."""
    if window is None or np.isnan(window).all():
        return None, 0.0
    pixels = window.astype(np.float32)
    kept = pixels[~np.isnan(pixels)]
    level = median32(kept)
    sigma = np.float32(1.4826) * median32(np.abs(kept - level))
    if not (sigma > 0 and np.isfinite(sigma)):
        return None, 0.0
    d = (pixels - level) / sigma
    return np.where(np.isfinite(d), d, np.nan).astype(np.float64), float(sigma)


def brightest(d, inside):
    """Return the (row, column) of the largest usable pixel inside; None where there is none."""
    values = np.where(inside & ~np.isnan(d), d, -np.inf)
    at = np.unravel_index(np.argmax(values), values.shape)
    return None if np.isneginf(values[at]) else at


def box(d, p, half):
    """Return the box of 2 half + 1 pixels around p."""
    return d[p[0] - half : p[0] + half + 1, p[1] - half : p[1] + half + 1]


def circle(d, radius, p=(25, 25)):
    """Return flux and area in a circle at p; masked pixels count as nothing."""
    weights = np.roll(aperture_weights(radius), (p[0] - 25, p[1] - 25), axis=(0, 1))
    return np.nansum(weights * d), weights[~np.isnan(d)].sum()


def aperture(d):
    """Groups aperture (but for polarity and the peak) and profile."""
    f, n = np.transpose([circle(d, radius) for radius in (2, 3, 5, 8)])
    values = {f"snr_{radius}": f[i] / np.sqrt(n[i]) for i, radius in enumerate((2, 3, 5, 8))}
    values["concentration"] = f[0] / f[2]
    for i, radius in ((1, 3), (2, 5), (3, 8)):
        values[f"profile_{radius}"] = (f[i] - f[i - 1]) / (n[i] - n[i - 1]) / (f[0] / n[0])
    return values


def star_kernel():
    """Return the lowered Gaussian of FWHM 2.5 px (5, 5), the Gaussian, and where the former is."""
    y, x = np.mgrid[-2:3, -2:3]
    inside = y**2 + x**2 <= 4
    gaussian = np.exp(-(y**2 + x**2) * 4 * np.log(2) / 2.5**2)
    g = gaussian[inside]
    lowered = np.where(inside, gaussian - g.mean(), 0.0) / (np.sum(g**2) - g.sum() ** 2 / g.size)
    return lowered, gaussian, inside


def marginal_height(marginal, model):
    """Return the height of the model in a fit of height and level, weights 1, 2, 3, 2, 1."""
    weight = np.sqrt([1, 2, 3, 2, 1])
    design = np.stack([model, np.ones(5)], axis=1) * weight[:, None]
    return np.linalg.lstsq(design, marginal * weight, rcond=None)[0][0]


def daofind(d, p):
    """Group daofind; see Stetson 1987."""
    lowered, gaussian, inside = star_kernel()
    d = np.nan_to_num(d)
    convolved = box(ndimage.correlate(d, lowered, mode="constant"), p, 2)
    near = box(d, p, 2)
    others = inside.copy()
    others[2, 2] = False
    values = {"sharpness": (near[2, 2] - near[others].sum() / others.sum()) / convolved[2, 2]}
    quadrants = np.array(
        [[1, 1, 1, -1, -1], [1, 1, 1, -1, -1], [-1, -1, 0, -1, -1], [-1, -1, 1, 1, 1], [-1, -1, 1, 1, 1]]
    )
    values["roundness1"] = 2 * np.sum(quadrants * convolved) / np.sum(np.abs(quadrants * convolved))
    triangle = np.array([1, 2, 3, 2, 1])
    hx = marginal_height(triangle @ near, triangle @ gaussian)
    hy = marginal_height(near @ triangle, gaussian @ triangle)
    if hx > 0 and hy > 0:
        values["roundness2"] = 2 * (hx - hy) / (hx + hy)
    return values


def hot_pixel(d, p):
    """Group hot_pixel."""
    neighbours = np.delete(box(d, p, 1).ravel(), 4)
    neighbours = neighbours[~np.isnan(neighbours)]
    values = {"hot_pixel_likeness": d[p] / np.sqrt(np.nansum(box(d, p, 3) ** 2))}
    if neighbours.size:
        values["neighbour_ratio"] = neighbours.mean() / d[p]
    return values


def lobes(d):
    """Group lobes."""
    near = np.where(RADIUS <= 7, np.nan_to_num(d), 0.0)
    lobe = [np.where(near > 2, near, 0.0), np.where(near < -2, -near, 0.0)]
    flux = [one.sum() for one in lobe]
    snr = [one.sum() / np.sqrt(np.count_nonzero(one)) if one.any() else 0.0 for one in lobe]
    values = {"positive_snr": snr[0], "negative_snr": snr[1], "lobe_ratio": flux[1] / (flux[0] + flux[1])}
    if min(flux) > 0:
        values["lobe_separation"] = np.hypot(*np.subtract(*[ndimage.center_of_mass(one) for one in lobe]))
    return values


def asymmetry(d, p):
    """Return the asymmetry about p."""
    here = box(d, p, 7)
    turned = here[::-1, ::-1]
    pairs = ~np.isnan(here) & ~np.isnan(turned)
    return np.abs(here - turned)[pairs].sum() / np.abs(here)[pairs].sum()


def template(d, sigma_d, polarity, t, sigma_t, s, sigma_s):
    """Group template; of the science plane ``s`` may be None."""
    filled = np.nan_to_num(t)
    gradient = [ndimage.sobel(filled, axis=axis)[25, 25] / 8 for axis in (0, 1)]
    values = {"template_gradient": np.hypot(*gradient)}
    change = polarity * circle(d, 3)[0] * sigma_d
    q = brightest(t, RADIUS <= 9)
    if q is not None:
        values["template_snr"] = t[q]
        values["template_distance"] = RADIUS[q]
        values["template_flux_ratio"] = change / (circle(t, 3, q)[0] * sigma_t)
    if s is not None:
        values["flux_balance"] = abs(circle(s, 3)[0] * sigma_s - circle(t, 3)[0] * sigma_t) / abs(change)
    return values


def line(values):
    """Return the median of a row or column; NaN where all of it is masked."""
    kept = values[~np.isnan(values)]
    return np.median(kept) if kept.size else np.nan


def measure(planes, centre):
    """Return D (times the polarity), S, T, their sigmas and the polarity; D is None where it has no noise."""
    windows = [noise.window(plane, centre) for plane in planes]
    (s, sigma_s), (t, sigma_t), (d, sigma_d) = (in_noise(window) for window in windows)
    polarity = 1
    if d is not None:
        difference = windows[2]
        level = float(median32(difference[~np.isnan(difference)]))
        polarity = -1 if np.nansum(noise.box(difference, 5) - level) < 0 else 1
        d = d * polarity
    return (s, t, d), (sigma_s, sigma_t, sigma_d), polarity


def features(planes, centre):
    """Return the values by name; what is undefined is left out or not finite."""
    with np.errstate(all="ignore"):
        (s, t, d), (sigma_s, sigma_t, sigma_d), polarity = measure(planes, centre)
        if d is None:
            return {}
        values = aperture(d) | lobes(d)
        if t is not None:
            values |= template(d, sigma_d, polarity, t, sigma_t, s, sigma_s)
        p = brightest(d, (abs(Y) <= 3) & (abs(X) <= 3))
        if p is not None:
            values |= daofind(d, p) | hot_pixel(d, p)
            values |= {"peak_snr": d[p], "asymmetry": asymmetry(d, p)}
            values |= {"row_median": line(d[p[0]]), "column_median": line(d[:, p[1]])}
        return values
