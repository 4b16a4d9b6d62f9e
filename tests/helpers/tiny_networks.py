"""Networks of a few weights, for the tests of what carries a network."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

import space2vec as s2v
from space2vec import architectures, model_files, registry
from space2vec.architectures.feature_input import FeatureInput

__all__ = ["COLUMNS", "KINDS", "RECIPE", "Tiny", "TinyPlanes", "TinyTable", "header_of", "make", "make_known"]

RECIPE = s2v.Recipe.of("tiny", steps=("median-mad", "asinh"), side=21)
COLUMNS = registry.FEATURE_SETS["stamp"][:2] + registry.FEATURE_SETS["stamp"][-2:]
#: The networks, and what they take.
KINDS = {"Tiny": ("planes", "features"), "TinyPlanes": ("planes",), "TinyTable": ("features",)}


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


def make_known(patch: pytest.MonkeyPatch) -> None:
    """Put the networks beside those of the package."""
    for name in KINDS:
        patch.setitem(architectures.NETWORKS, name, f"helpers.tiny_networks:{name}")


def header_of(name: str, settings: dict[str, Any], **architecture: Any) -> model_files.Header:
    """Return the header of one of the networks."""
    takes = KINDS[name]
    return model_files.Header(
        "network",
        name.lower(),
        COLUMNS if "features" in takes else (),
        "stamp" if "features" in takes else "custom",
        registry.FEATURES_VERSION,
        recipe=RECIPE.to_plain() if "planes" in takes else None,
        architecture={"name": name, "settings": settings, "temperature": 1.25, **architecture},
    )


def make(name: str, night: s2v.Stamps, **architecture: Any) -> s2v.Network:
    """Make a network of random weights whose scores of a night are not all alike."""
    torch.manual_seed(5)
    module: Any = {"Tiny": Tiny, "TinyPlanes": TinyPlanes, "TinyTable": TinyTable}[name]()
    if "features" in KINDS[name]:
        module.table.fit_features(s2v.features(night, set="stamp").select(COLUMNS))
    last = module.head if name != "TinyTable" else module.head[-1]
    with torch.no_grad():
        last.weight *= 4
    return s2v.Network(module, header_of(name, module.settings, **architecture))
