"""The option ``--module`` of commands that take a model: the class of a module of one's own, by the name of its place.

A model file holds no code, so that a file from a stranger is safe to load. The code of a module of one's own comes from
Python's search path, and only if the user names it: nothing in the file decides what is imported. The current folder is
not on that path (:mod:`space2vec.module_path`).
"""

from __future__ import annotations

import argparse
import importlib
from typing import TYPE_CHECKING

from space2vec.errors.packages import need
from space2vec.errors.text import NAME, one_line

if TYPE_CHECKING:
    from torch import nn

    from space2vec.models.forest import Forest
    from space2vec.models.network import Network

__all__ = ["add_module", "load_model", "load_scorer", "make_module"]

#: The most characters that are shown of an error of the user's own code.
_REASON = 300


def add_module(parser: argparse.ArgumentParser) -> None:
    """Add --module."""
    parser.add_argument(
        "--module",
        metavar="PACKAGE.MODULE:CLASS",
        help="for a model file of a PyTorch module of your own: its class, or a function that makes it, called "
        "without arguments. This imports and runs code, from installed packages and PYTHONPATH, never from the "
        "current folder",
    )


def load_model(arguments: argparse.Namespace, name: str | None = None) -> Forest | Network:
    """Load the model of the options, or the one of this name, with the module of --module if there is one.

    Raises
    ------
    ModelError
        As :func:`space2vec.models.load.load`.
    ValueError
        If there is no such module, or it cannot be made.
    ImportError
        If --module is given and PyTorch is not installed.
    """
    from space2vec.models.load import load

    module = None if arguments.module is None else make_module(arguments.module)
    return load(arguments.model if name is None else name, module=module)


def load_scorer(arguments: argparse.Namespace, name: str | None = None) -> Forest | Network:
    """Load a model as :func:`load_model`; also a ModelError if it gives vectors, not scores."""
    model = load_model(arguments, name)
    model.check_gives_scores()
    return model


def make_module(place: str) -> nn.Module:
    """Import what ``package.module:Class`` names, and call it without arguments.

    Parameters
    ----------
    place : str
        A module on Python's search path, a colon, and the name of a class or of a function in it.

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    ValueError
        If the text names no such place, the module cannot be imported, or the call fails or makes no PyTorch module.
    """
    shown = one_line(place, NAME)
    where, colon, names = place.partition(":")
    if not colon or not all(part.isidentifier() for part in (*where.split("."), *names.split("."))):
        raise ValueError(f"--module {shown} is not PACKAGE.MODULE:CLASS, such as mypackage.networks:MyNetwork")
    need("torch", "a module of your own needs PyTorch")
    from torch import nn

    try:
        found: object = importlib.import_module(where)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{where}.".startswith(f"{error.name}."):  # it misses one that it imports
            raise ValueError(f"--module {shown}: {_reason(error)}") from error
        raise ValueError(
            f"--module {shown}: there is no module {one_line(error.name, NAME)}; commands do not look in the current "
            "folder: install it, or name its folder in the environment variable PYTHONPATH"
        ) from error
    except Exception as error:  # code of the user's own may raise anything
        raise ValueError(f"--module {shown}: importing it raises {_reason(error)}") from error
    for name in names.split("."):
        if not hasattr(found, name):
            raise ValueError(f"--module {shown}: {one_line(where, NAME)} has no {one_line(names, NAME)}")
        found = getattr(found, name)
    if not callable(found) or isinstance(found, nn.Module):
        raise ValueError(f"--module {shown} is neither a class nor a function")
    try:
        module: object = found()
    except Exception as error:
        raise ValueError(
            f"--module {shown}: called without arguments it raises {_reason(error)}; name a function that makes the "
            "module with the right ones"
        ) from error
    if not isinstance(module, nn.Module):
        raise ValueError(f"--module {shown} makes a {type(module).__name__}, and not a torch.nn.Module")
    return module


def _reason(error: Exception) -> str:
    """Describe an error of the user's own code in one line."""
    return one_line(f"{type(error).__name__}: {error}", _REASON)
