"""The device that a caller asks for, and the one that is there."""

from __future__ import annotations

from space2vec.errors import BackendError

__all__ = ["resolve"]


def resolve(device: str) -> str:
    """Return the device to compute on: ``"cpu"`` for ``"auto"`` and ``"cpu"``.

    Raises
    ------
    BackendError
        For ``"cuda"``: it is never replaced by the CPU unseen.
    ValueError
        If the name is unknown.
    """
    if device == "cuda":
        raise BackendError("device 'cuda' is not available: this build has no CUDA backend; use 'cpu' or 'auto'")
    if device not in ("auto", "cpu"):
        raise ValueError(f"unknown device {device!r}; known: auto, cpu, cuda")
    return "cpu"
