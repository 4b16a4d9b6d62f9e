"""The device that a caller asks for, and the one that is there."""

from __future__ import annotations

import importlib.util
import re
from typing import Any

from space2vec.errors import BackendError
from space2vec.extras import how_to_get

__all__ = ["follow", "kernels_on", "ordinal", "resolve"]

_KNOWN = "auto, cpu, cuda, cuda:N"


def ordinal(device: str) -> int:
    """Return the number of a CUDA device by its name; ``"cuda"`` is the first.

    Raises
    ------
    ValueError
        If it is the name of none.
    """
    found = re.fullmatch(r"cuda(?::(\d{1,4}))?", device)
    if found is None:
        raise ValueError(f"unknown device {device!r}; known: {_KNOWN}")
    return int(found[1] or 0)


def resolve(device: str, kind: str = "forest", *, bulk: bool = False) -> str:
    """Return the device to compute on for data on the host: ``"cpu"``, or ``"cuda:0"`` and so on.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "cuda:N"}
        What was asked for.
    kind : {"forest", "network"}, optional
        What is to be computed: features and forests by the CUDA kernels; a network by PyTorch, on stamps that the
        kernels prepare there or, in a build without them, the CPU.
    bulk : bool, optional
        Whether ``"auto"`` is to take a device on which everything can run, as the command line does for whole inputs.
        Otherwise it is the CPU: a few stamps are scored before a device has woken up.

    Raises
    ------
    BackendError
        For a CUDA device that cannot be had: it is never replaced by the CPU unseen.
    ValueError
        If the name is unknown.
    """
    if device == "cpu" or (device == "auto" and not bulk):
        return "cpu"
    number = 0 if device == "auto" else ordinal(device)
    name = f"cuda:{number}"
    if device == "auto":  # the kernels first: PyTorch takes a second to import
        return "cpu" if kernels_lack(number) or _lacking(number, kind) else name
    if reason := _lacking(number, kind):
        raise BackendError(f"device {device!r} is not available: {reason}; use 'cpu' or 'auto'")
    return name


def follow(device: str, data: Any, kind: str = "forest") -> str:
    """Return the device to compute on for stamps: the one that they lie on, or, from the host, as :func:`resolve`.

    What is no stamps counts as data of the host.

    Raises
    ------
    BackendError, ValueError
        As :func:`resolve`; and if another device is asked for than that on which the stamps lie.
    """
    from space2vec.stamps import Stamps

    there = data.device if isinstance(data, Stamps) else "cpu"
    if there == "cpu":
        return resolve(device, kind)
    if device == "cpu" or (device != "auto" and f"cuda:{ordinal(device)}" != there):
        raise BackendError(f"the stamps lie on {there}, and device {device!r} was asked for: move them there first")
    return resolve(there, kind)


def kernels_lack(number: int) -> str:
    """Return why the kernels cannot run on a device; nothing if they can."""
    from space2vec.cuda.extension import trouble

    return trouble(number)


def kernels_on(where: str) -> bool:
    """Tell whether the kernels can run on a resolved device."""
    return where != "cpu" and not kernels_lack(ordinal(where))


def _lacking(number: int, kind: str) -> str:
    """Return why something cannot be computed on a device; nothing if it can."""
    return _no_torch_cuda(number) if kind == "network" else kernels_lack(number)


def _no_torch_cuda(number: int) -> str:
    """Return why PyTorch cannot compute on a GPU here; nothing if it can."""
    if importlib.util.find_spec("torch") is None:
        return f"networks run there by PyTorch, which is not installed: {how_to_get('torch')}"
    import torch

    if not torch.cuda.is_available():
        return f"PyTorch {torch.__version__} sees no CUDA device"
    count = torch.cuda.device_count()
    return "" if number < count else f"there is no device {number}: PyTorch sees {count}, counted from 0"
