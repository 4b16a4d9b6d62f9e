"""Networks: plain PyTorch modules, one a file, by name.

A module names in ``takes`` what its ``forward`` is given, in order: ``"planes"``, float32 (n, channel, height, width)
as a recipe prepared them, and ``"features"``, float32 (n, k) with NaN where a feature is undefined. It returns logits
(n,). Its arguments are plain values, kept in ``settings``. One that takes features scales them itself, by what its
``fit_features`` saw of the rows to train on.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NETWORKS", "build"]

#: Name to ``"module:Class"``; a class is imported where it is first built.
NETWORKS: dict[str, str] = {
    "braai": "space2vec.networks.braai:Braai",
    "rubin": "space2vec.networks.rubin:Rubin",
    "space2vec2018": "space2vec.networks.space2vec2018:Space2Vec2018",
    "stampnet": "space2vec.networks.stampnet:StampNet",
    "tablenet": "space2vec.networks.tablenet:TableNet",
}


def build(name: str, settings: Mapping[str, Any]) -> nn.Module:
    """Build a network with fresh weights.

    Parameters
    ----------
    name : str
        A name of :data:`NETWORKS`.
    settings : mapping of str
        The arguments of its class.

    Raises
    ------
    ImportError
        If PyTorch is absent.
    ValueError
        If there is no network of that name, or the settings are none of its.
    """
    if name not in NETWORKS:
        raise ValueError(f"unknown network {name!r}; known: {', '.join(NETWORKS)}")
    try:
        import torch  # noqa: F401 (only whether it is there)
    except ImportError:
        raise ImportError("a network needs PyTorch: pip install 'space2vec[torch]'") from None
    module, _, kind = NETWORKS[name].partition(":")
    try:
        network: nn.Module = getattr(importlib.import_module(module), kind)(**settings)
    except TypeError as error:
        raise ValueError(f"settings of {name}: {error}") from error
    return network
