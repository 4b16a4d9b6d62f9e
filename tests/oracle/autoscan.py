"""The eighteen autoScan stamp features, one triplet at a time.

Source: Goldstein et al. 2015, AJ 150, 82, and its released code where the two differ (``convention="code"``).

A pixel is masked where it is not finite, where its magnitude is 1e-30 as float32, and where the window leaves the
stamp. Statistics are over unmasked pixels. A value that is not finite as float32 is NaN.
"""

from functools import cache
from math import fsum
from typing import NamedTuple

import numpy as np
from scipy.ndimage import median_filter
from scipy.optimize import least_squares

from oracle.stamp_flags import stamp_flags
from oracle.window import cut, is_constant, is_null, pixel_flags

SIZE = 51
NAMES = (
    "AMP",
    "COLMEDS",
    "DIFFSUMRN",
    "FLUX_RATIO",
    "GAUSS",
    "L1",
    "LACOSMIC",
    "MASKFRAC",
    "N2SIG3",
    "N2SIG3SHIFT",
    "N2SIG5",
    "N2SIG5SHIFT",
    "N3SIG3",
    "N3SIG3SHIFT",
    "N3SIG5",
    "N3SIG5SHIFT",
    "NUMNEGRN",
    "SCALE",
)
COUNTS = tuple(name for name in NAMES if "SIG" in name or name == "NUMNEGRN")
FIT = ("AMP", "GAUSS", "SCALE")

BOX5 = (slice(10, 15), slice(10, 15))
BOX7 = (slice(9, 16), slice(9, 16))

#: Fewest unmasked pixels for a fit: one more than its parameters.
FIT_PIXELS = 5
#: The original's start: amplitude, scale, x0, y0.
ORIGINAL_START = (10.0, 10.0, 25.0, 25.0)
#: Further starts that need no look at the data: narrow and wide, positive and negative.
PLAIN_STARTS = (
    ORIGINAL_START,
    (1.0, 1.5, 25.0, 25.0),
    (-1.0, 1.5, 25.0, 25.0),
    (0.3, 5.0, 24.7, 25.3),
    (-0.3, 5.0, 25.3, 24.7),
)


class Fit(NamedTuple):
    """A fitted Gaussian; ``scale`` is not negative, ``residual`` is the sum of squares."""

    residual: float
    amplitude: float
    scale: float
    x0: float
    y0: float


class Result(NamedTuple):
    """What a triplet gives: values by name, flags, and the fits behind AMP, SCALE and GAUSS (``None`` if not done)."""

    values: dict
    flags: set
    best: Fit | None
    original: Fit | None


def masked(window):
    """Tell which pixels of a window are masked."""
    return ~np.isfinite(window) | is_null(window)


def normalise_b(window):
    """Return B (51, 51), NaN where masked: (I - median) / max|I|."""
    values = window[~masked(window)]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(masked(window), np.nan, (window - np.median(values)) / np.abs(values).max())


def block_means(window):
    """Return C (25, 25), the means of the 2x2 blocks, NaN where masked.

    Null pixels enter a mean as they are; a block with a pixel that is not finite is masked, as is one with |C| < 1e-29.
    """
    finite = np.where(np.isfinite(window), window, np.nan)[:50, :50]
    means = finite.reshape(25, 2, 25, 2).sum(axis=(1, 3)) / 4
    means[np.abs(means) < 1e-29] = np.nan
    return means


def normalise_r(window):
    """Return R (25, 25), NaN where masked, and whether its scale is a number above zero; R is all NaN where not."""
    means = block_means(window)
    values = means[~np.isnan(means)]
    if not values.size:
        return np.full_like(means, np.nan), False
    median = np.median(values)
    scale = 1.4826 * np.median(np.abs(values - median))
    if scale == 0:
        return np.full_like(means, np.nan), False
    return (means - median) / scale, True


@cache
def aperture_weights(radius=5):
    """Return the weights (51, 51) of a circle at (25, 25), 5x5 subpixels, as SEP has them.

    A subpixel counts where its centre lies inside the circle, not on it. In units of a fifth of a pixel everything is
    an integer, so nothing is left to rounding.
    """
    step = np.arange(5 * SIZE) - (5 * SIZE) // 2
    inside = step[:, None] ** 2 + step[None, :] ** 2 < (5 * radius) ** 2
    return inside.reshape(SIZE, 5, SIZE, 5).sum(axis=(1, 3)) / 25


def aperture_flux(window):
    """Return the flux in the aperture; masked pixels count as 0."""
    return float((aperture_weights() * np.where(masked(window), 0.0, window)).sum())


def lacosmic(b):
    """Return max(B) / max(F), F = med3(B) - med7(med3(B)), masked pixels 0 in the filters."""
    small = median_filter(np.nan_to_num(b, nan=0.0), size=3, mode="reflect")
    fine = small - median_filter(small, size=7, mode="reflect")
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nanmax(b) / fine.max()


def column_medians(b):
    """Return the greatest of the medians of the columns; columns that are masked throughout have none."""
    columns = b[:, ~np.isnan(b).all(axis=0)]
    return (np.nanmedian if np.isnan(columns).any() else np.median)(columns, axis=0).max()


def l1(b):
    """Return sign(S) * sum|B| / sqrt|S|, S = sum B."""
    total = fsum(b[~np.isnan(b)])  # without rounding: what cancels is 0 (and L1 undefined), not an accident
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sign(total) * np.nansum(np.abs(b)) / np.sqrt(np.abs(total))


def fit_from(b, start, analytic=True):
    """Fit the Gaussian by least squares from one start (amplitude, scale, x0, y0); NaN throughout where that fails.

    ``analytic=False`` leaves the derivatives to SciPy's differences, the default of its users.
    """
    rows, columns = np.nonzero(~np.isnan(b))
    values = b[rows, columns]

    def parts(p):
        amplitude, scale, x0, y0 = p
        dx, dy = columns - x0, rows - y0
        square = max(scale * scale, 1e-12)
        r2 = dx * dx + dy * dy
        return amplitude, scale, dx, dy, r2, square, np.exp(-r2 / (2 * square))

    def residuals(p):
        amplitude, *_, shape = parts(p)
        return amplitude * shape - values

    def jacobian(p):
        amplitude, scale, dx, dy, r2, square, shape = parts(p)
        slope = amplitude * shape / square
        return np.stack([shape, slope * r2 * scale / square, slope * dx, slope * dy], axis=1)

    bounds = ([-np.inf, -np.inf, 24.5, 24.5], [np.inf, np.inf, 25.5, 25.5])
    try:
        with np.errstate(over="ignore"):  # far from the data the trust region may overflow; such steps are refused
            found = least_squares(residuals, start, jac=jacobian if analytic else "2-point", bounds=bounds)
    except (ValueError, np.linalg.LinAlgError):
        return Fit(*[float("nan")] * 5)
    amplitude, scale, x0, y0 = found.x
    return Fit(float(2 * found.cost), float(amplitude), float(abs(scale)), float(x0), float(y0))


def profile_starts(b, count=3):
    """Return the best starts out of a dense grid of scales and positions, the amplitude solved for at each.

    One start for each local minimum of the residual along the scale, the lowest ``count`` of them.
    """
    scales = np.geomspace(0.2, 300.0, 40)
    places = np.linspace(24.5, 25.5, 5)
    pixel = np.arange(SIZE)
    shape = np.exp(-((pixel - places[:, None]) ** 2) / (2 * scales[:, None, None] ** 2))
    filled, there = np.nan_to_num(b, nan=0.0), (~np.isnan(b)).astype(float)
    cross = shape @ filled[None] @ shape.transpose(0, 2, 1)
    power = shape**2 @ there[None] @ (shape**2).transpose(0, 2, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.where(power > 1e-200, cross**2 / power, 0.0).reshape(len(scales), -1)
    along = gain.max(axis=1)
    padded = np.concatenate([[-np.inf], along, [-np.inf]])
    tops = np.nonzero((along >= padded[:-2]) & (along >= padded[2:]))[0]
    starts = []
    for k in sorted(tops, key=lambda k: -along[k])[:count]:
        iy, ix = divmod(int(gain[k].argmax()), len(places))
        if power[k, iy, ix] > 1e-200:
            starts.append((cross[k, iy, ix] / power[k, iy, ix], scales[k], places[ix], places[iy]))
    return starts


def fit_best(b):
    """Fit from the plain starts and those of the grid; return the best of all and that of the original's start."""
    fits = [fit_from(b, start) for start in (*PLAIN_STARTS, *profile_starts(b))]
    good = [fit for fit in fits if np.isfinite(fit.residual)]
    return min(good, default=fits[0]), fits[0]


def _counts(r_d, r_t, paper):
    """Return the counts and the sum over the boxes of R; masked pixels are left out."""
    values = {}
    for box, name in ((BOX5, "3"), (BOX7, "5")):
        d, t = r_d[box], None if r_t is None else r_t[box]
        for k in (2, 3):
            low = d < -k if paper else d <= -k
            values[f"N{k}SIG{name}"] = float(low.sum())
            if t is not None:
                values[f"N{k}SIG{name}SHIFT"] = float((d >= k).sum()) - float((t >= k).sum())
    values["NUMNEGRN"] = float((r_d[BOX7] < 0).sum())
    values["DIFFSUMRN"] = float(np.nansum(r_d[BOX5]))
    return values


def _finish(values):
    """Complete the dict in the order of NAMES; what is absent or not finite as float32 is NaN."""
    with np.errstate(over="ignore"):
        kept = {name: value for name, value in values.items() if np.isfinite(np.float32(value))}
    return {name: float(kept.get(name, np.nan)) for name in NAMES}


def features(difference, template, *, science=None, centre=None, saturation=None, convention="code", starts="best"):
    """Return the :class:`Result` of one triplet; a missing plane is ``None``.

    ``starts="original"`` fits from the original's start alone, as the published program does; ``"original-numeric"``
    does so with numerical derivatives.
    """
    if convention not in ("code", "paper"):
        raise ValueError(convention)
    if starts not in ("best", "original", "original-numeric"):
        raise ValueError(starts)
    paper = convention == "paper"
    flags = stamp_flags({"science": science, "template": template, "difference": difference}, centre)
    if difference is None:
        return Result(_finish({}), flags | {"missing"}, None, None)
    windows = []
    for plane in (difference, template):
        if plane is None:
            flags.add("missing")
            windows.append(None)
            continue
        window, outside, cuts = cut(plane, SIZE, centre)
        flags |= cuts | pixel_flags(window, outside)
        windows.append(window)
    if science is not None and saturation is not None:
        window = cut(science, SIZE, centre)[0]
        with np.errstate(invalid="ignore"):
            if (window >= saturation).any():
                flags.add("saturated")

    d, t = windows
    values = {"MASKFRAC": float(masked(d).mean())}
    if is_constant(d[~masked(d)]):
        return Result(_finish(values), flags | {"constant"}, None, None)

    r_d, scaled = normalise_r(d)
    if not scaled:
        flags.add("zero_scale")
    r_t = None
    if t is not None:
        r_t, scaled_t = normalise_r(t)
        if not scaled_t:
            flags.add("constant" if is_constant(t[~masked(t)]) else "zero_scale")
            r_t = None
        flux_d, flux_t = aperture_flux(d), aperture_flux(t)
        if flux_t != 0:
            values["FLUX_RATIO"] = (flux_d if paper else flux_d - flux_t) / abs(flux_t)
    if scaled:
        values |= _counts(r_d, r_t, paper)

    b = normalise_b(d)
    values |= {"LACOSMIC": lacosmic(b), "COLMEDS": column_medians(b), "L1": l1(b)}
    best = original = None
    if (~np.isnan(b)).sum() >= FIT_PIXELS:
        if starts == "best":
            best, original = fit_best(b)
        else:
            best = original = fit_from(b, ORIGINAL_START, analytic=starts == "original")
    if best is None or not np.isfinite(best.residual):
        flags.add("fit_failed")
    else:
        values |= {"AMP": best.amplitude, "SCALE": best.scale, "GAUSS": best.residual}
    return Result(_finish(values), flags, best, original)


def autoscan_original(difference, template, analytic=True):
    """Return the eighteen values (18,) of a pair of planes by one fit from the original's start.

    This is the plain implementation that the kernels' speed is measured against.
    """
    starts = "original" if analytic else "original-numeric"
    return np.array(list(features(difference, template, starts=starts).values.values()))
