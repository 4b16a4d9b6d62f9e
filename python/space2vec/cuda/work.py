"""What is begun on a device with a batch: stamps are measured or scored, tables are scored."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from space2vec import flags as flag_bits
from space2vec.cuda.slots import pixel_bytes
from space2vec.registry import stamp_columns
from space2vec.stamps import Stamps
from space2vec.table import Features, Scores

if TYPE_CHECKING:
    from space2vec.cuda.slots import Slot
    from space2vec.measure import Measure
    from space2vec.models.model import Model

__all__ = [
    "DEPTH",
    "MEMORY",
    "Memory",
    "Work",
    "feature_work",
    "measure",
    "memory_limit",
    "rows_at_a_time",
    "score",
    "score_work",
]

#: What comes in batches.
Rows: TypeAlias = "Stamps | Features"
Result = TypeVar("Result")

#: Bytes a row of what the kernels are told of stamps: where planes begin, sizes, centres; what the reader raised, and
#: the columns of the catalogue; of a result and its flags.
_TOLD, _RESULT = 3 * 8 + 3 * 2 * 4 + 2 * 4 + 4 + 20 * 4, 4 + 4
#: The most rows that are scored at a time.
_ROWS = 8192

#: Memory of the device that the batches under way hold together, in bytes, if ``SPACE2VEC_DEVICE_MEMORY`` says nothing
#: else: 1 GiB. Weights and what lies between the layers of a network are PyTorch's, and come on top of it.
MEMORY = 1 << 30
#: Batches under way: one that is copied there, one that is worked on, one whose results are copied back.
DEPTH = 3

_SUFFIXES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def memory_limit() -> int:
    """Return how many bytes of a device's memory the batches under way may hold together.

    Raises
    ------
    ValueError
        If ``SPACE2VEC_DEVICE_MEMORY`` is no number of bytes such as ``500000000``, ``512M`` or ``4G``.
    """
    text = os.environ.get("SPACE2VEC_DEVICE_MEMORY", "")
    if not text:
        return MEMORY
    found = re.fullmatch(r"(\d{1,15})([KMG]?)", text)
    if found is None or int(found[1]) == 0:
        raise ValueError(f"SPACE2VEC_DEVICE_MEMORY is {text!r}; accepted are bytes, or a number with K, M or G")
    return int(found[1]) * _SUFFIXES[found[2]]


class Memory(Protocol):
    """Memory of a device for one batch; what works on it is begun on one stream."""

    module: Any
    ordinal: int
    stream: int

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> int:
        """Return the address of an array for a purpose."""

    def outputs(self, name: str, shape: tuple[int, ...], n: int) -> tuple[int, int]:
        """Return the addresses of an array for results, and of ``"flags"``, those of their n rows."""

    def upload(self, name: str, array: NDArray[Any]) -> int:
        """Begin to copy an array in C order there; return where to."""

    def stamps(self, stamps: Stamps) -> Any:
        """Return stamps as the compiled module takes them, those of the host once they are copied there."""


def measure(memory: Memory, stamps: Stamps, how: Measure) -> tuple[str, ...]:
    """Begin to measure stamps: the arrays ``"values"`` (n, k) and ``"flags"`` (n,) are their features.

    Returns
    -------
    tuple of str (k,)
        The columns.
    """
    n, sets = len(stamps.offset), how.sets
    columns = stamp_columns(sets)
    values, flags = memory.outputs("values", (n, len(columns)), n)
    if n:
        there, paper = memory.stamps(stamps), how.convention == "paper"
        memory.module.features(memory.ordinal, memory.stream, there, sets, paper, values, flags)
    return columns


def rows_at_a_time(engine: Any, n: int, share: int = 1) -> int:
    """Return how many of n rows a model scores at a time, in half of a share of :func:`memory_limit` for scratch."""
    rows, most = max(min(n, _ROWS), 1), memory_limit() // (2 * share)
    while rows > 1 and engine.scratch(rows) > most:
        rows = (rows + 1) // 2
    return rows


def score(memory: Memory, engine: Any, model: Model, source: Rows, share: int = 1) -> None:
    """Begin to score candidates: the arrays ``"score"`` and ``"flags"`` (n,) are their scores.

    Parameters
    ----------
    memory : Memory
        Where.
    engine : space2vec._cuda.Model or FloatNetwork
        The model there.
    model : Model
        The model.
    source : Stamps or Features
        The candidates.
    share : int, optional
        What part of the memory that batches may hold is for this one: half, a third and so on.
    """
    n = len(source.object_id)
    out, flags = memory.outputs("score", (n,), n)
    if n == 0:
        return
    if isinstance(source, Stamps):
        raised = _raised(memory, source.flags)
    else:
        columns, told = model.needs.of_table(source)
        raised = _raised(memory, told)
        engine.score_columns(memory.stream, memory.upload("columns", columns), raised, n, out, flags)
        return
    known = model.needs.known(source)
    catalogue = 0 if known is None else memory.upload("catalogue", known)
    rows = rows_at_a_time(engine, n, share)
    own = memory.array("scratch", (engine.scratch(rows),), np.uint8)
    engine.score(memory.stream, memory.stamps(source), raised, catalogue, own, rows, out, flags)


def _raised(memory: Memory, flags: NDArray[np.uint32]) -> int:
    """Begin to copy flags (n,) there; return where to, 0 where there are none."""
    return memory.upload("raised", np.ascontiguousarray(flags).view(np.int32)) if flags.any() else 0


@dataclass(frozen=True, slots=True)
class Work(Generic[Result]):
    """What a pipeline does with batches, which have a length and slices.

    Attributes
    ----------
    nbytes : callable
        Returns the bytes of a device's memory that a batch takes.
    begin : callable
        Begins all of it on a slot, without waiting; returns what ``end`` needs.
    end : callable
        Returns the result of a batch, once the slot's stream was waited for; the slot's memory is the next batch's.
    join : callable
        Joins the results of consecutive parts, of one or more.
    """

    nbytes: Callable[[Any], int]
    begin: Callable[[Slot, Any], Any]
    end: Callable[[Any, Any], Result]
    join: Callable[[list[Result]], Result]


def feature_work(how: Measure) -> Work[Features]:
    """Return the work that measures stamps; tables of features stay as they are."""
    width = 4 * len(stamp_columns(how.sets))

    def nbytes(batch: Rows) -> int:
        return pixel_bytes(batch) + len(batch) * (_TOLD + _RESULT + width) if isinstance(batch, Stamps) else 0

    def begin(slot: Slot, batch: Rows) -> Any:
        if not isinstance(batch, Stamps):
            return None
        measure(slot, batch, how)
        return slot.download("values"), slot.download("flags", np.uint32)

    def end(batch: Rows, begun: Any) -> Features:
        if not isinstance(batch, Stamps):
            return batch
        values = how.in_columns(begun[0], batch.catalogue)
        values = values.copy() if values is begun[0] else values
        flags = flag_bits.joined(batch.flags, begun[1].copy(), batch.offset)
        ids = batch.object_id, batch.candidate_id
        return Features(values, how.names, flags, *ids, columns=batch.columns)

    return Work(nbytes, begin, end, lambda parts: Features.concatenate(parts, how.names))


def score_work(engine: Any, model: Model, device: str, *, checked: bool) -> Work[Scores]:
    """Return the work that scores stamps and tables by a model.

    Parameters
    ----------
    engine, model
        As for :func:`score`.
    device : str
        The device, as the scores tell it.
    checked : bool
        Whether the batches can give what the model takes, as somebody has looked.
    """
    width = 4 * len(model.feature_names)

    def nbytes(batch: Rows) -> int:
        each = len(batch) * (_TOLD + _RESULT)
        if not isinstance(batch, Stamps):
            return each + len(batch) * width
        return each + pixel_bytes(batch) + int(engine.scratch(rows_at_a_time(engine, len(batch), DEPTH)))

    def begin(slot: Slot, batch: Rows) -> Any:
        if not checked:
            model.needs.check(batch)
            model.needs.see_units(batch)
        score(slot, engine, model, batch, DEPTH)
        return slot.download("score"), slot.download("flags", np.uint32)

    def end(batch: Rows, begun: Any) -> Scores:
        score, flags = (part.copy() for part in begun)
        return Scores(score, flags, batch.object_id, batch.candidate_id, model.id, device, columns=batch.columns)

    return Work(nbytes, begin, end, Scores.concatenate)
