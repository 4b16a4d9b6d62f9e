"""What moved a score: effects of features and of pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["Explanation", "FeatureEffect", "HiddenPatch", "PixelEffects", "UsualValues"]


class UsualValues(NamedTuple):
    """The values of a column among the training rows.

    Attributes
    ----------
    median : float
        The median.
    spread : float
        Half the width of the central 68 %.
    low, high : float or None
        The ends of the central 68 %; None if the model does not know them.
    """

    median: float
    spread: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class FeatureEffect:
    """What one feature did to a score.

    Attributes
    ----------
    name : str
        The name of the feature.
    value : float
        Its value for the candidate, NaN if undefined.
    effect : float
        By how much it raised P(real); negative if it lowered it. :class:`Explanation` says what it is compared with.
    usual : UsualValues, optional
        Its values among the training rows; None if the model does not know them.
    meaning : str
        What it shows, in plain words from the registry; empty for a column of your own.
    unit : str
        The unit of its values; empty if they have none.
    """

    name: str
    value: float
    effect: float
    usual: UsualValues | None = None
    meaning: str = ""
    unit: str = ""

    def to_dict(self) -> dict[str, Json]:
        """Return the effect as JSON values."""
        usual = (
            None
            if self.usual is None
            else {key: None if x is None else _number(x) for key, x in self.usual._asdict().items()}
        )
        words: dict[str, Json] = {"meaning": self.meaning, "unit": self.unit}
        return {"name": self.name, "value": _number(self.value), "effect": self.effect, "usual": usual, **words}


@dataclass(frozen=True, slots=True)
class HiddenPatch:
    """A patch of a plane, and the score without it.

    Attributes
    ----------
    channel : str
        The plane: science, template or difference.
    row, column : int
        The middle of the patch, pixels from 0.
    score : float
        P(real) with the patch hidden.
    effect : float
        The score of the candidate minus that one.
    """

    channel: str
    row: int
    column: int
    score: float
    effect: float

    def to_dict(self) -> dict[str, Json]:
        """Return the patch as JSON values."""
        return {"row": self.row, "column": self.column, "score": self.score, "effect": self.effect}


@dataclass(frozen=True, slots=True, eq=False)
class PixelEffects:
    """What the pixels of a candidate did to its score.

    Square patches of one plane are hidden in turn, by the median of the plane, and the candidate is measured, prepared
    and scored again.

    Attributes
    ----------
    patch : int
        Side of a patch, pixels.
    maps : mapping of str to ndarray of float32 (height, width)
        For each plane that the model looks at: at each pixel the mean effect of the patches that cover it, positive
        where the pixels raise P(real). NaN where no patch was hidden.
    strongest : mapping of str to HiddenPatch
        The patch of each plane with the largest effect of either sign.
    """

    patch: int
    maps: Mapping[str, NDArray[np.float32]]
    strongest: Mapping[str, HiddenPatch]

    def to_dict(self) -> dict[str, Json]:
        """Return the effects as JSON values; a map is a list of rows, with null where no patch was hidden."""
        return {
            "patch": self.patch,
            "strongest": {name: patch.to_dict() for name, patch in self.strongest.items()},
            "maps": {name: [[_number(x) for x in row] for row in plane.tolist()] for name, plane in self.maps.items()},
        }


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Which features and which pixels moved the score of one candidate.

    With ``method`` ``"paths"``, that of forests, the effects are exact: `baseline` plus the effects of all features is
    the score before calibration. With ``"replacement"``, that of networks, the effect of a feature is the score minus
    the score with the median of the training rows in its place; such effects do not sum to anything, because a network
    weighs features together.

    Attributes
    ----------
    candidate_id, object_id : str or None
        The ids of the candidate, None if unknown.
    model : str
        The id of the model: its name and twelve digits.
    decided_by : str
        The name of the network that gave the score: of a cascade the first or the second, otherwise the model's own.
    method : {"paths", "replacement"}
        How the effects of features were found.
    score : float
        P(real), as the model gives it.
    before_calibration : float or None
        For a forest, P(real) before its calibration, or the score if it has none; None for a network.
    baseline : float or None
        For a forest, P(real) before it has looked at any feature: the mean over its trees of the share of real rows
        that they were trained on. None for a network.
    flags : tuple of str
        The flags of the score.
    features : tuple of FeatureEffect
        All features of the model, the largest effect of either sign first.
    pixels : PixelEffects or None
        What the pixels did; None for a row of a table, or if it was not asked for.
    notes : tuple of str
        What could not be explained, and why.
    """

    candidate_id: str | None
    object_id: str | None
    model: str
    decided_by: str
    method: Literal["paths", "replacement"]
    score: float
    before_calibration: float | None
    baseline: float | None
    flags: tuple[str, ...]
    features: tuple[FeatureEffect, ...]
    pixels: PixelEffects | None
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> FeatureEffect:
        """Return the effect of the feature of a name; KeyError if the model does not take it."""
        for effect in self.features:
            if effect.name == name:
                return effect
        raise KeyError(name)

    def to_dict(self) -> dict[str, Json]:
        """Return the explanation as values that JSON holds; a number that is undefined is null."""
        plain: dict[str, Json] = {
            name: getattr(self, name)
            for name in (
                "candidate_id", "object_id", "model", "decided_by", "method", "score", "before_calibration", "baseline",
            )
        }  # fmt: skip
        return {
            **plain,
            "flags": list(self.flags),
            "features": [effect.to_dict() for effect in self.features],
            "pixels": None if self.pixels is None else self.pixels.to_dict(),
            "notes": list(self.notes),
        }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
