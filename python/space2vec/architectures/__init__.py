"""The architectures of networks, as PyTorch modules by name.

The attribute ``takes`` of a module names the arguments of its ``forward`` in order: ``"planes"``, float32 (n, channel,
height, width), prepared by a recipe, and ``"features"``, float32 (n, k), NaN where a feature is undefined. ``forward``
returns logits (n,), or vectors (n, vector) if the network has the setting ``vector``. The arguments of the class are
JSON values, which the attribute ``settings`` holds. A module that takes features scales them; its method
``fit_features`` sets the scales from training rows.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from space2vec.errors.packages import need

if TYPE_CHECKING:
    from torch import nn

    from space2vec.data.types import AnyArray, Json

__all__ = ["NETWORKS", "build", "check_shapes", "class_name", "rebuild", "registered_name", "set_weights"]

#: The networks by name, each as ``"module:Class"``. A module is imported when its network is first built.
NETWORKS: dict[str, str] = {
    "braai": "space2vec.architectures.published:Braai",
    "rubin": "space2vec.architectures.published:Rubin",
    "space2vec2018": "space2vec.architectures.published:Space2Vec2018",
    "stampnet": "space2vec.architectures.stampnet:StampNet",
    "tablenet": "space2vec.architectures.tablenet:TableNet",
    "vectornet": "space2vec.architectures.vectornet:VectorNet",
}


def class_name(module: nn.Module) -> str:
    """Return the name of the class of a module, without the Python module that defines it."""
    return type(module).__qualname__.rpartition(".")[2]


def registered_name(module: nn.Module) -> str | None:
    """Return the name in :data:`NETWORKS` of the class of a module, or None if it has none."""
    kind = type(module)
    place = f"{kind.__module__}:{kind.__qualname__}"
    return next((name for name, known in NETWORKS.items() if known == place), None)


def build(name: str, settings: Mapping[str, Json]) -> nn.Module:
    """Build a network with random weights.

    Parameters
    ----------
    name : str
        A name of :data:`NETWORKS`.
    settings : mapping of str to JSON values
        The arguments of its class.

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    ValueError
        If the name is unknown, or the class does not accept the settings.
    """
    if name not in NETWORKS:
        raise ValueError(f"unknown network {name!r}; known: {', '.join(NETWORKS)}")
    need("torch", "a network needs PyTorch")
    module, _, kind = NETWORKS[name].partition(":")
    try:
        network: nn.Module = getattr(importlib.import_module(module), kind)(**settings)
    except (TypeError, RuntimeError, ArithmeticError, LookupError) as error:
        raise ValueError(f"settings of {name}: {error}") from error
    return network


def rebuild(how: Mapping[str, Json], weights: Mapping[str, AnyArray]) -> nn.Module:
    """Build a network with the weights of a model file, in eval mode.

    Parameters
    ----------
    how : mapping
        The architecture in the header of the file: its ``name`` and ``settings``.
    weights : mapping of str to ndarray
        The tensors by name.

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    ValueError
        If the architecture is unknown, or the weights do not fit it or are not finite.
    """
    import torch

    for tensor_name, tensor in weights.items():
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise ValueError(f"the tensor {tensor_name} holds what is no finite number")
    with torch.device("meta"):  # checks the shapes without allocating the memory that the settings demand
        set_weights(build(how["name"], how["settings"]), how["name"], weights, assign=True)
    module = build(how["name"], how["settings"])
    set_weights(module, how["name"], weights)
    return module.eval()


def set_weights(module: nn.Module, name: str, weights: Mapping[str, AnyArray], assign: bool = False) -> None:
    """Set the weights of a network; ValueError if they do not fit it, and the message names it by `name`."""
    import torch

    try:
        module.load_state_dict({key: torch.tensor(tensor) for key, tensor in weights.items()}, assign=assign)
    except (RuntimeError, TypeError) as error:
        reasons = "; ".join(line.strip() for line in str(error).splitlines()[1:]) or str(error)
        raise ValueError(f"these are no weights of {name}: {reasons}") from error


def check_shapes(module: nn.Module, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Check that a network takes rows of these shapes and returns one logit, or one vector, per row; ValueError if not.

    The length of a vector is the setting ``vector`` of the module.
    """
    import torch

    try:
        with torch.inference_mode():
            output = tuple(module(*(torch.zeros(2, *shape) for shape in shapes.values())).shape)
    except RuntimeError as error:
        raise ValueError(f"the module cannot take {dict(shapes)}: {error}") from error
    settings: Mapping[str, Json] = getattr(module, "settings", {})
    if "vector" in settings:
        if output != (2, settings["vector"]):
            raise ValueError(f"the module gives {output} for two rows, and not two vectors (2, {settings['vector']})")
    elif output != (2,):
        raise ValueError(f"the module gives {output} for two rows, and not two logits (2,)")
