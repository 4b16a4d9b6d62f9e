"""The one registry of features, recipes, normalisers, flags and faults, from the file that C++ is built from."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal, TypeAlias

__all__ = [
    "AUTOSCAN",
    "AUTOSCAN_STAMP",
    "CATALOGUE",
    "FAULTS",
    "FEATURES",
    "FEATURES_VERSION",
    "FEATURE_SETS",
    "FLAGS",
    "GROUPS",
    "NORMALISERS",
    "PACKETS",
    "RECIPES",
    "S2V",
    "STAMP_SETS",
    "Convention",
    "FeatureEntry",
    "FeatureSet",
    "FlagEntry",
    "NormaliserEntry",
    "PacketEntry",
    "ParameterEntry",
    "RecipeEntry",
    "RecipeName",
    "Step",
    "feature_set",
    "library_version",
    "stamp_columns",
]


#: The sets of features by name, for type checkers and editors.
FeatureSet: TypeAlias = Literal["autoscan", "autoscan-stamp", "s2v", "stamp", "all"]
#: Whose definition is used where autoScan's released code and its paper disagree.
Convention: TypeAlias = Literal["code", "paper"]
#: The recipes by name; those that users compose have names of their own.
RecipeName: TypeAlias = Literal[
    "braai", "boom", "btsbot", "alerce-stamp", "transinet", "autoscan-r", "autoscan-b", "ayyar", "acero-3sigma",
    "robust-asinh", "zscale",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class FlagEntry:
    """A named reason why a row is doubtful (``scored``) or could not be scored.

    A flag that is not ``familiar`` marks stamps unlike any that the packaged models learned from: a score of such a row
    says little.
    """

    name: str
    bit: int
    scored: bool
    meaning: str
    familiar: bool = True


@dataclass(frozen=True, slots=True)
class FeatureEntry:
    """A feature: where it comes from (stamp or catalogue), its set, definition and unit.

    ``window``, ``planes``, ``exact`` (the same bits on every backend), ``group``, ``tells`` (what it shows of a
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
class ParameterEntry:
    """A parameter of a normaliser: its default, and its lowest and highest value."""

    name: str
    default: float
    lowest: float
    highest: float
    whole: bool


@dataclass(frozen=True, slots=True)
class NormaliserEntry:
    """A normaliser, which brings a plane to a common scale: name, version, definition, source and parameters."""

    name: str
    version: int
    definition: str
    source: str
    parameters: tuple[ParameterEntry, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A normaliser with the values of its parameters, in order; :func:`space2vec.plans.steps.chain` makes them."""

    name: str
    values: tuple[float, ...] = ()

    @property
    def parameters(self) -> dict[str, float]:
        """The values by name."""
        return {entry.name: x for entry, x in zip(NORMALISERS[self.name].parameters, self.values, strict=True)}


@dataclass(frozen=True, slots=True)
class RecipeEntry:
    """A way to prepare stamps: name, version, output channels in order, and output size in pixels.

    ``whole`` marks a recipe whose authors take the scale from the whole stamp, as delivered: a stamp larger than the
    output raises ``cropped``. The other recipes cut a square or a crop by definition. ``together`` marks one that keeps
    the ratios of the planes. ``steps`` are those of a recipe that is a chain of normalisers on a square around the
    candidate; each chain of ``further`` gives the same planes once more, after the others along the channel axis.
    """

    name: str
    version: int
    channels: tuple[str, ...]
    height: int
    width: int
    definition: str
    used_by: str
    whole: bool = False
    together: bool = False
    steps: tuple[Step, ...] = ()
    further: tuple[tuple[Step, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class PacketEntry:
    """The part of a survey's packets that gives the catalogue columns: a record, its fields, and their columns."""

    survey: str
    record: str
    fields: tuple[str, ...]
    columns: dict[str, str]

    @property
    def paths(self) -> tuple[str, ...]:
        """The dotted paths of the fields, in the order in which the library takes them."""
        return tuple(f"{self.record}.{name}" for name in self.fields)


_document = json.loads(resources.files("space2vec").joinpath("registry.json").read_text("utf-8"))


def _tuples(entry: dict[str, object]) -> dict[str, object]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}


FLAGS: dict[str, FlagEntry] = {entry["name"]: FlagEntry(**entry) for entry in _document["flags"]}
#: What can be wrong with an input: name and meaning.
FAULTS: dict[str, str] = {entry["name"]: entry["meaning"] for entry in _document["faults"]}
#: The groups of stamp features: name, and a description of the group.
GROUPS: dict[str, str] = {entry["name"]: entry["meaning"] for entry in _document["groups"]}
FEATURES: dict[str, FeatureEntry] = {entry["name"]: FeatureEntry(**_tuples(entry)) for entry in _document["features"]}  # type: ignore[arg-type]
#: By survey, what of its packets the catalogue columns are made of; those of other cameras are laid out as ZTF's.
PACKETS: dict[str, PacketEntry] = {
    entry["survey"]: PacketEntry(entry["survey"], entry["record"], tuple(entry["fields"]), entry["columns"])
    for entry in _document["packets"]
}
#: The normalisers, in the order of their numbers.
NORMALISERS: dict[str, NormaliserEntry] = {
    entry["name"]: NormaliserEntry(
        **{**entry, "parameters": tuple(ParameterEntry(**one) for one in entry["parameters"])}
    )
    for entry in _document["normalisers"]
}


def _step(entry: dict[str, Any]) -> Step:  # Any: values of JSON
    """Return a step of a recipe; all its parameters are written down."""
    values = entry["parameters"]
    return Step(entry["name"], tuple(float(values[one.name]) for one in NORMALISERS[entry["name"]].parameters))


RECIPES: dict[RecipeName, RecipeEntry] = {
    entry["name"]: RecipeEntry(
        **{**_tuples(entry), "steps": tuple(_step(step) for step in entry.get("steps", ()))}  # type: ignore[arg-type]
    )
    for entry in _document["recipes"]
}

#: The 38 autoScan columns in the order of the public table.
AUTOSCAN: tuple[str, ...] = tuple(name for name, entry in FEATURES.items() if entry.set == "autoscan")
#: The eighteen of them that come from the stamps, in the order in which the kernels write them.
AUTOSCAN_STAMP: tuple[str, ...] = tuple(name for name in AUTOSCAN if FEATURES[name].source == "stamp")
#: The twenty that a catalogue gives, in the order in which kernels take them.
CATALOGUE: tuple[str, ...] = tuple(name for name in AUTOSCAN if FEATURES[name].source == "catalogue")
#: The features of the set s2v, all from the stamps, in the order in which the kernels write them.
S2V: tuple[str, ...] = tuple(name for name, entry in FEATURES.items() if entry.set == "s2v")
#: The sets of stamp features that kernels know: the bit of each.
STAMP_SETS: dict[str, int] = {"autoscan": 1, "s2v": 2}

#: Raised whenever the definition of a feature changes; a model is refused that was trained on another version.
FEATURES_VERSION: int = _document["features_version"]

FEATURE_SETS: dict[FeatureSet, tuple[str, ...]] = {
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
    """Return the column names of a feature set."""
    for known, columns in FEATURE_SETS.items():
        if name == known:
            return columns
    raise ValueError(f"unknown feature set {name!r}; known sets: {', '.join(FEATURE_SETS)}")


def library_version() -> str:
    """Return the version of space2vec."""
    try:
        return str(importlib.import_module("space2vec._core").version)
    except ImportError:  # for the Numba backend only, because reading the metadata takes longer than an alert
        from importlib.metadata import version

        return version("space2vec")
