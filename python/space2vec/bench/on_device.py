"""The stages on a device: with data in place, and from page-locked memory through it and back."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from space2vec.bench.rounds import Run
from space2vec.cuda import kernels
from space2vec.cuda.backend import forest_on, half_on
from space2vec.cuda.pipeline import Pipeline
from space2vec.cuda.slots import Slot
from space2vec.cuda.work import FeatureWork, on_slot
from space2vec.errors import Space2vecError
from space2vec.normalisers import numbered
from space2vec.registry import Step, stamp_columns

if TYPE_CHECKING:
    from space2vec.bench.stages import Ours
    from space2vec.forest import Forest
    from space2vec.measure import Measure
    from space2vec.network import Network
    from space2vec.recipe import Recipe

__all__ = [
    "chain", "chain_through", "features", "features_through", "forest", "forest_through", "network", "network_through",
    "normalise", "normalise_through", "prepare", "prepare_through",
]  # fmt: skip

#: Begins a kernel on rows that are on a slot; returns where its results are, and their bytes a row.
Kernel = Callable[[Slot, Any, int], list[tuple[str, int, int]]]


def _stamps_there(slot: Slot, ours: Ours) -> Callable[[int], Any]:
    """Put the stamps on a slot; return what tells the kernels of the first n of them."""
    pixels, count, offset, shape, centre, _, level = on_slot(slot, ours.stamps(ours.rows))
    slot.wait()
    return lambda n: (pixels, count, offset, shape, centre, n, level)


def _in_place(slot: Slot, kernel: Kernel, given: Callable[[int], Any]) -> Run:
    def run(n: int) -> None:
        kernel(slot, given(n), n)
        slot.wait()

    return run


@dataclass(frozen=True, slots=True)
class _Carry:
    """Rows to a device, a kernel on them, and its results back, as a pipeline does it.

    Attributes
    ----------
    kernel : callable
        The kernel.
    there : callable
        Begins to copy rows to a slot; returns what the kernel is given.
    row : int
        Bytes of the device's memory that a row takes.
    """

    kernel: Kernel
    there: Callable[[Slot, Any], Any]
    row: int

    def size(self, batch: Any) -> int:
        """Return the number of rows."""
        return len(batch)

    def part(self, batch: Any, begin: int, end: int) -> Any:
        """Return some of the rows."""
        return batch[begin:end]

    def nbytes(self, batch: Any) -> int:
        """Return the bytes that they take."""
        return len(batch) * self.row

    def begin(self, slot: Slot, batch: Any) -> None:
        """Begin all of it."""
        for name, address, nbytes in self.kernel(slot, self.there(slot, batch), len(batch)):
            slot.download(name, address, (len(batch) * nbytes,), np.uint8)

    def end(self, slot: Slot, batch: Any, begun: None) -> None:
        """Leave the results where they are: the next batch's take their place."""

    def join(self, parts: list[None]) -> None:
        """Join nothing."""


#: Rows of a batch on its way.
_BATCH = 4096


def _through(number: int, ours: Ours, work: Any, rows: Callable[[int], Any]) -> Run:
    pipeline = ours.stack.enter_context(Pipeline(work, number))

    def run(n: int) -> None:
        batches = rows(n)
        for _ in pipeline.run(batches[k : k + _BATCH] for k in range(0, n, _BATCH)):
            pass

    return run


def _prepare_kernel(how: Recipe) -> tuple[Kernel, int]:
    row = 4 * int(np.prod(how.shape))

    def kernel(slot: Slot, there: Any, n: int) -> list[tuple[str, int, int]]:
        planes, flags = slot.device("planes", n * row), slot.device("flags", 4 * n)
        for name, arguments in kernels.recipe_calls(how):
            getattr(slot.module, name)(slot.ordinal, slot.stream, there, *arguments, planes, flags)
        return [("planes", planes, row), ("flags", flags, 4)]

    return kernel, row


def prepare(slot: Slot, ours: Ours, how: Recipe) -> Run:
    """Return a recipe in place."""
    return _in_place(slot, _prepare_kernel(how)[0], _stamps_there(slot, ours))


def prepare_through(number: int, ours: Ours, how: Recipe) -> Run:
    """Return a recipe with transfers."""
    kernel, row = _prepare_kernel(how)
    return _through(number, ours, _Carry(kernel, on_slot, row + 12 * ours.side**2 + 60), ours.stamps)


def _normalise_kernel(side: int, steps: tuple[Step, ...]) -> Kernel:
    row, chain = 4 * side**2, numbered(steps)

    def kernel(slot: Slot, there: int, n: int) -> list[tuple[str, int, int]]:
        out, flags = slot.device("out", n * row), slot.device("flags", 4 * n)
        planes = (there, 0, n, side, side, side * side, side)
        slot.module.normalise(slot.ordinal, slot.stream, planes, chain, float("nan"), out, flags)
        return [("out", out, row), ("flags", flags, 4)]

    return kernel


def normalise(slot: Slot, ours: Ours, steps: tuple[Step, ...]) -> Run:
    """Return a normaliser in place."""
    there = _stamps_there(slot, ours)(0)[0]
    return _in_place(slot, _normalise_kernel(ours.side, steps), lambda n: there)


def normalise_through(number: int, ours: Ours, steps: tuple[Step, ...]) -> Run:
    """Return a normaliser with transfers."""
    planes = ours.pixels.reshape(-1, ours.side, ours.side)
    work = _Carry(_normalise_kernel(ours.side, steps), lambda slot, part: slot.upload("planes", part), 8 * ours.side**2)
    return _through(number, ours, work, lambda n: planes[:n])


def features(slot: Slot, ours: Ours, measure: Measure) -> Run:
    """Return a set of features in place."""
    k = len(stamp_columns(measure.sets))

    def kernel(slot: Slot, there: Any, n: int) -> list[tuple[str, int, int]]:
        values, flags = slot.device("values", 4 * n * k), slot.device("flags", 4 * n)
        slot.module.features(slot.ordinal, slot.stream, there, measure.sets, False, values, flags)
        return []

    return _in_place(slot, kernel, _stamps_there(slot, ours))


def features_through(number: int, ours: Ours, measure: Measure) -> Run:
    """Return a set of features with transfers, as ``features(..., device="cuda")`` does it."""
    return _through(number, ours, FeatureWork(measure), ours.stamps)


def _forest_kernel(ours: Ours, number: int) -> Kernel:
    engine = forest_on(ours.forest, f"cuda:{number}")

    def kernel(slot: Slot, there: int, n: int) -> list[tuple[str, int, int]]:
        score = slot.device("score", 4 * n)
        engine.predict(slot.stream, there, n, score)
        return [("score", score, 4)]

    return kernel


def forest(slot: Slot, ours: Ours) -> Run:
    """Return the forest in place."""
    rows = slot.upload("table", ours.table)
    slot.wait()
    return _in_place(slot, _forest_kernel(ours, slot.ordinal), lambda n: rows)


def forest_through(number: int, ours: Ours) -> Run:
    """Return the forest with transfers."""
    from space2vec.cuda.slots import pinned

    table: NDArray[np.float32] = pinned(ours.table.shape)
    table[:] = ours.table
    row = 4 * table.shape[1] + 4
    work = _Carry(_forest_kernel(ours, number), lambda slot, part: slot.upload("rows", part), row)
    return _through(number, ours, work, lambda n: table[:n])


def network(slot: Slot, ours: Ours) -> Run:
    """Return the network on planes and features that are on the device."""
    return _network(slot.ordinal, ours, in_place=True)


def network_through(number: int, ours: Ours) -> Run:
    """Return the network on planes and features of the host."""
    return _network(number, ours, in_place=False)


def _network(number: int, ours: Ours, *, in_place: bool) -> Run:
    from space2vec.bench.stages import NotRun, default_network, inputs_of
    from space2vec.device import resolve

    judge = default_network()
    try:
        half = half_on(judge, resolve(f"cuda:{number}", "torch"))
    except Space2vecError as error:
        raise NotRun(str(error)) from None
    import torch

    given = [torch.from_numpy(values) for values in inputs_of(judge, ours, ours.rows)]
    given = [values.to(f"cuda:{number}") if in_place else values.pin_memory() for values in given]

    def run(n: int) -> None:
        score = half([values[:n] for values in given])
        if in_place:
            torch.cuda.synchronize(number)
        else:
            score.cpu()

    return run


def chain(slot: Slot, ours: Ours, judge: Forest | Network) -> Run:
    """Return stamps that lie on the device to scores."""
    _check(judge, slot.ordinal)
    stamps = ours.stamps(ours.rows).to_device(f"cuda:{slot.ordinal}")
    some = functools.cache(lambda n: stamps[:n])  # what is known of them is on the device as well, once they are scored

    def run(n: int) -> None:
        scores = judge.score(some(n))
        slot.module.stream_wait(slot.ordinal, 0)  # theirs
        del scores  # kept until then: to give memory back is to wait

    return run


def chain_through(number: int, ours: Ours, judge: Forest | Network) -> Run:
    """Return stamps of the host to scores, as ``space2vec score --device cuda`` has them."""
    _check(judge, number)
    pipeline = ours.stack.enter_context(judge.pipeline(f"cuda:{number}"))

    def run(n: int) -> None:
        stamps = ours.stamps(n)
        for _ in pipeline.run(stamps[k : k + _BATCH] for k in range(0, n, _BATCH)):
            pass

    return run


def _check(judge: Forest | Network, number: int) -> None:
    from space2vec.bench.stages import NotRun
    from space2vec.device import resolve

    try:
        resolve(f"cuda:{number}", judge.runtime)
    except Space2vecError as error:
        raise NotRun(str(error)) from None
