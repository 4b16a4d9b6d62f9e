"""Networks: plain PyTorch modules, by name.

A module names in ``takes`` what its ``forward`` is given, in order: ``"planes"``, float32 (n, channel, height, width)
as a recipe prepared them, and ``"features"``, float32 (n, k) with NaN where a feature is undefined. It returns logits
(n,). Its arguments are plain values, kept in ``settings``. One that takes features scales them itself, by what its
``fit_features`` saw of the rows to train on.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from space2vec.errors.packages import need

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

__all__ = ["NETWORKS", "build", "check_shapes", "rebuilt"]

#: Name to ``"module:Class"``; a class is imported where it is first built.
NETWORKS: dict[str, str] = {
    "braai": "space2vec.architectures.published:Braai",
    "rubin": "space2vec.architectures.published:Rubin",
    "space2vec2018": "space2vec.architectures.published:Space2Vec2018",
    "stampnet": "space2vec.architectures.stampnet:StampNet",
    "tablenet": "space2vec.architectures.tablenet:TableNet",
}


def build(name: str, settings: Mapping[str, Any]) -> nn.Module:
    """Build a network of :data:`NETWORKS` with fresh weights; `settings` are the arguments of its class.

    Raises
    ------
    ImportError
        If PyTorch is absent.
    ValueError
        If there is no network of that name, or the settings are none of its.
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


def rebuilt(how: Mapping[str, Any], weights: Mapping[str, NDArray[Any]]) -> nn.Module:
    """Build a network with the weights of a model file, in eval mode; `how` is the architecture that its header names.

    Raises
    ------
    ImportError, ValueError
        As :func:`build`; ValueError also if the weights are not the network's.
    """
    import torch

    for tensor_name, tensor in weights.items():
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise ValueError(f"the tensor {tensor_name} holds what is no finite number")
    with torch.device("meta"):  # takes no memory: what the settings ask for is to be what the file holds
        _set_weights(build(how["name"], how["settings"]), how["name"], weights, assign=True)
    module = build(how["name"], how["settings"])
    _set_weights(module, how["name"], weights)
    return module.eval()


def _set_weights(module: nn.Module, name: str, weights: Mapping[str, NDArray[Any]], assign: bool = False) -> None:
    import torch

    try:
        module.load_state_dict({key: torch.tensor(tensor) for key, tensor in weights.items()}, assign=assign)
    except (RuntimeError, TypeError) as error:
        words = "; ".join(line.strip() for line in str(error).splitlines()[1:]) or str(error)
        raise ValueError(f"these are no weights of {name}: {words}") from error


def check_shapes(module: nn.Module, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """See that a network takes inputs of these shapes a row, and gives a logit a row, or raise ValueError."""
    import torch

    try:
        with torch.inference_mode():
            given = tuple(module(*(torch.zeros(2, *shape) for shape in shapes.values())).shape)
    except RuntimeError as error:
        raise ValueError(f"the module cannot take {dict(shapes)}: {error}") from error
    if given != (2,):
        raise ValueError(f"the module gives {given} for two rows, and not two logits (2,)")
