"""space2vec: from image stamps of transient candidates to scores, at the speed of the pixels.

Everything listed in ``__all__`` is imported where it is first used, so that ``import space2vec`` stays fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from space2vec.module_path import leave_out_current_folder

leave_out_current_folder()

if TYPE_CHECKING:
    from space2vec import evaluate, plot, registry
    from space2vec.compute import features, normalise, prepare
    from space2vec.forest import Forest
    from space2vec.model import load
    from space2vec.network import Network
    from space2vec.reading import read, read_messages, read_table
    from space2vec.recipe import Recipe
    from space2vec.simulation import simulate
    from space2vec.stamps import Stamps
    from space2vec.table import Features, Scores

_HOME = {
    "Features": "table",
    "Forest": "forest",
    "Network": "network",
    "Recipe": "recipe",
    "Scores": "table",
    "Stamps": "stamps",
    "features": "compute",
    "load": "model",
    "normalise": "compute",
    "prepare": "compute",
    "read": "reading",
    "read_messages": "reading",
    "read_table": "reading",
    "simulate": "simulation",
}
_MODULES = ("evaluate", "plot", "registry")

__all__ = [
    "Features",
    "Forest",
    "Network",
    "Recipe",
    "Scores",
    "Stamps",
    "__version__",
    "evaluate",
    "features",
    "load",
    "normalise",
    "plot",
    "prepare",
    "read",
    "read_messages",
    "read_table",
    "registry",
    "simulate",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        try:
            return str(importlib.import_module("space2vec._core").version)
        except ImportError:  # the Numba backend alone; to read what is installed takes longer than an alert
            from importlib.metadata import version

            return version("space2vec")
    if name in _MODULES:
        return importlib.import_module(f"space2vec.{name}")
    if name in _HOME:
        value = globals()[name] = getattr(importlib.import_module(f"space2vec.{_HOME[name]}"), name)
        return value
    raise AttributeError(f"module 'space2vec' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
