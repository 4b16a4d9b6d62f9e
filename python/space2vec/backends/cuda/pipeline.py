"""A pipeline that takes batches on the host through a device, within a limit of device memory.

Three batches are in progress at a time, each on its own stream: while one is copied to the device, kernels compute the
second, and the results of the third are copied back. The threads of a reader continue meanwhile. Pixels that a reader
has put into page-locked memory are copied from there; others are first copied to page-locked memory of the slot.
"""

from __future__ import annotations

import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

from space2vec.backends import kernels
from space2vec.backends.cuda.device_batch import (
    DEPTH,
    BatchSlot,
    Engine,
    StampsOrFeatures,
    embed,
    measure,
    memory_limit,
    pixel_bytes,
    score,
    score_bytes,
)
from space2vec.data.device.extension import active, out_of_memory, raise_translated
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features, Scores
from space2vec.data.vectors import Vectors
from space2vec.errors import BackendError
from space2vec.registry import stamp_columns

if TYPE_CHECKING:
    from typing import Self

    import space2vec._cuda as _cuda
    from space2vec.backends.interfaces import Model
    from space2vec.data.types import AnyArray
    from space2vec.plans.features import FeaturePlan

__all__ = [
    "DEPTH",
    "RESULT_BYTES",
    "STAMP_BYTES",
    "Begun",
    "Pipeline",
    "Work",
    "embed_pipeline",
    "feature_pipeline",
    "feature_work",
    "score_pipeline",
]

#: Bytes per row of a stamp without its pixels: offsets, sizes, centre, flags of the reader, catalogue columns.
STAMP_BYTES = 3 * 8 + 3 * 2 * 4 + 2 * 4 + 4 + 20 * 4
#: Bytes per row of a score and its flags.
RESULT_BYTES = 4 + 4


class _Sliceable(Protocol):
    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> Self: ...


Batch = TypeVar("Batch", bound=_Sliceable)
Result = TypeVar("Result")
#: The arrays that are being copied to the host; None for a batch with which nothing is done.
Begun: TypeAlias = "list[AnyArray] | None"


@dataclass(slots=True)
class _Order(Generic[Result]):
    """A batch that the pipeline has taken: the number of its parts in progress, and their results so far."""

    open: int = 1  # one more than the parts in progress, until all parts have been begun
    results: list[Result] = field(default_factory=list)


@dataclass(slots=True)
class _Flight(Generic[Batch, Result]):
    """A part of a batch in progress in a slot."""

    slot: BatchSlot
    part: Batch
    begun: Begun
    order: _Order[Result]


@dataclass(frozen=True, slots=True)
class Work(Generic[Batch, Result]):
    """The work that a pipeline does with batches, which have a length and can be sliced.

    Attributes
    ----------
    nbytes : callable
        Takes a batch and its length, and returns the bytes of device memory that it needs.
    begin : callable
        Takes a slot and a batch, begins all work on the batch without waiting, and returns what ``end`` needs.
    end : callable
        Takes a batch and what ``begin`` returned for it, once the work is done, and returns the result. The slot's
        memory is used for the next batch afterwards.
    join : callable
        Takes the results of two or more consecutive parts of a batch and joins them.
    """

    nbytes: Callable[[Batch, int], int]
    begin: Callable[[BatchSlot, Batch], Begun]
    end: Callable[[Batch, Begun], Result]
    join: Callable[[list[Result]], Result]


class Pipeline(Generic[Batch, Result]):
    """A pipeline of batches through a device; a context manager, which releases the memory at its end.

    Parameters
    ----------
    work : Work
        The work to do with each batch.
    ordinal : int
        The number of the device.
    memory : int, optional
        The bytes of device memory that all batches in progress may use together, :func:`memory_limit` by default. A
        batch that needs too much is cut into parts of at least one row.
    depth : int, optional
        The number of batches in progress. A slot for each is created when it is first needed.

    Attributes
    ----------
    rows : int
        The most rows of a part. There is no limit at first; if the device runs out of memory for a part, it becomes
        half of the rows of that part.
    """

    def __init__(
        self, work: Work[Batch, Result], ordinal: int, *, memory: int | None = None, depth: int = DEPTH
    ) -> None:
        self._work, self.ordinal = work, ordinal
        self._memory = (memory_limit() if memory is None else memory) // depth
        self._slots: list[BatchSlot] = []
        self._depth = depth
        self._module: ModuleType | None = None
        self._flights: deque[_Flight[Batch, Result]] = deque()
        self.rows = sys.maxsize

    def __enter__(self) -> Self:
        self._module = active(self.ordinal)
        return self

    def run_one(self, batch: Batch) -> Result:
        """Return the result of a single batch, and release all memory."""
        with self:
            return next(self.run([batch]))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        for slot in self._slots:
            slot.close()  # waits first, since work in progress still reads the memory of its batch
        self._flights.clear()
        self._slots.clear()

    def run(self, batches: Iterable[Batch]) -> Iterator[Result]:
        """Yield the result of each batch, in order; a batch is taken from the iterable when a slot is free.

        Raises
        ------
        DeviceLostError
            If the device no longer answers. The results of earlier batches are yielded before.
        BackendError
            If the device has too little memory for a single row.
        """
        orders: deque[_Order[Result]] = deque()
        for batch in batches:
            order: _Order[Result] = _Order()
            orders.append(order)
            failed: Exception | None = None
            try:
                self._begin(batch, order)
                order.open -= 1
            except Exception as error:  # raised after the results that are complete have been yielded
                failed = error
            while orders and orders[0].open == 0:
                yield self._join(orders.popleft())
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
            yield self._join(orders.popleft())

    def _join(self, order: _Order[Result]) -> Result:
        """Return the result of a batch whose parts are all complete."""
        return order.results[0] if len(order.results) == 1 else self._work.join(order.results)

    def _begin(self, batch: Batch, order: _Order[Result]) -> None:
        """Begin the work on a batch, or on its parts in order if it needs too much memory."""
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
            assert self._module is not None, "a pipeline is entered before it runs"
            slot = BatchSlot(self._module, self.ordinal)
            self._slots.append(slot)
        try:
            begun = self._work.begin(slot, batch)
        except Exception as error:
            if not _out_of_memory(error, slot):
                raise
            while self._flights:  # they may use the memory that this batch needs
                self._finish()
            order.results += self._retry(batch, error)
            return
        order.open += 1
        self._flights.append(_Flight(slot, batch, begun, order))

    def _finish(self) -> None:
        """Wait for the part that was begun first, and store its result."""
        flight = self._flights.popleft()
        try:
            flight.slot.wait()
            results = [self._work.end(flight.part, flight.begun)]
        except Exception as error:
            if not _out_of_memory(error, flight.slot):
                raise
            later, self._flights = self._flights, deque()
            for other in later:  # their results remain in their slots, which are not used below
                other.slot.wait()
            results = self._retry(flight.part, error, {id(other.slot) for other in later})
            self._flights = later
        flight.order.results += results
        flight.order.open -= 1

    def _retry(self, batch: Batch, error: Exception, busy: frozenset[int] | set[int] = frozenset()) -> list[Result]:
        """Repeat a batch for which the device had too little memory, in halves, after releasing all idle memory."""
        size, rows = len(batch), self.rows
        idle = [slot for slot in self._slots if id(slot) not in busy]
        kept = sum(slot.device_bytes for slot in idle)
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
                results += self._retry(part, again, busy)
        return results


def _out_of_memory(error: Exception, slot: BatchSlot) -> bool:
    """Return whether an error means that the device is out of memory, and if so release what PyTorch caches."""
    if not isinstance(error, slot.module.OutOfDeviceMemory) and not out_of_memory(error):
        return False
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    return True


def feature_work(plan: FeaturePlan) -> Work[StampsOrFeatures, Features]:
    """Return the work that measures stamps; batches of features pass unchanged."""
    sets, paper = plan.sets, plan.convention == "paper"
    columns = stamp_columns(sets)
    row = STAMP_BYTES + RESULT_BYTES + 4 * len(columns)

    def nbytes(batch: StampsOrFeatures, size: int) -> int:
        return pixel_bytes(batch) + size * row if isinstance(batch, Stamps) else 0

    def begin(slot: BatchSlot, batch: StampsOrFeatures) -> Begun:
        if not isinstance(batch, Stamps):
            return None
        measure(slot, batch, sets, len(columns), paper=paper)
        return slot.download("values", "flags")

    def end(batch: StampsOrFeatures, begun: Begun) -> Features:
        if not isinstance(batch, Stamps):
            return batch
        assert begun is not None
        values, raised = (part.copy() for part in begun)
        values = values if plan.names == columns else plan.in_columns(values, batch.catalogue)
        flags = kernels.active().join_flags(batch.offset, batch.flags, raised)
        return Features(values, plan.names, flags, batch.object_id, batch.candidate_id, columns=batch.columns)

    return Work(nbytes, begin, end, lambda parts: Features.concatenate(parts, plan.names))


def feature_pipeline(plan: FeaturePlan, ordinal: int) -> Pipeline[StampsOrFeatures, Features]:
    """Return a pipeline that measures stamps on a device; batches of features pass unchanged."""
    return Pipeline(feature_work(plan), ordinal)


def score_pipeline(engine: Engine, model: Model, ordinal: int, *, checked: bool) -> Pipeline[StampsOrFeatures, Scores]:
    """Return a pipeline that scores stamps or features with a model.

    Parameters
    ----------
    engine, model
        As for :func:`space2vec.backends.cuda.device_batch.score`.
    ordinal : int
        The number of the device.
    checked : bool
        Whether the caller has checked that the batches give what the model needs.
    """
    width, device = 4 * len(model.header.feature_names), f"cuda:{ordinal}"

    def nbytes(batch: StampsOrFeatures, size: int) -> int:
        each = size * (STAMP_BYTES + RESULT_BYTES)
        if not isinstance(batch, Stamps):
            return each + size * width
        return each + score_bytes(engine, batch, DEPTH)

    def begin(slot: BatchSlot, batch: StampsOrFeatures) -> Begun:
        if not checked:
            model.needs.check(batch)
            model.needs.warn_of_units(batch)
        score(slot, engine, model, batch, DEPTH)
        return slot.download("score", "flags")

    def end(batch: StampsOrFeatures, begun: Begun) -> Scores:
        assert begun is not None
        score, flags = (part.copy() for part in begun)
        return Scores(score, flags, batch.object_id, batch.candidate_id, model.id, device, columns=batch.columns)

    return Pipeline(Work(nbytes, begin, end, Scores.concatenate), ordinal)


def embed_pipeline(engine: _cuda.Model, model: Model, ordinal: int, *, checked: bool) -> Pipeline[Stamps, Vectors]:
    """Return a pipeline that turns stamps into vectors; the parameters are those of :func:`score_pipeline`."""

    def nbytes(batch: Stamps, size: int) -> int:
        return size * (STAMP_BYTES + model.vector + 4) + score_bytes(engine, batch, DEPTH)

    def begin(slot: BatchSlot, batch: Stamps) -> Begun:
        if not checked:
            model.needs.check(batch)
            model.needs.warn_of_units(batch)
        embed(slot, engine, model, batch, DEPTH)
        return slot.download("vectors", "flags")

    def end(batch: Stamps, begun: Begun) -> Vectors:
        assert begun is not None
        vectors, flags = (part.copy() for part in begun)
        ids = batch.object_id, batch.candidate_id
        return Vectors(vectors, flags, *ids, model.id, f"cuda:{ordinal}", columns=batch.columns)

    return Pipeline(Work(nbytes, begin, end, Vectors.concatenate), ordinal)
