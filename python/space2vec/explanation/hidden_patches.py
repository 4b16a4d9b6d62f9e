"""Effects of pixels on a score: the candidate is scored again with patches of its planes hidden."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from space2vec.data.channels import CHANNELS
from space2vec.data.stamps import Stamps
from space2vec.errors import Space2vecWarning
from space2vec.explanation.values import HiddenPatch, PixelEffects
from space2vec.models.model import Model

__all__ = ["pixel_effects"]

#: Side of the square around the candidate that features look at, pixels.
_WINDOW = 51
#: The most patches side by side.
_MOST = 21
#: Candidates that are scored at a time, so that their planes do not take more than some megabytes.
_BATCH = 128
#: The pixel value that stands for a masked pixel.
_NULL = np.float32(1e-30)


def pixel_effects(model: Model, stamps: Stamps, score: float, patch: int, threads: int | None) -> PixelEffects:
    """Hide patches of each plane that the model looks at, and return the effects of the pixels.

    Parameters
    ----------
    model : Model
        The model that gave the score.
    stamps : Stamps
        The candidate, one row on the host.
    score : float
        Its score.
    patch : int
        Side of a patch in pixels, odd.
    threads : int or None
        Number of threads; one per usable core by default.
    """
    recipe = model.needs.recipe
    side = max(_WINDOW if model.feature_names else 0, 0 if recipe is None else recipe.shape[1])
    step = min(max((patch + 1) // 2, -(-side // _MOST)), patch)
    maps: dict[str, NDArray[np.float32]] = {}
    strongest: dict[str, HiddenPatch] = {}
    for channel in model.needs.planes:
        plane = stamps.plane(0, channel)
        if plane is None:
            continue
        usable = np.isfinite(plane) & (plane != _NULL)
        fill = np.float32(np.median(plane[usable])) if usable.any() else np.float32(0)
        middles = list(_middles(plane.shape, tuple(stamps.centre[0].tolist()), side, step))
        squares = [tuple(slice(max(x - patch // 2, 0), x + patch // 2 + 1) for x in middle) for middle in middles]
        changed = [place for place in squares if (usable[place] & (plane[place] != fill)).any()]
        scores = iter(_scores(model, stamps, channel, plane, usable, fill, changed, threads))
        total, count = np.zeros(plane.shape), np.zeros(plane.shape, dtype=np.int64)
        best: HiddenPatch | None = None
        hidden = set(map(str, changed))
        for (row, column), place in zip(middles, squares, strict=True):
            without = next(scores) if str(place) in hidden else score
            if np.isnan(without):  # nothing is left to score
                continue
            effect = score - float(without)
            total[place] += effect
            count[place] += 1
            if best is None or abs(effect) > abs(best.effect):
                best = HiddenPatch(channel, row, column, float(without), effect)
        with np.errstate(invalid="ignore"):
            maps[channel] = (total / np.where(count, count, np.nan)).astype(np.float32)
        if best is not None:
            strongest[channel] = best
    return PixelEffects(patch, maps, strongest)


def _middles(shape: tuple[int, ...], centre: tuple[int, ...], side: int, step: int) -> Iterator[tuple[int, int]]:
    """Yield the middles of the patches: a grid around the candidate, as far as the stamp and the square reach."""
    reach = side // 2
    rows, columns = (
        [x for x in range(middle - reach // step * step, middle + reach + 1, step) if 0 <= x < size]
        for size, middle in zip(shape, centre, strict=True)
    )
    yield from itertools.product(rows, columns)


def _scores(
    model: Model,
    stamps: Stamps,
    channel: str,
    plane: NDArray[np.float32],
    usable: NDArray[np.bool_],
    fill: np.float32,
    places: Sequence[tuple[slice, ...]],
    threads: int | None,
) -> Iterator[float]:
    """Yield the score of the candidate with each of the places of one plane hidden."""
    for begin in range(0, len(places), _BATCH):
        part = places[begin : begin + _BATCH]
        planes = np.repeat(plane[None], len(part), axis=0)
        for row, place in enumerate(part):
            planes[row][place] = np.where(usable[place], fill, plane[place])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Space2vecWarning)  # the candidate's own score has warned already
            yield from model.score(_with_planes(stamps, channel, planes), threads=threads, device="cpu").score.tolist()


def _with_planes(stamps: Stamps, channel: str, planes: NDArray[np.float32]) -> Stamps:
    """Return one candidate n times, with a plane of (n, height, width) each in place of its own."""
    n, own = len(planes), stamps.buffer
    offset = np.repeat(stamps.offset, n, axis=0)
    offset[:, CHANNELS.index(channel)] = own.size + np.arange(n) * planes[0].size
    many = Stamps.of_buffer(
        np.concatenate([own, planes.ravel()]),
        offset,
        np.repeat(stamps.shape, n, axis=0),
        np.repeat(stamps.centre, n, axis=0),
        object_id=np.repeat(stamps.object_id, n),
        candidate_id=np.repeat(stamps.candidate_id, n),
        catalogue={name: np.repeat(values, n) for name, values in stamps.catalogue.items()},
        flags=np.repeat(stamps.flags, n),
    )
    many.saturation = stamps.saturation
    return many
