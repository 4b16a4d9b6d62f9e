"""The one registry of features and their groups, recipes, flags and faults: the file the C++ library is built from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import Literal

__all__ = [
    "AUTOSCAN",
    "AUTOSCAN_STAMP",
    "FAULTS",
    "FEATURES",
    "FEATURES_VERSION",
    "FEATURE_SETS",
    "FLAGS",
    "GROUPS",
    "RECIPES",
    "S2V",
    "STAMP_SETS",
    "FeatureEntry",
    "FlagEntry",
    "RecipeEntry",
    "feature_set",
    "stamp_columns",
]


@dataclass(frozen=True, slots=True)
class FlagEntry:
    """A named reason why a row is doubtful (``scored``) or could not be scored."""

    name: str
    bit: int
    scored: bool
    meaning: str


@dataclass(frozen=True, slots=True)
class FeatureEntry:
    """A feature: where it comes from (stamp or catalogue), its set, definition and unit.

    ``window``, ``planes``, ``exact`` (the same bits on every backend), ``group``, ``tells`` (what it tells of a
    candidate) and ``reference`` are those of a stamp feature; ``paper`` is the definition under ``convention="paper"``
    where it differs.
    """

    name: str
    source: Literal["stamp", "catalogue"]
    set: Literal["autoscan", "s2v"]
    definition: str
    unit: str
    group: str = ""
    tells: str = ""
    reference: str = ""
    window: str = ""
    planes: tuple[str, ...] = ()
    exact: bool = True
    paper: str | None = None


@dataclass(frozen=True, slots=True)
class RecipeEntry:
    """A way to prepare stamps: name, version, output channels in order, and output size in pixels."""

    name: str
    version: int
    channels: tuple[str, ...]
    height: int
    width: int
    definition: str
    used_by: str


_document = json.loads(resources.files("space2vec").joinpath("registry.json").read_text("utf-8"))


def _tuples(entry: dict[str, object]) -> dict[str, object]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}


FLAGS: dict[str, FlagEntry] = {entry["name"]: FlagEntry(**entry) for entry in _document["flags"]}
#: What can be wrong with an input: name and meaning.
FAULTS: dict[str, str] = {entry["name"]: entry["meaning"] for entry in _document["faults"]}
#: The groups of stamp features: name, and what a group is about.
GROUPS: dict[str, str] = {entry["name"]: entry["meaning"] for entry in _document["groups"]}
FEATURES: dict[str, FeatureEntry] = {entry["name"]: FeatureEntry(**_tuples(entry)) for entry in _document["features"]}  # type: ignore[arg-type]
RECIPES: dict[str, RecipeEntry] = {entry["name"]: RecipeEntry(**_tuples(entry)) for entry in _document["recipes"]}  # type: ignore[arg-type]

#: The 38 autoScan columns in the order of the public table.
AUTOSCAN: tuple[str, ...] = tuple(name for name, entry in FEATURES.items() if entry.set == "autoscan")
#: The eighteen of them that come from the stamps, in the order in which the kernels write them.
AUTOSCAN_STAMP: tuple[str, ...] = tuple(name for name in AUTOSCAN if FEATURES[name].source == "stamp")
#: The features of the set s2v, all from the stamps, in the order in which the kernels write them.
S2V: tuple[str, ...] = tuple(name for name, entry in FEATURES.items() if entry.set == "s2v")
#: The sets of stamp features that kernels know: the bit of each.
STAMP_SETS: dict[str, int] = {"autoscan": 1, "s2v": 2}

#: Raised whenever the definition of a feature changes; a model is refused that was trained on another version.
FEATURES_VERSION = 1

FEATURE_SETS: dict[str, tuple[str, ...]] = {
    "autoscan": AUTOSCAN,
    "autoscan-stamp": AUTOSCAN_STAMP,
    "s2v": S2V,
    "stamp": (*AUTOSCAN_STAMP, *S2V),
    "all": (*AUTOSCAN, *S2V),
}


def stamp_columns(sets: int) -> tuple[str, ...]:
    """Return the features that kernels write for sets (bits of :data:`STAMP_SETS`), in order."""
    known = {"autoscan": AUTOSCAN_STAMP, "s2v": S2V}
    return tuple(name for key, bit in STAMP_SETS.items() if sets & bit for name in known[key])


def feature_set(name: str) -> tuple[str, ...]:
    """Return the column names of a feature set.

    Raises
    ------
    ValueError
        If there is no set of that name.
    """
    try:
        return FEATURE_SETS[name]
    except KeyError:
        raise ValueError(f"unknown feature set {name!r}; known sets: {', '.join(FEATURE_SETS)}") from None
