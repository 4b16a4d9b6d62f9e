"""What others offer for single stages of the features: each as the fastest way that it has to the same quantity.

``PEERS`` holds for each stage its contenders; one is made of the planes, and what it is given is made before the clock
runs: windows, B, or the core of the difference in units of its noise, as the stage itself is given them. A peer that
takes many stamps at once gets many.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.speed.rounds import Run
from benchmarks.speed.source_peers import CIRCLES, FITS, MOMENTS
from benchmarks.speed.stage_inputs import (
    FEW,
    Images,
    brightness,
    compiled,
    one_by_one,
    padded,
    together,
)

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
    from space2vec.backends.numba.lacosmic import largest_fine_structure

    return compiled(largest_fine_structure, padded(brightness(planes)))


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

    from space2vec.backends.numba.noise_plane import measure_noise

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
    "gaussian-fit": FITS,
    "noise": {
        "numpy": noise_numpy,
        "bottleneck": noise_bottleneck,
        "astropy": noise_astropy,
        "torch": noise_torch,
        "numba": noise_numba,
    },
    "moments": MOMENTS,
    "circles": CIRCLES,
}


def note(stage: str, name: str) -> str | None:
    """Return what is to be known of a peer, if anything."""
    maker = PEERS.get(stage, {}).get(name)
    return maker.__doc__ if maker else None


def peer(stage: str, name: str, planes: Images) -> Run:
    """Return the rounds of a peer."""
    warnings.simplefilter("ignore")
    return PEERS[stage][name](planes)
