"""Model files: safetensors whose header says what the model is. No pickle is ever read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from space2vec.data.stamps import CHANNELS
from space2vec.errors import ModelError
from space2vec.model_files import strict_json, tensor_file
from space2vec.model_files.calibration import Calibration
from space2vec.plans.steps import MOST_STEPS
from space2vec.registry import Convention

__all__ = [
    "BEYOND_MEMORY",
    "FIRST",
    "FORMAT",
    "MOST_COLUMNS",
    "RUN_MODEL_FILE",
    "Header",
    "check_architecture",
    "check_first",
    "encode",
    "in_doubt",
    "read",
]

#: The version of the layout described in ``cpp/src/model_file.hpp``.
FORMAT = 1

#: The model's file in the folder of a training run, which writes it at its end.
RUN_MODEL_FILE = "model.safetensors"

#: What the names of the tensors of a cascade's first network begin with.
FIRST = "first."

_KEY = "space2vec"

#: A temperature lies between these, exclusive: what rounds to 0 or to infinity in single precision is none.
_LEAST, _LARGEST = 2.0**-149, float(np.finfo(np.float32).max)

#: What is said of a file that the interpreter has no room for.
BEYOND_MEMORY = "there is not memory enough for it"

#: The metrics of a model's scores before they went through its calibration.
_BEFORE = "before calibration"

#: Columns that a model may take, pixels of what its recipe gives of a candidate, planes times chains included, and
#: settings of an architecture, each a number up to the largest; as the kernels have it (``cpp/src/model_header.cpp``).
MOST_COLUMNS, _MOST_PIXELS, _MOST_CHAINS, _MOST_SETTINGS, _LARGEST_SETTING = 1024, 1 << 20, 4, 32, 1 << 16

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
    """What a model file says of its model.

    Attributes
    ----------
    kind : str
        ``"forest"`` or ``"network"``.
    name : str
        The model's name.
    feature_names : tuple of str
        The columns the model takes, in order; none for a network that takes the prepared stamps alone.
    feature_set : str
        The set of the registry they are, or ``"custom"``.
    feature_version : int
        The version of the definitions behind the names.
    convention : str
        ``"code"`` or ``"paper"``, see :func:`space2vec.features`.
    imputation : str
        What replaces NaN: ``"median"``, ``"mean"``, ..., or ``"none"`` where the trees route it.
    training : dict
        What it was trained on and how.
    metrics : dict
        Measured figures, and on what. Where there is a calibration, those measured before it are in
        ``"before calibration"``: rates at a threshold among them are not those of the scores now.
    library : str
        The version of space2vec that wrote it.
    recipe : dict, optional
        What its stamps are prepared by, see :meth:`space2vec.Recipe.to_plain`; absent for a model of features.
    architecture : dict, optional
        Of a network: ``name`` (of :data:`space2vec.architectures.NETWORKS`), its ``settings``, the ``temperature``
        that its logits are divided by, and in ``optional``, where there are any, the planes that it can do without.
    integer : dict, optional
        Of a network whose file holds it in integers as well: the ``version`` of their arithmetic.
    calibration : Calibration, optional
        The table that scores go through.
    first : Header, optional
        Of a cascade: the network that is asked before this one. It takes nothing that this one does not take.
    doubt : tuple of float, optional
        Of a cascade: the scores of the first network, from and to, of which this one decides.
    """

    kind: str
    name: str
    feature_names: tuple[str, ...]
    feature_set: str = "custom"
    feature_version: int = 1
    convention: Convention = "code"
    imputation: str = "none"
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    library: str = ""
    recipe: dict[str, Any] | None = None
    architecture: dict[str, Any] | None = None
    integer: dict[str, Any] | None = None
    calibration: Calibration | None = None
    first: Header | None = None
    doubt: tuple[float, float] | None = None

    @property
    def temperature(self) -> float:
        """What the logits of a network are divided by."""
        return float((self.architecture or {}).get("temperature", 1.0))

    @property
    def optional(self) -> tuple[str, ...]:
        """The planes that the model can do without."""
        return tuple((self.architecture or {}).get("optional", ()))

    def calibrated(self, calibration: Calibration | None, metrics: dict[str, Any] | None = None) -> Header:
        """Return the header of the same model whose scores go through another table, or through none.

        Parameters
        ----------
        calibration : Calibration or None
            The table.
        metrics : dict, optional
            What was measured of the scores with it. The metrics of the scores without one are kept beside, under
            ``"before calibration"``; without a table they are the metrics again.
        """
        measured = self.metrics if self.calibration is None else self.metrics.get(_BEFORE, {})
        if calibration is not None:
            measured = {**(metrics or {}), **({_BEFORE: measured} if measured else {})}
        return replace(self, calibration=calibration, metrics=measured)

    def to_json(self) -> str:
        """Return the JSON text that the file holds."""
        return json.dumps(self._to_plain(), allow_nan=False)

    def _to_plain(self) -> dict[str, Any]:
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
        """Read the JSON text of a file.

        Raises
        ------
        ValueError
            If it is not a header of this format.
        """
        return cls._of_plain(strict_json.loads(text.encode("utf-8")))

    @classmethod
    def _of_plain(cls, document: Any) -> Header:
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
            calibration=None if document.get("calibration") is None else Calibration.of_plain(document["calibration"]),
            first=cls._of_plain(document["first"]) if "first" in document else None,
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


def _interval(given: Any) -> tuple[float, float]:
    """Return the doubt that a header states."""
    if not isinstance(given, list) or len(given) != 2 or not all(type(end) in (int, float) for end in given):
        raise ValueError("the doubt is no pair of numbers")
    return float(given[0]), float(given[1])


def check_first(header: Header) -> None:
    """See that the first network of a cascade takes nothing that the second does not, and that its doubt is one.

    Raises
    ------
    ValueError
        With what is wrong.
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
    if first.integer != header.integer:
        raise ValueError(f"{who} and the second must both be in integers, or neither")
    if first.convention != header.convention:
        raise ValueError(
            f"{who} takes features of the convention {first.convention!r}, the second {header.convention!r}"
        )
    own, whole = dict(first.recipe or {}), dict(header.recipe or {})
    if "steps" not in own or "steps" not in whole:
        raise ValueError(f"{who} and the second must take planes that a recipe of steps prepares")
    if any(own.get(key) != whole.get(key) for key in ("side", "steps", "further")):
        raise ValueError(f"{who} prepares planes in another way than the second")
    for what, some, others in (
        ("planes", own.get("channels", ()), whole.get("channels", ())),
        ("columns", first.feature_names, header.feature_names),
    ):
        if lacking := [name for name in some if name not in others]:
            raise ValueError(f"{who} takes {what} that the second does not: {', '.join(map(str, lacking))}")


def in_doubt(doubt: tuple[float, float], score: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which scores (n,) of the first network of a cascade leave a doubt, as ``is_in_doubt`` of the kernels."""
    low, high = np.asarray(doubt, dtype=np.float32)
    doubtful: NDArray[np.bool_] = (score >= low) & (score <= high)
    return doubtful


def check_architecture(header: Header) -> None:
    """See that the header of a network says how it is built, and that no other does.

    Raises
    ------
    ValueError
        With what is wrong.
    """
    how = header.architecture
    if (header.kind == "network") != (how is not None):
        raise ValueError(f"of kind {header.kind!r} {'without' if how is None else 'with'} an architecture")
    if how is None:
        return
    if not isinstance(how, dict) or not isinstance(how.get("name"), str) or not isinstance(how.get("settings"), dict):
        raise ValueError("the architecture has no name and settings")
    warmth = how.get("temperature", 1.0)
    if type(warmth) not in (int, float) or not _LEAST < warmth < _LARGEST:
        raise ValueError(f"the temperature is {warmth!r}, not a number above 0")
    _check_settings(how["settings"])
    spare = how.get("optional", [])
    if not isinstance(spare, list | tuple) or not set(map(str, spare)) <= set(CHANNELS):
        raise ValueError(f"optional is {spare!r}; it is a list of planes: {', '.join(CHANNELS)}")


def _check_settings(settings: Mapping[str, Any]) -> None:
    """See that settings are plain and small, before a network is built of them."""
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


def _check_recipe(plain: Mapping[str, Any]) -> None:
    """See that a recipe asks for no more than can be held, before anything is made of it."""
    if "steps" not in plain:
        return  # one of the registry
    side, channels, further = plain.get("side"), plain.get("channels"), plain.get("further", [])
    if type(side) is not int or not isinstance(channels, list) or not isinstance(further, list):
        raise ValueError("the recipe has no side, planes and chains")
    chains = [plain["steps"], *further[:_MOST_CHAINS]]
    if len(chains) > _MOST_CHAINS or not all(isinstance(one, list) and len(one) <= MOST_STEPS for one in chains):
        raise ValueError(f"the recipe has more than {_MOST_CHAINS} chains, or one of more than {MOST_STEPS} steps")
    if len(channels) > len(CHANNELS) or side * side * len(channels) * len(chains) > _MOST_PIXELS:
        raise ValueError(f"the recipe gives more than {_MOST_PIXELS} pixels a candidate")


def encode(header: Header, tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the bytes of a model file, which every backend makes its model of.

    Raises
    ------
    ModelError
        If no reader would take them: the header is beyond the limits of model files.
    """
    text = header.to_json()
    try:
        Header.from_json(text)
        return tensor_file.encode({_KEY: text}, tensors)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"this is no model that a file can hold: {error}") from error


def read(path: str | os.PathLike[str]) -> tuple[Header, dict[str, NDArray[Any]]]:
    """Read a model file.

    Raises
    ------
    ModelError
        If the file is absent, damaged, or no space2vec model; the message names it and says why.
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
        return Header.from_json(metadata[_KEY]), tensors
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"cannot load the model {target}: damaged header ({error})") from error
