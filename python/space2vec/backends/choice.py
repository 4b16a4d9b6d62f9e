"""Which backend computes: by the device that a caller asks for, and the one on which the data lie."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from space2vec.backends import kernels
from space2vec.backends.host import Host
from space2vec.data.arrays import lies_on_device
from space2vec.data.stamps import Stamps
from space2vec.errors import BackendError
from space2vec.errors.packages import how_to_get

if TYPE_CHECKING:
    from space2vec.backends.interfaces import Backend

__all__ = ["choose", "device_of_data", "on_host", "usable_device"]


def usable_device(device: str, runtime: str | None = None, *, bulk: bool = False) -> str:
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
    from space2vec.data.device.extension import find

    number, lack = find(device)
    reason = lack or ("" if runtime is None else _no_torch_cuda(number))
    if reason and device != "auto":
        raise BackendError(f"device {device!r} is not available: {reason}; use 'cpu' or 'auto'")
    return "cpu" if reason else f"cuda:{number}"


def device_of_data(device: str, data: Any, runtime: str | None = None) -> str:
    """Return the device to compute on: the one on which the data lie, or, from the host, as :func:`usable_device`.

    Parameters
    ----------
    device, runtime : str
        As for :func:`usable_device`.
    data : object
        Stamps, or an array of any library; what is neither counts as data of the host.

    Raises
    ------
    BackendError, ValueError
        As :func:`usable_device`; and if another device is asked for than that on which the data lie.
    TypeError
        If an array lies on a device of another kind.
    """
    there = _place(data)
    if there == "cpu":
        return usable_device(device, runtime)
    from space2vec.data.device.extension import ordinal

    if device == "cpu" or (device != "auto" and f"cuda:{ordinal(device)}" != there):
        what = "stamps lie" if isinstance(data, Stamps) else "data lie"
        raise BackendError(f"the {what} on {there}, and device {device!r} was asked for: move them there first")
    return usable_device(there, runtime)


def _place(data: Any) -> str:
    """Return the device on which data lie."""
    if isinstance(data, Stamps):
        return data.device
    if not lies_on_device(data):
        return "cpu"
    from space2vec.data.device.view import view

    return view(data, "array").device


def _no_torch_cuda(number: int) -> str:
    """Return why PyTorch cannot compute on a GPU here; nothing if it can."""
    if importlib.util.find_spec("torch") is None:
        return f"networks of floats run there by PyTorch, which is not installed: {how_to_get('torch')}"
    import torch

    if not torch.cuda.is_available():
        return f"PyTorch {torch.__version__} sees no CUDA device"
    count = torch.cuda.device_count()
    return "" if number < count else f"there is no device {number}: PyTorch sees {count}, counted from 0"


def on_host() -> Host:
    """Return the backend of the host that is in use.

    Raises
    ------
    BackendError
        If it cannot run here.
    """
    return Host(kernels.active())


def choose(device: str, data: Any, runtime: str | None = None) -> Backend:
    """Return the backend for data: that of the device on which they lie, or, of the host, the one that is asked for.

    `data` are Stamps or an array of any library; what is neither counts as data of the host. `runtime` is what runs a
    model in floating point, where it is no backend. Raises as :func:`device_of_data`; BackendError also if no
    backend of the host can run.
    """
    where = device_of_data(device, data, runtime)
    if where == "cpu":
        return on_host()
    from space2vec.backends.cuda.backend import Cuda

    return Cuda(int(where.removeprefix("cuda:")))
