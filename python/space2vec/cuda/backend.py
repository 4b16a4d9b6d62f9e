"""A CUDA device: the kernels on data of the host and of the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from space2vec import flags as flag_bits
from space2vec.cuda import kernels
from space2vec.cuda.extension import active, told
from space2vec.cuda.inputs import device_columns, simple
from space2vec.cuda.pipeline import Pipeline
from space2vec.cuda.work import FeatureWork, ForestWork, ModelWork
from space2vec.flags import Given
from space2vec.forest import Forest
from space2vec.network import Network
from space2vec.normalisers import numbered
from space2vec.recipe import Prepared, Recipe
from space2vec.registry import Step, stamp_columns
from space2vec.stamps import Stamps
from space2vec.table import Features, Scores

if TYPE_CHECKING:
    from space2vec.cuda.half_network import HalfNetwork
    from space2vec.cuda.inputs import Inputs
    from space2vec.cuda.slots import Slot
    from space2vec.measure import Measure
    from space2vec.models.model import Model

__all__ = ["Cuda"]


class Cuda:
    """A CUDA device.

    Parameters
    ----------
    ordinal : int
        Its number.
    """

    def __init__(self, ordinal: int) -> None:
        self.ordinal = ordinal
        self.name = f"cuda:{ordinal}"

    def features(self, stamps: Stamps, measure: Measure, threads: int | None) -> Features:
        """Return the features of stamps."""
        if stamps.device == "cpu":
            with Pipeline(FeatureWork(measure), self.ordinal) as pipeline:
                return next(pipeline.run([stamps]))
        values, read = kernels.features(stamps, measure.sets, measure.convention == "paper")
        if measure.names != stamp_columns(measure.sets):
            values = values.like(measure.in_columns(values.to_host(), stamps.catalogue))

        def flags() -> NDArray[np.uint32]:
            return flag_bits.joined(stamps.flags, read(), stamps.offset)

        ids = stamps.object_id, stamps.candidate_id
        return Features(values.owner, measure.names, flags, *ids, columns=stamps.columns)

    def prepare(self, stamps: Stamps, recipe: Recipe, threads: int | None) -> Prepared:
        """Return the planes of stamps by a recipe."""
        there, read = kernels.prepare(stamps, recipe)
        return Prepared(there.owner, lambda: flag_bits.joined(stamps.flags, read(), stamps.offset), recipe)

    def normalise(
        self, planes: Any, mask: Any, steps: Sequence[Step], fill: float, threads: int | None
    ) -> tuple[Any, Given]:
        """Return planes normalised, and their flags."""
        there, read = kernels.normalise(planes, mask, numbered(steps), fill)
        return there.owner, read

    def pipeline(self, model: Model) -> Pipeline[Any, Scores]:
        """Return a pipeline that scores batches of stamps or features."""
        active(self.ordinal)
        if isinstance(model, Forest):
            work: ModelWork = ForestWork(
                model.needs, lambda slot, inputs: _forest_rows(model, slot, inputs), model.id, self.name,
                lambda where: forest_on(model, where),
            )  # fmt: skip
        else:
            work = ModelWork(model.needs, lambda slot, inputs: _network_rows(model, slot, inputs), model.id, self.name)
        return Pipeline(work, self.ordinal)

    def score(self, model: Model, source: Stamps | Features, threads: int | None) -> Scores:
        """Return the scores of candidates."""
        if isinstance(source, Stamps) and source.device != "cpu":
            if isinstance(model, Forest):
                score, flags = kernels.score(forest_on(model, self.name), model.needs, source)
                ids = source.object_id, source.candidate_id
                return Scores(score.owner, flags, *ids, model.id, self.name, columns=source.columns)
            if simple(model.needs, source):
                from space2vec.cuda.device_inputs import score_in_place

                return score_in_place(half_on(model, self.name), model.needs, source, model.id)
        with self.pipeline(model) as pipeline:
            scores = next(pipeline.run([source]))
        if isinstance(source, Stamps) and source.there is not None:
            scores.score = source.there.like(scores.score).owner
        return scores

    def predict(self, model: Model, inputs: Sequence[Any], threads: int | None) -> Any:
        """Return P(real) of what a model takes, on the device."""
        from space2vec.cuda.view import view

        if isinstance(model, Network):
            from space2vec.cuda.torch_planes import predict_in_place

            return predict_in_place(inputs, model.shapes, model.check_shapes, lambda where: half_on(model, where))
        x = view(inputs[0], "x")
        model.check_shapes([x.shape])
        return kernels.predict(forest_on(model, self.name), x.made_plain("x")).owner


def forest_on(model: Model, where: str) -> Any:
    """Return a forest as the kernels of a device have it."""
    assert isinstance(model, Forest)

    def make(_: bytes) -> Any:
        left, right = model._trees.children()
        trees, table = model._trees, model.header.calibration
        nodes = trees.tree_start, left, right, trees.feature.astype(np.int32), trees.value, trees.missing_left
        number = int(where.removeprefix("cuda:"))
        with told(number):
            return active(number).Forest(
                number, *nodes, trees.value, len(model.feature_names), model._fill, device_columns(model.needs),
                calibration=None if table is None else table.knots,
            )  # fmt: skip

    return model.engine(where, make)


def half_on(model: Model, where: str) -> HalfNetwork:
    """Return a network on a device, in the precision that is asked for."""
    from space2vec.cuda.half_network import HalfNetwork, precision

    assert isinstance(model, Network)
    kind, header = precision(), model.header
    return model.engine(
        f"{where} {kind}", lambda _: HalfNetwork(model.module, header.temperature, where, kind, header.calibration)
    )


def _forest_rows(model: Model, slot: Slot, inputs: Inputs) -> NDArray[np.float32]:
    """Return P(real) of rows of the host, on a slot's stream."""
    rows = inputs.features
    assert rows is not None
    out = np.empty(0, np.float32)
    if len(rows):
        x = slot.upload("rows", rows)
        score = slot.device("score", 4 * len(rows))
        forest_on(model, f"cuda:{slot.ordinal}").predict(slot.stream, x, len(rows), score)
        out = slot.download("score", score, (len(rows),), np.float32)
        slot.wait()
    return out.copy()


def _network_rows(model: Model, slot: Slot, inputs: Inputs) -> NDArray[np.float32]:
    """Return P(real) of inputs on a slot, whose planes are taken where they lie."""
    from space2vec.cuda.torch_planes import predict_on

    return predict_on(half_on(model, f"cuda:{slot.ordinal}"), slot, inputs)
