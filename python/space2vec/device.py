"""The device that a caller asks for, and the one that is there."""

from __future__ import annotations

import importlib.util
import re
from typing import Any

from space2vec.errors import BackendError
from space2vec.extras import how_to_get
from space2vec.pixels import lies_on_device
from space2vec.stamps import Stamps

__all__ = ["follow", "ordinal", "resolve"]

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


def resolve(device: str, runtime: str | None = None, *, bulk: bool = False) -> str:
    """Return the device to compute on for data on the host: ``"cpu"``, or ``"cuda:0"`` and so on.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "cuda:N"}
        What was asked for.
    runtime : str, optional
        What runs the model in floating point, where it is no backend: then PyTorch runs it on a device.
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
    reason = kernels_lack(number) or ("" if runtime is None else _no_torch_cuda(number))
    if reason and device != "auto":
        raise BackendError(f"device {device!r} is not available: {reason}; use 'cpu' or 'auto'")
    return "cpu" if reason else f"cuda:{number}"


def follow(device: str, data: Any, runtime: str | None = None) -> str:
    """Return the device to compute on: the one on which the data lie, or, from the host, as :func:`resolve`.

    Parameters
    ----------
    device, runtime : str
        As for :func:`resolve`.
    data : object
        Stamps, or an array of any library; what is neither counts as data of the host.

    Raises
    ------
    BackendError, ValueError
        As :func:`resolve`; and if another device is asked for than that on which the data lie.
    TypeError
        If an array lies on a device of another kind.
    """
    there = _place(data)
    if there == "cpu":
        return resolve(device, runtime)
    if device == "cpu" or (device != "auto" and f"cuda:{ordinal(device)}" != there):
        what = "stamps lie" if isinstance(data, Stamps) else "data lie"
        raise BackendError(f"the {what} on {there}, and device {device!r} was asked for: move them there first")
    return resolve(there, runtime)


def _place(data: Any) -> str:
    """Return the device on which data lie."""
    if isinstance(data, Stamps):
        return data.device
    if not lies_on_device(data):
        return "cpu"
    from space2vec.cuda.view import view

    return view(data, "array").device


def kernels_lack(number: int) -> str:
    """Return why the kernels cannot run on a device; nothing if they can."""
    from space2vec.cuda.extension import trouble

    return trouble(number)


def _no_torch_cuda(number: int) -> str:
    """Return why PyTorch cannot compute on a GPU here; nothing if it can."""
    if importlib.util.find_spec("torch") is None:
        return f"networks of floats run there by PyTorch, which is not installed: {how_to_get('torch')}"
    import torch

    if not torch.cuda.is_available():
        return f"PyTorch {torch.__version__} sees no CUDA device"
    count = torch.cuda.device_count()
    return "" if number < count else f"there is no device {number}: PyTorch sees {count}, counted from 0"
