"""The backend of a CUDA device, for stamps and arrays in its memory and in host memory."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from space2vec.backends import kernels
from space2vec.backends.cuda.both_pipeline import both_pipeline
from space2vec.backends.cuda.device_batch import BatchSlot, Engine, StampsOrFeatures, embed, measure, score
from space2vec.backends.cuda.device_results import DeviceResults
from space2vec.backends.cuda.pipeline import Pipeline, embed_pipeline, feature_pipeline, score_pipeline
from space2vec.data.arrays import lies_on_device
from space2vec.data.channels import CHANNELS
from space2vec.data.device.event import Event
from space2vec.data.device.extension import raise_translated, translate_errors
from space2vec.data.device.view import View, view
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features, Scores
from space2vec.data.vectors import Vectors
from space2vec.errors import ModelError
from space2vec.plans.recipe import Prepared, Recipe
from space2vec.plans.steps import Normalised, numbered_steps
from space2vec.registry import RECIPES, Step, stamp_columns

if TYPE_CHECKING:
    import space2vec._cuda as _cuda
    from space2vec.backends.interfaces import Model, Network
    from space2vec.data.types import LibraryArray
    from space2vec.plans.features import FeaturePlan

__all__ = ["Cuda"]


class Cuda:
    """The backend that runs kernels on a CUDA device.

    Data on the device are not copied: kernels run on the caller's stream, and results are arrays on the device, of the
    library of the caller's array. Data on the host are copied to the device, and results back, within a limit of device
    memory.

    Parameters
    ----------
    ordinal : int
        The number of the device; :func:`space2vec.backends.choice.usable_device` has checked that it can be used.
    """

    def __init__(self, ordinal: int) -> None:
        self.name = f"cuda:{ordinal}"
        self._ordinal, self._module = ordinal, importlib.import_module("space2vec._cuda")

    def features(self, stamps: Stamps, plan: FeaturePlan, threads: int | None) -> Features:
        """Return the features (n, k) of stamps."""
        if stamps.device_pixels is None:
            return feature_pipeline(plan, self._ordinal).run_one(stamps)
        results = DeviceResults(self._module, stamps.device_pixels)
        try:
            sets = plan.sets
            columns = stamp_columns(sets)
            measure(results, stamps, sets, len(columns), paper=plan.convention == "paper")
            values, read_flags = results.results("values")
            if plan.names != columns:
                table = plan.in_columns(view(values, "values").to_host(), stamps.catalogue)
                results.upload("table", table)
                values = results.result("table")
        except Exception as error:
            raise_translated(error, self._ordinal)
            raise

        def flags() -> NDArray[np.uint32]:
            return kernels.active().join_flags(stamps.offset, stamps.flags, read_flags())

        ids = stamps.object_id, stamps.candidate_id
        return Features(values, plan.names, flags, *ids, columns=stamps.columns)

    def prepare(self, stamps: Stamps, recipe: Recipe, threads: int | None) -> Prepared:
        """Return the planes (n, channel, height, width) of stamps after a recipe."""
        if stamps.device_pixels is None:
            prepared = self.prepare(stamps.to_device(self.name), recipe, threads)
            return Prepared(view(prepared.planes, "planes").to_host(), prepared.flags, recipe)
        n, module = len(stamps.offset), self._module
        results = DeviceResults(module, stamps.device_pixels)
        with translate_errors(self._ordinal):
            out = results.outputs("planes", (n, *recipe.shape), n)
            if n:
                arguments = self._ordinal, results.stream, results.stamps(stamps)
                if recipe.name in RECIPES:
                    module.prepare(*arguments, recipe.name, *out)
                else:
                    order = [CHANNELS.index(channel) for channel in recipe.channels]
                    chains = [numbered_steps(steps) for steps in recipe.chains]
                    module.compose(*arguments, recipe.shape[1], order, chains, *out)
            planes, read_flags = results.results("planes")
        return Prepared(planes, lambda: kernels.active().join_flags(stamps.offset, stamps.flags, read_flags()), recipe)

    def normalise(
        self, planes: LibraryArray, mask: LibraryArray, steps: Sequence[Step], fill: float, threads: int | None
    ) -> Normalised:
        """Normalise planes (..., height, width) on the device, each by its own pixels.

        Planes whose rows have gaps between them, as in a crop, are read without a copy.

        Raises
        ------
        TypeError, ValueError
            If the mask is on another device than the array, or of another type or shape.
        """
        pixels = view(planes, "array")
        if len(pixels.shape) < 2:
            raise ValueError(f"array must have shape (..., height, width); given {pixels.shape}")
        mask_view = None if mask is None else _mask(mask, pixels)
        height, width = pixels.shape[-2:]
        outer = pixels.shape[:-2]
        n = math.prod(outer)
        strided = len(outer) <= 1 and pixels.dtype == np.float32 and pixels.strides[-1] == 4
        if not strided or any(stride < 0 or stride % 4 for stride in pixels.strides) or pixels.strides[-2] < 4 * width:
            pixels = pixels.to_float32("array")
        row = pixels.strides[-2] // 4
        plane = pixels.strides[-3] // 4 if len(outer) == 1 else height * row
        results = DeviceResults(self._module, pixels)
        with translate_errors(self._ordinal):
            out = results.outputs("out", (*outer, height, width), n)
            if n:
                if mask_view is not None:
                    self._wait_for(mask_view, results.stream)
                left_out = 0 if mask_view is None else mask_view.address
                source = self._module.Planes(pixels.address, left_out, n, height, width, plane, row)
                self._module.normalise(self._ordinal, results.stream, source, numbered_steps(steps), fill, *out)
            normalised, read_flags = results.results("out")
        return Normalised(normalised, lambda: read_flags().reshape(outer), tuple(steps))

    def _wait_for(self, array: View, stream: int) -> None:
        """Let a stream wait for the work on the stream of an array."""
        if array.stream != stream:
            Event(self._module, self._ordinal, array.stream).precede(stream)

    def engine(self, model: Model) -> Engine:
        """Return a model on the device, which is made once: that of the compiled module, or a :class:`FloatNetwork`.

        Raises
        ------
        ModelError
            If the model is a cascade in floating point.
        """
        if model.runtime is None:
            return self._kernel_engine(model)
        if model.first is not None:
            raise ModelError(
                f"the model {model.name!r} is a cascade, which devices run in integers only: use device='cpu'"
            )
        from space2vec.backends.cuda.float_network import FloatNetwork

        def floats(file: bytes) -> FloatNetwork:
            return FloatNetwork(cast("Network", model), self.name, self._load_kernels(file))

        return model.engine(f"{self.name} floats", floats)

    def _kernel_engine(self, model: Model) -> _cuda.Model:
        """Return a model of the compiled module, which is made once."""
        return model.engine(self.name, self._load_kernels)

    def _load_kernels(self, file: bytes) -> _cuda.Model:
        with translate_errors(self._ordinal):
            loaded: _cuda.Model = self._module.Model(self._ordinal, file)
            return loaded

    def score(self, model: Model, source: Stamps | Features, threads: int | None) -> Scores:
        """Return the scores of candidates."""
        engine = self.engine(model)
        if not isinstance(source, Stamps) or source.device_pixels is None:
            return score_pipeline(engine, model, self._ordinal, checked=True).run_one(source)
        results = DeviceResults(self._module, source.device_pixels)
        try:
            score(results, engine, model, source)
            values, read_flags = results.results("score")
        except Exception as error:
            raise_translated(error, self._ordinal)
            raise
        ids = source.object_id, source.candidate_id
        return Scores(values, read_flags, *ids, model.id, self.name, columns=source.columns)

    def embed(self, model: Model, stamps: Stamps, threads: int | None) -> Vectors:
        """Return the vectors of stamps."""
        engine = self._kernel_engine(model)
        if stamps.device_pixels is None:
            return embed_pipeline(engine, model, self._ordinal, checked=True).run_one(stamps)
        results = DeviceResults(self._module, stamps.device_pixels)
        try:
            embed(results, engine, model, stamps)
            values, read_flags = results.results("vectors")
        except Exception as error:
            raise_translated(error, self._ordinal)
            raise
        ids = stamps.object_id, stamps.candidate_id
        return Vectors(values, read_flags, *ids, model.id, self.name, columns=stamps.columns)

    def predict(self, model: Model, inputs: Sequence[LibraryArray], threads: int | None) -> LibraryArray:
        """Return P(real) (n,) from the inputs of a model, which are all on the host or all on the device.

        Raises
        ------
        TypeError
            If the inputs are on different devices.
        ModelError
            If the model is a cascade: only the host scores its inputs.
        """
        if model.first is not None:
            raise ModelError(
                f"the model {model.name!r} is a cascade: inputs are scored with device='cpu', stamps anywhere"
            )
        engine, names = self.engine(model), list(model.shapes)
        if not any(lies_on_device(array) for array in inputs):
            return self._predict_from_host(model, engine, inputs)
        views: list[View] = []
        for array, key in zip(inputs, names, strict=True):
            name = model.input_names[key]
            if not lies_on_device(array):
                raise TypeError(f"{name} lies on the host and another input on a device: give all on one device")
            views.append(view(array, name).to_float32(name))
        devices = sorted({array.device for array in views})
        if len(devices) > 1:
            raise TypeError(f"the inputs lie on {' and '.join(devices)}: give all on one device")
        model.check_shapes([array.shape for array in views])
        results, n = DeviceResults(self._module, views[0]), views[0].shape[0]
        with translate_errors(self._ordinal):
            out = results.array("score", (n,))
            for array in views[1:]:
                self._wait_for(array, results.stream)
            if n:
                addresses = dict(zip(names, (array.address for array in views), strict=True))
                engine.predict(results.stream, addresses.get("planes", 0), addresses.get("features", 0), n, out)
            return results.result("score")

    def _predict_from_host(self, model: Model, engine: Engine, inputs: Sequence[LibraryArray]) -> NDArray[np.float32]:
        """Return P(real) (n,) from inputs on the host."""
        from space2vec.backends.host import as_model_inputs

        rows = as_model_inputs(model, inputs)
        n = len(next(iter(rows.values())))
        slot = BatchSlot(self._module, self._ordinal)
        try:
            with translate_errors(self._ordinal):
                addresses = {key: slot.upload(key, array) for key, array in rows.items()}
                out = slot.array("score", (n,))
                if n:
                    engine.predict(slot.stream, addresses.get("planes", 0), addresses.get("features", 0), n, out)
                (score,) = slot.download("score")
                slot.wait()
                return score.copy()
        finally:
            slot.close()

    def pipeline(self, model: Model) -> Pipeline[StampsOrFeatures, Scores]:
        """Return a pipeline that scores batches of stamps on the host, or of features."""
        return score_pipeline(self.engine(model), model, self._ordinal, checked=False)

    def both_pipeline(self, model: Model, embedder: Model) -> Pipeline[Stamps, Scores]:
        """Return a pipeline that gives the scores of batches of stamps on the host, with their vectors."""
        return both_pipeline(self.engine(model), model, self._kernel_engine(embedder), embedder, self._ordinal)

    def embed_pipeline(self, model: Model) -> Pipeline[Stamps, Vectors]:
        """Return a pipeline that turns batches of stamps on the host into vectors."""
        return embed_pipeline(self._kernel_engine(model), model, self._ordinal, checked=False)

    def feature_pipeline(self, plan: FeaturePlan) -> Pipeline[StampsOrFeatures, Features]:
        """Return a pipeline that measures batches of stamps on the host; batches of features pass unchanged."""
        return feature_pipeline(plan, self._ordinal)


def _mask(mask: LibraryArray, pixels: View) -> View:
    """Check a mask (..., height, width): it must be on the device of the pixels, of their shape, and of bool."""
    if not lies_on_device(mask):
        raise TypeError(f"array lies on {pixels.device} and mask on the host: give both on one device")
    array = view(mask, "mask")
    if array.ordinal != pixels.ordinal:
        raise TypeError(f"array lies on {pixels.device} and mask on {array.device}: give both on one device")
    if array.dtype != np.bool_:
        raise TypeError(f"mask must be of bool, True where a pixel is left out; given {array.dtype}")
    if array.shape != pixels.shape or not array.is_packed(len(array.shape)):
        raise ValueError(
            f"mask on a device must have the array's shape {pixels.shape}, in C order; given {array.shape} with "
            f"strides {array.strides}"
        )
    return array
