"""Stamps as bytes for a page: one byte a pixel, in steps that follow the noise of its plane.

A pixel x of a plane with median m and noise s (1.4826 times the median absolute deviation) becomes the whole number
nearest to ``4 asinh((x - m) / s)``. Near the sky a step is a quarter of the noise, which the eye cannot see; it grows
with brightness, to a quarter of it for bright pixels. The page inverts the formula, and scales what it shows.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from space2vec.data.stamps import CHANNELS, Stamps

__all__ = ["STEPS", "CodedStamps", "PlaneScale", "encode_plane", "stamps_script"]

#: Steps of the code for a difference of one noise near the sky.
STEPS = 4
#: The code of a pixel without a value; -127 to 127 are those of the others.
_NO_VALUE = -128
#: The median absolute deviation of a normal distribution, times this, is its standard deviation.
_MAD_TO_SIGMA = 1.4826
#: The characters that a JavaScript string in double quotes cannot hold as they are.
_ESCAPES = {b"\\": b"\\\\", b'"': b'\\"', b"\n": b"\\n", b"\r": b"\\r"}


@dataclass(frozen=True, slots=True)
class PlaneScale:
    """The scale that converts the bytes of a plane to pixels: its size, and the median and noise of its pixels."""

    height: int
    width: int
    median: float
    noise: float

    def as_list(self) -> list[float]:
        """Return the four numbers in the order in which a page reads them."""
        return [self.height, self.width, float(f"{self.median:.7g}"), float(f"{self.noise:.7g}")]


def encode_plane(plane: NDArray[np.float32]) -> tuple[NDArray[np.int8], PlaneScale]:
    """Return the bytes of a plane (height, width), and its scale.

    Pixels that are not finite get a code of their own. Of a plane whose pixels are mostly equal, a hundredth of their
    range counts as the noise, and 1 where all are equal.
    """
    height, width = plane.shape
    values = plane.astype(np.float64)
    finite = np.isfinite(values)
    known = values[finite]
    median, noise = 0.0, 1.0
    if known.size:
        median = float(np.median(known))
        noise = _MAD_TO_SIGMA * float(np.median(np.abs(known - median))) or float(np.ptp(known)) / 100 or 1.0
    steps = np.full(values.shape, _NO_VALUE, dtype=np.int8)
    steps[finite] = np.clip(np.rint(STEPS * np.arcsinh((known - median) / noise)), -127, 127)
    return steps, PlaneScale(height, width, median, noise)


@dataclass(frozen=True, slots=True)
class CodedStamps:
    """The three planes of a candidate as a page gets them.

    Attributes
    ----------
    pixels : bytes
        The bytes of the science, template and difference plane, as far as they are there, one after the other.
    scales : list of PlaneScale or None (3)
        What they are; ``None`` where a plane is missing.
    centre : list of int (2)
        Row and column of the candidate.
    """

    pixels: bytes
    scales: list[PlaneScale | None]
    centre: list[int]

    @classmethod
    def of_row(cls, stamps: Stamps, row: int) -> CodedStamps:
        """Code the planes of one candidate."""
        coded = [None if plane is None else encode_plane(plane) for plane in (stamps.plane(row, c) for c in CHANNELS)]
        pixels = b"".join(entry[0].tobytes() for entry in coded if entry is not None)
        return cls(pixels, [None if entry is None else entry[1] for entry in coded], stamps.centre[row].tolist())

    @classmethod
    def missing(cls) -> CodedStamps:
        """Return the stamps of a candidate that has none."""
        return cls(b"", [None] * len(CHANNELS), [0, 0])


def stamps_script(number: int, rows: Sequence[CodedStamps]) -> bytes:
    """Return a file of the page: a call of ``s2vStamps`` with its number, what the planes are, and their pixels.

    The pixels of all planes are compressed and stand in a JavaScript string. The file has the encoding
    ``x-user-defined``, in which each byte from 128 on is a character of its own, as those below are.
    """
    head = {
        "planes": [[None if scale is None else scale.as_list() for scale in row.scales] for row in rows],
        "centres": [row.centre for row in rows],
    }
    # Noise repeats nothing: a search for repetitions takes eight times as long and gives more bytes. Runs, as of masked
    # pixels, are found.
    compress = zlib.compressobj(strategy=zlib.Z_RLE)
    text = compress.compress(b"".join(row.pixels for row in rows)) + compress.flush()
    for character, escape in _ESCAPES.items():  # the backslash first
        text = text.replace(character, escape)
    words = json.dumps(head, separators=(",", ":"), allow_nan=False).encode("ascii")
    return b'"use strict";s2vStamps(%d,%b,"%b");\n' % (number, words, text)
