"""Training: forests and networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from space2vec.training.forest import cross_validate, train_forest

if TYPE_CHECKING:
    from space2vec.training.network import train_network

__all__ = ["cross_validate", "train_forest", "train_network"]


def __getattr__(name: str) -> Any:
    """Import what needs PyTorch where it is first used."""
    if name != "train_network":
        raise AttributeError(f"module 'space2vec.training' has no attribute {name!r}")
    try:
        from space2vec.training.network import train_network
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ImportError("training a network needs PyTorch: pip install 'space2vec[torch]'") from None
    return train_network
