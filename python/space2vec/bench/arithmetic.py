"""The arithmetic of a network."""

from __future__ import annotations

from typing import Any

from space2vec.network import Network

__all__ = ["multiply_adds"]


def multiply_adds(judge: Network) -> int:
    """Return the multiply-adds a row of a network's convolutions and products of matrices; what else it does is little.

    They are counted in a pass of one row: each element of what such a layer gives takes as many as its weights have
    elements behind their first axis.
    """
    import torch
    from torch import nn

    counts: list[int] = []

    def count(layer: nn.Module, _: Any, out: torch.Tensor) -> None:
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        counts.append(out.numel() * weight[0].numel())

    layers = [layer for layer in judge.module.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    try:
        with torch.inference_mode():
            judge.module(*(torch.zeros(1, *shape) for shape in judge.shapes.values()))
    finally:
        for hook in hooks:
            hook.remove()
    return sum(counts)
