"""Libraries of arrays on the device of ``host_device``: one that nobody knows, and one in CuPy's place."""

from __future__ import annotations

import ctypes
import sys
import types
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from helpers.host_device import HostDevice

__all__ = ["OnDevice", "fake_cupy"]


class OnDevice:
    """An array of a library that nobody knows, on a device.

    Parameters
    ----------
    module : HostDevice
        The device.
    array : ndarray
        What it holds; its strides are kept.
    dlpack : bool
        Whether it is known by DLPack, or else by ``__cuda_array_interface__``.
    stream : int
        The stream that it says it is worked on.
    version : int
        Of the interface; one below 3 says no stream.
    device : int
        The number of the device.
    """

    def __init__(
        self,
        module: HostDevice,
        array: np.ndarray,
        *,
        dlpack: bool = False,
        stream: int | None = None,
        version: int = 3,
        device: int = 0,
    ) -> None:
        low, high = np.lib.array_utils.byte_bounds(array)
        self._address, self._module = module.put(max(high - low, 1), device), module
        self._first = self._address + array.__array_interface__["data"][0] - low
        whole = np.frombuffer((ctypes.c_char * max(high - low, 1)).from_address(self._address), np.uint8)
        whole[: high - low] = np.frombuffer((ctypes.c_char * (high - low)).from_address(low), np.uint8)
        self._array, self._stream, self._device, self.given = array, stream, device, []
        if not dlpack:
            self.__cuda_array_interface__ = {
                "shape": array.shape,
                "strides": None if array.flags.c_contiguous else array.strides,
                "typestr": array.dtype.str,
                "data": (self._first, False),
                "version": version,
                **({"stream": stream} if version >= 3 else {}),
            }
        else:
            self.__dlpack_device__ = lambda: (2, device)

    def __dlpack__(self, *, stream: int | None = None, **_: Any) -> Any:
        from space2vec.data.device import dlpack

        assert self._array.flags.c_contiguous
        self.given.append(stream)
        return dlpack.lend(self, self._first, self._array.shape, self._array.dtype, self._device)


def fake_cupy(monkeypatch: pytest.MonkeyPatch, module: HostDevice) -> types.ModuleType:
    """Put a library in CuPy's place that has its arrays on the device; the module must be eager."""
    assert module.eager
    cupy = types.ModuleType("cupy")

    class NdArray:
        def __init__(self, held: np.ndarray) -> None:
            self.held, self.shape, self.ndim, self.dtype = held, held.shape, held.ndim, held.dtype

        @property
        def __cuda_array_interface__(self) -> dict[str, Any]:
            interface = self.held.__array_interface__
            # Memory of the library's own is memory of the device too.
            low, high = np.lib.array_utils.byte_bounds(self.held)
            size = max(high - low, 1)
            module.arrays[low] = np.frombuffer((ctypes.c_char * size).from_address(low), np.uint8)
            module.places[low] = 0
            return {**{k: interface[k] for k in ("shape", "strides", "typestr", "data")}, "version": 3}

        @property
        def device(self) -> Any:
            return types.SimpleNamespace(id=0)

        def __dlpack_device__(self) -> tuple[int, int]:
            return 2, 0

        def __len__(self) -> int:
            return len(self.held)

        def __getitem__(self, key: Any) -> NdArray:
            return NdArray(self.held[key])

        def transpose(self, order: Sequence[int]) -> NdArray:
            return NdArray(self.held.transpose(order))

        def reshape(self, shape: Sequence[int]) -> NdArray:
            return NdArray(self.held.reshape(shape))

        def any(self, axis: int) -> NdArray:
            return NdArray(self.held.any(axis=axis))

        def get(self) -> np.ndarray:
            return self.held.copy()

    def bare(values: Any) -> Any:
        return values.held if isinstance(values, NdArray) else values

    class Device:
        def __init__(self, ordinal: int) -> None:
            self.ordinal = ordinal

        def __enter__(self) -> None:
            cupy.devices.append(self.ordinal)

        def __exit__(self, *_: object) -> None:
            pass

    cupy.devices = []
    cupy.ndarray = NdArray
    cupy.asarray = lambda values: NdArray(np.array(values, order="K"))
    cupy.empty = lambda shape, dtype: NdArray(np.zeros(shape, dtype))
    cupy.float32, cupy.isnan = np.float32, lambda values: NdArray(np.isnan(values.held))
    cupy.stack = lambda parts: NdArray(np.stack([part.held for part in parts]))
    cupy.concatenate = lambda parts, axis: NdArray(np.concatenate([part.held for part in parts], axis=axis))
    cupy.where = lambda *arguments: NdArray(np.where(*map(bare, arguments)))
    cupy.ascontiguousarray = lambda values, dtype: NdArray(np.ascontiguousarray(values.held, dtype))
    current = types.SimpleNamespace(ptr=0)
    cupy.cuda = types.SimpleNamespace(Device=Device, get_current_stream=lambda: current)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    return cupy
