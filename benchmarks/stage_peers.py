"""What others offer for single stages of the features: each as the fastest way that it has to the same quantity.

``PEERS`` holds for each stage its contenders; one is made of the planes, and what it is given is made before the clock
runs: windows, B, or the core of the difference in units of its noise, as the stage itself is given them. A peer that
takes many stamps at once gets many.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from programs import REPOSITORY
from rounds import Run
from stage_inputs import (
    CORE_COLUMN,
    CORE_ROW,
    FEW,
    MIDDLE,
    Images,
    boxes,
    brightness,
    compiled,
    cores,
    one_by_one,
    padded,
    together,
)

RADII = (2, 3, 5, 8)


# lacosmic: max of med3(B) - med7(med3(B)), reflected at the edges


def lacosmic_ndimage(planes: Images) -> Run:
    from scipy.ndimage import median_filter

    def stage(b: Images) -> float:
        smooth = median_filter(b, size=3, mode="reflect")
        return float((smooth - median_filter(smooth, size=7, mode="reflect")).max())

    return one_by_one(stage, brightness(planes), FEW)


def lacosmic_signal(planes: Images) -> Run:
    from scipy.signal import medfilt2d

    def stage(b: Images) -> float:
        smooth = medfilt2d(np.pad(b, 1, mode="symmetric"), 3)[1:-1, 1:-1]
        return float((smooth - medfilt2d(np.pad(smooth, 3, mode="symmetric"), 7)[3:-3, 3:-3]).max())

    return one_by_one(stage, brightness(planes), FEW)


def lacosmic_astroscrappy(planes: Images) -> Run:
    """Use its own filters of 3x3 and 7x7, the edges mirrored for them."""
    from astroscrappy.utils import medfilt3, medfilt7

    def stage(b: Images) -> float:
        smooth = np.ascontiguousarray(medfilt3(np.pad(b, 1, mode="symmetric"))[1:-1, 1:-1])
        return float((smooth - medfilt7(np.pad(smooth, 3, mode="symmetric"))[3:-3, 3:-3]).max())

    return one_by_one(stage, brightness(planes))


def lacosmic_detect_cosmics(planes: Images) -> Run:
    """Run the whole of L.A.Cosmic, one iteration: more than the stage does."""
    from astroscrappy import detect_cosmics

    def stage(window: Images) -> Any:
        return detect_cosmics(window, niter=1, sepmed=False, cleantype="median", readnoise=10.0)

    return one_by_one(stage, np.ascontiguousarray(planes[:, 2]))


def lacosmic_torch(planes: Images) -> Run:
    import torch

    torch.set_num_threads(1)

    def filtered(images: Any, side: int) -> Any:
        margin = side // 2
        rows = np.pad(np.arange(51), margin, mode="symmetric")
        padded = images[:, rows][:, :, rows]
        return padded.unfold(1, side, 1).unfold(2, side, 1).reshape(*images.shape, side * side).median(dim=-1).values

    def stage(b: Any) -> Any:
        smooth = filtered(b, 3)
        return (smooth - filtered(smooth, 7)).amax(dim=(1, 2))

    return together(stage, torch.from_numpy(brightness(planes)))


def lacosmic_numba(planes: Images) -> Run:
    from space2vec.fallback.lacosmic import largest_fine_structure

    return compiled(largest_fine_structure, padded(brightness(planes)))


# gaussian-fit: A exp(-r^2 / (2 s^2)) to B; the peers climb from one start, the stage looks for the best hill


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

    calls = 40 if slopes else 200  # without, five of the model make one step
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
    """Run the transcription of the tests: bounds and derivatives as the paper's fit has them."""
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

    from space2vec.fallback.gaussian_fit import fit_gaussian

    @numba.njit
    def stage(b):  # type: ignore[no-untyped-def]
        return fit_gaussian(b, 51 * 51).scale

    return compiled(stage, padded(brightness(planes)))


# moments: adaptive moments of the 25x25 pixels around the candidate


def moments_galsim(planes: Images) -> Run:
    import galsim

    images = [galsim.Image(box, xmin=0, ymin=0) for box in boxes(planes)]
    place = galsim.PositionD(CORE_ROW, CORE_ROW)

    def stage(image: Any) -> Any:
        return galsim.hsm.FindAdaptiveMom(image, guess_sig=1.5, guess_centroid=place, strict=False)

    return one_by_one(stage, images)


def moments_sep_winpos(planes: Images) -> Run:
    """Find the weighted centroid alone, without second moments."""
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

    return together(stage, cores(planes))


def circles_numba(planes: Images) -> Run:
    import numba

    from space2vec.fallback.circle import sum_circles

    @numba.njit
    def stage(core):  # type: ignore[no-untyped-def]
        sums = sum_circles(core)
        return sums.of_2.flux + sums.of_3.flux + sums.of_5.flux + sums.of_8.flux

    return compiled(stage, cores(planes))


# noise: median and MAD of the window


def deviations(values: Any, median: Callable[[Any], Any]) -> Any:
    """Return the median of the distances from the median."""
    return median(np.abs(values - median(values)[:, None]))


def noise_numpy(planes: Images) -> Run:
    windows = planes[:, 2].reshape(len(planes), -1)
    return together(lambda block: deviations(block, lambda values: np.median(values, axis=1)), windows)


def noise_bottleneck(planes: Images) -> Run:
    import bottleneck

    windows = np.ascontiguousarray(planes[:, 2].reshape(len(planes), -1))
    return together(lambda block: deviations(block, lambda values: bottleneck.median(values, axis=1)), windows)


def noise_astropy(planes: Images) -> Run:
    from astropy.stats import mad_std

    windows = planes[:, 2].reshape(len(planes), -1)
    return together(lambda block: (np.median(block, axis=1), mad_std(block, axis=1)), windows)


def noise_torch(planes: Images) -> Run:
    import torch

    torch.set_num_threads(1)
    windows = torch.from_numpy(np.ascontiguousarray(planes[:, 2].reshape(len(planes), -1)))

    def stage(block: Any) -> Any:
        middle = block.median(dim=1, keepdim=True).values
        return (block - middle).abs().median(dim=1).values

    return together(stage, windows)


def noise_numba(planes: Images) -> Run:
    import numba

    from space2vec.fallback.noise_plane import measure_noise

    @numba.njit
    def stage(window):  # type: ignore[no-untyped-def]
        return measure_noise(window).sigma

    return compiled(stage, padded(planes[:, 2]))


PEERS: dict[str, dict[str, Callable[[Images], Run]]] = {
    "lacosmic": {
        "scipy.ndimage": lacosmic_ndimage,
        "scipy.signal": lacosmic_signal,
        "astroscrappy medfilt": lacosmic_astroscrappy,
        "astroscrappy detect": lacosmic_detect_cosmics,
        "torch": lacosmic_torch,
        "numba": lacosmic_numba,
    },
    "gaussian-fit": {
        "scipy curve_fit": fit_curve_fit,
        "scipy curve_fit slopes": fit_curve_fit_slopes,
        "scipy least_squares": fit_least_squares,
        "astropy": fit_astropy,
        "photutils fit_2dgaussian": fit_photutils,
        "photutils centroid_2dg": fit_centroid_2dg,
        "numba": fit_numba,
    },
    "noise": {
        "numpy": noise_numpy,
        "bottleneck": noise_bottleneck,
        "astropy": noise_astropy,
        "torch": noise_torch,
        "numba": noise_numba,
    },
    "moments": {
        "galsim": moments_galsim,
        "sep winpos": moments_sep_winpos,
        "sep extract": moments_sep_extract,
        "photutils": moments_photutils,
    },
    "circles": {
        "sep": circles_sep,
        "photutils": circles_photutils,
        "numpy": circles_numpy,
        "numba": circles_numba,
    },
}


def peer(stage: str, name: str, planes: Images) -> Run:
    """Return the rounds of a peer."""
    warnings.simplefilter("ignore")
    return PEERS[stage][name](planes)
