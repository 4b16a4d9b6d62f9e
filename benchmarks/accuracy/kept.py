"""Arrays and models that took long, kept between runs of a benchmark."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import space2vec
from space2vec.models.load import Model


class Kept:
    """Arrays and models by name and by all that they depend on.

    Parameters
    ----------
    folder : Path or None
        Where they are kept; None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def get(
        self, name: str, depends: Mapping[str, Any], make: Callable[[], NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """Return the array of that name that was made under the same conditions, or make it."""
        if self._folder is None:
            return make()
        path = self._path(self._folder, name, depends, "npy")
        if not path.exists():
            np.save(path, make())
        return np.load(path)

    def model(self, name: str, depends: Mapping[str, Any], make: Callable[[], Model]) -> Model:
        """Return the model of that name that was trained under the same conditions, or train it."""
        if self._folder is None:
            return make()
        path = self._path(self._folder, name, depends, "safetensors")
        if not path.exists():
            make().save(path)
        return space2vec.load(path)

    @staticmethod
    def _path(folder: Path, name: str, depends: Mapping[str, Any], suffix: str) -> Path:
        digest = hashlib.sha256(json.dumps(dict(depends), sort_keys=True, default=str).encode()).hexdigest()[:12]
        return folder / f"{name.replace(' ', '_')}_{digest}.{suffix}"


#: What trains models by the package that they need, beside studies/contenders.py, which has the settings of all.
_TRAINERS = {"torch": ("architectures/*.py", "training/*.py"), "sklearn": ("training/forest.py",), "lightgbm": ()}


def code(needs: str) -> str:
    """Return what tells the code and the settings that train a model from those of another day."""
    package = Path(space2vec.__file__).parent
    files = [path for pattern in ("studies/contenders.py", *_TRAINERS[needs]) for path in package.glob(pattern)]
    return hashlib.sha256("".join(path.read_text() for path in sorted(files)).encode()).hexdigest()[:16]


def digest(*arrays: NDArray[Any]) -> str:
    """Return what tells arrays from others."""
    told = hashlib.sha256()
    for array in arrays:
        told.update(f"{array.dtype} {array.shape}".encode())
        told.update(array.astype(str).tobytes() if array.dtype == object else np.ascontiguousarray(array).tobytes())
    return told.hexdigest()[:16]
