"""Networks of modules that users have trained or written: their headers, versions of names, and their integers."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from space2vec.architectures import class_name, registered_name
from space2vec.model_files.header import CUSTOM

if TYPE_CHECKING:
    from torch import nn

    from space2vec.backends.host import ModelInputs
    from space2vec.data.types import Json
    from space2vec.model_files.header import Header
    from space2vec.model_files.integer_network import IntegerNetwork

__all__ = ["describe_module", "name_without_version", "next_version", "to_integers"]

_VERSION = re.compile(r"(.*) v([0-9]{1,9})")


def next_version(name: str) -> str:
    """Return the name of a model with its next version: ``stampnet v2`` after ``stampnet``, then ``stampnet v3``."""
    found = _VERSION.fullmatch(name)
    return f"{name} v2" if found is None else f"{found[1]} v{int(found[2]) + 1}"


def name_without_version(name: str) -> str:
    """Return the name that all versions of a model share: ``stampnet`` of ``stampnet v2``."""
    found = _VERSION.fullmatch(name)
    return name if found is None else found[1]


def describe_module(
    module: nn.Module,
    like: Header,
    model_id: str,
    name: str | None,
    temperature: float,
    training: dict[str, Json],
    metrics: dict[str, Json],
) -> Header:
    """Return the header of a network of a module that takes the inputs of another one.

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    like, model_id
        The header of the other network, which is no cascade, and its id.
    name, temperature, training, metrics
        Entries of the new header; by default the name of the other network with the next version.
    """
    known = registered_name(module)
    settings = {"class": class_name(module)} if known is None else module.settings
    architecture: dict[str, Json] = {
        "name": known or CUSTOM,
        "settings": settings,
        "temperature": float(temperature),
        "optional": list(like.optional),
    }
    return replace(
        like,
        name=next_version(like.name) if name is None else name,
        architecture=architecture,
        integer=None,
        calibration=None,
        training={"inputs of": model_id, **training},
        metrics=metrics,
        library="",
    )


def to_integers(module: nn.Module, inputs: ModelInputs) -> IntegerNetwork | None:
    """Turn a module into integers with scales measured on rows; None if its class cannot be.

    Raises
    ------
    ValueError
        If no row can be scored.
    """
    from space2vec.models.quantise import CALIBRATION_ROWS, can_quantise, quantise

    if not can_quantise(module):
        return None
    rows = np.flatnonzero(inputs.scored)
    if not len(rows):
        raise ValueError(f"none of the {len(inputs.scored)} stamps can be prepared: no scales can be measured on them")
    if len(rows) > CALIBRATION_ROWS:
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:CALIBRATION_ROWS])
    return quantise(module, [array[rows] for array in inputs.arrays])
