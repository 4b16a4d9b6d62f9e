"""Detection of a candidate on a difference image, and its measurement, for real and bogus alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from space2vec.simulation.exposure import Exposure
from space2vec.simulation.psf import frequencies

__all__ = ["Detection", "detect"]

Array = NDArray[np.float64]

_REACH = 15  # half side of the window of all measurements
_BOX = 7  # half side of the box of the shape
#: Smallest signal to noise ratio of a detection, in units of the pipeline's own error.
THRESHOLD = 5.0
# What the filter finds below this share of the threshold the fit will not lift above it.
_HOPELESS = 0.8


@dataclass(frozen=True)
class Detection:
    """A candidate as a survey pipeline reports it; positions on the canvas in pixels, fluxes as in the image."""

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
    """Find the strongest source, of either sign or positive, within ``reach`` pixels of a position and measure it.

    Parameters
    ----------
    difference : ndarray (size, size)
        The difference image, NaN where it is blank.
    light : ndarray (size, size)
        The science image without its sky: its photons count among the errors.
    exposure : Exposure
        Gives the point spread function that the pipeline believes in, and by how much it overrates its errors.
    x, y, reach : float
        Where to look, pixel.
    positive : bool
        Whether to look for positive sources alone.

    Returns
    -------
    Detection or None
        ``None`` where nothing reaches the threshold, or the source has no positive flux in its aperture, or lies in a
        blank.
    """
    usable = np.isfinite(difference)
    if not usable.any():
        return None
    # Half of the pixels tell level and noise as well.
    values = difference[usable][::2]
    middle = float(np.median(values))
    noise = 1.4826 * float(np.median(np.abs(values - middle)))
    flat = np.where(usable, difference - middle, 0.0)
    size = len(flat)
    # Matched filter: correlation with the profile, in units of its noise on blank sky.
    profile = exposure.matched(size).profile
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
    if snr < _HOPELESS * THRESHOLD * exposure.error_scale:
        return None
    found_x = column + _vertex(sign * spread[row, column - 1 : column + 2])
    found_y = row + _vertex(sign * spread[row - 1 : row + 2, column])
    return _measure(sign * flat, light, usable, exposure, noise, (found_x, found_y), snr, sign > 0.0, sign * middle)


def _vertex(three: Array) -> float:
    """Return where the parabola through three points has its top, within half a pixel of the middle one."""
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
    # All that is measured lies within this window.
    profile = _profile(exposure.matched(len(image)).profile, *position)
    top, left = (max(round(place) - _REACH, 0) for place in (position[1], position[0]))
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
    """Return the profile of a source at column ``x``, row ``y``, from its transform."""
    fy, fx = frequencies(len(transform))
    moved = transform * (np.exp(-2j * np.pi * y * fy) * np.exp(-2j * np.pi * x * fx))
    drawn: Array = np.fft.irfft2(moved, (len(transform), len(transform)))
    return drawn


def _aperture_error(flux: float, noise: float, radius: float, gain: float) -> float:
    return float(np.sqrt(np.pi * radius**2 * noise**2 + flux / gain))


def _shape(image: Array, noise: float, seeing: float, row: int, column: int) -> tuple[float, float, float]:
    """Return full width at half maximum, and root mean square width along and across.

    The last two are taken in a window as wide as the seeing and not corrected for it, as ZTF's are not: a point source
    has its own width over the square root of two. Only pixels above 1.5 sigma that hang together with the peak count.
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
    # Pixels near half the peak count in part, so that the width does not jump from pixel to pixel.
    area = float(np.clip((part[connected] / peak - 0.3) / 0.4, 0.0, 1.0).sum())
    return 2.0 * float(np.sqrt(max(area, 1.0) / np.pi)), major, minor
