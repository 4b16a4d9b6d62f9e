"""Turn image stamps of transient candidates into scores between 0 (artifact) and 1 (real).

Everything listed in ``__all__`` is imported when it is first used, so that ``import space2vec`` stays fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from space2vec.module_path import leave_out_current_folder

leave_out_current_folder()

if TYPE_CHECKING:
    from space2vec import evaluation, plot, registry
    from space2vec.compute import features, normalise, prepare
    from space2vec.data import flags
    from space2vec.data.detections import Detections
    from space2vec.data.frame import Frame
    from space2vec.data.stamps import Stamps
    from space2vec.data.tables import Features, Scores
    from space2vec.data.vectors import Vectors
    from space2vec.explanation import Explanation, explain
    from space2vec.models.forest import Forest
    from space2vec.models.load import load
    from space2vec.models.network import Network
    from space2vec.plans.recipe import Recipe
    from space2vec.reading import MessageReader, read, read_arrow, read_messages, read_table
    from space2vec.reading.detections import cut, from_images, locate
    from space2vec.reading.vectors import read_vectors
    from space2vec.simulation import simulate
    from space2vec.vectors.embedding import embed
    from space2vec.vectors.index import Index

#: The module of each name, within the package.
_HOME = {
    "Detections": "data.detections",
    "Explanation": "explanation",
    "Features": "data.tables",
    "Forest": "models.forest",
    "Frame": "data.frame",
    "Index": "vectors.index",
    "MessageReader": "reading",
    "Network": "models.network",
    "Recipe": "plans.recipe",
    "Scores": "data.tables",
    "Stamps": "data.stamps",
    "Vectors": "data.vectors",
    "cut": "reading.detections",
    "embed": "vectors.embedding",
    "explain": "explanation",
    "features": "compute",
    "from_images": "reading.detections",
    "load": "models.load",
    "locate": "reading.detections",
    "normalise": "compute",
    "prepare": "compute",
    "read": "reading",
    "read_arrow": "reading",
    "read_messages": "reading",
    "read_table": "reading",
    "read_vectors": "reading.vectors",
    "simulate": "simulation",
}
_MODULES = {
    "evaluation": "evaluation",
    "flags": "data.flags",
    "plot": "plot",
    "registry": "registry",
    "vectors": "vectors",
}

__all__ = [
    "Detections",
    "Explanation",
    "Features",
    "Forest",
    "Frame",
    "Index",
    "MessageReader",
    "Network",
    "Recipe",
    "Scores",
    "Stamps",
    "Vectors",
    "__version__",
    "cut",
    "embed",
    "evaluation",
    "explain",
    "features",
    "flags",
    "from_images",
    "load",
    "locate",
    "normalise",
    "plot",
    "prepare",
    "read",
    "read_arrow",
    "read_messages",
    "read_table",
    "read_vectors",
    "registry",
    "simulate",
    "vectors",
]


def __getattr__(name: str) -> Any:  # a module, a class or a function: type checkers use the imports above
    if name == "__version__":
        version: str = importlib.import_module("space2vec.registry").library_version()
        return version
    if name in _MODULES:
        return importlib.import_module(f"space2vec.{_MODULES[name]}")
    if name in _HOME:
        value = globals()[name] = getattr(importlib.import_module(f"space2vec.{_HOME[name]}"), name)
        return value
    raise AttributeError(f"module 'space2vec' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
