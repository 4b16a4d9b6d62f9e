"""The libraries that callers keep device arrays in: PyTorch, CuPy, and everybody else."""

from __future__ import annotations

import sys
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from space2vec.data.device.array import DeviceArray

__all__ = ["UNKNOWN", "Library", "library_of"]


class Library(Protocol):
    """What is asked of a library."""

    def stream(self, ordinal: int, told: int) -> int:
        """Return the caller's stream: the library's current one, or what the array told of itself."""

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any], ordinal: int, stream: int, module: Any) -> Any:
        """Return a new array of the library on that device, to be filled on that stream."""

    def address(self, values: Any) -> int:
        """Return where such an array begins."""

    def plain(self, values: Any, dtype: np.dtype[Any]) -> Any:
        """Return the array in that type and in C order, copied on its device; None where the library cannot."""

    def to_host(self, values: Any) -> NDArray[Any]:
        """Return a copy on the host."""


class _Torch:
    """PyTorch."""

    def stream(self, ordinal: int, told: int) -> int:
        import torch

        return int(torch.cuda.current_stream(ordinal).cuda_stream)

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any], ordinal: int, stream: int, module: Any) -> Any:
        import torch

        return torch.empty(shape, dtype=getattr(torch, dtype.name), device=f"cuda:{ordinal}")

    def address(self, values: Any) -> int:
        return int(values.data_ptr())

    def plain(self, values: Any, dtype: np.dtype[Any]) -> Any:
        import torch

        return values.detach().to(getattr(torch, dtype.name)).contiguous()

    def to_host(self, values: Any) -> NDArray[Any]:
        host: NDArray[Any] = values.numpy(force=True)
        return host


class _CuPy:
    """CuPy."""

    def stream(self, ordinal: int, told: int) -> int:
        cupy = sys.modules["cupy"]
        with cupy.cuda.Device(ordinal):
            return int(cupy.cuda.get_current_stream().ptr)

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any], ordinal: int, stream: int, module: Any) -> Any:
        cupy = sys.modules["cupy"]
        with cupy.cuda.Device(ordinal):
            return cupy.empty(shape, dtype)

    def address(self, values: Any) -> int:
        return int(values.__cuda_array_interface__["data"][0])

    def plain(self, values: Any, dtype: np.dtype[Any]) -> Any:
        with sys.modules["cupy"].cuda.Device(values.device.id):
            return sys.modules["cupy"].ascontiguousarray(values, dtype=dtype)

    def to_host(self, values: Any) -> NDArray[Any]:
        host: NDArray[Any] = values.get()
        return host


class _Own:
    """Everybody else: results are DeviceArrays, on the stream that the array told."""

    def stream(self, ordinal: int, told: int) -> int:
        return told

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any], ordinal: int, stream: int, module: Any) -> Any:
        return DeviceArray(shape, dtype, ordinal=ordinal, stream=stream, module=module)

    def address(self, values: Any) -> int:
        address: int = values.address
        return address

    def plain(self, values: Any, dtype: np.dtype[Any]) -> Any:
        return None

    def to_host(self, values: Any) -> NDArray[Any]:
        host: NDArray[Any] = values.to_host()
        return host


_TORCH, _CUPY, UNKNOWN = _Torch(), _CuPy(), _Own()


def library_of(values: Any) -> Library:
    """Return the library that an array is of; one that was never imported has no arrays."""
    torch, cupy = sys.modules.get("torch"), sys.modules.get("cupy")
    if torch is not None and isinstance(values, torch.Tensor):
        return _TORCH
    if cupy is not None and isinstance(values, cupy.ndarray):
        return _CUPY
    return UNKNOWN
