"""Peers of single stages of the features: the fastest way that each package has to the same quantity.

``PEERS`` holds the contenders of each stage. A contender prepares its inputs from the planes before the clock runs:
windows, planes B, or the core of the difference in units of its noise, as the stage itself gets them. A package that
takes many stamps in a call gets many.
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
    by_blocks,
    compile_loop,
    one_by_one,
    pad_windows,
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
    """Use the filters of astroscrappy for 3x3 and 7x7, on pixels mirrored at the edges."""
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

    return by_blocks(stage, torch.from_numpy(brightness(planes)))


def lacosmic_numba(planes: Images) -> Run:
    from space2vec.backends.numba.lacosmic import largest_fine_structure

    return compile_loop(largest_fine_structure, pad_windows(brightness(planes)))


# noise: median and MAD of the window


def median_deviation(values: Any, median: Callable[[Any], Any]) -> Any:
    """Return the median of the distances from the median."""
    return median(np.abs(values - median(values)[:, None]))


def noise_numpy(planes: Images) -> Run:
    windows = planes[:, 2].reshape(len(planes), -1)
    return by_blocks(lambda block: median_deviation(block, lambda values: np.median(values, axis=1)), windows)


def noise_bottleneck(planes: Images) -> Run:
    import bottleneck

    windows = np.ascontiguousarray(planes[:, 2].reshape(len(planes), -1))
    return by_blocks(lambda block: median_deviation(block, lambda values: bottleneck.median(values, axis=1)), windows)


def noise_astropy(planes: Images) -> Run:
    from astropy.stats import mad_std

    windows = planes[:, 2].reshape(len(planes), -1)
    return by_blocks(lambda block: (np.median(block, axis=1), mad_std(block, axis=1)), windows)


def noise_torch(planes: Images) -> Run:
    import torch

    torch.set_num_threads(1)
    windows = torch.from_numpy(np.ascontiguousarray(planes[:, 2].reshape(len(planes), -1)))

    def stage(block: Any) -> Any:
        middle = block.median(dim=1, keepdim=True).values
        return (block - middle).abs().median(dim=1).values

    return by_blocks(stage, windows)


def noise_numba(planes: Images) -> Run:
    import numba

    from space2vec.backends.numba.noise_plane import measure_noise

    @numba.njit
    def stage(window):  # type: ignore[no-untyped-def]
        return measure_noise(window).sigma

    return compile_loop(stage, pad_windows(planes[:, 2]))


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
    """Return the remark on a peer, if there is one."""
    maker = PEERS.get(stage, {}).get(name)
    return maker.__doc__ if maker else None


def peer(stage: str, name: str, planes: Images) -> Run:
    """Return the round of a peer."""
    warnings.simplefilter("ignore")
    return PEERS[stage][name](planes)
