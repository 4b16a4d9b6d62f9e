"""Loading of models, by the name of a packaged model or the path of a file."""

from __future__ import annotations

import copy
import os
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from space2vec import model_files
from space2vec.architectures import class_name, set_weights
from space2vec.errors import ModelError
from space2vec.model_files.header import CUSTOM, Header
from space2vec.model_files.needs import check_version
from space2vec.models.forest import Forest
from space2vec.models.model import Model
from space2vec.models.network import Network

if TYPE_CHECKING:
    from torch import nn

    from space2vec.data.types import AnyArray

__all__ = ["Model", "load", "packaged"]

_SUFFIX = ".safetensors"
#: The packaged model that ``default`` names, on every machine; docs/accuracy.md gives the reasons.
_DEFAULT = "stampnet"

_KINDS: dict[str, type[Forest] | type[Network]] = {Forest.kind: Forest, Network.kind: Network}


def packaged() -> dict[str, Path]:
    """Return the files of the packaged models by their names; ``default`` is another name of one of them."""
    folder = Path(str(resources.files("space2vec") / "packaged"))
    known = {path.stem: path for path in folder.glob(f"*{_SUFFIX}")}
    if _DEFAULT in known:
        known["default"] = known[_DEFAULT]
    return dict(sorted(known.items()))


def load(name_or_path: str | os.PathLike[str] = "default", *, module: nn.Module | None = None) -> Forest | Network:
    """Load a model.

    Parameters
    ----------
    name_or_path : str or path
        The name of a packaged model (``default``, ``stampnet``, ``forest``, ...), or the path of a model file or of the
        folder of a training run.
    module : torch.nn.Module, optional
        For a file that :meth:`Network.from_module` made of a module that is not one of ours: a module of the same
        class, whose weights are read from the file into a copy of it. A file holds no code.

    Returns
    -------
    Forest or Network
        The model; :class:`space2vec.models.model.Model` describes what all models offer.

    Raises
    ------
    ModelError
        If there is no such model, or the file is damaged or of an unknown kind.
    BackendError
        If it is a network in floating point, and PyTorch, which runs it, is not installed.

    Examples
    --------
    >>> model = s2v.load("default")
    >>> model.name
    'stampnet v2'
    >>> scores = model.score(s2v.simulate(20, seed=2).stamps)
    >>> scores.score.shape
    (20,)
    """
    known = packaged()
    name = os.fspath(name_or_path)
    path = known.get(name, Path(name))
    if not path.exists() and path.suffix != _SUFFIX and path.name == name:
        names = ", ".join(known) or "none (run `make models`)"
        raise ModelError(f"unknown model {name!r}; packaged models: {names}; or give the path of a {_SUFFIX} file")
    if path.is_dir() and (path / model_files.RUN_MODEL_FILE).is_file():
        path /= model_files.RUN_MODEL_FILE
    if path.is_file() and path.suffix == ".onnx":
        raise ModelError(
            f"cannot load the model {path}: ONNX files are for other programs; accepted are packaged models "
            f"({', '.join(known)}), {_SUFFIX} files of space2vec, and folders of training runs"
        )
    header, tensors = model_files.read(path)
    if header.kind not in _KINDS:
        raise ModelError(
            f"cannot load the model {path}: it is of kind {header.kind!r}; this version knows: {', '.join(_KINDS)}"
        )
    if module is None:
        return _KINDS[header.kind].of_file(path, header, tensors)
    return _load_module(path, header, tensors, module)


def _load_module(
    path: str | os.PathLike[str], header: Header, tensors: dict[str, AnyArray], module: nn.Module
) -> Network:
    """Make a network from the contents of a file whose module is not one of ours, and a module of the same class.

    The weights of the file are set in a copy of the module.

    Raises
    ------
    ModelError
        If the file is that of one of our networks, or its weights are not those of the module.
    """
    if header.kind != Network.kind or (header.architecture or {}).get("name") != CUSTOM:
        raise ModelError(f"cannot load the model {path}: it takes no module, since its file says how it is built")
    filled = copy.deepcopy(module)
    try:
        check_version(header)
        set_weights(filled, class_name(module), tensors)
        return Network(filled, header)
    except (ModelError, ValueError) as error:
        raise ModelError(f"cannot load the model {path}: {error}") from error
