"""Detect whether the planes of triplets were normalised one by one, and so share no flux scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from space2vec.data.stamps import CHANNELS, Stamps

__all__ = ["describe_normalisation", "find_normalisation"]

#: The number of rows that are examined, spread over the batch; for stamps in units of flux the first is usually enough.
_SAMPLE = 32
#: The largest relative difference between scales that count as equal: the precision of float16.
_SAME = 1e-3
#: The same for two planes, where one bright source can make the scales nearly equal.
_SAME_OF_TWO = 1e-4

#: What all planes of a candidate have in common after each kind of normalisation; z-scores share their l2 norm too.
_KINDS = {
    "min-max": "have the same lowest and highest value",
    "z-score": "have mean 0 and the same standard deviation",
    "median-mad": "have median 0 and the same median absolute deviation",
    "l2": "have the same l2 norm",
}


def find_normalisation(stamps: Stamps) -> str | None:
    """Detect by which normaliser each plane of the stamps was scaled on its own.

    A sample of rows is examined on the host. The result is ``"min-max"``, ``"z-score"``, ``"median-mad"`` or ``"l2"``
    if every row of the sample shows it. It is ``None`` if the planes are in units of flux, were scaled together, or are
    fewer than two.
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


def describe_normalisation(kind: str, model: str) -> str:
    """Return the warning for users who score such stamps by a model that compares planes."""
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
            return False  # the median is not 0; counting is cheaper than computing it
        middle = float(np.median(plane))
        scale.append(float(np.median(np.abs(plane - middle))))
        if abs(middle) > same * scale[-1]:
            return False
    return _equal(scale, same)


def _equal(values: list[float], same: float) -> bool:
    return min(values) > 0 and max(values) - min(values) <= same * max(values)
