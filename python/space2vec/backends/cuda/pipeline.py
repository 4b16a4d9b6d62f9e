"""Batches of the host through a device, one after another, in bounded memory of it.

Three batches are under way at a time, each on a stream of its own: while one is copied to the device, the kernels work
on the next one and the results of the third come back. The reader's threads go on meanwhile. What they put into
page-locked memory is copied from there; other pixels go through page-locked memory of the slot.
"""

from __future__ import annotations

import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from space2vec.backends.cuda.device_batch import (
    DEPTH,
    BatchSlot,
    Rows,
    measure,
    memory_limit,
    pixel_bytes,
    score,
    score_bytes,
)
from space2vec.data import flags as flag_bits
from space2vec.data.device.extension import active, out_of_memory, raise_translated
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features, Scores
from space2vec.errors import BackendError
from space2vec.registry import stamp_columns

if TYPE_CHECKING:
    from typing import Self

    from space2vec.backends.interfaces import Model
    from space2vec.plans.features import Measure

__all__ = ["DEPTH", "Pipeline", "Work", "feature_pipeline", "feature_work", "score_pipeline"]

#: Bytes a row of what the kernels are told of stamps: where planes begin, sizes, centres; what the reader raised, and
#: the columns of the catalogue; of a result and its flags.
_OF_STAMP, _RESULT = 3 * 8 + 3 * 2 * 4 + 2 * 4 + 4 + 20 * 4, 4 + 4

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

    slot: BatchSlot
    part: Batch
    begun: Any
    order: _Order[Result]


@dataclass(frozen=True, slots=True)
class Work(Generic[Result]):
    """What a pipeline does with batches, which have a length and slices.

    Attributes
    ----------
    nbytes : callable
        Returns the bytes of a device's memory that a batch takes, given it and its length.
    begin : callable
        Begins all of it on a slot, without waiting; returns what ``end`` needs.
    end : callable
        Returns the result of a batch, once the slot's stream was waited for; the slot's memory is the next batch's.
    join : callable
        Joins the results of consecutive parts, of two or more.
    """

    nbytes: Callable[[Any, int], int]
    begin: Callable[[BatchSlot, Any], Any]
    end: Callable[[Any, Any], Result]
    join: Callable[[list[Result]], Result]


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
        Batches under way; a slot for each is made when it is first needed.

    Attributes
    ----------
    rows : int
        The most rows of a part: no limit at first, half of what the device had no memory for afterwards.
    """

    def __init__(self, work: Work[Result], ordinal: int, *, memory: int | None = None, depth: int = DEPTH) -> None:
        self._work, self.ordinal = work, ordinal
        self._memory = (memory_limit() if memory is None else memory) // depth
        self._slots: list[BatchSlot] = []
        self._depth, self._module = depth, None
        self._flights: deque[_Flight[Batch, Result]] = deque()
        self.rows = sys.maxsize

    def __enter__(self) -> Self:
        self._module = active(self.ordinal)
        return self

    def run_one(self, batch: Batch) -> Result:
        """Return the result of one batch, and give everything back."""
        with self:
            return next(self.run([batch]))

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
                self._begin(batch, order)
                order.open -= 1
            except Exception as error:  # once the results that are there already are given
                failed = error
            while orders and orders[0].open == 0:
                yield self._joined(orders.popleft())
            if failed is not None:
                raise_translated(failed, self.ordinal)
                raise failed
        while orders:
            try:
                while orders[0].open:
                    self._finish()
            except Exception as error:
                raise_translated(error, self.ordinal)
                raise
            yield self._joined(orders.popleft())

    def _joined(self, order: _Order[Result]) -> Result:
        return order.results[0] if len(order.results) == 1 else self._work.join(order.results)

    def _begin(self, batch: Batch, order: _Order[Result]) -> None:
        """Begin a batch, or its parts in order."""
        size = len(batch)
        if size > 1 and (size > self.rows or self._work.nbytes(batch, size) > self._memory):
            middle = min(size // 2, self.rows)
            self._begin(batch[:middle], order)
            self._begin(batch[middle:], order)
            return
        if len(self._flights) == self._depth:
            self._finish()
        busy = {id(flight.slot) for flight in self._flights}
        slot = next((slot for slot in self._slots if id(slot) not in busy), None)
        if slot is None:
            slot = BatchSlot(self._module, self.ordinal)
            self._slots.append(slot)
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


def _out_of_memory(error: Exception, slot: BatchSlot) -> bool:
    """Tell whether a device had no memory left, ours or PyTorch's; what PyTorch keeps for later is then let go."""
    if not isinstance(error, slot.module.OutOfDeviceMemory) and not out_of_memory(error):
        return False
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    return True


def feature_work(how: Measure) -> Work[Features]:
    """Return the work that measures stamps; tables of features stay as they are."""
    sets, paper = how.sets, how.convention == "paper"
    columns = stamp_columns(sets)
    row = _OF_STAMP + _RESULT + 4 * len(columns)

    def nbytes(batch: Rows, size: int) -> int:
        return pixel_bytes(batch) + size * row if isinstance(batch, Stamps) else 0

    def begin(slot: BatchSlot, batch: Rows) -> Any:
        if not isinstance(batch, Stamps):
            return None
        measure(slot, batch, sets, len(columns), paper=paper)
        return slot.download("values", "flags")

    def end(batch: Rows, begun: Any) -> Features:
        if not isinstance(batch, Stamps):
            return batch
        values, raised = (part.copy() for part in begun)
        values = values if how.names == columns else how.in_columns(values, batch.catalogue)
        flags = flag_bits.join_reader_flags(batch.flags, raised, batch.offset)
        return Features(values, how.names, flags, batch.object_id, batch.candidate_id, columns=batch.columns)

    return Work(nbytes, begin, end, lambda parts: Features.concatenate(parts, how.names))


def feature_pipeline(how: Measure, ordinal: int) -> Pipeline[Any, Features]:
    """Return a pipeline that measures stamps on a device; tables of features stay as they are."""
    return Pipeline(feature_work(how), ordinal)


def score_pipeline(engine: Any, model: Model, ordinal: int, *, checked: bool) -> Pipeline[Any, Scores]:
    """Return a pipeline that scores stamps and tables by a model.

    Parameters
    ----------
    engine, model
        As for :func:`space2vec.backends.cuda.device_batch.score`.
    ordinal : int
        The number of the device.
    checked : bool
        Whether the batches can give what the model takes, as somebody has looked.
    """
    width, device = 4 * len(model.header.feature_names), f"cuda:{ordinal}"

    def nbytes(batch: Rows, size: int) -> int:
        each = size * (_OF_STAMP + _RESULT)
        if not isinstance(batch, Stamps):
            return each + size * width
        return each + score_bytes(engine, batch, DEPTH)

    def begin(slot: BatchSlot, batch: Rows) -> Any:
        if not checked:
            model.needs.check(batch)
            model.needs.warn_of_units(batch)
        score(slot, engine, model, batch, DEPTH)
        return slot.download("score", "flags")

    def end(batch: Rows, begun: Any) -> Scores:
        score, flags = (part.copy() for part in begun)
        return Scores(score, flags, batch.object_id, batch.candidate_id, model.id, device, columns=batch.columns)

    return Pipeline(Work(nbytes, begin, end, Scores.concatenate), ordinal)
