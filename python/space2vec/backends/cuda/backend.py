"""A CUDA device as a backend: for stamps and arrays that lie there, and for those of the host."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.cuda.device_batch import BatchSlot, measure, score
from space2vec.backends.cuda.device_results import DeviceResults
from space2vec.backends.cuda.pipeline import Pipeline, feature_pipeline, score_pipeline
from space2vec.data import flags as flag_bits
from space2vec.data.arrays import lies_on_device
from space2vec.data.channels import CHANNELS
from space2vec.data.device.event import Event
from space2vec.data.device.extension import raise_translated, translated_errors
from space2vec.data.device.view import View, view
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features, Scores
from space2vec.errors import ModelError
from space2vec.plans.recipe import Prepared, Recipe
from space2vec.plans.steps import numbered
from space2vec.registry import RECIPES, Step, stamp_columns

if TYPE_CHECKING:
    from space2vec.backends.interfaces import Model, Network
    from space2vec.plans.features import Measure

__all__ = ["Cuda"]


class Cuda:
    """A backend over the kernels of a CUDA device.

    What lies on the device is computed where it is, on the caller's stream; results are there, in the library of what
    was given. What lies on the host is taken there and back, in bounded memory of the device.

    Parameters
    ----------
    ordinal : int
        The number of the device, as :func:`space2vec.backends.choice.usable_device` found that it can be used.
    """

    def __init__(self, ordinal: int) -> None:
        self.name = f"cuda:{ordinal}"
        self._ordinal, self._module = ordinal, importlib.import_module("space2vec._cuda")

    def features(self, stamps: Stamps, how: Measure, threads: int | None) -> Features:
        """Return the features of stamps."""
        if stamps.device_pixels is None:
            return feature_pipeline(how, self._ordinal).run_one(stamps)
        place = DeviceResults(self._module, stamps.device_pixels)
        try:
            sets = how.sets
            columns = stamp_columns(sets)
            measure(place, stamps, sets, len(columns), paper=how.convention == "paper")
            values, read = place.results("values")
            if how.names != columns:
                table = how.in_columns(view(values, "values").to_host(), stamps.catalogue)
                place.upload("table", table)
                values = place.result("table")
        except Exception as error:
            raise_translated(error, self._ordinal)
            raise

        def flags() -> NDArray[np.uint32]:
            return flag_bits.join_reader_flags(stamps.flags, read(), stamps.offset)

        ids = stamps.object_id, stamps.candidate_id
        return Features(values, how.names, flags, *ids, columns=stamps.columns)

    def prepare(self, stamps: Stamps, recipe: Recipe, threads: int | None) -> Prepared:
        """Return the planes of stamps by a recipe."""
        if stamps.device_pixels is None:
            made = self.prepare(stamps.to_device(self.name), recipe, threads)
            return Prepared(view(made.planes, "planes").to_host(), made.flags, recipe)
        n, module = len(stamps.offset), self._module
        place = DeviceResults(module, stamps.device_pixels)
        with translated_errors(self._ordinal):
            planes, flags = place.outputs("planes", (n, *recipe.shape), n)
            if n:
                there = self._ordinal, place.stream, place.stamps(stamps)
                if recipe.name in RECIPES:
                    module.prepare(*there, recipe.name, planes, flags)
                else:
                    order = [CHANNELS.index(channel) for channel in recipe.channels]
                    chains = [numbered(steps) for steps in recipe.chains]
                    module.compose(*there, recipe.shape[1], order, chains, planes, flags)
            made, read = place.results("planes")
        return Prepared(made, lambda: flag_bits.join_reader_flags(stamps.flags, read(), stamps.offset), recipe)

    def normalise(
        self, planes: Any, mask: Any, steps: Sequence[Step], fill: float, threads: int | None
    ) -> tuple[Any, Callable[[], NDArray[np.uint32]]]:
        """Return planes (..., height, width) of the device normalised, and their flags (...).

        Planes whose rows follow each other with gaps, as in a crop, are read where they lie.

        Raises
        ------
        TypeError, ValueError
            If the mask does not lie beside the array, or is of another type or shape.
        """
        pixels = view(planes, "array")
        if len(pixels.shape) < 2:
            raise ValueError(f"array must have shape (..., height, width); given {pixels.shape}")
        hidden = None if mask is None else _mask(mask, pixels)
        height, width = pixels.shape[-2:]
        outer = pixels.shape[:-2]
        n = math.prod(outer)
        strided = len(outer) <= 1 and pixels.dtype == np.float32 and pixels.strides[-1] == 4
        if not strided or any(stride < 0 or stride % 4 for stride in pixels.strides) or pixels.strides[-2] < 4 * width:
            pixels = pixels.to_float32("array")
        row = pixels.strides[-2] // 4
        plane = pixels.strides[-3] // 4 if len(outer) == 1 else height * row
        place = DeviceResults(self._module, pixels)
        with translated_errors(self._ordinal):
            out, flags = place.outputs("out", (*outer, height, width), n)
            if n:
                if hidden is not None:
                    self._follow(place.stream, hidden)
                left_out = 0 if hidden is None else hidden.address
                there = self._module.Planes(pixels.address, left_out, n, height, width, plane, row)
                self._module.normalise(self._ordinal, place.stream, there, numbered(steps), fill, out, flags)
            made, read = place.results("out")
        return made, lambda: read().reshape(outer)

    def _follow(self, stream: int, other: View) -> None:
        """Let what is begun on a stream wait for what fills an array of another."""
        if other.stream != stream:
            Event(self._module, self._ordinal, other.stream).precede(stream)

    def engine(self, model: Model) -> Any:
        """Return a model as the device has it, made once: the compiled module's, or a network of floats."""

        def kernels(file: bytes) -> Any:
            with translated_errors(self._ordinal):
                return self._module.Model(self._ordinal, file)

        if model.runtime is None:
            return model.engine(self.name, kernels)
        if model.first is not None:
            raise ModelError(
                f"the model {model.name!r} is a cascade, which devices run in integers alone: device='cpu'"
            )
        from space2vec.backends.cuda.float_network import FloatNetwork

        def floats(file: bytes) -> FloatNetwork:
            return FloatNetwork(cast("Network", model), self.name, kernels(file))

        return model.engine(f"{self.name} floats", floats)

    def score(self, model: Model, source: Stamps | Features, threads: int | None) -> Scores:
        """Return the scores of candidates."""
        engine = self.engine(model)
        if not isinstance(source, Stamps) or source.device_pixels is None:
            return score_pipeline(engine, model, self._ordinal, checked=True).run_one(source)
        place = DeviceResults(self._module, source.device_pixels)
        try:
            score(place, engine, model, source)
            made, read = place.results("score")
        except Exception as error:
            raise_translated(error, self._ordinal)
            raise
        ids = source.object_id, source.candidate_id
        return Scores(made, read, *ids, model.id, self.name, columns=source.columns)

    def predict(self, model: Model, inputs: Sequence[Any], threads: int | None) -> Any:
        """Return P(real) (n,) of what a model takes; all on the host, or all on the device.

        Raises
        ------
        TypeError
            If they lie on several devices.
        ModelError
            If the model is a cascade, whose inputs are scored on the host alone.
        """
        if model.first is not None:
            raise ModelError(
                f"the model {model.name!r} is a cascade: inputs are scored with device='cpu', stamps anywhere"
            )
        engine, names = self.engine(model), list(model.shapes)
        if not any(lies_on_device(given) for given in inputs):
            return self._predict_of_host(model, engine, inputs)
        views: list[View] = []
        for given, what in zip(inputs, names, strict=True):
            word = model.words[what]
            if not lies_on_device(given):
                raise TypeError(f"{word} lies on the host and another input on a device: give all on one device")
            views.append(view(given, word).to_float32(word))
        places = sorted({there.device for there in views})
        if len(places) > 1:
            raise TypeError(f"the inputs lie on {' and '.join(places)}: give all on one device")
        model.check_shapes([there.shape for there in views])
        place, n = DeviceResults(self._module, views[0]), views[0].shape[0]
        with translated_errors(self._ordinal):
            out = place.array("score", (n,))
            for there in views[1:]:
                self._follow(place.stream, there)
            if n:
                at = dict(zip(names, (there.address for there in views), strict=True))
                engine.predict(place.stream, at.get("planes", 0), at.get("features", 0), n, out)
            return place.result("score")

    def _predict_of_host(self, model: Model, engine: Any, inputs: Sequence[Any]) -> NDArray[np.float32]:
        from space2vec.backends.host import as_model_inputs

        rows = as_model_inputs(model, inputs)
        n = len(next(iter(rows.values())))
        slot = BatchSlot(self._module, self._ordinal)
        try:
            with translated_errors(self._ordinal):
                at = {what: slot.upload(what, given) for what, given in rows.items()}
                out = slot.array("score", (n,))
                if n:
                    engine.predict(slot.stream, at.get("planes", 0), at.get("features", 0), n, out)
                (score,) = slot.download("score")
                slot.wait()
                return score.copy()
        finally:
            slot.close()

    def pipeline(self, model: Model) -> Pipeline[Any, Scores]:
        """Return a pipeline that scores batches of stamps of the host, or of features."""
        return score_pipeline(self.engine(model), model, self._ordinal, checked=False)

    def feature_pipeline(self, how: Measure) -> Pipeline[Any, Features]:
        """Return a pipeline that measures batches of stamps of the host; features stay as they are."""
        return feature_pipeline(how, self._ordinal)


def _mask(mask: Any, pixels: View) -> View:
    """Return a mask (..., height, width) that lies beside the pixels."""
    if not lies_on_device(mask):
        raise TypeError(f"array lies on {pixels.device} and mask on the host: give both on one device")
    hidden = view(mask, "mask")
    if hidden.ordinal != pixels.ordinal:
        raise TypeError(f"array lies on {pixels.device} and mask on {hidden.device}: give both on one device")
    if hidden.dtype != np.bool_:
        raise TypeError(f"mask must be of bool, True where a pixel is left out; given {hidden.dtype}")
    if hidden.shape != pixels.shape or not hidden.packed(len(hidden.shape)):
        raise ValueError(
            f"mask on a device must have the array's shape {pixels.shape}, in C order; given {hidden.shape} with "
            f"strides {hidden.strides}"
        )
    return hidden
