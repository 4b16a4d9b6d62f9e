"""Calibration: the table in a model's header that turns its scores into probabilities, by lines between knots."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from typing import Self

    from space2vec.data.types import Json

__all__ = ["MOST_KNOTS", "Calibration", "Knots", "apply_calibration"]

#: The most knots that a table may have.
MOST_KNOTS = 1024


class Knots(NamedTuple):
    """The knots of a calibration: scores that rise, and their probabilities, each (knots,)."""

    x: NDArray[np.float32]
    y: NDArray[np.float32]


def apply_calibration(
    x: NDArray[np.float32], y: NDArray[np.float32], score: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Turn scores (n,) into probabilities (n,) by a table of knots (x, y); NaN stays NaN.

    The operations and their order are those of ``cpp/kernel/calibration.hpp``, for the same bits.
    """
    knot = np.maximum(np.searchsorted(x, score, side="right") - 1, 0)  # the last knot that is not above the score
    end = np.minimum(knot + 1, len(x) - 1)
    begin, low, high = x[knot].astype(np.float64), y[knot].astype(np.float64), y[end].astype(np.float64)
    at_a_knot = (score <= x[knot]) | (knot == len(x) - 1)
    width = np.where(at_a_knot, 1.0, x[end].astype(np.float64) - begin)
    value = low + (score.astype(np.float64) - begin) * (high - low) / width
    value = np.where(at_a_knot, low, np.minimum(value, high)) + 0.0  # + 0 turns -0 into 0
    return np.where(np.isnan(score), np.float32(np.nan), value.astype(np.float32))


@dataclass(frozen=True)
class Calibration:
    """A table that turns the scores of a model into probabilities that a candidate is real.

    Between two knots the probability is interpolated linearly, in double precision, and rounded to single precision.
    Below the first and above the last knot it is constant. A higher score never becomes a lower probability, and every
    backend gives the same bits. :func:`space2vec.training.fit_calibration` makes a calibration.

    Attributes
    ----------
    x : tuple of float (knots,)
        The scores of the knots, from 0 to 1, strictly increasing in single precision; 2 to :data:`MOST_KNOTS` of them.
    y : tuple of float (knots,)
        The probabilities at the knots, from 0 to 1, not decreasing.
    fitted : dict
        The rows that it was fitted to, and the method; JSON values.

    Raises
    ------
    ValueError
        If the knots are not as described.

    Examples
    --------
    >>> from space2vec.model_files.calibration import Calibration
    >>> Calibration((0.0, 1.0), (0.0, 0.5))([0.5])
    array([0.25], dtype=float32)
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    fitted: dict[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y) or not 2 <= len(self.x) <= MOST_KNOTS:
            raise ValueError(
                f"calibration: x and y must have one value for each of 2 to {MOST_KNOTS} knots; "
                f"given {len(self.x)} and {len(self.y)}"
            )
        for name in ("x", "y"):
            values = getattr(self, name)
            if any(type(value) not in (int, float) or not 0 <= value <= 1 for value in values):
                raise ValueError(f"calibration: {name} must hold numbers from 0 to 1")
            object.__setattr__(self, name, tuple(float(np.float32(value)) + 0.0 for value in values))
        if any(b <= a for a, b in pairwise(self.x)):
            raise ValueError("calibration: x does not rise strictly in single precision")
        if any(b < a for a, b in pairwise(self.y)):
            raise ValueError("calibration: y falls")

    @cached_property
    def knots(self) -> Knots:
        """The knots as arrays, which kernels take."""
        return Knots(np.array(self.x, dtype=np.float32), np.array(self.y, dtype=np.float32))

    def __call__(self, score: ArrayLike) -> NDArray[np.float32]:
        """Turn scores (n,) into probabilities (n,); NaN stays NaN."""
        out = np.array(score, dtype=np.float32, order="C", copy=True)
        if out.ndim != 1:
            raise ValueError(f"score must have one dimension; given shape {out.shape}")
        return apply_calibration(*self.knots, out)

    def to_plain(self) -> dict[str, Json]:
        """Return the calibration as JSON values, as in the header of a model file."""
        return {"x": list(self.x), "y": list(self.y), "fitted": self.fitted}

    @classmethod
    def from_plain(cls, plain: Json) -> Self:
        """Make a calibration from the JSON values in a header.

        Raises
        ------
        ValueError
            If they do not describe a calibration.
        """
        if not isinstance(plain, dict) or not all(isinstance(plain.get(name), list) for name in ("x", "y")):
            raise ValueError("calibration: it has no lists x and y")
        fitted = plain.get("fitted", {})
        if not isinstance(fitted, dict):
            raise ValueError("calibration: what it was fitted on is no dict")
        return cls(tuple(plain["x"]), tuple(plain["y"]), fitted)
