"""Page-locked memory of the host, which a device copies from and to without the processor's help."""

from __future__ import annotations

import math
import weakref
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from space2vec.data.device.extension import active

__all__ = ["page_locked", "pinned"]


class _Pinned:
    """Memory that is given back when nobody looks at it any more."""

    def __init__(self, nbytes: int, ordinal: int) -> None:
        module = active(ordinal)
        address = module.pinned(ordinal, nbytes)
        self.__array_interface__ = {"shape": (nbytes,), "typestr": "|u1", "data": (address, False), "version": 3}
        end = weakref.finalize(self, module.release_pinned, ordinal, address)
        end.atexit = False  # the driver may be gone by then, and takes its page locks with it


def pinned(shape: tuple[int, ...], dtype: DTypeLike = np.float32, *, ordinal: int = 0) -> NDArray[Any]:
    """Return an array of the host in page-locked memory, without contents; it is copied to a device where it lies.

    Raises
    ------
    BackendError
        If there is no such device.
    MemoryError
        If the host does not give that much page-locked memory.
    """
    kind = np.dtype(dtype)
    count = math.prod(shape)
    if count == 0:
        return np.empty(shape, kind)
    return np.asarray(_Pinned(count * kind.itemsize, ordinal)).view(kind).reshape(shape)


def page_locked(ordinal: int) -> tuple[int, int, int]:
    """Return what a reader takes page-locked memory from: the addresses of two functions, and their context.

    Where the machine gives none, a reader takes ordinary memory.

    Raises
    ------
    BackendError
        If there is no such device.
    """
    addresses: tuple[int, int, int] = active(ordinal).page_locked(ordinal)
    return addresses
