"""Arrays on a device: our own, and those of the libraries that callers keep theirs in."""

from __future__ import annotations

import math
import sys
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from space2vec.data.device import dlpack
from space2vec.data.device.event import Event
from space2vec.data.device.extension import active

__all__ = ["UNKNOWN", "DeviceArray", "Library", "library_of"]

#: How DLPack and __cuda_array_interface__ write the legacy default stream, which CUDA calls 0.
_LEGACY = 1


class DeviceArray:
    """An array in C order that owns memory of a CUDA device; what results are where no library asks for its own.

    CuPy, PyTorch and others take it without a copy (``__cuda_array_interface__`` version 3, ``__dlpack__``); work on it
    is ordered by the stream that it was made on.

    Parameters
    ----------
    shape : tuple of int
        The shape.
    dtype : dtype, optional
        The type of the elements; float32 by default.
    ordinal : int, optional
        The number of the device.
    stream : int, optional
        The CUDA stream on which it is filled; 0 is the legacy default stream.
    module : module, optional
        The compiled module, where the caller has it.

    Attributes
    ----------
    filled : Event or None
        When a result is there: its stream may go before it is read or lent by ``__dlpack__``. Whoever takes it by
        ``__cuda_array_interface__``, which names the stream, needs that still.

    uses : dict of int to Event
        Where the work on it ends, by stream: then its memory goes to others, though the array may go before. An array
        that is lent, or whose uses nobody notes, waits for all work of the device when it goes.

    Raises
    ------
    BackendError
        If the device cannot be used.
    MemoryError
        If the device has not that much memory left.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: DTypeLike = np.float32,
        *,
        ordinal: int = 0,
        stream: int = 0,
        module: Any = None,
    ) -> None:
        self.address = 0
        self._module = active(ordinal) if module is None else module
        self.shape = tuple(shape)
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.ordinal, self.stream = ordinal, stream
        self.filled: Event | None = None
        self.uses: dict[int, Event] = {}
        self._lent = False
        if self.nbytes:
            self.address = self._module.allocate(ordinal, stream, self.nbytes)

    @classmethod
    def of_host(cls, array: NDArray[Any], *, ordinal: int = 0, stream: int = 0, module: Any = None) -> DeviceArray:
        """Copy an array of the host to a device; it may be changed afterwards."""
        given = np.ascontiguousarray(array)
        made = cls(given.shape, given.dtype, ordinal=ordinal, stream=stream, module=module)
        if made.nbytes:
            made._module.copy(ordinal, stream, made.address, given.ctypes.data, made.nbytes, "to_device")
            made._module.stream_wait(ordinal, stream)
        return made

    def to_host(self) -> NDArray[Any]:
        """Return a copy in memory of the host, once what fills the array is done."""
        filled = self.filled or Event(self._module, self.ordinal, self.stream)
        return filled.read(self.address, self.shape, self.dtype)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """The number of bytes."""
        return self.size * self.dtype.itemsize

    @property
    def device(self) -> str:
        """Where it lies: ``"cuda:0"``."""
        return f"cuda:{self.ordinal}"

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """The array as CuPy, PyTorch and Numba take it."""
        self._lent = True
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.address, False),
            "strides": None,
            "version": 3,
            "stream": self.stream or _LEGACY,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.CUDA, self.ordinal

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """Lend the array; the borrower's stream waits for ours (-1: it does not; None: it is the default stream).

        Raises
        ------
        BufferError
            If a copy is asked for, or another device, or the elements are of no type that DLPack has.
        """
        if copy:
            raise BufferError(f"the array on {self.device} is lent where it lies, without a copy; to_host() makes one")
        if dl_device is not None and tuple(map(int, dl_device)) != self.__dlpack_device__():
            raise BufferError(f"the array lies on {self.device} and is lent there alone; to_host() copies it")
        lent = dlpack.lend(self, self.address, self.shape, self.dtype, self.ordinal)
        theirs = _LEGACY if stream is None else stream
        if theirs not in (-1, self.stream or _LEGACY):
            (self.filled or Event(self._module, self.ordinal, self.stream)).precede(theirs)
        self._lent = True
        return lent

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        raise TypeError(f"the array lies on {self.device}; to_host() copies it to the host")

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("an array without axes has no length")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"DeviceArray(shape={self.shape}, dtype={self.dtype}, device={self.device!r})"

    def __del__(self) -> None:
        # What borrowers work on it with is not known here: their streams are waited for.
        if self.address:
            idle = self._lent or not self.uses
            events = [] if idle else [end.number for end in self.uses.values()]
            self._module.release(self.ordinal, self.address, events, idle)
            self.address = 0


class Library(Protocol):
    """What is asked of a library."""

    def stream(self, ordinal: int, told: int) -> int:
        """Return the caller's stream: the library's current one, or what the array told of itself."""

    def empty(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], ordinal: int, stream: int, module: Any
    ) -> tuple[Any, int]:
        """Return a new array of the library on that device, to be filled on that stream, and where it begins."""

    def plain(self, values: Any, dtype: np.dtype[Any]) -> Any:
        """Return the array in that type and in C order, copied on its device; None where the library cannot."""

    def to_host(self, values: Any) -> NDArray[Any]:
        """Return a copy on the host."""


class _Torch:
    """PyTorch."""

    def stream(self, ordinal: int, told: int) -> int:
        import torch

        return int(torch.cuda.current_stream(ordinal).cuda_stream)

    def empty(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], ordinal: int, stream: int, module: Any
    ) -> tuple[Any, int]:
        import torch

        made = torch.empty(shape, dtype=getattr(torch, dtype.name), device=f"cuda:{ordinal}")
        return made, int(made.data_ptr())

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

    def empty(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], ordinal: int, stream: int, module: Any
    ) -> tuple[Any, int]:
        cupy = sys.modules["cupy"]
        with cupy.cuda.Device(ordinal):
            made = cupy.empty(shape, dtype)
        return made, int(made.__cuda_array_interface__["data"][0])

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

    def empty(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], ordinal: int, stream: int, module: Any
    ) -> tuple[Any, int]:
        made = DeviceArray(shape, dtype, ordinal=ordinal, stream=stream, module=module)
        return made, made.address

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
