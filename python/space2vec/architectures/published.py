"""The published networks, each one chain of layers over prepared planes.

``braai``
    VGG6 of ZTF: Duev et al. 2019, MNRAS 489, 3582. Planes of the recipe ``braai``;
    :mod:`space2vec.architectures.braai` has its weights.
``rubin``
    Rubin's network for the reliability of difference sources: technote DMTN-337, planes of the recipe ``transinet``.
``space2vec2018``
    That of the space2vec project of 2018 on stamps of the DES autoScan set: ``cnn-model`` of
    github.com/pippinlee/space2vec-ml-code. There is no activation between the two dense layers: it is so in the source.
    Strided convolutions pad both sides by one, where Keras pads an even side once.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import nn

__all__ = ["Braai", "Rubin", "Space2Vec2018"]


class _Published(nn.Module):
    """A chain of convolutional layers, then dense ones that end in one logit.

    Parameters
    ----------
    channels : int
        Planes of the input.
    side : int
        Height and width of the input, pixels; that of the publication by default.

    Raises
    ------
    ValueError
        If nothing is left of planes of this side behind the convolutions, or an argument is not positive.
    """

    takes: ClassVar[tuple[str, ...]] = ("planes",)
    published_side: ClassVar[int] = 51

    def __init__(self, channels: int = 3, side: int | None = None) -> None:
        super().__init__()
        pixels = self.published_side if side is None else side
        if channels < 1 or pixels < 1:
            raise ValueError(f"channels and side must be positive; given {channels} and {pixels}")
        self.settings: dict[str, Any] = {"channels": channels, "side": pixels}
        self.body = nn.Sequential(*self._convolutions(channels))
        try:
            with torch.no_grad():
                # The layers may drop or normalise: only the shape counts.
                width = self.body.eval()(torch.zeros(1, channels, pixels, pixels)).numel()
        except RuntimeError as error:
            raise ValueError(f"planes of {pixels}x{pixels} are too small for {type(self).__name__} ({error})") from None
        self.body.train()
        self.head = nn.Sequential(*self._dense(width))

    def _convolutions(self, channels: int) -> list[nn.Module]:
        raise NotImplementedError

    def _dense(self, width: int) -> list[nn.Module]:
        """Return the layers behind `width` values."""
        raise NotImplementedError

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        """Return the logits (n,) of planes (n, channels, side, side), float32, prepared by the model's recipe."""
        logit: torch.Tensor = self.head(self.body(planes).flatten(1))
        return logit.squeeze(1)


class Braai(_Published):
    """Two pairs of 3x3 convolutions, 16 and 32 filters, pooled by 2 and by 4; 256 dense: 312,081 parameters."""

    published_side = 63

    def _convolutions(self, channels: int) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for width, filters, pool in ((channels, 16, 2), (16, 32, 4)):
            layers += [nn.Conv2d(width, filters, 3), nn.ReLU(), nn.Conv2d(filters, filters, 3), nn.ReLU()]
            layers += [nn.MaxPool2d(pool), nn.Dropout(0.25)]
        return layers

    def _dense(self, width: int) -> list[nn.Module]:
        return [nn.Linear(width, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 1)]


class Rubin(_Published):
    """Three 5x5 convolutions of 16, 32 and 64 filters, pooled by 2 with dropout; 32 dense: 73,569 parameters."""

    def _convolutions(self, channels: int) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for width, filters in pairwise((channels, 16, 32, 64)):
            layers += [nn.Conv2d(width, filters, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.4)]
        return layers

    def _dense(self, width: int) -> list[nn.Module]:
        return [nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, 1)]


class Space2Vec2018(_Published):
    """Four pairs of 3x3 convolutions, the second with stride 2 and normalised; one more, then 128 dense."""

    def _convolutions(self, channels: int) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for width, filters in pairwise((channels, 25, 63, 119, 210)):
            layers += [nn.Conv2d(width, filters, 3, padding=1), nn.ReLU()]
            layers += [nn.Conv2d(filters, filters, 3, stride=2, padding=1), nn.BatchNorm2d(filters), nn.ReLU()]
        return [*layers, nn.Conv2d(210, 210, 3, padding=1), nn.ReLU()]

    def _dense(self, width: int) -> list[nn.Module]:
        return [nn.Linear(width, 128), nn.Dropout(0.45), nn.Linear(128, 1)]
