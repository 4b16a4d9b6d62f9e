"""Published networks, each a chain of layers that takes prepared planes.

``braai``
    The network of ZTF (Duev et al. 2019, MNRAS 489, 3582). It takes planes of the recipe ``braai``;
    :mod:`space2vec.architectures.braai` loads its weights.
``rubin``
    Rubin's network for the reliability of difference sources (technote DMTN-337). It takes planes of the recipe
    ``transinet``.
``space2vec2018``
    The network of the space2vec project of 2018 for stamps of the DES autoScan set (``cnn-model`` of
    github.com/pippinlee/space2vec-ml-code). As in that code, there is no activation between the two dense layers.
    Convolutions with a stride pad both sides by one pixel, where Keras pads only one if the side is even.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["Braai", "Rubin", "Space2Vec2018"]


class _Published(nn.Module):
    """A chain of convolutional and dense layers that ends in one logit.

    Parameters
    ----------
    channels : int
        Number of planes.
    side : int, optional
        Height and width of the planes, pixels; those of the publication by default.

    Raises
    ------
    ValueError
        If the planes are too small for the convolutions, or an argument is not positive.
    """

    takes: ClassVar[tuple[str, ...]] = ("planes",)
    published_side: ClassVar[int] = 51

    def __init__(self, channels: int = 3, side: int | None = None) -> None:
        super().__init__()
        pixels = self.published_side if side is None else side
        if channels < 1 or pixels < 1:
            raise ValueError(f"channels and side must be positive; given {channels} and {pixels}")
        self.settings: dict[str, Json] = {"channels": channels, "side": pixels}
        self.body = nn.Sequential(*self._convolutions(channels))
        try:
            with torch.no_grad():
                # Only the shape of the result is used, so that dropout and normalisation do not matter.
                width = self.body.eval()(torch.zeros(1, channels, pixels, pixels)).numel()
        except RuntimeError as error:
            raise ValueError(f"planes of {pixels}x{pixels} are too small for {type(self).__name__} ({error})") from None
        self.body.train()
        self.head = nn.Sequential(*self._dense(width))

    def _convolutions(self, channels: int) -> list[nn.Module]:
        """Return the convolutional layers for a number of planes."""
        raise NotImplementedError

    def _dense(self, width: int) -> list[nn.Module]:
        """Return the layers after the convolutions, which give `width` values."""
        raise NotImplementedError

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        """Return the logits (n,) of planes (n, channel, side, side) of float32, prepared by the model's recipe."""
        logit: torch.Tensor = self.head(self.body(planes).flatten(1))
        return logit.squeeze(1)


class Braai(_Published):
    """Two pairs of 3x3 convolutions of 16 and 32 filters, pooled by 2 and by 4, then 256 units: 312,081 parameters."""

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
    """Three 5x5 convolutions of 16, 32 and 64 filters, each pooled by 2, then 32 units: 73,569 parameters."""

    def _convolutions(self, channels: int) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for width, filters in pairwise((channels, 16, 32, 64)):
            layers += [nn.Conv2d(width, filters, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.4)]
        return layers

    def _dense(self, width: int) -> list[nn.Module]:
        return [nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, 1)]


class Space2Vec2018(_Published):
    """Four pairs of 3x3 convolutions, the second of each pair with stride 2, one more convolution, and 128 units."""

    def _convolutions(self, channels: int) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for width, filters in pairwise((channels, 25, 63, 119, 210)):
            layers += [nn.Conv2d(width, filters, 3, padding=1), nn.ReLU()]
            layers += [nn.Conv2d(filters, filters, 3, stride=2, padding=1), nn.BatchNorm2d(filters), nn.ReLU()]
        return [*layers, nn.Conv2d(210, 210, 3, padding=1), nn.ReLU()]

    def _dense(self, width: int) -> list[nn.Module]:
        return [nn.Linear(width, 128), nn.Dropout(0.45), nn.Linear(128, 1)]
