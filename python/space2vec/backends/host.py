"""The backend of the host: kernels of the compiled library, or their Numba twin, on arrays in host memory."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.interfaces import Kernels
from space2vec.backends.kernels import thread_count
from space2vec.data import flags as flag_bits
from space2vec.data.arrays import as_plane_array, check_sides, image_array, lies_on_device
from space2vec.data.channels import CHANNELS
from space2vec.data.named_columns import stack_columns
from space2vec.data.numeric import as_numbers
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features, Scores
from space2vec.data.vectors import Vectors
from space2vec.errors import Space2vecWarning
from space2vec.errors.text import NAME, one_line
from space2vec.plans.recipe import Prepared, Recipe
from space2vec.plans.steps import Normalised, numbered_steps
from space2vec.registry import RECIPES, Step, stamp_columns

if TYPE_CHECKING:
    from space2vec.backends.interfaces import KernelModel, Model, Network
    from space2vec.data.types import LibraryArray
    from space2vec.model_files.needs import Needs
    from space2vec.plans.features import FeaturePlan

__all__ = ["Host", "ModelInputs", "as_model_inputs"]

#: The most rows that are prepared and scored at a time by a network in floating point, so that they stay in the cache,
#: and the most numbers in their inputs, unless a single row has more.
_ROWS, _FLOATS = 1024, 1 << 25


class ModelInputs(NamedTuple):
    """The inputs of a model for n stamps.

    Attributes
    ----------
    planes : ndarray of float32 (n, channel, height, width) or None
        Prepared pixels; None if the model has no recipe. A row that cannot be prepared is NaN. A missing plane that the
        model can do without is 0.
    columns : ndarray of float32 (n, k) or None
        The columns that the model names, NaN where undefined; None if it names none.
    flags : ndarray of uint32 (n,)
        The flags of the scores.
    scored : ndarray of bool (n,)
        Whether each row can be scored.
    """

    planes: NDArray[np.float32] | None
    columns: NDArray[np.float32] | None
    flags: NDArray[np.uint32]
    scored: NDArray[np.bool_]

    @property
    def arrays(self) -> tuple[NDArray[np.float32], ...]:
        """The planes and the columns, without those that the model does not take."""
        return tuple(array for array in (self.planes, self.columns) if array is not None)


class _InputScores(NamedTuple):
    """The scores and flags (n,) of candidates, and the columns (n, k) of the model that gave the first of them."""

    score: NDArray[np.float32]
    flags: NDArray[np.uint32]
    columns: NDArray[np.float32]


class Host:
    """The backend that runs kernels on arrays in host memory.

    Parameters
    ----------
    kernels : Kernels
        The compiled library, or its Numba twin.
    """

    name = "cpu"

    def __init__(self, kernels: Kernels) -> None:
        self._kernels = kernels

    def features(self, stamps: Stamps, measure: FeaturePlan, threads: int | None) -> Features:
        """Return the features (n, k) of stamps."""
        values = np.empty((len(stamps), len(stamp_columns(measure.sets))), dtype=np.float32)
        flags = np.empty(len(stamps), dtype=np.uint32)
        paper = measure.convention == "paper"
        self._kernels.features(stamps, measure.sets, paper, values, flags, thread_count(threads))
        joined = self._kernels.join_flags(stamps.offset, stamps.flags, flags)
        table = measure.in_columns(values, stamps.catalogue)
        return Features(table, measure.names, joined, stamps.object_id, stamps.candidate_id, columns=stamps.columns)

    def prepare(self, stamps: Stamps, recipe: Recipe, threads: int | None) -> Prepared:
        """Return the planes (n, channel, height, width) of stamps after a recipe."""
        n, width, side, workers = len(stamps), len(recipe.channels), recipe.shape[1], thread_count(threads)
        planes, flags = np.empty((n, *recipe.shape), dtype=np.float32), np.zeros(n, dtype=np.uint32)
        if recipe.name in RECIPES:
            self._kernels.prepare(stamps, recipe.name, planes, flags, workers)
        else:
            order = [CHANNELS.index(channel) for channel in recipe.channels]
            for view, steps in enumerate(recipe.chains):
                part = planes if recipe.views == 1 else np.empty((n, width, side, side), dtype=np.float32)
                raised = np.empty_like(flags)
                self._kernels.compose(stamps, side, order, numbered_steps(steps), part, raised, workers)
                flags |= raised
                if recipe.views > 1:
                    planes[:, view * width : (view + 1) * width] = part
            if recipe.views > 1:  # a row that one chain cannot prepare is NaN in the planes of all chains
                planes[np.isnan(planes[:, ::width, 0, 0]).any(axis=1)] = np.nan
        return Prepared(planes, self._kernels.join_flags(stamps.offset, stamps.flags, flags), recipe)

    def normalise(
        self, planes: LibraryArray, mask: LibraryArray, steps: Sequence[Step], fill: float, threads: int | None
    ) -> Normalised:
        """Normalise planes (..., height, width), each by its own pixels."""
        masked = np.ma.getmaskarray(planes) if np.ma.is_masked(planes) else None
        pixels = as_plane_array(np.ma.getdata(planes) if isinstance(planes, np.ma.MaskedArray) else planes, "array")
        if pixels.ndim < 2:
            raise ValueError(f"array must have shape (..., height, width); given {pixels.shape}")
        height, width = pixels.shape[-2:]
        check_sides(height, width, "planes")
        if mask is not None:
            left_out = _mask(mask, pixels.shape)
            masked = left_out if masked is None else masked | left_out
        out, flags = np.empty(pixels.shape, dtype=np.float32), np.zeros(pixels.shape[:-2], dtype=np.uint32)
        plane = (flags.size, height, width)
        self._kernels.normalise(
            pixels.reshape(plane),
            None if masked is None else np.ascontiguousarray(masked).view(np.uint8).reshape(plane),
            numbered_steps(steps),
            fill,
            out.reshape(plane),
            flags.reshape(-1),
            thread_count(threads),
        )
        return Normalised(out, flags, tuple(steps))

    def model(self, model: Model) -> KernelModel:
        """Return a model in the form of the kernels, which is made once.

        Raises
        ------
        ModelError
            If its file is damaged.
        """
        return model.engine(self._kernels.__name__, self._kernels.Model)

    def score(self, model: Model, source: Stamps | Features, threads: int | None) -> Scores:
        """Return the scores of candidates."""
        workers = thread_count(threads)
        if model.runtime is not None:
            score, flags, _ = self._score_by_inputs(model, source, workers)
        else:
            score, flags = np.empty(len(source), dtype=np.float32), np.empty(len(source), dtype=np.uint32)
            engine = self.model(model)
            if isinstance(source, Stamps):
                engine.score(source, model.needs.catalogue_columns(source), score, flags, workers)
            else:
                engine.score_columns(*model.needs.columns_of_table(source), score, flags, workers)
        ids = source.object_id, source.candidate_id
        return Scores(score, flags, *ids, model.id, self.name, columns=source.columns)

    def score_with_columns(self, model: Model, stamps: Stamps, threads: int | None) -> tuple[Scores, Features]:
        """Return the scores of stamps, and the columns of the model, of a cascade those of its first network."""
        score, flags, columns = self._score_by_inputs(model, stamps, thread_count(threads))
        ids = stamps.object_id, stamps.candidate_id
        scores = Scores(score, flags, *ids, model.id, self.name, columns=stamps.columns)
        names = (model if model.first is None else model.first).feature_names
        return scores, Features(columns, names, flags, *ids, columns=stamps.columns)

    def embed(self, model: Model, stamps: Stamps, threads: int | None) -> Vectors:
        """Return the vectors of stamps."""
        vectors = np.empty((len(stamps), model.vector), dtype=np.int8)
        flags = np.empty(len(stamps), dtype=np.uint32)
        known = model.needs.catalogue_columns(stamps)
        self.model(model).embed(stamps, known, vectors, flags, thread_count(threads))
        ids = stamps.object_id, stamps.candidate_id
        return Vectors(vectors, flags, *ids, model.id, self.name, columns=stamps.columns)

    def _score_by_inputs(self, model: Model, source: Stamps | Features, workers: int) -> _InputScores:
        """Score candidates by way of the inputs of the model, some rows after others, so that those are few at once."""
        floats = sum(math.prod(shape) for shape in model.shapes.values())
        most = max(1, min(_ROWS, _FLOATS // floats))
        k = len((model if model.first is None else model.first).feature_names)
        empty = np.empty(0, np.float32), np.empty(0, np.uint32), np.empty((0, k), np.float32)
        starts = range(0, len(source), most)
        parts = [self._score_rows(model, source[begin : begin + most], workers) for begin in starts]
        return _InputScores(*map(np.concatenate, zip(empty, *parts, strict=True)))

    def _score_rows(self, model: Model, source: Stamps | Features, workers: int) -> _InputScores:
        """Score a few candidates by way of the inputs of the model."""
        if model.first is not None:
            return self._score_by_cascade(cast("Network", model), source, workers)
        engine = self.model(model)
        inputs = (
            self._inputs_of_stamps(engine, model.needs, source, workers)
            if isinstance(source, Stamps)
            else self._inputs_of_table(engine, model.needs, source)
        )
        score = self._predict(model, inputs.planes, inputs.columns, workers)
        if lost := int(np.count_nonzero(inputs.scored & np.isnan(score))):
            name = one_line(repr(model.name), NAME)
            warnings.warn(
                f"the network {name} in floating point gives no number for {lost} of {len(score)} candidates, though "
                "their inputs are finite: they have no score",
                Space2vecWarning,
                stacklevel=2,
            )
        score[~inputs.scored] = np.nan
        none = np.empty((len(score), 0), dtype=np.float32)
        return _InputScores(score, inputs.flags, none if inputs.columns is None else inputs.columns)

    def _score_by_cascade(self, model: Network, source: Stamps | Features, workers: int) -> _InputScores:
        """Score a few candidates by a cascade; each network decides which of its rows can be scored."""
        first, second = model.first, model.second
        assert first is not None
        early, flags, columns = self._score_rows(first, source, workers)

        def score_rows(rows: NDArray[np.intp]) -> NDArray[np.float32]:
            score, flags[rows], _ = self._score_rows(second, source[rows], workers)
            return score

        score, by_second = model.cascade_scores(early, score_rows)
        flags[~by_second & ~np.isnan(early)] |= np.uint32(flag_bits.bits("scored_early"))
        return _InputScores(score, flags, columns)

    def inputs(self, needs: Needs, stamps: Stamps, threads: int | None) -> ModelInputs:
        """Return the inputs of a model for stamps; the weights of the model are not needed.

        Raises
        ------
        ModelError
            If stamps do not give what the model needs.
        """
        needs.check(stamps)
        return self._inputs_of_stamps(self._kernels.Model(needs.file), needs, stamps, thread_count(threads))

    def inputs_of_model(self, model: Model, stamps: Stamps, threads: int | None) -> ModelInputs:
        """Return the inputs of a model for stamps, as :meth:`score` takes them.

        Raises
        ------
        ModelError
            If stamps do not give what the model needs.
        """
        model.needs.check(stamps)
        return self._inputs_of_stamps(self.model(model), model.needs, stamps, thread_count(threads))

    @staticmethod
    def _inputs_of_stamps(engine: KernelModel, needs: Needs, stamps: Stamps, workers: int) -> ModelInputs:
        n, names = len(stamps), needs.header.feature_names
        planes = None if needs.recipe is None else np.empty((n, *needs.recipe.shape), dtype=np.float32)
        columns = np.empty((n, len(names)), dtype=np.float32) if names else None
        inputs = ModelInputs(planes, columns, np.empty(n, dtype=np.uint32), np.empty(n, dtype=np.bool_))
        engine.inputs(stamps, needs.catalogue_columns(stamps), *inputs, workers)
        return inputs

    @staticmethod
    def _inputs_of_table(engine: KernelModel, needs: Needs, table: Features) -> ModelInputs:
        columns, raised = needs.columns_of_table(table)
        inputs = ModelInputs(None, columns, np.empty_like(raised), np.empty(len(raised), dtype=np.bool_))
        engine.check_columns(columns, raised, inputs.flags, inputs.scored)
        return inputs

    def predict(self, model: Model, inputs: Sequence[LibraryArray], threads: int | None) -> NDArray[np.float32]:
        """Return P(real) (n,) from the inputs of a model."""
        rows = as_model_inputs(model, inputs)
        return self._predict(model, rows.get("planes"), rows.get("features"), thread_count(threads))

    def _predict(
        self, model: Model, planes: NDArray[np.float32] | None, columns: NDArray[np.float32] | None, workers: int
    ) -> NDArray[np.float32]:
        """Return P(real) (n,) from the inputs of a model, which have been checked."""
        given = tuple(array for array in (planes, columns) if array is not None)
        if model.runtime is not None:
            return model.predict_in_floats(given, workers)
        score = np.empty(len(given[0]), dtype=np.float32)
        self.model(model).predict(planes, columns, score, workers)
        return score


def as_model_inputs(model: Model, inputs: Sequence[LibraryArray]) -> dict[str, NDArray[np.float32]]:
    """Check the inputs of a model and convert them to float32 in C order; the keys are those of its ``shapes``.

    Raises
    ------
    TypeError, ValueError
        As :meth:`space2vec.models.model.Model.predict`.
    """
    rows: dict[str, NDArray[np.float32]] = {}
    for key, array in zip(model.shapes, inputs, strict=True):
        name = model.input_names[key]
        if key == "planes":
            rows[key] = as_plane_array(array, name)
            continue
        table = as_numbers(image_array(stack_columns(array, model.feature_names, name), name), name)
        with np.errstate(over="ignore"):
            rows[key] = np.ascontiguousarray(table, dtype=np.float32)
    model.check_shapes([array.shape for array in rows.values()])
    return rows


def _mask(array: LibraryArray, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Check a mask, True where a pixel is left out, and broadcast it to the shape of the planes."""
    if lies_on_device(array):
        raise TypeError("array lies on the host and mask on a device: give both on one device")
    mask = np.asarray(array)
    if mask.dtype != np.bool_:
        raise TypeError(f"mask must be of bool, True where a pixel is left out; given {mask.dtype}")
    try:
        return np.broadcast_to(mask, shape)
    except ValueError:
        raise ValueError(f"mask has shape {mask.shape}, which does not fit {shape}") from None
