"""Models by name or path."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import Protocol

from space2vec.errors import ModelError
from space2vec.forest import Forest
from space2vec.modelfile import Header
from space2vec.stamps import Stamps
from space2vec.table import Features, Scores

__all__ = ["Model", "load", "packaged"]

_SUFFIX = ".safetensors"


class Model(Protocol):
    """What every model is to its user."""

    header: Header

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def id(self) -> str:
        """Name and digest."""

    def score(self, source: Stamps | Features, *, threads: int | None = None, device: str = "auto") -> Scores:
        """Score candidates: P(real), NaN and a flag where a row cannot be scored."""


def packaged() -> dict[str, Path]:
    """Return the models that come with the package: name to file."""
    folder = Path(str(resources.files("space2vec") / "models"))
    return {path.stem: path for path in sorted(folder.glob(f"*{_SUFFIX}"))}


def load(name_or_path: str | os.PathLike[str] = "default") -> Forest:
    """Load a model.

    Parameters
    ----------
    name_or_path : str or path
        A packaged name (``default``, ``autoscan``), or the path of a model file.

    Returns
    -------
    Forest
        The model; see :class:`Model` for what every kind of model offers.

    Raises
    ------
    ModelError
        If there is no such model, or the file is damaged or of another kind.
    """
    known = packaged()
    given = os.fspath(name_or_path)
    if given in known:
        return Forest.load(known[given])
    path = Path(given)
    if not path.exists() and path.suffix != _SUFFIX and path.name == given:
        there = ", ".join(known) or "none (run `make models`)"
        raise ModelError(f"unknown model {given!r}; packaged models: {there}; or give the path of a {_SUFFIX} file")
    return Forest.load(path)
