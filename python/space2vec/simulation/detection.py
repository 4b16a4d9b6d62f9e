"""Detection of a candidate on a difference image and its measurement, the same for real and bogus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from space2vec.simulation.exposure import Exposure
from space2vec.simulation.psf import frequencies

__all__ = ["Detection", "detect"]

Array = NDArray[np.float64]

#: Half the side of the window of all measurements, pixels.
_REACH = 15
#: Half the side of the window in which the shape is measured, pixels.
_BOX = 7
#: Smallest signal-to-noise ratio of a detection, with the error that the pipeline assumes.
THRESHOLD = 5.0
#: A peak of the matched filter below this share of the threshold is not fitted: the fit would not exceed the threshold.
_FITTED_SHARE = 0.8


@dataclass(frozen=True)
class Detection:
    """A candidate as a survey pipeline reports it.

    Attributes
    ----------
    x, y : float
        Column and row on the canvas, pixels.
    positive : bool
        Whether the candidate is brighter in the science image than in the template.
    flux, flux_error : float
        Flux of a fit of the point spread function, positive, in the unit of the survey, and its error.
    chi : float
        Reduced chi squared of the fit.
    peak_snr : float
        Peak of the matched filter, in units of its noise on blank sky.
    sky : float
        Median of an annulus around the candidate.
    aperture_flux, aperture_error : float
        Flux within 7 pixels, and its error.
    wide_flux, wide_error : float
        Flux within 9 pixels, and its error.
    fwhm : float
        Full width at half maximum, pixels.
    major, minor : float
        Root mean square width along the major and the minor axis, pixels.
    negative : int
        Negative pixels among the 5 x 5 around the candidate.
    sum_ratio : float
        Sum of these pixels, divided by the sum of their absolute values.
    """

    x: float
    y: float
    positive: bool
    flux: float
    flux_error: float
    chi: float
    peak_snr: float
    sky: float
    aperture_flux: float
    aperture_error: float
    wide_flux: float
    wide_error: float
    fwhm: float
    major: float
    minor: float
    negative: int
    sum_ratio: float


def detect(
    difference: Array, light: Array, exposure: Exposure, x: float, y: float, reach: float, *, positive: bool = False
) -> Detection | None:
    """Find the strongest source near a position in a difference image, and measure it.

    Parameters
    ----------
    difference : ndarray (size, size)
        The difference image; masked pixels are NaN.
    light : ndarray (size, size)
        The science image without its sky; it gives the photon noise.
    exposure : Exposure
        Gives the point spread function that the pipeline assumes, and the factor by which it overestimates errors.
    x, y, reach : float
        Column, row and radius of the region that is searched, pixels.
    positive : bool
        Whether only positive sources are searched for; otherwise those of either sign.

    Returns
    -------
    Detection or None
        None if no source reaches the threshold, or the source has no positive flux in its aperture or is masked.
    """
    usable = np.isfinite(difference)
    if not usable.any():
        return None
    # Every other pixel is enough for level and noise.
    values = difference[usable][::2]
    middle = float(np.median(values))
    noise = 1.4826 * float(np.median(np.abs(values - middle)))
    flat = np.where(usable, difference - middle, 0.0)
    size = len(flat)
    # Matched filter: correlation with the profile, in units of its noise on blank sky.
    profile = exposure.matching_filters(size).profile
    spread = np.fft.irfft2(np.fft.rfft2(flat) * profile, flat.shape)
    norm = float(np.sqrt(np.mean(profile**2)))
    rows, columns = np.ogrid[:size, :size]
    near = ((columns - x) ** 2 + (rows - y) ** 2 <= reach**2) & usable
    near[:_BOX] = near[-_BOX:] = near[:, :_BOX] = near[:, -_BOX:] = False
    if not near.any():
        return None
    row, column = divmod(int(np.argmax(np.where(near, spread if positive else np.abs(spread), -np.inf))), size)
    sign = 1.0 if positive or spread[row, column] > 0.0 else -1.0
    snr = sign * spread[row, column] / (noise * norm)
    if snr < _FITTED_SHARE * THRESHOLD * exposure.error_scale:
        return None
    peak_x = column + _vertex(sign * spread[row, column - 1 : column + 2])
    peak_y = row + _vertex(sign * spread[row - 1 : row + 2, column])
    return _measure(sign * flat, light, usable, exposure, noise, (peak_x, peak_y), snr, sign > 0.0, sign * middle)


def _vertex(three: Array) -> float:
    """Return the position of the maximum of a parabola through three points, within half a pixel of the middle one."""
    curve = three[0] - 2.0 * three[1] + three[2]
    return 0.0 if curve >= 0.0 else float(np.clip(0.5 * (three[0] - three[2]) / curve, -0.49, 0.49))


def _measure(
    image: Array,
    light: Array,
    usable: NDArray[np.bool_],
    exposure: Exposure,
    noise: float,
    position: tuple[float, float],
    peak_snr: float,
    positive: bool,
    middle: float,
) -> Detection | None:
    """Measure the source at a position, or return None if it is below the threshold or masked."""
    # Everything is measured within this window.
    profile = _profile(exposure.matching_filters(len(image)).profile, *position)
    top, left = (max(round(middle_pixel) - _REACH, 0) for middle_pixel in (position[1], position[0]))
    window = np.s_[top : round(position[1]) + _REACH + 1, left : round(position[0]) + _REACH + 1]
    image, light, usable, profile = image[window], light[window], usable[window], profile[window]
    x, y = position[0] - left, position[1] - top
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    distance = np.hypot(columns - x, rows - y)
    annulus = image[(distance > 10.0) & (distance < 15.0) & usable]
    sky = float(np.median(annulus)) if annulus.size > 20 else 0.0
    image = image - sky
    row, column = round(y), round(x)

    fit = min(max(4, round(1.2 * exposure.seeing)), _BOX)
    box = np.s_[row - fit : row + fit + 1, column - fit : column + fit + 1]
    data, good = image[box], usable[box]
    if not good[fit, fit]:
        return None
    profile = profile[box] * good
    power = float((profile**2).sum())
    flux = float((data * profile).sum()) / power
    variance = noise**2 + np.maximum(np.where(good, light[box], 0.0), 0.0) / exposure.gain
    error = float(np.sqrt((profile**2 * variance).sum())) / power * exposure.error_scale
    if flux < THRESHOLD * error:
        return None
    chi = float((((data - flux * profile) ** 2 / variance) * good).sum() / max(int(good.sum()) - 3, 1))

    aperture, wide = (float(image[(distance <= radius) & usable].sum()) for radius in (7.0, 9.0))
    if aperture <= 0.0 or wide <= 0.0:
        return None
    shape = _shape(image, noise, exposure.seeing, row, column)
    five = image[row - 2 : row + 3, column - 2 : column + 3]
    return Detection(
        x=position[0],
        y=position[1],
        positive=positive,
        flux=flux,
        flux_error=error,
        chi=chi,
        peak_snr=float(peak_snr),
        sky=sky + middle,
        aperture_flux=aperture,
        aperture_error=_aperture_error(aperture, noise, 7.0, exposure.gain),
        wide_flux=wide,
        wide_error=_aperture_error(wide, noise, 9.0, exposure.gain),
        fwhm=shape[0],
        major=shape[1],
        minor=shape[2],
        negative=int((five < 0.0).sum()),
        sum_ratio=float(five.sum() / np.abs(five).sum()),
    )


def _profile(transform: Array, x: float, y: float) -> Array:
    """Return the image of a point source of flux 1 at column ``x``, row ``y``, from the transform of its profile."""
    fy, fx = frequencies(len(transform))
    moved = transform * (np.exp(-2j * np.pi * y * fy) * np.exp(-2j * np.pi * x * fx))
    drawn: Array = np.fft.irfft2(moved, (len(transform), len(transform)))
    return drawn


def _aperture_error(flux: float, noise: float, radius: float, gain: float) -> float:
    """Return the error of an aperture flux, from the noise of a pixel and the photons of the flux."""
    return float(np.sqrt(np.pi * radius**2 * noise**2 + flux / gain))


def _shape(image: Array, noise: float, seeing: float, row: int, column: int) -> tuple[float, float, float]:
    """Return the full width at half maximum, and the root mean square widths along the major and the minor axis.

    The last two are measured with a Gaussian window as wide as the seeing and, as ZTF's, are not corrected for it: a
    point source gets its width divided by the square root of two. Only those pixels above 1.5 sigma are used that are
    connected with the peak.
    """
    part = image[row - _BOX : row + _BOX + 1, column - _BOX : column + _BOX + 1]
    above = part > 1.5 * noise
    connected = np.zeros_like(above)
    connected[_BOX, _BOX] = True
    for _ in range(_BOX):
        grown = connected.copy()
        grown[1:] |= connected[:-1]
        grown[:-1] |= connected[1:]
        grown[:, 1:] |= connected[:, :-1]
        grown[:, :-1] |= connected[:, 1:]
        connected |= grown & above
    step = np.arange(-_BOX, _BOX + 1)
    window = np.exp(-0.5 * (step / (seeing / 2.355)) ** 2)
    weight = np.where(connected, np.maximum(part, 1e-3 * noise), 0.0) * window * window[:, None]
    weight /= weight.sum()
    across, down = weight.sum(axis=0), weight.sum(axis=1)
    mean_x, mean_y = float(across @ step), float(down @ step)
    xx, yy = float(across @ step**2) - mean_x**2, float(down @ step**2) - mean_y**2
    xy = float(step @ weight @ step) - mean_x * mean_y
    middle, half = 0.5 * (xx + yy), float(np.hypot(0.5 * (xx - yy), xy))
    # No source is narrower than a pixel.
    major, minor = float(np.sqrt(max(middle + half, 1 / 12))), float(np.sqrt(max(middle - half, 1 / 12)))
    peak = float(part[connected].max())
    # Pixels near half of the peak are counted in part, so that the width changes smoothly.
    area = float(np.clip((part[connected] / peak - 0.3) / 0.4, 0.0, 1.0).sum())
    return 2.0 * float(np.sqrt(max(area, 1.0) / np.pi)), major, minor
