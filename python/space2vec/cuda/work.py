"""What a pipeline does with stamps: features, and the scores of a model."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from space2vec import flags as flag_bits
from space2vec.compute import prepare
from space2vec.cuda import kernels
from space2vec.cuda.event import follow
from space2vec.cuda.inputs import Inputs, beside, join, spare
from space2vec.cuda.slots import Slot
from space2vec.recipe import Prepared, Recipe
from space2vec.registry import stamp_columns
from space2vec.stamps import Stamps
from space2vec.table import Features, Scores

if TYPE_CHECKING:
    from space2vec.cuda.torch_planes import Planes
    from space2vec.measure import Measure
    from space2vec.scoring import Needs

__all__ = ["FeatureWork", "ForestWork", "ModelWork", "Predict", "Rows", "on_slot", "pixel_bytes"]

#: What comes in batches.
Rows: TypeAlias = "Stamps | Features"
#: What a model gives (n,) for what it takes, on a slot's stream.
Predict: TypeAlias = "Callable[[Slot, Inputs], NDArray[np.float32]]"

#: Bytes a row of what the kernels are told of stamps: where planes begin, sizes, centres; and of the flags.
_GEOMETRY = 3 * 8 + 3 * 2 * 4 + 2 * 4
_FLAGS = 4


def _span(stamps: Stamps) -> tuple[int, int, int]:
    """Return where the pixels of stamps begin and end in their buffer, and how many are theirs."""
    there = stamps.offset >= 0
    if not there.any():
        return 0, 0, 0
    area = stamps.shape.astype(np.int64).prod(axis=2)
    return int(stamps.offset[there].min()), int((stamps.offset + area)[there].max()), int(area[there].sum())


def _scattered(first: int, last: int, own: int) -> bool:
    """Tell whether the pixels are better gathered than copied with what lies between them."""
    return last - first > 2 * own


def pixel_bytes(stamps: Stamps) -> int:
    """Return the bytes of a device's memory that the pixels of stamps take there, beyond what is there already."""
    if stamps.device != "cpu":
        return 0
    first, last, own = _span(stamps)
    return 4 * (own if _scattered(first, last, own) else last - first)


def _gathered(stamps: Stamps, own: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the pixels of stamps one after another, and where each plane begins there."""
    pixels = np.empty(own, np.float32)
    offset = np.full_like(stamps.offset, -1)
    end = 0
    for row, channel in zip(*np.nonzero(stamps.offset >= 0), strict=True):
        begin, size = int(stamps.offset[row, channel]), math.prod(stamps.shape[row, channel].tolist())
        pixels[end : end + size] = stamps.buffer[begin : begin + size]
        offset[row, channel] = end
        end += size
    return pixels, offset


def on_slot(slot: Slot, stamps: Stamps) -> tuple[Any, ...]:
    """Begin to copy stamps to a slot; return them as the compiled module takes them.

    Stamps that lie on the slot's device stay where they are: its stream waits for the caller's.
    """
    if stamps.device != "cpu":
        pixels, batch = kernels.given(stamps)
        follow(slot.ordinal, slot.stream, pixels.stream)
        return batch
    first, last, own = _span(stamps)
    if _scattered(first, last, own):
        buffer, offset = _gathered(stamps, own)
    else:
        buffer, offset = stamps.buffer[first:last], np.where(stamps.offset >= 0, stamps.offset - first, -1)
    addresses = [
        slot.upload(name, np.ascontiguousarray(array))
        for name, array in (("pixels", buffer), ("offset", offset), ("shape", stamps.shape), ("centre", stamps.centre))
    ]
    level = math.nan if stamps.saturation is None else stamps.saturation
    return addresses[0], len(buffer), *addresses[1:], len(stamps), level


@dataclass(frozen=True, slots=True)
class FeatureWork:
    """Features of stamps, as :func:`space2vec.features` gives them.

    Attributes
    ----------
    measure : Measure
        What is measured.
    """

    measure: Measure

    def size(self, batch: Rows) -> int:
        """Return the number of rows."""
        return len(batch)

    def part(self, batch: Rows, begin: int, end: int) -> Rows:
        """Return some of the rows."""
        return batch[begin:end] if isinstance(batch, Stamps) else batch.rows(slice(begin, end))

    def nbytes(self, batch: Rows) -> int:
        """Return the bytes that stamps, where their planes lie, and the features take."""
        if not isinstance(batch, Stamps):
            return 0
        return pixel_bytes(batch) + len(batch) * (_GEOMETRY + self.row)

    @property
    def row(self) -> int:
        """The bytes of what is measured of a row."""
        return _FLAGS + 4 * len(stamp_columns(self.measure.sets))

    def begin(self, slot: Slot, batch: Rows) -> Any:
        """Begin to copy, to measure and to copy back."""
        return self.measured(slot, batch, on_slot(slot, batch)) if isinstance(batch, Stamps) else None

    def measured(self, slot: Slot, stamps: Stamps, there: tuple[Any, ...]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Begin to measure stamps that are on the slot, and to copy values and flags back."""
        (values, k, flags), n = self.table(slot, len(stamps), there), len(stamps)
        down = slot.download("values", values, (n, k), np.float32)
        return down, slot.download("flags", flags, (n,), np.uint32)

    def table(self, slot: Slot, n: int, there: tuple[Any, ...]) -> tuple[int, int, int]:
        """Begin to measure stamps that are on the slot; return where values are, their columns, and where flags are."""
        columns = len(stamp_columns(self.measure.sets))
        values, flags = slot.device("values", max(4 * n * columns, 1)), slot.device("flags", max(_FLAGS * n, 1))
        paper = self.measure.convention == "paper"
        if n:
            slot.module.features(slot.ordinal, slot.stream, there, self.measure.sets, paper, values, flags)
        return values, columns, flags

    def end(self, slot: Slot, batch: Rows, begun: Any) -> Features:
        """Return the table."""
        if not isinstance(batch, Stamps):
            return batch
        # The slot's memory is the next batch's: what is kept of it is copied.
        values = self.measure.in_columns(begun[0], batch.catalogue)
        values = values.copy() if values is begun[0] else values
        flags = flag_bits.joined(batch.flags, begun[1].copy(), batch.offset)
        ids = batch.object_id, batch.candidate_id
        return Features(values, self.measure.names, flags, *ids, columns=batch.columns)

    def join(self, parts: list[Features]) -> Features:
        """Join tables."""
        return Features.concatenate(parts, self.measure.names)


@dataclass(frozen=True, slots=True)
class ModelWork:
    """Scores of a model.

    Attributes
    ----------
    needs : Needs
        What the model takes.
    predict : callable
        What the model gives.
    model, device : str
        The model's id, and the device, as the scores tell them.
    """

    needs: Needs
    predict: Predict
    model: str
    device: str

    @property
    def _features(self) -> FeatureWork | None:
        measure = self.needs.measure
        return None if measure is None else FeatureWork(measure)

    def size(self, batch: Rows) -> int:
        """Return the number of rows."""
        return len(batch)

    def part(self, batch: Rows, begin: int, end: int) -> Rows:
        """Return some of the rows."""
        return batch[begin:end] if isinstance(batch, Stamps) else batch.rows(slice(begin, end))

    def nbytes(self, batch: Rows) -> int:
        """Return the bytes that stamps, features, planes and what the model takes of them take."""
        columns = 4 * (len(self.needs.header.feature_names) + 1)
        if not isinstance(batch, Stamps):
            return len(batch) * columns
        recipe = self.needs.recipe
        # Planes of several chains are there twice: chain by chain, and together; so are those of rows without a plane.
        planes = 0 if recipe is None else 4 * math.prod(recipe.shape) * (1 if recipe.views == 1 else 2)
        planes *= 2 if (batch.offset < 0).any() else 1
        measured = _GEOMETRY + _FLAGS + (0 if self._features is None else self._features.row)
        return pixel_bytes(batch) + len(batch) * (planes + columns + measured)

    def begin(self, slot: Slot, batch: Rows) -> Any:
        """Begin to copy, to prepare and to measure, and to copy back what decides whether a row is scored."""
        if not isinstance(batch, Stamps):
            return None
        self.needs.check(batch)
        self.needs.see_units(batch)
        there = on_slot(slot, batch)
        planes = None if self.needs.recipe is None else _prepared(slot, batch, there, self.needs.recipe)
        features = None if self._features is None else self._features.measured(slot, batch, there)
        return planes, features

    def end(self, slot: Slot, batch: Rows, begun: Any) -> Scores:
        """Return the scores, which the model now gives on the slot's stream."""
        if begun is None or not isinstance(batch, Stamps):
            inputs = join(
                self.needs, batch, None, np.zeros(len(batch), np.uint32), batch if isinstance(batch, Features) else None
            )
        else:
            prepared, measured = begun
            planes, raised = None, np.zeros(len(batch), np.uint32)
            if prepared is not None and self.needs.recipe is not None:
                planes, raised = _taken(slot, batch, prepared, self.needs.recipe)
                raised = spare(self.needs, batch, raised, functools.partial(_prepared_again, slot), planes.put)
            table = None if self._features is None else self._features.end(slot, batch, measured)
            inputs = join(self.needs, batch, planes, raised, table)
        return inputs.scores(self.predict(slot, inputs), self.model, self.device)

    def join(self, parts: list[Scores]) -> Scores:
        """Join scores."""
        return Scores.concatenate(parts)


@dataclass(frozen=True, slots=True)
class ForestWork(ModelWork):
    """Scores of a forest: the features of stamps stay on the device.

    Attributes
    ----------
    forest_on : callable
        Returns the forest as the compiled module has it on a device.
    """

    forest_on: Callable[[str], Any]

    def begin(self, slot: Slot, batch: Rows) -> Any:
        """Begin to copy, to measure, to score, and to copy scores and flags back."""
        if not isinstance(batch, Stamps):
            return None
        self.needs.check(batch)
        self.needs.see_units(batch)
        assert self._features is not None
        there, n = on_slot(slot, batch), len(batch)
        values, width, flags = self._features.table(slot, n, there)
        score, catalogue = slot.device("score", max(4 * n, 1)), beside(self.needs, batch)
        known = [slot.upload("raised", batch.flags) if batch.flags.any() else 0,
                 0 if catalogue is None else slot.upload("beside", catalogue)]  # fmt: skip
        if n:
            table = kernels.forest_table(self.needs, (values, width, n, flags), known, there)
            self.forest_on(self.device).score(slot.stream, table, score)
        return slot.download("score", score, (n,), np.float32), slot.download("flags", flags, (n,), np.uint32)

    def end(self, slot: Slot, batch: Rows, begun: Any) -> Scores:
        """Return the scores; those of a table the forest now gives on the slot's stream."""
        if begun is None:
            return ModelWork.end(self, slot, batch, begun)
        # The slot's memory is the next batch's.
        score, flags = (part.copy() for part in begun)
        ids = batch.object_id, batch.candidate_id
        return Scores(score, flags, *ids, self.model, self.device, columns=batch.columns)


def _prepared(
    slot: Slot, stamps: Stamps, there: tuple[Any, ...], recipe: Recipe, what: str = "planes"
) -> tuple[list[int], list[NDArray[np.uint32]]]:
    """Begin to prepare stamps that are on a slot; return where the planes of each chain will be, and their flags."""
    n, nbytes = len(stamps), 4 * math.prod(recipe.shape) // recipe.views
    places, raised = [], []
    for chain, (name, arguments) in enumerate(kernels.recipe_calls(recipe)):
        planes = slot.device(f"{what} {chain}", max(n * nbytes, 1))
        flags = slot.device(f"flags of {what} {chain}", max(_FLAGS * n, 1))
        if n:
            getattr(slot.module, name)(slot.ordinal, slot.stream, there, *arguments, planes, flags)
        places.append(planes)
        raised.append(slot.download(f"flags of {what} {chain}", flags, (n,), np.uint32))
    return places, raised


def _taken(
    slot: Slot, stamps: Stamps, prepared: tuple[list[int], list[NDArray[np.uint32]]], recipe: Recipe
) -> tuple[Planes, NDArray[np.uint32]]:
    """Return what was prepared, once the slot was waited for, as PyTorch takes it, and the flags."""
    from space2vec.cuda.torch_planes import Planes

    places, raised = prepared
    flags = flag_bits.joined(stamps.flags, np.bitwise_or.reduce(raised), stamps.offset)
    return Planes(slot, places, len(stamps), recipe), flags


def _prepared_again(slot: Slot, stamps: Stamps, recipe: Recipe) -> Prepared:
    """Prepare some rows of a batch by another recipe: those on the slot's device there, others on the host."""
    if stamps.device == "cpu":
        return prepare(stamps, recipe)
    prepared = _prepared(slot, stamps, on_slot(slot, stamps), recipe, "planes of rows")
    slot.wait()
    planes, flags = _taken(slot, stamps, prepared, recipe)
    return Prepared(planes.tensor, flags, recipe)
