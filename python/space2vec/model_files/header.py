"""The header of a model file, which describes the model, and the reading and writing of model files.

Model files are safetensors files; pickles are never read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.data.stamps import CHANNELS
from space2vec.errors import ModelError
from space2vec.model_files import strict_json, tensor_file
from space2vec.model_files.calibration import Calibration
from space2vec.plans.steps import MOST_STEPS
from space2vec.registry import Convention

if TYPE_CHECKING:
    from space2vec.data.types import AnyArray, Json

__all__ = [
    "BEYOND_MEMORY",
    "CUSTOM",
    "FIRST",
    "FORMAT",
    "MOST_COLUMNS",
    "RUN_MODEL_FILE",
    "Header",
    "ModelFile",
    "check_architecture",
    "check_first",
    "encode",
    "is_in_doubt",
    "read",
]

#: The version of the layout that ``cpp/src/model_file.hpp`` describes.
FORMAT = 1

#: The name of the model file in the folder of a training run; it is written at the end of the run.
RUN_MODEL_FILE = "model.safetensors"

#: The architecture of a network whose module is not one of ours, and the prefix of the names of the tensors of a
#: cascade's first network.
CUSTOM, FIRST = "own", "first."

#: The key of the header in the metadata of the file.
_KEY = "space2vec"

#: A temperature is between these numbers, exclusive; others round to 0 or to infinity in single precision.
_LEAST, _LARGEST = 2.0**-149, float(np.finfo(np.float32).max)

#: The error text for a file for which the interpreter has too little memory.
BEYOND_MEMORY = "there is not memory enough for it"

#: The key of the metrics of scores before calibration.
_BEFORE = "before calibration"

#: The most columns that a model may take, pixels that its recipe may give of a candidate (over all planes and chains),
#: chains, settings of an architecture, and the largest number among these; as in ``cpp/src/model_header.cpp``.
MOST_COLUMNS, _MOST_PIXELS, _MOST_CHAINS, _MOST_SETTINGS, _LARGEST_SETTING = 1024, 1 << 20, 4, 32, 1 << 16

#: The types of the plain entries of a header.
_KINDS: dict[str, type] = {
    "kind": str,
    "name": str,
    "feature_set": str,
    "feature_version": int,
    "imputation": str,
    "library": str,
    "training": dict,
    "metrics": dict,
}


@dataclass(frozen=True, slots=True)
class Header:
    """The description of a model in its file.

    Attributes
    ----------
    kind : str
        ``"forest"`` or ``"network"``.
    name : str
        The model's name.
    feature_names : tuple of str
        The columns that the model takes, in order; empty for a network that takes planes only.
    feature_set : str
        The set of the registry that the columns are from, or ``"custom"``.
    feature_version : int
        The version of the definitions of the features.
    convention : str
        ``"code"`` or ``"paper"``, see :func:`space2vec.features`.
    imputation : str
        What replaces NaN: ``"median"``, ``"mean"``, ..., or ``"none"`` if the trees choose a side for NaN.
    training : dict
        The training data and settings.
    metrics : dict
        Measured metrics, and the data on which they were measured. If the model is calibrated, the metrics before the
        calibration are in ``"before calibration"``; rates at a threshold among them do not hold for calibrated scores.
    library : str
        The version of space2vec that wrote the file.
    recipe : dict, optional
        How stamps are prepared, see :meth:`space2vec.Recipe.to_plain`; None for a model of features.
    architecture : dict, optional
        For a network: its ``name`` in :data:`space2vec.architectures.NETWORKS`, its ``settings``, the ``temperature``
        by which its logits are divided, and, if there are any, the ``optional`` planes that it can do without.
    integer : dict, optional
        For a network whose file holds it in integers too: the ``version`` of the integer arithmetic.
    calibration : Calibration, optional
        The table that turns scores into probabilities.
    first : Header, optional
        For a cascade: the header of the first network, which takes only inputs that the second one takes too.
    doubt : tuple of float, optional
        For a cascade: the lowest and highest score of the first network for which the second network decides.
    """

    kind: str
    name: str
    feature_names: tuple[str, ...]
    feature_set: str = "custom"
    feature_version: int = 1
    convention: Convention = "code"
    imputation: str = "none"
    training: dict[str, Json] = field(default_factory=dict)
    metrics: dict[str, Json] = field(default_factory=dict)
    library: str = ""
    recipe: dict[str, Json] | None = None
    architecture: dict[str, Json] | None = None
    integer: dict[str, Json] | None = None
    calibration: Calibration | None = None
    first: Header | None = None
    doubt: tuple[float, float] | None = None

    @property
    def temperature(self) -> float:
        """The number by which the logits of a network are divided."""
        return float((self.architecture or {}).get("temperature", 1.0))

    @property
    def optional(self) -> tuple[str, ...]:
        """The planes that the model can do without."""
        return tuple((self.architecture or {}).get("optional", ()))

    def calibrated(self, calibration: Calibration | None, metrics: dict[str, Json] | None = None) -> Header:
        """Return the header of the same model with another calibration, or with none.

        Parameters
        ----------
        calibration : Calibration or None
            The calibration.
        metrics : dict, optional
            Metrics of the calibrated scores. Those of the scores before calibration are kept under
            ``"before calibration"``; they become the metrics again if `calibration` is None.
        """
        measured = self.metrics if self.calibration is None else self.metrics.get(_BEFORE, {})
        if calibration is not None:
            measured = {**(metrics or {}), **({_BEFORE: measured} if measured else {})}
        return replace(self, calibration=calibration, metrics=measured)

    def to_json(self) -> str:
        """Return the header as the JSON text in the file."""
        return json.dumps(self._to_plain(), allow_nan=False)

    def _to_plain(self) -> dict[str, Json]:
        plain = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        names, group = list(plain.pop("feature_names")), plain.pop("feature_set")
        for key in ("recipe", "architecture", "integer", "calibration", "first", "doubt"):
            if plain[key] is None:
                del plain[key]
        if self.calibration is not None:
            plain["calibration"] = self.calibration.to_plain()
        if self.first is not None:
            plain["first"] = self.first._to_plain()
        features = {"set": group, "version": plain.pop("feature_version"), "names": names}
        return {"format": FORMAT, **plain, "features": features}

    @classmethod
    def from_json(cls, text: str) -> Header:
        """Make a header from the JSON text in a file.

        Raises
        ------
        ValueError
            If it is not a header of this format.
        """
        return cls._from_plain(strict_json.loads(text.encode("utf-8")))

    @classmethod
    def _from_plain(cls, document: Json) -> Header:
        if not isinstance(document, dict) or "format" not in document:
            raise ValueError("the header is no space2vec header")
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r}; this version reads format {FORMAT}: upgrade space2vec")
        features = document.get("features")
        if not isinstance(features, dict) or not isinstance(features.get("names"), list):
            raise ValueError("the header names no features")
        names = tuple(features["names"])
        if len(names) > MOST_COLUMNS:
            raise ValueError(f"{len(names)} columns; a model takes {MOST_COLUMNS} at most")
        if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
            raise ValueError("the feature names are not distinct strings")
        if not names and document.get("recipe") is None:
            raise ValueError("the header names neither features nor a recipe: the model takes nothing")
        header = cls(
            kind=document.get("kind", ""),
            name=document.get("name", ""),
            feature_names=names,
            feature_set=features.get("set", "custom"),
            feature_version=features.get("version", 1),
            **{key: document[key] for key in ("convention", "imputation", "training", "metrics", "library")},
            recipe=document.get("recipe"),
            architecture=document.get("architecture"),
            integer=document.get("integer"),
            calibration=None
            if document.get("calibration") is None
            else Calibration.from_plain(document["calibration"]),
            first=cls._from_plain(document["first"]) if "first" in document else None,
            doubt=_interval(document["doubt"]) if "doubt" in document else None,
        )
        for key, kind in _KINDS.items():
            if not isinstance(getattr(header, key), kind):
                raise ValueError(f"the header's {key} is no {kind.__name__}")
        for key in ("recipe", "integer"):
            if not isinstance(getattr(header, key), dict | None):
                raise ValueError(f"the header's {key} is no dict")
        for name in (header.name, *names):
            if len(name.encode()) > tensor_file.LONGEST_NAME or "\0" in name:
                raise ValueError(
                    f"a name holds a NUL or is longer than {tensor_file.LONGEST_NAME} bytes: {name[:40]!r}"
                )
        if header.recipe is not None:
            _check_recipe(header.recipe)
        if header.convention not in ("code", "paper"):
            raise ValueError(f"unknown convention {header.convention!r}; known: code, paper")
        check_architecture(header)
        check_first(header)
        return header


def _interval(value: Json) -> tuple[float, float]:
    """Check the interval of doubt in a header."""
    if not isinstance(value, list) or len(value) != 2 or not all(type(end) in (int, float) for end in value):
        raise ValueError("the doubt is no pair of numbers")
    return float(value[0]), float(value[1])


def check_first(header: Header) -> None:
    """Check the first network of a cascade, which may take only what the second takes, and its interval of doubt.

    Raises
    ------
    ValueError
        If they do not fit; the message says what is wrong.
    """
    first, doubt = header.first, header.doubt
    if first is None and doubt is None:
        return
    if first is None or doubt is None:
        raise ValueError("a cascade has a first network and a doubt; given one of them alone")
    if not (doubt[0] >= 0.0 and np.float32(doubt[0]) < np.float32(doubt[1]) and doubt[1] <= 1.0):
        raise ValueError(f"the doubt is {doubt}: no interval of scores, from low to high")
    who = "the first network of the cascade"
    if {first.kind, header.kind} != {"network"} or first.first is not None:
        raise ValueError(f"{who} and the second must be networks, and the first no cascade itself")
    if (first.architecture or {}).get("name") == "vectornet":
        raise ValueError(f"{who} gives vectors, not scores")
    if first.integer != header.integer:
        raise ValueError(f"{who} and the second must both be in integers, or neither")
    if first.convention != header.convention:
        raise ValueError(
            f"{who} takes features of the convention {first.convention!r}, the second {header.convention!r}"
        )
    of_first, of_second = dict(first.recipe or {}), dict(header.recipe or {})
    if "steps" not in of_first or "steps" not in of_second:
        raise ValueError(f"{who} and the second must take planes that a recipe of steps prepares")
    if any(of_first.get(key) != of_second.get(key) for key in ("side", "steps", "further")):
        raise ValueError(f"{who} prepares planes in another way than the second")
    for inputs, some, others in (
        ("planes", of_first.get("channels", ()), of_second.get("channels", ())),
        ("columns", first.feature_names, header.feature_names),
    ):
        if lacking := [name for name in some if name not in others]:
            raise ValueError(f"{who} takes {inputs} that the second does not: {', '.join(map(str, lacking))}")


def is_in_doubt(doubt: tuple[float, float], score: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return for which scores (n,) of a cascade's first network the second network decides, as the kernels do."""
    low, high = np.asarray(doubt, dtype=np.float32)
    doubtful: NDArray[np.bool_] = (score >= low) & (score <= high)
    return doubtful


def check_architecture(header: Header) -> None:
    """Check that the header of a network describes its architecture, and that the header of a forest has none.

    Raises
    ------
    ValueError
        If not; the message says what is wrong.
    """
    how = header.architecture
    if (header.kind == "network") != (how is not None):
        raise ValueError(f"of kind {header.kind!r} {'without' if how is None else 'with'} an architecture")
    if how is None:
        return
    if not isinstance(how, dict) or not isinstance(how.get("name"), str) or not isinstance(how.get("settings"), dict):
        raise ValueError("the architecture has no name and settings")
    temperature = how.get("temperature", 1.0)
    if type(temperature) not in (int, float) or not _LEAST < temperature < _LARGEST:
        raise ValueError(f"the temperature is {temperature!r}, not a number above 0")
    _check_settings(how["settings"])
    if how["name"] == "vectornet" and (header.recipe is None or header.calibration is not None or header.first):
        raise ValueError("a network of vectors takes planes, and has neither a calibration nor a first network")
    optional = how.get("optional", [])
    if not isinstance(optional, list | tuple) or not set(map(str, optional)) <= set(CHANNELS):
        raise ValueError(f"optional is {optional!r}; it is a list of planes: {', '.join(CHANNELS)}")


def _check_settings(settings: Mapping[str, Json]) -> None:
    """Check that settings are plain values and within limits, before a network is built from them."""
    if len(settings) > _MOST_SETTINGS:
        raise ValueError(f"the architecture has {len(settings)} settings; there may be {_MOST_SETTINGS}")
    for name, setting in settings.items():
        values = setting if isinstance(setting, list | tuple) else [setting]
        if len(values) > MOST_COLUMNS:
            raise ValueError(f"the setting {name!r} has {len(values)} values; there may be {MOST_COLUMNS}")
        for value in values:
            if isinstance(value, str | bool | None):
                continue
            if not isinstance(value, int | float) or not abs(value) <= _LARGEST_SETTING:
                raise ValueError(f"the setting {name!r} is no text, and no number up to {_LARGEST_SETTING}")


def _check_recipe(plain: Mapping[str, Json]) -> None:
    """Check that the planes of a recipe are within limits, before memory is allocated for them."""
    if "steps" not in plain:
        return  # one of the registry
    side, channels, further = plain.get("side"), plain.get("channels"), plain.get("further", [])
    if type(side) is not int or not isinstance(channels, list) or not isinstance(further, list):
        raise ValueError("the recipe has no side, planes and chains")
    chains = [plain["steps"], *further[:_MOST_CHAINS]]
    if len(chains) > _MOST_CHAINS or not all(isinstance(steps, list) and len(steps) <= MOST_STEPS for steps in chains):
        raise ValueError(f"the recipe has more than {_MOST_CHAINS} chains, or one of more than {MOST_STEPS} steps")
    if len(channels) > len(CHANNELS) or side * side * len(channels) * len(chains) > _MOST_PIXELS:
        raise ValueError(f"the recipe gives more than {_MOST_PIXELS} pixels a candidate")


class ModelFile(NamedTuple):
    """The contents of a model file: the header, and the tensors by name."""

    header: Header
    tensors: dict[str, AnyArray]


def encode(header: Header, tensors: Mapping[str, AnyArray]) -> bytes:
    """Encode a model as the bytes of a file, from which backends make their form of the model.

    Raises
    ------
    ModelError
        If the header is beyond the limits of model files, so that no reader would accept it.
    """
    text = header.to_json()
    try:
        Header.from_json(text)
        return tensor_file.encode({_KEY: text}, tensors)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"this is no model that a file can hold: {error}") from error


def read(path: str | os.PathLike[str]) -> ModelFile:
    """Read a model file.

    Raises
    ------
    ModelError
        If the file does not exist, is damaged, or is not a model of space2vec; the message names it and says why.
    """
    target = Path(path)
    if not target.is_file():
        reason = f"it is a folder, and holds no {RUN_MODEL_FILE}" if target.is_dir() else "there is no such file"
        raise ModelError(f"cannot load the model {target}: {reason}")
    try:
        metadata, tensors = tensor_file.read(target)
    except ValueError as error:
        raise ModelError(f"cannot load the model {target}: not a whole safetensors file ({error})") from error
    except (MemoryError, RecursionError) as error:
        raise ModelError(f"cannot load the model {target}: {BEYOND_MEMORY}") from error
    except OSError as error:
        raise ModelError(f"cannot load the model {target}: {error.strerror or error}") from error
    if _KEY not in metadata:
        raise ModelError(f"cannot load the model {target}: a safetensors file, but not one of space2vec")
    try:
        return ModelFile(Header.from_json(metadata[_KEY]), tensors)
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"cannot load the model {target}: damaged header ({error})") from error
