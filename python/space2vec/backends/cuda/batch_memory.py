"""What calls on a device need of the memory of a batch."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from space2vec.backends.cuda.device_results import OutputAddresses

if TYPE_CHECKING:
    import space2vec._cuda as _cuda
    from space2vec.data.stamps import Stamps

__all__ = ["BatchMemory"]


class BatchMemory(Protocol):
    """Device memory for one batch, and the stream on which all work on it is begun."""

    module: ModuleType
    ordinal: int
    stream: int

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> int:
        """Return the address of an array under a name."""

    def outputs(self, name: str, shape: tuple[int, ...], n: int, dtype: DTypeLike = np.float32) -> OutputAddresses:
        """Return the addresses of an array for values under a name, and of ``"flags"`` of their n rows."""

    def upload(self, name: str, array: NDArray[np.generic]) -> int:
        """Begin to copy an array in C order to the device, and return its address there."""

    def stamps(self, stamps: Stamps) -> _cuda.Stamps:
        """Return stamps in the form of the compiled module, on the device."""
