"""The network of the space2vec project of 2018, trained on the stamps of the DES autoScan set.

Source: ``cnn-model`` of github.com/pippinlee/space2vec-ml-code. There is no activation between the two dense layers: it
is so in the source. Strided convolutions pad both sides by one, where Keras pads an even side once.
"""

from __future__ import annotations

from torch import nn

from space2vec.networks.convolutional import Convolutional

__all__ = ["Space2Vec2018"]

_FILTERS = (25, 63, 119, 210)


class Space2Vec2018(Convolutional):
    """Four pairs of 3x3 convolutions, the second with stride 2 and normalised; one more, then 128 dense.

    Parameters
    ----------
    channels, side : int
        Shape of the planes.
    """

    def __init__(self, channels: int = 3, side: int = 51) -> None:
        super().__init__(channels, side)

    def _layers(self, channels: int) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for width, filters in zip((channels, *_FILTERS), _FILTERS, strict=False):
            layers += [nn.Conv2d(width, filters, 3, padding=1), nn.ReLU()]
            layers += [nn.Conv2d(filters, filters, 3, stride=2, padding=1), nn.BatchNorm2d(filters), nn.ReLU()]
        return [*layers, nn.Conv2d(_FILTERS[-1], _FILTERS[-1], 3, padding=1), nn.ReLU()]

    def _dense(self, width: int) -> list[nn.Module]:
        return [nn.Linear(width, 128), nn.Dropout(0.45), nn.Linear(128, 1)]
