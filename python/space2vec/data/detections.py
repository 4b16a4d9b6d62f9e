"""Detections in whole images, without stamps: the images, and the positions, ids and columns of the detections."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.data.channels import CHANNELS
from space2vec.data.columns import Columns, select_rows
from space2vec.data.frame import Frame
from space2vec.data.row_index import row_index

__all__ = ["Detections", "FieldPart", "Positions", "nearest_pixels"]

#: Pixels beyond this are in no image; a position that is no number is there.
_FAR = 1 << 40


@dataclass(frozen=True)
class Positions:
    """Positions (n,) in the pixels of an image, or in the frame that its ``origin`` refers to."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]

    def __getitem__(self, rows: NDArray[np.intp]) -> Positions:
        return Positions(self.x[rows], self.y[rows])


@dataclass(frozen=True)
class FieldPart:
    """Rows of detections that lie at one position in all of their images.

    Attributes
    ----------
    rows : slice or ndarray of int (m,)
        Which rows of the detections these are.
    frames : mapping of str to Frame
        The images by channel, with origins to which the positions refer.
    at : Positions
        The positions (m,).
    """

    rows: slice | NDArray[np.intp]
    frames: Mapping[str, Frame]
    at: Positions


class Detections:
    """Detections in whole images. :func:`space2vec.locate` makes them.

    Models and features take the pixels that they look at out of the images, so that no stamp is kept;
    :func:`space2vec.cut` cuts stamps.

    Attributes
    ----------
    frames : dict of str to Frame
        The images by channel: science, template, difference.
    positions : dict of str to Positions
        The positions (n,) in each image.
    object_id, candidate_id : ndarray (n,)
        As of :class:`Stamps`.
    catalogue : dict of str to ndarray of float32 (n,)
        As of :class:`Stamps`.
    columns : mapping of str to ndarray (n,)
        As of :class:`Stamps`.

    Examples
    --------
    >>> field = [np.random.default_rng(k).normal(100.0, 5.0, (400, 500)) for k in range(3)]
    >>> detections = s2v.locate(*field, x=[120.3, 250.0], y=[80.9, 399.0])
    >>> detections
    Detections(n=2, channels=('science', 'template', 'difference'))
    >>> s2v.load("default").score(detections[:1]).score.shape
    (1,)
    """

    def __init__(
        self,
        frames: dict[str, Frame],
        positions: dict[str, Positions],
        object_id: NDArray[np.generic],
        candidate_id: NDArray[np.generic],
        catalogue: dict[str, NDArray[np.float32]],
        columns: Columns,
    ) -> None:
        self.frames, self.positions = frames, positions
        self.object_id, self.candidate_id = object_id, candidate_id
        self.catalogue, self.columns = catalogue, columns

    def __len__(self) -> int:
        return len(self.object_id)

    def __repr__(self) -> str:
        return f"Detections(n={len(self)}, channels={self.channels})"

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that have images."""
        return tuple(name for name in CHANNELS if name in self.frames)

    def __getitem__(self, rows: int | slice | ArrayLike) -> Detections:
        """Select detections by a slice, a mask or row numbers; the images are shared.

        Raises
        ------
        IndexError
            If there is no such row, or a mask has another length.
        TypeError
            If it is none of these.
        """
        index = np.atleast_1d(np.arange(len(self))[row_index(rows, len(self))])
        return Detections(
            self.frames,
            {name: at[index] for name, at in self.positions.items()},
            self.object_id[index],
            self.candidate_id[index],
            {name: values[index] for name, values in self.catalogue.items()},
            select_rows(self.columns, index),
        )

    def parts(self) -> Iterator[FieldPart]:
        """Yield the detections in parts that lie at one position in all images.

        Usually this is one part. Where images have a WCS each, the pixels of a candidate in two images may differ by
        one more row or column than those of its neighbour.
        """
        first, *others = (self.positions[name] for name in self.channels)
        if all(np.array_equal(first.x, at.x, True) and np.array_equal(first.y, at.y, True) for at in others):
            yield FieldPart(slice(None), self.frames, first)
            return
        pixels = np.stack([nearest_pixels(self.frames[name], self.positions[name]) for name in self.channels], axis=1)
        apart = (pixels - pixels[:, :1]).reshape(len(self), -1)
        kinds, kind = np.unique(apart, axis=0, return_inverse=True)
        for number, shift in enumerate(kinds.reshape(len(kinds), -1, 2)):
            rows = np.flatnonzero(kind.reshape(-1) == number)
            frames = {}
            for name, (y, x) in zip(self.channels, shift, strict=True):
                frames[name] = copy.copy(self.frames[name])
                frames[name].x0, frames[name].y0 = -float(x), -float(y)
            at_y, at_x = pixels[rows, 0].astype(np.float64).T
            yield FieldPart(rows, frames, Positions(np.ascontiguousarray(at_x), np.ascontiguousarray(at_y)))


def nearest_pixels(frame: Frame, at: Positions) -> NDArray[np.int64]:
    """Return row and column (n, 2) of the pixel nearest to each position, of two the higher; far outside for NaN."""
    pixels = []
    for position, first in ((at.y, frame.y0), (at.x, frame.x0)):
        with np.errstate(invalid="ignore"):
            nearest = np.floor(position - first + 0.5)
            pixels.append(np.where(np.abs(nearest) < _FAR, nearest, _FAR).astype(np.int64))
    return np.stack(pixels, axis=1)
