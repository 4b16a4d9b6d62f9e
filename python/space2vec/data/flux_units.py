"""The units of the planes of a triplet: whether science, template and difference still share a flux scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.data.stamps import CHANNELS, Stamps

__all__ = ["in_words", "normalised_by"]

#: Rows that are looked at, spread over the stamps; the first already tells of most stamps that they are as measured.
_SAMPLE = 32
#: How far scales of planes lie apart, relative to them, that are the same: float16 is as coarse.
_SAME = 1e-3
#: The same of two planes, of which a bright source may be all that is in both.
_SAME_OF_TWO = 1e-4

#: What each kind of normalising leaves to all planes of a candidate; z-scores have one l2 norm as well.
_KINDS = {
    "min-max": "have the same lowest and highest value",
    "z-score": "have mean 0 and the same standard deviation",
    "median-mad": "have median 0 and the same median absolute deviation",
    "l2": "have the same l2 norm",
}


def normalised_by(stamps: Stamps) -> str | None:
    """Tell by what the planes of stamps were normalised one by one, so that they share no flux scale any more.

    Some rows, spread over all, are looked at, on the host. The answer is ``"min-max"``, ``"z-score"``, ``"median-mad"``
    or ``"l2"`` where each of them shows it; nothing where planes are as measured, scaled together, or fewer than two.
    """
    left = set(_KINDS)
    seen = False
    pixels, n = stamps.buffer, len(stamps.offset)
    area = stamps.shape.prod(axis=2, dtype=np.int64)
    for row in np.unique(np.linspace(0, n - 1, min(n, _SAMPLE)).astype(int)).tolist():
        places = zip(stamps.offset[row].tolist(), area[row].tolist(), strict=True)
        planes = [_usable(pixels[begin : begin + size]) for begin, size in places if begin >= 0]
        if len(planes) < 2 or any(plane.size == 0 for plane in planes):
            continue
        low, high = [float(plane.min()) for plane in planes], [float(plane.max()) for plane in planes]
        if any(a == b for a, b in zip(low, high, strict=True)):
            continue
        seen = True
        same = _SAME if len(planes) == len(CHANNELS) else _SAME_OF_TWO
        if max(max(low) - min(low), max(high) - min(high)) > same * (min(high) - max(low)):
            left.discard("min-max")
        square = [float(plane @ plane) for plane in planes]
        if not _equal(square, 2 * same):  # a square differs by twice as much
            left.discard("l2")
        if "z-score" in left and not _is_z_score(planes, square, same):
            left.discard("z-score")
        if "median-mad" in left and not _is_median_mad(planes, same):
            left.discard("median-mad")
        if not left:
            return None
    return next((kind for kind in _KINDS if kind in left), None) if seen else None


def in_words(kind: str, model: str) -> str:
    """Return a sentence for who scores such stamps by a model that compares planes."""
    return (
        f"science, template and difference of these stamps {_KINDS[kind]}, as planes have that were normalised one by "
        f"one; the model {model!r} compares their fluxes, and misjudges many without a common flux scale "
        "(docs/reading.md, Units of planes)"
    )


def _usable(plane: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the finite pixels of a plane."""
    values = plane.ravel().astype(np.float64)
    return values if np.isfinite(values.sum()) else values[np.isfinite(values)]


def _is_z_score(planes: list[NDArray[np.float64]], square: list[float], same: float) -> bool:
    power = [sum_of_squares / plane.size for sum_of_squares, plane in zip(square, planes, strict=True)]
    return _equal(power, 2 * same) and all(
        abs(float(plane.mean())) <= same * mean_square**0.5 for plane, mean_square in zip(planes, power, strict=True)
    )


def _is_median_mad(planes: list[NDArray[np.float64]], same: float) -> bool:
    scale = []
    for plane in planes:
        if max(np.count_nonzero(plane > 0), np.count_nonzero(plane < 0)) > (0.5 + same) * plane.size:
            return False  # the median is not 0, which is cheaper to see than what it is
        middle = float(np.median(plane))
        scale.append(float(np.median(np.abs(plane - middle))))
        if abs(middle) > same * scale[-1]:
            return False
    return _equal(scale, same)


def _equal(values: list[float], same: float) -> bool:
    return min(values) > 0 and max(values) - min(values) <= same * max(values)
