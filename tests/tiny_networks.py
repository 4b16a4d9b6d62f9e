"""Networks of a few weights, for the tests of what carries a network."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from space2vec.networks.feature_input import FeatureInput

__all__ = ["Tiny", "TinyPlanes", "TinyTable"]


class Tiny(nn.Module):
    """Planes and features to a logit."""

    takes: ClassVar[tuple[str, ...]] = ("planes", "features")

    def __init__(self, channels: int = 3, columns: int = 4, width: int = 8) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {"channels": channels, "columns": columns, "width": width}
        self.eye = nn.Sequential(
            nn.Conv2d(channels, width, 5, stride=4), nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )
        self.table = FeatureInput(columns)
        self.head = nn.Linear(width + self.table.width, 1)

    def forward(self, planes: Tensor, features: Tensor) -> Tensor:
        return self.head(torch.cat([self.eye(planes).flatten(1), self.table(features)], dim=1)).squeeze(1)


class TinyPlanes(nn.Module):
    """Planes alone."""

    takes: ClassVar[tuple[str, ...]] = ("planes",)

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {"channels": channels}
        self.eye = nn.Sequential(nn.Conv2d(channels, 8, 5, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.head = nn.Linear(8, 1)

    def forward(self, planes: Tensor) -> Tensor:
        return self.head(self.eye(planes).flatten(1)).squeeze(1)


class TinyTable(nn.Module):
    """Features alone."""

    takes: ClassVar[tuple[str, ...]] = ("features",)

    def __init__(self, columns: int = 4) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {"columns": columns}
        self.table = FeatureInput(columns)
        self.head = nn.Sequential(nn.Linear(self.table.width, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, features: Tensor) -> Tensor:
        return self.head(self.table(features)).squeeze(1)
