"""Arrays on a device: our own class, and the libraries (PyTorch, CuPy) in which callers hold theirs."""

from __future__ import annotations

import math
import sys
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import DTypeLike

from space2vec.data.device import dlpack
from space2vec.data.device.event import Event
from space2vec.data.device.extension import active

if TYPE_CHECKING:
    from space2vec.data.types import AnyArray, LibraryArray

__all__ = ["UNKNOWN", "Allocation", "DeviceArray", "Library", "library_of"]

#: The number of the legacy default stream in DLPack and __cuda_array_interface__; CUDA's own number is 0.
_LEGACY = 1


class DeviceArray:
    """An array in C order in memory of a CUDA device; results have this type unless the input is PyTorch's or CuPy's.

    CuPy, PyTorch and others use it without a copy (``__cuda_array_interface__`` version 3, ``__dlpack__``). Work on it
    is ordered on the stream on which it was made.

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
        The compiled module, if the caller has it already.

    Attributes
    ----------
    filled : Event or None
        The event after which the contents are complete. Once it is set, the stream may be destroyed before the array is
        read or exported by ``__dlpack__``; ``__cuda_array_interface__`` names the stream, so its users still need it.
    uses : dict of int to Event
        By stream, the event after which no work uses the memory. When the array is deleted, its memory is reused after
        these events. An array that was exported, or has no events, waits for all work of the device instead.

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
        module: ModuleType | None = None,
    ) -> None:
        self.address = 0
        self._module = active(ordinal) if module is None else module
        self.shape = tuple(shape)
        self.dtype: np.dtype[np.generic] = np.dtype(dtype)
        self.ordinal, self.stream = ordinal, stream
        self.filled: Event | None = None
        self.uses: dict[int, Event] = {}
        self._lent = False
        if self.nbytes:
            self.address = self._module.allocate(ordinal, stream, self.nbytes)

    @classmethod
    def of_host(
        cls, array: AnyArray, *, ordinal: int = 0, stream: int = 0, module: ModuleType | None = None
    ) -> DeviceArray:
        """Copy an array of the host to a device; the copy is complete on return."""
        source = np.ascontiguousarray(array)
        copy = cls(source.shape, source.dtype, ordinal=ordinal, stream=stream, module=module)
        if copy.nbytes:
            copy._module.copy(ordinal, stream, copy.address, source.ctypes.data, copy.nbytes, "to_device")
            copy._module.stream_wait(ordinal, stream)
        return copy

    def to_host(self) -> AnyArray:
        """Wait until the array is filled, and return a copy on the host."""
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
        """The device of the array, such as ``"cuda:0"``."""
        return f"cuda:{self.ordinal}"

    @property
    def __cuda_array_interface__(self) -> dict[str, object]:
        """The description by which CuPy, PyTorch and Numba use the array without a copy."""
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
    ) -> object:
        """Export the array without a copy; the consumer's stream waits for ours.

        A `stream` of -1 does not wait; ``None`` is the default stream.

        Raises
        ------
        BufferError
            If a copy or another device is requested, or DLPack has no such type of elements.
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

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> AnyArray:
        raise TypeError(f"the array lies on {self.device}; to_host() copies it to the host")

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("an array without axes has no length")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"DeviceArray(shape={self.shape}, dtype={self.dtype}, device={self.device!r})"

    def __del__(self) -> None:
        # The streams of consumers are not known here, so that all work of the device is waited for.
        if self.address:
            idle = self._lent or not self.uses
            events = [] if idle else [end.number for end in self.uses.values()]
            self._module.release(self.ordinal, self.address, events, idle)
            self.address = 0


class Allocation(NamedTuple):
    """A new array of a library, and the address of its first element."""

    #: Of the library's own type, which need not be installed.
    array: LibraryArray
    address: int


class Library(Protocol):
    """A library of device arrays: its current stream, and how arrays of it are made, converted and copied."""

    def stream(self, ordinal: int, announced: int) -> int:
        """Return the caller's stream: the library's current one, or the one that the array announced."""

    def allocate(
        self, shape: tuple[int, ...], dtype: np.dtype[np.generic], ordinal: int, stream: int, module: ModuleType | None
    ) -> Allocation:
        """Make an array of the library on a device, to be filled on a stream."""

    def convert(self, values: LibraryArray, dtype: np.dtype[np.generic]) -> LibraryArray:
        """Copy an array on its device to a type and C order; ``None`` if the library is not known."""

    def to_host(self, values: LibraryArray) -> AnyArray:
        """Return a copy on the host."""


class _Torch:
    """PyTorch."""

    def stream(self, ordinal: int, announced: int) -> int:
        import torch

        return int(torch.cuda.current_stream(ordinal).cuda_stream)

    def allocate(
        self, shape: tuple[int, ...], dtype: np.dtype[np.generic], ordinal: int, stream: int, module: ModuleType | None
    ) -> Allocation:
        import torch

        made = torch.empty(shape, dtype=getattr(torch, dtype.name), device=f"cuda:{ordinal}")
        return Allocation(made, int(made.data_ptr()))

    def convert(self, values: LibraryArray, dtype: np.dtype[np.generic]) -> LibraryArray:
        import torch

        return values.detach().to(getattr(torch, dtype.name)).contiguous()

    def to_host(self, values: LibraryArray) -> AnyArray:
        host: AnyArray = values.numpy(force=True)
        return host


class _CuPy:
    """CuPy."""

    def stream(self, ordinal: int, announced: int) -> int:
        cupy = sys.modules["cupy"]
        with cupy.cuda.Device(ordinal):
            return int(cupy.cuda.get_current_stream().ptr)

    def allocate(
        self, shape: tuple[int, ...], dtype: np.dtype[np.generic], ordinal: int, stream: int, module: ModuleType | None
    ) -> Allocation:
        cupy = sys.modules["cupy"]
        with cupy.cuda.Device(ordinal):
            made = cupy.empty(shape, dtype)
        return Allocation(made, int(made.__cuda_array_interface__["data"][0]))

    def convert(self, values: LibraryArray, dtype: np.dtype[np.generic]) -> LibraryArray:
        with sys.modules["cupy"].cuda.Device(values.device.id):
            return sys.modules["cupy"].ascontiguousarray(values, dtype=dtype)

    def to_host(self, values: LibraryArray) -> AnyArray:
        host: AnyArray = values.get()
        return host


class _Unknown:
    """Any other library: results are DeviceArrays, on the stream that the array announced."""

    def stream(self, ordinal: int, announced: int) -> int:
        return announced

    def allocate(
        self, shape: tuple[int, ...], dtype: np.dtype[np.generic], ordinal: int, stream: int, module: ModuleType | None
    ) -> Allocation:
        made = DeviceArray(shape, dtype, ordinal=ordinal, stream=stream, module=module)
        return Allocation(made, made.address)

    def convert(self, values: LibraryArray, dtype: np.dtype[np.generic]) -> LibraryArray:
        return None

    def to_host(self, values: LibraryArray) -> AnyArray:
        host: AnyArray = values.to_host()
        return host


_TORCH, _CUPY, UNKNOWN = _Torch(), _CuPy(), _Unknown()


def library_of(values: LibraryArray) -> Library:
    """Return the library to which an array belongs; a library that was never imported has no arrays."""
    torch, cupy = sys.modules.get("torch"), sys.modules.get("cupy")
    if torch is not None and isinstance(values, torch.Tensor):
        return _TORCH
    if cupy is not None and isinstance(values, cupy.ndarray):
        return _CUPY
    return UNKNOWN
