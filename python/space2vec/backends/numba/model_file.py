"""The reading of model files for the kernels in Numba, as in ``cpp/src/model.cpp`` and ``model_header.cpp``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec import registry
from space2vec.backends.numba.feature_sets import Measuring, measuring_of
from space2vec.backends.numba.forest import Forest
from space2vec.backends.numba.network import Network
from space2vec.backends.numba.row_rule import ModelNeeds
from space2vec.backends.numba.stamp_flags import covers_flags
from space2vec.data.channels import CHANNELS
from space2vec.errors import ModelError
from space2vec.model_files import tensor_file
from space2vec.model_files.header import FIRST, Header
from space2vec.model_files.integer_network import NetworkInputs, split_integers
from space2vec.model_files.trees import Trees
from space2vec.plans.derived_columns import applicable_rules
from space2vec.plans.recipe import Recipe
from space2vec.registry import CATALOGUE, stamp_columns

if TYPE_CHECKING:
    from space2vec.data.types import AnyArray

__all__ = ["FOREIGN", "ModelFile", "read_model"]

#: The position of a column that neither stamps nor the catalogue have.
FOREIGN = -1
#: The tensors of a forest, and their types.
_TREES = {"tree_start": np.int64, "right": np.int32, "feature": np.int16, "missing_left": np.uint8, "value": np.float32}


class ModelFile(NamedTuple):
    """The contents of a model file, in the form that the kernels need.

    Attributes
    ----------
    text : str
        The header, as JSON text.
    names : tuple of str
        The columns of the model.
    needs : ModelNeeds
        The properties that decide which rows can be scored.
    recipe : Recipe or None
        The recipe by which planes are prepared.
    measuring : Measuring
        The features to measure; without any set if the model takes no columns.
    paper : bool
        Whether features are defined as in autoScan's paper.
    place : ndarray of int (k,)
        The position of each column among the features of the sets, followed by the catalogue columns.
    of_catalogue : ndarray of bool (k,)
        Whether each column is a catalogue column.
    knots : tuple of ndarray of float32, or None
        The calibration.
    rows : Forest, Network or None
        The forest or integer network that scores rows; None for a network in floating point.
    first : ModelFile or None
        The first network of a cascade.
    doubt : tuple of float or None
        The interval of scores of the first network for which the second network decides.
    """

    text: str
    names: tuple[str, ...]
    needs: ModelNeeds
    recipe: Recipe | None
    measuring: Measuring
    paper: bool
    place: NDArray[np.intp]
    of_catalogue: NDArray[np.bool_]
    knots: tuple[NDArray[np.float32], NDArray[np.float32]] | None
    rows: Forest | Network | None
    first: ModelFile | None
    doubt: tuple[float, float] | None


def read_model(file: bytes) -> ModelFile:
    """Read the bytes of a model file.

    Raises
    ------
    ValueError
        If the file is damaged, holds another kind of model, or was trained on another version of the features; the
        message says which.
    """
    metadata, tensors = tensor_file.decode(file)
    if "space2vec" not in metadata:
        raise ValueError("not a space2vec model: the header has no entry 'space2vec'")
    try:
        return _model_of(Header.from_json(metadata["space2vec"]), metadata["space2vec"], tensors)
    except KeyError as error:
        raise ValueError(f"it lacks {error}") from error
    except (TypeError, ModelError) as error:
        raise ValueError(str(error)) from error


def _model_of(header: Header, text: str, tensors: dict[str, AnyArray]) -> ModelFile:
    first = None
    if header.first is not None:
        of_first = {name.removeprefix(FIRST): tensors[name] for name in tensors if name.startswith(FIRST)}
        first = _model_of(header.first, "", of_first)
        tensors = {name: tensors[name] for name in tensors if not name.startswith(FIRST)}
    elif any(name.startswith(FIRST) for name in tensors):
        raise ValueError("it holds a first network of which its header says nothing")
    names = header.feature_names
    if header.kind not in ("forest", "network"):
        raise ValueError(f"neither a forest nor a network, but of kind {header.kind}")
    if header.feature_set != "custom" and header.feature_version != registry.FEATURES_VERSION:
        raise ValueError("it was trained on another version of the features")
    recipe = None if header.recipe is None else Recipe.from_plain(header.recipe)
    measuring = measuring_of(names, 0 if recipe is None else _bits(recipe.channels))
    measured = stamp_columns(measuring.sets)
    known = {name: k for k, name in enumerate((*measured, *CATALOGUE))}
    place = np.array([known.get(name, FOREIGN) for name in names], dtype=np.intp)
    of_catalogue = place >= len(measured)
    return ModelFile(
        text,
        names,
        _needs_of(header, recipe, measuring, of_catalogue),
        recipe,
        measuring,
        header.convention == "paper",
        place,
        of_catalogue,
        None if header.calibration is None else header.calibration.knots,
        _rows_of(header, recipe, tensors),
        first,
        header.doubt,
    )


def _bits(channels: Sequence[str]) -> int:
    return sum(1 << CHANNELS.index(name) for name in channels)


def _needs_of(
    header: Header, recipe: Recipe | None, measuring: Measuring, of_catalogue: NDArray[np.bool_]
) -> ModelNeeds:
    """Return those properties of a model that decide which rows can be scored."""
    prepared, optional = 0 if recipe is None else _bits(recipe.channels), _bits(header.optional)
    spare = prepared & optional
    if spare and (recipe is None or not recipe.steps or spare == prepared):
        raise ValueError("its recipe cannot do without the planes that the model can do without")
    columns = len(of_catalogue)
    looked_at = prepared | measuring.planes if columns else prepared
    on_catalogue = bool(2 * np.count_nonzero(of_catalogue) > columns)
    flags_measured = columns > 0 and covers_flags(measuring.planes, prepared)
    return ModelNeeds(looked_at, prepared, optional, columns > 0, on_catalogue, flags_measured)


def _rows_of(header: Header, recipe: Recipe | None, tensors: dict[str, AnyArray]) -> Forest | Network | None:
    """Return the forest or integer network that scores rows; None for a network in floating point."""
    names = header.feature_names
    if header.kind == "forest":
        if recipe is not None:
            raise ValueError("a forest takes features alone, and its header names a recipe")
        return _forest_of(names, tensors)
    integers, floats = split_integers(header, tensors)
    if integers is None:
        return None
    encoded = (header.architecture or {})["name"] == "tablenet"
    places = applicable_rules(names if encoded else ())
    inputs = integers.inputs
    taken = (0, 0, 0) if recipe is None else recipe.shape
    if taken != (inputs.channels, inputs.side, inputs.side) or len(names) + len(places) != inputs.columns:
        raise ValueError("its integers take something else than its header says")
    scales = _scales_of(floats, inputs, "scaled." if encoded else "scale.")
    return Network(integers, scales, places, header.temperature)


def _forest_of(names: Sequence[str], tensors: Mapping[str, AnyArray]) -> Forest:
    for name, kind in _TREES.items():
        if tensors[name].dtype != kind or tensors[name].ndim != 1:
            raise ValueError(f"tensor {name} is not a row of {np.dtype(kind)}")
    trees, fill = Trees(*(tensors[name] for name in _TREES)), tensors.get("fill")
    trees.check(len(names))
    if fill is not None and (fill.dtype != np.float32 or fill.shape != (len(names),) or np.isinf(fill).any()):
        raise ValueError("tensor fill is no finite number or NaN for each column")
    return Forest(trees, fill)


def _scales_of(floats: Mapping[str, AnyArray], inputs: NetworkInputs, prefix: str) -> dict[str, NDArray[np.float32]]:
    """Check and return the tensors by which the columns of a network are scaled."""
    row, bins = (inputs.columns,), (inputs.columns, inputs.bins)
    shapes: dict[str, tuple[int, ...]] = {
        prefix + name: row for name in ("median", "spread", "mean", "deviation", "lacking")
    }
    if inputs.bins:
        shapes |= {"encoded.low": bins, "encoded.size": bins}
    scales = {}
    for name, shape in shapes.items() if inputs.columns else ():
        own = name.split(".")[1]
        values = scales[own] = floats[name]
        if values.dtype != np.float32 or values.shape != shape or not np.isfinite(values).all():
            raise ValueError(f"tensor {name} is no finite number for each column")
        if own in ("spread", "deviation", "size") and not (values > 0).all():
            raise ValueError(f"tensor {name} is not positive")
        if own == "lacking" and not np.isin(values, (0, 1)).all():
            raise ValueError(f"tensor {name} is not 0 or 1")
    return scales
