"""The device that a caller asks for, and the one that is there."""

from __future__ import annotations

import importlib.util

from space2vec.errors import BackendError

__all__ = ["resolve"]


def resolve(device: str, kind: str = "forest") -> str:
    """Return the device to compute on: ``"cpu"`` for ``"auto"`` and ``"cpu"``.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda"}
        What was asked for.
    kind : {"forest", "network"}, optional
        The kind of the model: PyTorch runs a network on a GPU, whose stamps are prepared on the CPU.

    Raises
    ------
    BackendError
        For ``"cuda"`` where it cannot be had: it is never replaced by the CPU unseen.
    ValueError
        If the name is unknown.
    """
    if device == "cuda" and kind == "network":
        if reason := _no_torch_cuda():
            raise BackendError(f"device 'cuda' is not available: {reason}; use 'cpu' or 'auto'")
        return device
    if device == "cuda":
        raise BackendError("device 'cuda' is not available: this build has no CUDA backend; use 'cpu' or 'auto'")
    if device not in ("auto", "cpu"):
        raise ValueError(f"unknown device {device!r}; known: auto, cpu, cuda")
    return "cpu"


def _no_torch_cuda() -> str:
    """Return why PyTorch cannot compute on a GPU here; nothing if it can."""
    if importlib.util.find_spec("torch") is None:
        return "networks run there by PyTorch, which is not installed: pip install 'space2vec[torch]'"
    import torch

    return "" if torch.cuda.is_available() else f"PyTorch {torch.__version__} sees no CUDA device"
