"""Page-locked host memory, which a device copies directly and therefore fastest."""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from space2vec.data.device.extension import active

if TYPE_CHECKING:
    from space2vec.data.types import AnyArray

__all__ = ["Allocator", "page_locked_allocator", "pinned_array"]


class _Pinned:
    """Memory that is released with the last array that uses it."""

    def __init__(self, nbytes: int, ordinal: int) -> None:
        module = active(ordinal)
        address = module.pinned(ordinal, nbytes)
        self.__array_interface__ = {"shape": (nbytes,), "typestr": "|u1", "data": (address, False), "version": 3}
        end = weakref.finalize(self, module.release_pinned, ordinal, address)
        end.atexit = False  # the driver may be gone by then, and takes its page locks with it


def pinned_array(shape: tuple[int, ...], dtype: DTypeLike = np.float32, *, ordinal: int = 0) -> AnyArray:
    """Make an uninitialised array in page-locked memory of the host.

    Raises
    ------
    BackendError
        If there is no such device.
    MemoryError
        If the system does not provide that much page-locked memory.
    """
    kind = np.dtype(dtype)
    count = math.prod(shape)
    if count == 0:
        return np.empty(shape, kind)
    return np.asarray(_Pinned(count * kind.itemsize, ordinal)).view(kind).reshape(shape)


class Allocator(NamedTuple):
    """The members of an ``s2v_allocator`` of the C library: the addresses of two functions, and their context."""

    allocate: int
    release: int
    context: int


def page_locked_allocator(ordinal: int) -> Allocator:
    """Return the allocator by which a reader puts pixels into page-locked memory for a device.

    If the system has no page-locked memory left, the reader uses ordinary memory.

    Raises
    ------
    BackendError
        If there is no such device.
    """
    return Allocator(*active(ordinal).page_locked(ordinal))
