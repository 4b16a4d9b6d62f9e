"""The parts of the feature sets that a choice of columns needs, as in ``cpp/kernel/feature_sets.hpp``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from space2vec.backends.numba.team import constants
from space2vec.data.channels import CHANNELS
from space2vec.registry import FEATURES, S2V, STAMP_SETS

__all__ = ["PART", "SET", "Measuring", "measure_all", "measuring_of"]

SET = constants(STAMP_SETS)
#: Parts of the work that are left out where no column needs them: the Gaussian fit of the difference, COLMEDS,
#: LACOSMIC, and adaptive moments of the difference, of the science plane, and of a star in it.
PART = constants(
    {
        name: 1 << bit
        for bit, name in enumerate(
            ("fit", "column_median", "fine_structure", "difference_moments", "science_moments", "star")
        )
    }
)
_EVERY_PART, _EVERY_PLANE = sum(PART), (1 << len(CHANNELS)) - 1
_BOTH = PART.difference_moments | PART.science_moments
#: What columns are made of.
_COLUMNS = {
    **dict.fromkeys(("AMP", "SCALE", "GAUSS"), PART.fit),
    "COLMEDS": PART.column_median,
    "LACOSMIC": PART.fine_structure,
    **dict.fromkeys((f"difference_{what}" for what in ("a", "b", "angle", "ellipticity")), PART.difference_moments),
    **dict.fromkeys(("kurtosis", "centroid_offset"), PART.difference_moments),
    **dict.fromkeys((f"science_{what}" for what in ("a", "b", "angle", "ellipticity")), PART.science_moments),
    **dict.fromkeys(("plane_offset", "width_ratio"), _BOTH),
    **dict.fromkeys(("psf_ratio", "psf_likeness"), _BOTH | PART.star),
}
_DIFFERENCE = 1 << CHANNELS.index("difference")


class Measuring(NamedTuple):
    """The measurements to make on a stamp: the columns of some sets, NaN if they need a part that is left out.

    Planes that are not used are treated as absent. All three are bits.
    """

    sets: int
    parts: int
    planes: int


def measure_all(sets: int) -> Measuring:
    """Return the plan to measure whole sets, on all planes that a candidate has."""
    return Measuring(sets, _EVERY_PART, _EVERY_PLANE)


def measuring_of(names: Iterable[str], prepared: int = 0) -> Measuring:
    """Return what columns need: the smallest choice of sets that has them, parts and planes; no set where none is.

    ``prepared`` are the planes that the model's recipe prepares, bits.
    """
    sets, parts, planes = 0, 0, _DIFFERENCE
    for name in names:
        sets |= SET.s2v if name in S2V else SET.autoscan
        parts |= _COLUMNS.get(name, 0)
        if name in FEATURES:
            planes |= sum(1 << CHANNELS.index(channel) for channel in FEATURES[name].planes)
    # The set s2v takes the difference alone, or a triplet. If a plane that a recipe prepares is missing, the recipe
    # raises the flag.
    whole = sets & SET.s2v and planes != _DIFFERENCE and planes & ~prepared
    return Measuring(sets, parts, _EVERY_PLANE if whole else planes)
