"""The stages on a device: with data in place, and from page-locked memory through it and back."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from space2vec.bench.rounds import Run
from space2vec.cuda.backend import Cuda
from space2vec.cuda.pipeline import Pipeline
from space2vec.cuda.slots import Slot, pinned
from space2vec.cuda.work import Work, feature_work
from space2vec.normalisers import numbered
from space2vec.registry import Step, stamp_columns

if TYPE_CHECKING:
    from space2vec.bench.stages import Ours
    from space2vec.forest import Forest
    from space2vec.measure import Measure
    from space2vec.models.model import Model
    from space2vec.network import Network
    from space2vec.recipe import Recipe

__all__ = [
    "chain", "chain_through", "features", "features_through", "forest", "forest_through", "network", "network_through",
    "normalise", "normalise_through", "prepare", "prepare_through",
]  # fmt: skip

#: Begins a kernel on rows that are on a slot; returns the arrays of its results.
Kernel = Callable[[Slot, Any, int], list[str]]


def _stamps_there(slot: Slot, ours: Ours) -> Callable[[int], Any]:
    """Put the stamps on a slot; return what tells the kernels of the first n of them."""
    there = slot.stamps(ours.stamps(ours.rows))
    slot.wait()
    where = there.pixels, there.pixel_count, there.offset, there.shape, there.centre
    return lambda n: type(there)(*where, n, there.saturation)


def _in_place(slot: Slot, kernel: Kernel, given: Callable[[int], Any]) -> Run:
    def run(n: int) -> None:
        kernel(slot, given(n), n)
        slot.wait()

    return run


def _carry(kernel: Kernel, there: Callable[[Slot, Any], Any], row: int) -> Work[None]:
    """Return rows to a device, a kernel on them, and its results back, as a pipeline does it.

    Parameters
    ----------
    kernel : callable
        The kernel.
    there : callable
        Begins to copy rows to a slot; returns what the kernel is given.
    row : int
        Bytes of the device's memory that a row takes.
    """

    def begin(slot: Slot, batch: Any) -> None:
        for name in kernel(slot, there(slot, batch), len(batch)):
            slot.download(name)

    # The results stay where they are: the next batch's take their place.
    return Work(lambda batch: len(batch) * row, begin, lambda batch, begun: None, lambda parts: None)


#: Rows of a batch on its way.
_BATCH = 4096


def _through(number: int, ours: Ours, work: Any, rows: Callable[[int], Any]) -> Run:
    pipeline: Pipeline[Any, Any] = ours.stack.enter_context(Pipeline(work, number))

    def run(n: int) -> None:
        batches = rows(n)
        for _ in pipeline.run(batches[k : k + _BATCH] for k in range(0, n, _BATCH)):
            pass

    return run


def _prepare_kernel(how: Recipe) -> tuple[Kernel, int]:
    row = 4 * int(np.prod(how.shape))

    def kernel(slot: Slot, there: Any, n: int) -> list[str]:
        planes, flags = slot.array("planes", (n, *how.shape)), slot.array("flags", (n,), np.int32)
        slot.module.prepare(slot.ordinal, slot.stream, there, how.name, planes, flags)
        return ["planes", "flags"]

    return kernel, row


def prepare(slot: Slot, ours: Ours, how: Recipe) -> Run:
    """Return a recipe in place."""
    return _in_place(slot, _prepare_kernel(how)[0], _stamps_there(slot, ours))


def prepare_through(number: int, ours: Ours, how: Recipe) -> Run:
    """Return a recipe with transfers."""
    kernel, row = _prepare_kernel(how)
    return _through(number, ours, _carry(kernel, Slot.stamps, row + 12 * ours.side**2 + 60), ours.stamps)


def _normalise_kernel(side: int, steps: tuple[Step, ...]) -> Kernel:
    chain = numbered(steps)

    def kernel(slot: Slot, there: int, n: int) -> list[str]:
        out, flags = slot.array("out", (n, side, side)), slot.array("flags", (n,), np.int32)
        planes = slot.module.Planes(there, 0, n, side, side, side * side, side)
        slot.module.normalise(slot.ordinal, slot.stream, planes, chain, float("nan"), out, flags)
        return ["out", "flags"]

    return kernel


def normalise(slot: Slot, ours: Ours, steps: tuple[Step, ...]) -> Run:
    """Return a normaliser in place."""
    there = _stamps_there(slot, ours)(0).pixels
    return _in_place(slot, _normalise_kernel(ours.side, steps), lambda n: there)


def normalise_through(number: int, ours: Ours, steps: tuple[Step, ...]) -> Run:
    """Return a normaliser with transfers."""
    planes = ours.pixels.reshape(-1, ours.side, ours.side)
    work = _carry(_normalise_kernel(ours.side, steps), lambda slot, part: slot.upload("planes", part), 8 * ours.side**2)
    return _through(number, ours, work, lambda n: planes[:n])


def features(slot: Slot, ours: Ours, measure: Measure) -> Run:
    """Return a set of features in place."""
    k = len(stamp_columns(measure.sets))

    def kernel(slot: Slot, there: Any, n: int) -> list[str]:
        values, flags = slot.array("values", (n, k)), slot.array("flags", (n,), np.int32)
        slot.module.features(slot.ordinal, slot.stream, there, measure.sets, False, values, flags)
        return []

    return _in_place(slot, kernel, _stamps_there(slot, ours))


def features_through(number: int, ours: Ours, measure: Measure) -> Run:
    """Return a set of features with transfers, as ``features(..., device="cuda")`` does it."""
    return _through(number, ours, feature_work(measure), ours.stamps)


def _judge_kernel(judge: Model, number: int) -> Kernel:
    """Return a model on what it is given; its columns alone, or the planes before them."""
    engine = Cuda(number).engine(judge)

    def kernel(slot: Slot, there: dict[str, int], n: int) -> list[str]:
        score = slot.array("score", (n,))
        engine.predict(slot.stream, there.get("planes", 0), there.get("features", 0), n, score)
        return ["score"]

    return kernel


def _judge_in_place(slot: Slot, judge: Model, given: dict[str, NDArray[np.float32]]) -> Run:
    there = {what: slot.upload(what, rows) for what, rows in given.items()}
    slot.wait()
    return _in_place(slot, _judge_kernel(judge, slot.ordinal), lambda n: there)


class _Given:
    """Rows of what a model takes, in page-locked memory."""

    def __init__(self, given: dict[str, NDArray[np.float32]]) -> None:
        self.arrays = given

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def __getitem__(self, rows: slice) -> _Given:
        return _Given({what: array[rows] for what, array in self.arrays.items()})

    def upload(self, slot: Slot) -> dict[str, int]:
        """Begin to copy them to a slot; return where to."""
        return {what: slot.upload(what, array) for what, array in self.arrays.items()}


def _judge_through(number: int, ours: Ours, judge: Model, given: dict[str, NDArray[np.float32]]) -> Run:
    locked = {what: pinned(array.shape) for what, array in given.items()}
    for what, array in given.items():
        locked[what][:] = array
    row = 4 + sum(array[0].nbytes for array in given.values())
    work = _carry(_judge_kernel(judge, number), lambda slot, part: part.upload(slot), row)
    return _through(number, ours, work, lambda n: _Given(locked)[:n])


def forest(slot: Slot, ours: Ours) -> Run:
    """Return the forest in place."""
    return _judge_in_place(slot, ours.forest, {"features": ours.table})


def forest_through(number: int, ours: Ours) -> Run:
    """Return the forest with transfers."""
    return _judge_through(number, ours, ours.forest, {"features": ours.table})


def _network(ours: Ours) -> tuple[Network, dict[str, NDArray[np.float32]]]:
    from space2vec.bench.stages import default_network, inputs_of

    judge = default_network()
    return judge, dict(zip(judge.shapes, inputs_of(judge, ours, ours.rows), strict=True))


def network(slot: Slot, ours: Ours) -> Run:
    """Return the network on planes and features that are on the device."""
    return _judge_in_place(slot, *_network(ours))


def network_through(number: int, ours: Ours) -> Run:
    """Return the network on planes and features of the host."""
    return _judge_through(number, ours, *_network(ours))


def chain(slot: Slot, ours: Ours, judge: Forest | Network) -> Run:
    """Return stamps that lie on the device to scores."""
    stamps = ours.stamps(ours.rows).to_device(f"cuda:{slot.ordinal}")
    some = functools.cache(lambda n: stamps[:n])  # what is known of them is on the device as well, once they are scored

    def run(n: int) -> None:
        scores = judge.score(some(n))
        slot.module.stream_wait(slot.ordinal, 0)  # theirs
        del scores  # kept until then: to give memory back is to wait

    return run


def chain_through(number: int, ours: Ours, judge: Forest | Network) -> Run:
    """Return stamps of the host to scores, as ``space2vec score --device cuda`` has them."""
    pipeline = ours.stack.enter_context(judge.pipeline(f"cuda:{number}"))

    def run(n: int) -> None:
        stamps = ours.stamps(n)
        for _ in pipeline.run(stamps[k : k + _BATCH] for k in range(0, n, _BATCH)):
            pass

    return run
