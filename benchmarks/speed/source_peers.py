"""Packages that measure a source: the peers of the stages gaussian-fit, moments and circles."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.programs import REPOSITORY
from benchmarks.speed.rounds import Run
from benchmarks.speed.stage_inputs import (
    CORE_COLUMN,
    CORE_ROW,
    FEW,
    MIDDLE,
    Images,
    boxes,
    brightness,
    by_blocks,
    compile_loop,
    cores,
    one_by_one,
    pad_windows,
)

RADII = (2, 3, 5, 8)


# gaussian-fit: A exp(-r^2 / (2 s^2)) to B; the peers have one start, the stage tries several and keeps the best fit


def bump(at: Any, height: float, x0: float, y0: float, width: float) -> Any:
    return height * np.exp(-((at[0] - x0) ** 2 + (at[1] - y0) ** 2) / (2 * width**2))


def bump_slopes(at: Any, height: float, x0: float, y0: float, width: float) -> Any:
    dx, dy = at[0] - x0, at[1] - y0
    square = dx**2 + dy**2
    shape = np.exp(-square / (2 * width**2))
    slope = height * shape / width**2
    return np.stack([shape, slope * dx, slope * dy, slope * square / width], axis=1)


def fit_curve_fit(planes: Images, slopes: Any = None) -> Run:
    from scipy.optimize import curve_fit

    calls = 40 if slopes else 200  # without slopes a step takes five calls of the model
    y, x = np.mgrid[:51, :51]
    at = np.stack([x.ravel(), y.ravel()]).astype(float)

    def stage(b: Images) -> Any:
        try:
            return curve_fit(bump, at, b.ravel(), (b[MIDDLE, MIDDLE], MIDDLE, MIDDLE, 1.5), jac=slopes, maxfev=calls)
        except RuntimeError:
            return None

    return one_by_one(stage, brightness(planes), FEW)


def fit_curve_fit_slopes(planes: Images) -> Run:
    return fit_curve_fit(planes, bump_slopes)


def fit_least_squares(planes: Images) -> Run:
    """Run the transcription of the tests, with the bounds and derivatives of the fit in the paper."""
    sys.path.insert(0, str(REPOSITORY / "tests"))
    from oracle.autoscan import ORIGINAL_START, fit_from

    b = brightness(planes).astype(np.float64)
    return one_by_one(lambda image: fit_from(image, ORIGINAL_START), b, FEW)


def fit_astropy(planes: Images) -> Run:
    from astropy.modeling.fitting import LMLSQFitter
    from astropy.modeling.models import Gaussian2D

    y, x = np.mgrid[:51, :51]
    fitter = LMLSQFitter()

    def stage(b: Images) -> Any:
        start = Gaussian2D(b[MIDDLE, MIDDLE], MIDDLE, MIDDLE, 1.5, 1.5, 0.0)
        start.theta.fixed = True
        start.y_stddev.tied = lambda model: model.x_stddev
        return fitter(start, x, y, b)

    return one_by_one(stage, brightness(planes), FEW)


def fit_photutils(planes: Images) -> Run:
    from photutils.psf import fit_2dgaussian

    def stage(b: Images) -> Any:
        return fit_2dgaussian(b, xypos=(MIDDLE, MIDDLE), fwhm=3.5, fix_fwhm=False, fit_shape=51)

    return one_by_one(stage, brightness(planes), FEW)


def fit_centroid_2dg(planes: Images) -> Run:
    """Fit an elliptical Gaussian and a level."""
    from photutils.centroids import centroid_2dg

    return one_by_one(centroid_2dg, brightness(planes), FEW)


def fit_numba(planes: Images) -> Run:
    import numba

    from space2vec.backends.numba.gaussian_fit import fit_gaussian

    @numba.njit
    def stage(b):  # type: ignore[no-untyped-def]
        return fit_gaussian(b, 51 * 51).scale

    return compile_loop(stage, pad_windows(brightness(planes)))


# moments: adaptive moments of the 25x25 pixels around the candidate


def find_moments(image: Any) -> Any:
    import galsim

    place = galsim.PositionD(CORE_ROW, CORE_ROW)
    return galsim.hsm.FindAdaptiveMom(image, guess_sig=1.5, guess_centroid=place, strict=False)


def moments_galsim(planes: Images) -> Run:
    import galsim

    return one_by_one(find_moments, [galsim.Image(box, xmin=0, ymin=0) for box in boxes(planes)])


def moments_galsim_converging(planes: Images) -> Run:
    """Leave out the stamps on which galsim fails, which take it longest; the stage measures all of them."""
    import galsim

    images = [galsim.Image(box, xmin=0, ymin=0) for box in boxes(planes)]
    return one_by_one(find_moments, [image for image in images if find_moments(image).moments_status == 0])


def moments_sep_winpos(planes: Images) -> Run:
    """Measure the weighted centroid alone, without second moments."""
    import sep

    x, y, sigma = np.array([CORE_ROW], float), np.array([CORE_ROW], float), np.array([1.5])
    return one_by_one(lambda box: sep.winpos(box, x, y, sigma), boxes(planes))


def moments_sep_extract(planes: Images) -> Run:
    """Take the moments of the pixels above 1.5 sigma, of every source."""
    import sep

    return one_by_one(lambda box: sep.extract(box, 1.5), boxes(planes))


def moments_photutils(planes: Images) -> Run:
    """Take the moments of all pixels, without weights."""
    from photutils.morphology import data_properties

    def stage(box: Images) -> Any:
        found = data_properties(box)
        return found.centroid, found.semimajor_axis, found.semiminor_axis, found.orientation

    return one_by_one(stage, boxes(planes), FEW)


def moments_numba(planes: Images) -> Run:
    import numba

    from space2vec.backends.numba.adaptive_moments import adaptive_moments

    @numba.njit
    def stage(core):  # type: ignore[no-untyped-def]
        return adaptive_moments(core).at.m.xx

    return compile_loop(stage, cores(planes))


# circles: sums of the core in circles of 2, 3, 5 and 8 pixels


def circles_sep(planes: Images) -> Run:
    import sep

    x, y = np.full(4, CORE_COLUMN, float), np.full(4, CORE_ROW, float)
    radii = np.array(RADII, float)
    return one_by_one(lambda core: sep.sum_circle(core, x, y, radii, subpix=5), cores(planes))


def circles_photutils(planes: Images) -> Run:
    from photutils.aperture import CircularAperture

    circles = [CircularAperture((CORE_COLUMN, CORE_ROW), radius) for radius in RADII]

    def stage(core: Images) -> Any:
        return [circle.do_photometry(core, method="subpixel", subpixels=5) for circle in circles]

    return one_by_one(stage, cores(planes), FEW)


def circles_numpy(planes: Images) -> Run:
    """Multiply by the weights of the four circles, many stamps at once."""
    step = np.arange(5 * 17) - 5 * 17 // 2
    distance = step[:, None] ** 2 + step[None, :] ** 2
    weights = [(distance < (5 * radius) ** 2).reshape(17, 5, 17, 5).sum(axis=(1, 3)).ravel() / 25.0 for radius in RADII]
    table = np.array(weights, dtype=np.float64).T

    def stage(core: Images) -> Any:
        box = core[:, CORE_ROW - 8 : CORE_ROW + 9, CORE_COLUMN - 8 : CORE_COLUMN + 9]
        return box.reshape(len(box), -1).astype(np.float64) @ table

    return by_blocks(stage, cores(planes))


def circles_numba(planes: Images) -> Run:
    import numba

    from space2vec.backends.numba.circle import sum_circles

    @numba.njit
    def stage(core):  # type: ignore[no-untyped-def]
        sums = sum_circles(core)
        return sums.of_2.flux + sums.of_3.flux + sums.of_5.flux + sums.of_8.flux

    return compile_loop(stage, cores(planes))


FITS: dict[str, Callable[[Images], Run]] = {
    "scipy curve_fit": fit_curve_fit,
    "scipy curve_fit slopes": fit_curve_fit_slopes,
    "scipy least_squares": fit_least_squares,
    "astropy": fit_astropy,
    "photutils fit_2dgaussian": fit_photutils,
    "photutils centroid_2dg": fit_centroid_2dg,
    "numba": fit_numba,
}
MOMENTS: dict[str, Callable[[Images], Run]] = {
    "galsim": moments_galsim,
    "galsim converging": moments_galsim_converging,
    "sep winpos": moments_sep_winpos,
    "sep extract": moments_sep_extract,
    "photutils": moments_photutils,
    "numba": moments_numba,
}
CIRCLES: dict[str, Callable[[Images], Run]] = {
    "sep": circles_sep,
    "photutils": circles_photutils,
    "numpy": circles_numpy,
    "numba": circles_numba,
}
