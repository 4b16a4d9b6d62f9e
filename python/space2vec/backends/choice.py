"""The choice of a backend, host or CUDA device, by the ``device`` argument and the device that holds the data.

Which kernels the host runs, compiled or Numba, is chosen in :mod:`space2vec.backends.kernels`.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

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
    """Return the name of the device to compute on for data on the host: ``"cpu"``, ``"cuda:0"`` and so on.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "cuda:N"}
        The device that the caller wants.
    runtime : str, optional
        The runtime of a network in floating point; on a device such a network needs PyTorch.
    bulk : bool, optional
        Whether ``"auto"`` may choose a CUDA device, as the command line does for whole inputs. Otherwise ``"auto"`` is
        the CPU, since a few stamps are scored in less time than a device needs to start.

    Raises
    ------
    BackendError
        If a CUDA device is wanted and cannot be used. It is never silently replaced by the CPU.
    ValueError
        If the name is unknown.
    """
    if device == "cpu" or (device == "auto" and not bulk):
        return "cpu"
    from space2vec.data.device.extension import find_device

    number, reason = find_device(device)
    reason = reason or ("" if runtime is None else _no_torch_cuda(number))
    if reason and device != "auto":
        raise BackendError(f"device {device!r} is not available: {reason}; use 'cpu' or 'auto'")
    return "cpu" if reason else f"cuda:{number}"


def device_of_data(device: str, data: object, runtime: str | None = None) -> str:
    """Return the name of the device to compute on: the device that holds the data or, for data on the host, any.

    Parameters
    ----------
    device, runtime : str
        As for :func:`usable_device`.
    data : object
        Stamps, or an array of any library; any other object counts as data on the host.

    Raises
    ------
    BackendError
        If the device cannot be used, or is not the one that holds the data.
    ValueError
        If the name is unknown.
    TypeError
        If an array is on a device that is not a CUDA device.
    """
    holder = _device_that_holds(data)
    if holder == "cpu":
        return usable_device(device, runtime)
    from space2vec.data.device.extension import ordinal

    if device == "cpu" or (device != "auto" and f"cuda:{ordinal(device)}" != holder):
        subject = "stamps lie" if isinstance(data, Stamps) else "data lie"
        raise BackendError(f"the {subject} on {holder}, and device {device!r} was asked for: move them there first")
    return usable_device(holder, runtime)


def _device_that_holds(data: object) -> str:
    """Return the name of the device that holds data, ``"cpu"`` for the host."""
    if isinstance(data, Stamps):
        return data.device
    if not lies_on_device(data):
        return "cpu"
    from space2vec.data.device.view import view

    return view(data, "array").device


def _no_torch_cuda(number: int) -> str:
    """Return the reason why PyTorch cannot compute on a CUDA device, or an empty text if it can."""
    if importlib.util.find_spec("torch") is None:
        return f"networks of floats run there by PyTorch, which is not installed: {how_to_get('torch')}"
    import torch

    if not torch.cuda.is_available():
        return f"PyTorch {torch.__version__} sees no CUDA device"
    count = torch.cuda.device_count()
    return "" if number < count else f"there is no device {number}: PyTorch sees {count}, counted from 0"


def on_host() -> Host:
    """Return the backend of the host, with the kernels in use.

    Raises
    ------
    BackendError
        If these kernels cannot run on this machine.
    """
    return Host(kernels.active())


def choose(device: str, data: object, runtime: str | None = None) -> Backend:
    """Return the backend that computes on data.

    The parameters, and what is raised, are those of :func:`device_of_data`; BackendError is also raised if the host has
    no kernels that can run.
    """
    name = device_of_data(device, data, runtime)
    if name == "cpu":
        return on_host()
    from space2vec.backends.cuda.backend import Cuda

    return Cuda(int(name.removeprefix("cuda:")))
