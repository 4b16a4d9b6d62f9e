"""Networks of modules that users have trained or written: their headers, versions of names, and their integers."""

from __future__ import annotations

import copy
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from space2vec.architectures import OWN, class_name, registered_name, set_weights
from space2vec.errors import ModelError
from space2vec.model_files.needs import check_version

if TYPE_CHECKING:
    from torch import nn

    from space2vec.data.stamps import Stamps
    from space2vec.data.types import AnyArray, Json
    from space2vec.model_files.header import Header
    from space2vec.model_files.integer_network import IntegerNetwork
    from space2vec.models.network import Network

__all__ = ["describe_module", "load_own_module", "next_version", "to_integers"]

_VERSION = re.compile(r"(.*) v([0-9]{1,9})")


def next_version(name: str) -> str:
    """Return the name of a model with its next version: ``stampnet v2`` after ``stampnet``, then ``stampnet v3``."""
    found = _VERSION.fullmatch(name)
    return f"{name} v2" if found is None else f"{found[1]} v{int(found[2]) + 1}"


def describe_module(
    module: nn.Module,
    like: Network,
    name: str | None,
    temperature: float,
    training: dict[str, Json],
    metrics: dict[str, Json],
) -> Header:
    """Return the header of a network of a module that takes the inputs of another one.

    Raises
    ------
    ModelError
        If `like` is not a network.
    """
    from space2vec.models.network import Network

    if not isinstance(like, Network):
        raise ModelError(f"like must be a Network, whose recipe and features the module takes; given {like!r:.80}")
    header = like.second.header
    known = registered_name(module)
    settings = {"class": class_name(module)} if known is None else module.settings
    architecture: dict[str, Json] = {
        "name": known or OWN,
        "settings": settings,
        "temperature": float(temperature),
        "optional": list(header.optional),
    }
    return replace(
        header,
        name=next_version(like.name) if name is None else name,
        architecture=architecture,
        integer=None,
        calibration=None,
        training={"inputs of": like.id, **training},
        metrics=metrics,
        library="",
    )


def load_own_module(
    path: str | os.PathLike[str], header: Header, tensors: dict[str, AnyArray], module: nn.Module
) -> Network:
    """Make a network from the contents of a file whose module is not one of ours, and a module of the same class.

    The weights of the file are set in a copy of the module.

    Raises
    ------
    ModelError
        If the file is that of one of our networks, or its weights are not those of the module.
    """
    from space2vec.models.network import Network

    if header.kind != Network.kind or (header.architecture or {}).get("name") != OWN:
        raise ModelError(f"cannot load the model {path}: it takes no module, since its file says how it is built")
    filled = copy.deepcopy(module)
    try:
        check_version(header)
        set_weights(filled, class_name(module), tensors)
        return Network(filled, header)
    except (ModelError, ValueError) as error:
        raise ModelError(f"cannot load the model {path}: {error}") from error


def to_integers(network: Network, stamps: Stamps, threads: int | None) -> IntegerNetwork | None:
    """Turn a network into integers with scales measured on stamps; None if its class cannot be.

    Raises
    ------
    ValueError
        If no stamp can be prepared.
    """
    from space2vec.models.quantise import CALIBRATION_ROWS, can_quantise, quantise

    module = network.frozen_module
    if not can_quantise(module):
        return None
    inputs = network.inputs(stamps, threads=threads)
    rows = np.flatnonzero(inputs.scored)
    if not len(rows):
        raise ValueError(f"none of the {len(stamps)} stamps can be prepared: no scales can be measured on them")
    if len(rows) > CALIBRATION_ROWS:
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:CALIBRATION_ROWS])
    return quantise(module, [array[rows] for array in inputs.arrays])
