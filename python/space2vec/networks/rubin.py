"""Rubin's network for the reliability of difference sources.

Source: Rubin technote DMTN-337. Its pipeline gives it planes of the recipe ``transinet``.
"""

from __future__ import annotations

from torch import nn

from space2vec.networks.convolutional import Convolutional

__all__ = ["Rubin"]

_FILTERS = (16, 32, 64)


class Rubin(Convolutional):
    """Three 5x5 convolutions of 16, 32 and 64 filters, each pooled by 2 with dropout; 32 dense.

    Parameters
    ----------
    channels, side : int
        Shape of the planes; 73,569 parameters with the default ones.
    """

    def __init__(self, channels: int = 3, side: int = 51) -> None:
        super().__init__(channels, side)

    def _layers(self, channels: int) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for width, filters in zip((channels, *_FILTERS), _FILTERS, strict=False):
            layers += [nn.Conv2d(width, filters, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.4)]
        return layers

    def _dense(self, width: int) -> list[nn.Module]:
        return [nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, 1)]
