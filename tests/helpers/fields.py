"""A field of images with detections, and the stamps that a plain loop in NumPy cuts of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import space2vec as s2v
from space2vec.data.channels import CHANNELS

HEIGHT, WIDTH = 150, 190


def image(seed: int, dtype: Any = np.float32, height: int = HEIGHT, width: int = WIDTH) -> NDArray[Any]:
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    bumps = 300.0 * np.exp(-0.1 * ((y % 37 - 18) ** 2 + (x % 41 - 20) ** 2))
    return (random.normal(100.0, 5.0, (height, width)) + bumps).astype(dtype)


def triplet(dtype: Any = np.float32) -> list[NDArray[Any]]:
    return [image(seed, dtype) for seed in range(3)]


X = np.array([60.2, 90.5, 0.0, 188.7, 100.0, -20.0, np.nan, 80.0])
Y = np.array([70.4, 60.0, 75.0, 149.0, -0.5, 60.0, 60.0, np.inf])


def by_hand(planes: list[NDArray[Any]], x: NDArray[Any], y: NDArray[Any], side: int = 63) -> s2v.Stamps:
    """Return stamps that end where the images do; all have one size."""
    candidates: list[Any] = []
    centres = []
    for at_x, at_y in zip(x, y, strict=True):
        if not (np.isfinite(at_x) and np.isfinite(at_y)):
            candidates.append([None] * len(planes))
            centres.append((0, 0))
            continue
        row, column = int(np.floor(at_y + 0.5)), int(np.floor(at_x + 0.5))
        top, left = max(row - side // 2, 0), max(column - side // 2, 0)
        bottom, right = max(row - side // 2 + side, 0), max(column - side // 2 + side, 0)
        cut = [np.float32(plane[top:bottom, left:right]) for plane in planes]
        candidates.append([plane if plane.size else None for plane in cut])
        centres.append((row - top, column - left))
    return s2v.Stamps(candidates, channels=CHANNELS[: len(planes)], centre=np.array(centres))


def same(one: s2v.Stamps, other: s2v.Stamps) -> None:
    assert len(one) == len(other)
    for row in range(len(one)):
        for channel in ("science", "template", "difference"):
            a, b = one.plane(row, channel), other.plane(row, channel)
            assert (a is None) == (b is None), (row, channel)
            if a is not None and b is not None:
                np.testing.assert_array_equal(a, b)
    there = (one.offset >= 0).any(axis=1)
    np.testing.assert_array_equal(one.centre[there], other.centre[there])
