"""A cache on disk for arrays and models that take a benchmark long to compute."""

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


class ResultCache:
    """Files of arrays and models, found by name and by everything that they depend on.

    Parameters
    ----------
    folder : Path or None
        The folder of the files; None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def get(
        self, name: str, depends: Mapping[str, Any], make: Callable[[], NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """Return the kept array of this name and these conditions (ready for JSON), or compute and keep it."""
        if self._folder is None:
            return make()
        path = self._path(self._folder, name, depends, "npy")
        if not path.exists():
            np.save(path, make())
        return np.load(path)

    def model(self, name: str, depends: Mapping[str, Any], make: Callable[[], Model]) -> Model:
        """Return the kept model of this name and these conditions (ready for JSON), or train and keep it."""
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


#: The modules that train models, by the package that the models need. studies/trainable_models.py has the settings of
#: all.
_TRAINERS = {"torch": ("architectures/*.py", "training/*.py"), "sklearn": ("training/forest.py",), "lightgbm": ()}


def code_digest(needs: str) -> str:
    """Return a digest of the code and settings that train models with a package; it changes when the code does."""
    package = Path(space2vec.__file__).parent
    files = [path for pattern in ("studies/trainable_models.py", *_TRAINERS[needs]) for path in package.glob(pattern)]
    return hashlib.sha256("".join(path.read_text() for path in sorted(files)).encode()).hexdigest()[:16]


def digest(*arrays: NDArray[np.generic]) -> str:
    """Return a digest of arrays: their types, shapes and values."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.dtype} {array.shape}".encode())
        found.update(array.astype(str).tobytes() if array.dtype == object else np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]
