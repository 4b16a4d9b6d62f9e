"""Batches of the host through a device, one after another, in bounded memory of it.

Three batches are under way at a time, each on a stream of its own: while one is copied to the device, the kernels work
on the next one and the results of the third come back. The reader's threads go on meanwhile. What they put into
page-locked memory is copied from there; other pixels go through page-locked memory of the slot.
"""

from __future__ import annotations

import sys
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from space2vec.cuda.extension import active, out_of_memory, told
from space2vec.cuda.slots import Slot
from space2vec.cuda.work import DEPTH, Work, memory_limit
from space2vec.errors import BackendError

if TYPE_CHECKING:
    from typing import Self


__all__ = ["DEPTH", "Pipeline", "memory_limit"]

Batch = TypeVar("Batch", bound=Any)
Result = TypeVar("Result")


@dataclass(slots=True)
class _Order(Generic[Result]):
    """A batch that was asked for: the parts of it that are under way, and the results so far."""

    open: int = 1  # itself, until all its parts have been begun
    results: list[Result] = field(default_factory=list)


@dataclass(slots=True)
class _Flight(Generic[Batch, Result]):
    """A part of a batch on its way through a slot."""

    slot: Slot
    part: Batch
    begun: Any
    order: _Order[Result]


class Pipeline(Generic[Batch, Result]):
    """A way through a device; a context manager, which gives the memory back.

    Parameters
    ----------
    work : Work
        What is done with each batch.
    ordinal : int
        The number of the device.
    memory : int, optional
        Bytes of the device's memory that the batches under way may hold together, :func:`memory_limit` by default; a
        batch is cut into parts that are small enough, of one row at least.
    depth : int, optional
        Batches under way.

    Attributes
    ----------
    rows : int
        The most rows of a part: no limit at first, half of what the device had no memory for afterwards.
    """

    def __init__(self, work: Work[Result], ordinal: int, *, memory: int | None = None, depth: int = DEPTH) -> None:
        self._work, self.ordinal = work, ordinal
        self._memory = (memory_limit() if memory is None else memory) // depth
        self._slots: list[Slot] = []
        self._depth = depth
        self._flights: deque[_Flight[Batch, Result]] = deque()
        self.rows = sys.maxsize

    def __enter__(self) -> Self:
        try:
            with told(self.ordinal):
                active(self.ordinal)
                for _ in range(self._depth):
                    self._slots.append(Slot(self.ordinal))
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        for slot in self._slots:
            slot.close()  # which waits: what is under way still works on memory of its batches
        self._flights.clear()
        self._slots.clear()

    def run(self, batches: Iterable[Batch]) -> Iterator[Result]:
        """Yield the result of each batch, in order; a batch is taken when there is room for it.

        Raises
        ------
        DeviceLostError
            If the device does not answer any more; the results before are given.
        BackendError
            If its memory does not even hold one row.
        """
        orders: deque[_Order[Result]] = deque()
        for batch in batches:
            order: _Order[Result] = _Order()
            orders.append(order)
            failed: Exception | None = None
            try:
                with told(self.ordinal):
                    self._begin(batch, order)
                order.open -= 1
            except Exception as error:  # once the results that are there already are given
                failed = error
            while orders and orders[0].open == 0:
                yield self._work.join(orders.popleft().results)
            if failed is not None:
                raise failed
        while orders:
            with told(self.ordinal):
                while orders[0].open:
                    self._finish()
            yield self._work.join(orders.popleft().results)

    def _begin(self, batch: Batch, order: _Order[Result]) -> None:
        """Begin a batch, or its parts in order."""
        size = len(batch)
        if size > 1 and (size > self.rows or self._work.nbytes(batch) > self._memory):
            middle = min(size // 2, self.rows)
            self._begin(batch[:middle], order)
            self._begin(batch[middle:], order)
            return
        if len(self._flights) == len(self._slots):
            self._finish()
        busy = {id(flight.slot) for flight in self._flights}
        slot = next(slot for slot in self._slots if id(slot) not in busy)
        try:
            begun = self._work.begin(slot, batch)
        except Exception as error:
            if not _out_of_memory(error, slot):
                raise
            while self._flights:  # what is under way may hold what this batch needs
                self._finish()
            order.results += self._again(batch, error)
            return
        order.open += 1
        self._flights.append(_Flight(slot, batch, begun, order))

    def _finish(self) -> None:
        """Wait for the part that was begun first, and keep its result."""
        flight = self._flights.popleft()
        try:
            flight.slot.wait()
            results = [self._work.end(flight.part, flight.begun)]
        except Exception as error:
            if not _out_of_memory(error, flight.slot):
                raise
            later, self._flights = self._flights, deque()
            for other in later:  # their slots are needed
                other.slot.wait()
            results = self._again(flight.part, error, {id(other.slot) for other in later})
            self._flights = later
        flight.order.results += results
        flight.order.open -= 1

    def _again(self, batch: Batch, error: Exception, busy: frozenset[int] | set[int] = frozenset()) -> list[Result]:
        """Do a batch that the device had no memory for: in halves, one at a time, with all memory that is idle."""
        size, rows = len(batch), self.rows
        idle = [slot for slot in self._slots if id(slot) not in busy]
        kept = sum(slot.held for slot in idle)
        for slot in idle:
            slot.drop()
        if size > 1:
            self.rows = min(rows, size // 2)
        elif not kept:
            raise BackendError(f"device 'cuda:{self.ordinal}' has no memory left for a single row: {error}") from error
        if self.rows < rows:
            warnings.warn(
                f"device 'cuda:{self.ordinal}' is out of memory with {size} rows at a time; going on with {self.rows}",
                RuntimeWarning,
                stacklevel=2,
            )
        results: list[Result] = []
        done = 0
        while done < size:
            part = batch[done : done + self.rows]
            done += len(part)
            try:
                begun = self._work.begin(idle[0], part)
                idle[0].wait()
                results.append(self._work.end(part, begun))
            except Exception as again:
                if not _out_of_memory(again, idle[0]):
                    raise
                if size == 1:
                    idle[0].drop()
                results += self._again(part, again, busy)
        return results


def _out_of_memory(error: Exception, slot: Slot) -> bool:
    """Tell whether a device had no memory left, ours or PyTorch's; what PyTorch keeps for later is then let go."""
    if not isinstance(error, slot.module.OutOfDeviceMemory) and not out_of_memory(error):
        return False
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    return True
