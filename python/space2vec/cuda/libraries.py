"""The libraries that callers keep device arrays in: their current stream, their memory, their conversions."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from space2vec.cuda.device_array import DeviceArray

__all__ = ["TORCH", "Library", "library_of"]


class Library(Protocol):
    """What is asked of a library."""

    name: str

    def stream(self, ordinal: int, told: int) -> int:
        """Return the caller's stream: the library's current one, or what the array told of itself."""

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any], ordinal: int, stream: int) -> Any:
        """Return a new array of the library on that device, to be filled on that stream."""

    def plain(self, values: Any, dtype: np.dtype[Any]) -> Any:
        """Return the array in that type and in C order, copied on its device; None where the library cannot."""

    def beside(self, parts: Sequence[Any]) -> Any:
        """Return planes (n, channel, height, width) of several chains as one array, along the channels.

        A row that is NaN in one part is NaN in all.
        """

    def to_host(self, values: Any) -> NDArray[Any]:
        """Return a copy on the host."""


class _Torch:
    """PyTorch."""

    name = "torch"

    def stream(self, ordinal: int, told: int) -> int:
        import torch

        return int(torch.cuda.current_stream(ordinal).cuda_stream)

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any], ordinal: int, stream: int) -> Any:
        import torch

        return torch.empty(shape, dtype=getattr(torch, dtype.name), device=f"cuda:{ordinal}")

    def plain(self, values: Any, dtype: np.dtype[Any]) -> Any:
        import torch

        return values.detach().to(getattr(torch, dtype.name)).contiguous()

    def beside(self, parts: Sequence[Any]) -> Any:
        import torch

        refused = torch.stack([torch.isnan(part[:, 0, 0, 0]) for part in parts]).any(dim=0)
        return torch.cat(list(parts), dim=1).masked_fill_(refused[:, None, None, None], float("nan"))

    def to_host(self, values: Any) -> NDArray[Any]:
        host: NDArray[Any] = values.numpy(force=True)
        return host


class _CuPy:
    """CuPy."""

    name = "cupy"

    def stream(self, ordinal: int, told: int) -> int:
        cupy = sys.modules["cupy"]
        with cupy.cuda.Device(ordinal):
            return int(cupy.cuda.get_current_stream().ptr)

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any], ordinal: int, stream: int) -> Any:
        cupy = sys.modules["cupy"]
        with cupy.cuda.Device(ordinal):
            return cupy.empty(shape, dtype)

    def plain(self, values: Any, dtype: np.dtype[Any]) -> Any:
        with sys.modules["cupy"].cuda.Device(values.device.id):
            return sys.modules["cupy"].ascontiguousarray(values, dtype=dtype)

    def beside(self, parts: Sequence[Any]) -> Any:
        cupy = sys.modules["cupy"]
        with cupy.cuda.Device(parts[0].device.id):
            refused = cupy.stack([cupy.isnan(part[:, 0, 0, 0]) for part in parts]).any(axis=0)
            return cupy.where(refused[:, None, None, None], cupy.float32(np.nan), cupy.concatenate(parts, axis=1))

    def to_host(self, values: Any) -> NDArray[Any]:
        host: NDArray[Any] = values.get()
        return host


class _Own:
    """Everybody else: results are DeviceArrays, on the stream that the array told."""

    name = "space2vec"

    def stream(self, ordinal: int, told: int) -> int:
        return told

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any], ordinal: int, stream: int) -> Any:
        return DeviceArray(shape, dtype, ordinal=ordinal, stream=stream)

    def plain(self, values: Any, dtype: np.dtype[Any]) -> Any:
        return None

    def beside(self, parts: Sequence[Any]) -> Any:
        raise TypeError("planes of several chains are put together by PyTorch or CuPy")

    def to_host(self, values: Any) -> NDArray[Any]:
        host: NDArray[Any] = values.to_host()
        return host


TORCH, _CUPY, _OWN = _Torch(), _CuPy(), _Own()


def library_of(values: Any) -> Library:
    """Return the library that an array is of; one that was never imported has no arrays."""
    torch, cupy = sys.modules.get("torch"), sys.modules.get("cupy")
    if torch is not None and isinstance(values, torch.Tensor):
        return TORCH
    if cupy is not None and isinstance(values, cupy.ndarray):
        return _CUPY
    return _OWN
