"""Training of forests and networks, and the calibration of their scores."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from space2vec.errors.packages import need
from space2vec.training.forest import cross_validate, train_forest
from space2vec.training.forest_tuning import tune_forest

if TYPE_CHECKING:
    from space2vec.training.distill import train_tablenet
    from space2vec.training.isotonic import cross_check, fit_calibration
    from space2vec.training.network import train_network

__all__ = [
    "cross_check",
    "cross_validate",
    "fit_calibration",
    "train_forest",
    "train_network",
    "train_tablenet",
    "tune_forest",
]

#: The functions that need PyTorch, each with its module.
_NETWORKS = {"train_network": "space2vec.training.network", "train_tablenet": "space2vec.training.distill"}
#: The functions whose modules are imported at the first use, so that the command line starts quickly.
_CALIBRATION = dict.fromkeys(("cross_check", "fit_calibration"), "space2vec.training.isotonic")


def __getattr__(name: str) -> object:
    """Import a function when it is first used, because its module is slow to import."""
    if name in _NETWORKS:
        need("torch", "training a network needs PyTorch")
    elif name not in _CALIBRATION:
        raise AttributeError(f"module 'space2vec.training' has no attribute {name!r}")
    return getattr(importlib.import_module((_NETWORKS | _CALIBRATION)[name]), name)
