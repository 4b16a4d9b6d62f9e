"""CUDA events: points in the work of a stream that other streams wait for."""

from __future__ import annotations

import weakref
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike

if TYPE_CHECKING:
    from space2vec.data.types import AnyArray

__all__ = ["Event"]


class Event:
    """The end of all work begun on a stream so far; the event stays valid when the stream is destroyed.

    Parameters
    ----------
    module : module
        The compiled module.
    ordinal : int
        The number of the device.
    stream : int
        The stream; 0 is the legacy default stream.

    Attributes
    ----------
    number : int
        The event's number in the compiled module.
    """

    def __init__(self, module: ModuleType, ordinal: int, stream: int) -> None:
        self._module, self._ordinal, self.stream = module, ordinal, stream
        self.number: int = module.event_create(ordinal)
        self._end = weakref.finalize(self, module.event_destroy, ordinal, self.number)
        self._end.atexit = False  # the driver may be gone by then
        module.event_record(ordinal, self.number, stream)

    def precede(self, stream: int) -> None:
        """Make the later work of a stream wait for the event."""
        self._module.stream_wait_event(self._ordinal, stream, self.number)

    def read(self, address: int, shape: tuple[int, ...], dtype: DTypeLike) -> AnyArray:
        """Wait for the event, and copy device memory to the host, on a separate stream."""
        out = np.empty(shape, dtype)
        stream = self._module.stream_create(self._ordinal)
        try:
            self.precede(stream)
            if out.nbytes:
                self._module.copy(self._ordinal, stream, out.ctypes.data, address, out.nbytes, "to_host")
            self._module.stream_wait(self._ordinal, stream)
        finally:
            self._module.stream_destroy(self._ordinal, stream)
        return out
