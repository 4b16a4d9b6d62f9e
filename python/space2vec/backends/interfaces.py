"""Protocols between layers: what kernels and models offer to backends, and backends to the public functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from space2vec.registry import RecipeName

if TYPE_CHECKING:
    from torch import nn

    from space2vec.data.stamps import Stamps
    from space2vec.data.tables import Features, Scores
    from space2vec.data.types import LibraryArray
    from space2vec.data.vectors import Vectors
    from space2vec.model_files.header import Header
    from space2vec.model_files.needs import Needs
    from space2vec.plans.features import FeaturePlan
    from space2vec.plans.recipe import Prepared, Recipe
    from space2vec.plans.steps import Normalised
    from space2vec.registry import Step

__all__ = ["Backend", "CascadeScores", "KernelModel", "Kernels", "Model", "Network"]

_Engine = TypeVar("_Engine")

Floats: TypeAlias = "NDArray[np.float32]"
Flags: TypeAlias = "NDArray[np.uint32]"
#: For each step, the number of a normaliser and its parameters.
NumberedSteps: TypeAlias = "list[tuple[int, list[float]]]"


class CascadeScores(NamedTuple):
    """The scores (n,) of a cascade of two networks, and which of them the second network gave (n,)."""

    score: NDArray[np.float32]
    by_second: NDArray[np.bool_]


class KernelModel(Protocol):
    """A model in the form that kernels run; it is made from the bytes of a model file (ValueError if damaged)."""

    @property
    def runs(self) -> bool:
        """Whether the kernels can run it: a forest or a network in integers. Otherwise only :meth:`inputs` works."""

    @property
    def vector(self) -> int:
        """The integers of a vector that it gives; 0 if it gives scores."""

    def predict(self, planes: Floats | None, columns: Floats | None, score: Floats, threads: int) -> None:
        """Write P(real) (n,) of prepared planes and columns."""

    def embed(
        self, stamps: Stamps, catalogue: Floats | None, vectors: NDArray[np.int8], flags: Flags, threads: int
    ) -> None:
        """Write the vectors (n, k) and flags (n,) of stamps; the catalogue is that of :meth:`score`."""

    def score(self, stamps: Stamps, catalogue: Floats | None, score: Floats, flags: Flags, threads: int) -> None:
        """Write the scores and flags (n,) of stamps; the catalogue (n, 20) is NaN where a value is unknown."""

    def score_columns(self, columns: Floats, raised: Flags, score: Floats, flags: Flags, threads: int) -> None:
        """Write the scores and flags (n,) of rows of a table, from the model's columns (n, k) and the flags raised."""

    def check_columns(self, columns: Floats, raised: Flags, flags: Flags, scored: NDArray[np.bool_]) -> None:
        """Write the flags (n,) of rows of a table, and which rows can be scored (n,)."""

    def inputs(
        self,
        stamps: Stamps,
        catalogue: Floats | None,
        planes: Floats | None,
        columns: Floats | None,
        flags: Flags,
        scored: NDArray[np.bool_],
        threads: int,
    ) -> None:
        """Write the inputs of the model for stamps, the flags of the scores, and which rows can be scored."""


class Kernels(Protocol):
    """The functions that ``space2vec._core`` and ``space2vec.backends.numba`` have in common.

    Callers check the inputs and allocate the arrays that are written.
    """

    __name__: str

    @property
    def Model(self) -> Callable[[bytes], KernelModel]:  # noqa: N802
        """The class of models, which takes the bytes of a model file."""

    def isa(self) -> str | None:
        """Return the instruction set in use."""

    def features(self, stamps: Stamps, sets: int, paper: bool, values: Floats, flags: Flags, threads: int) -> None:
        """Write the features (n, k) of sets, which are bits of :data:`space2vec.registry.STAMP_SETS`, and the flags."""

    def join_flags(self, offset: NDArray[np.int64], raised: Flags, flags: Flags) -> Flags:
        """Return the flags (n,) that a reader raised together with those that the kernels raised.

        For a missing plane (its offset, of (n, 3), is -1) the reader knows the reason, ``missing`` or ``bad_stamp``,
        and the kernels know whether the plane is needed. A row is not refused for a plane that is not needed.
        """

    def prepare(self, stamps: Stamps, recipe: RecipeName, planes: Floats, flags: Flags, threads: int) -> None:
        """Write the planes (n, channel, height, width) of a recipe of the registry, and the flags."""

    def compose(
        self,
        stamps: Stamps,
        side: int,
        channels: list[int],
        steps: NumberedSteps,
        planes: Floats,
        flags: Flags,
        threads: int,
    ) -> None:
        """Write the planes (n, channel, side, side) of a square around the candidate after a chain of steps."""

    def normalise(
        self,
        pixels: Floats,
        mask: NDArray[np.uint8] | None,
        steps: NumberedSteps,
        fill: float,
        out: Floats,
        flags: Flags,
        threads: int,
    ) -> None:
        """Write the normalised planes (n, height, width), and the flags (n,)."""


class Model(Protocol):
    """The part of a model that backends use; see :class:`space2vec.models.model.Model`."""

    @property
    def header(self) -> Header:
        """The header of its model file."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def id(self) -> str:
        """The name and digits of the digest, which change with everything that scores depend on."""

    @property
    def needs(self) -> Needs:
        """The pixels and columns that it needs of a candidate."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns that it takes, in order."""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The inputs of ``predict`` (``"planes"``, ``"features"``) in order, and the shape of one row of each."""

    @property
    def input_names(self) -> Mapping[str, str]:
        """The name of each input in error messages."""

    @property
    def runtime(self) -> str | None:
        """The runtime that runs it in floating point; None if backends run it."""

    @property
    def vector(self) -> int:
        """The integers of a vector that it gives; 0 if it gives scores."""

    @property
    def first(self) -> Network | None:
        """The first network of a cascade; None for any other model."""

    def check_gives_scores(self) -> None:
        """Raise a ModelError if it gives vectors."""

    def engine(self, backend: str, make: Callable[[bytes], _Engine]) -> _Engine:
        """Return the model in the form of a backend; it is made from the bytes of its file once."""

    def predict_in_floats(self, inputs: Sequence[NDArray[np.float32]], threads: int) -> NDArray[np.float32]:
        """Return P(real) (n,) by its runtime on the host, calibrated."""

    def check_shapes(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Raise ValueError if inputs do not have the shapes that it takes."""


class Network(Model, Protocol):
    """The part of a network that backends use; see :class:`space2vec.models.network.Network`."""

    @property
    def frozen_module(self) -> nn.Module:
        """The network in PyTorch."""

    @property
    def second(self) -> Network:
        """The second network of a cascade; any other network returns itself."""

    def cascade_scores(
        self, score: NDArray[np.float32], score_rows: Callable[[NDArray[np.intp]], NDArray[np.float32]]
    ) -> CascadeScores:
        """Return the scores (n,) of a cascade, and which of them the second network gave."""


class Backend(Protocol):
    """The methods of a backend. Results are on the device of the data, in arrays of the same library."""

    @property
    def name(self) -> str:
        """The device on which it computes: ``"cpu"``, ``"cuda:0"`` and so on."""

    def features(self, stamps: Stamps, measure: FeaturePlan, threads: int | None) -> Features:
        """Return the features (n, k) of stamps, with their flags."""

    def prepare(self, stamps: Stamps, recipe: Recipe, threads: int | None) -> Prepared:
        """Return the planes (n, channel, height, width) of stamps after a recipe, with their flags."""

    def normalise(
        self, planes: LibraryArray, mask: LibraryArray, steps: Sequence[Step], fill: float, threads: int | None
    ) -> Normalised:
        """Normalise planes (..., height, width), each by its own pixels."""

    def score(self, model: Model, source: Stamps | Features, threads: int | None) -> Scores:
        """Return the scores of candidates; the caller has checked that they give what the model needs."""

    def embed(self, model: Model, stamps: Stamps, threads: int | None) -> Vectors:
        """Return the vectors of stamps; the caller has checked that the model gives vectors, as for :meth:`score`."""

    def predict(self, model: Model, inputs: Sequence[LibraryArray], threads: int | None) -> LibraryArray:
        """Return P(real) (n,) from the inputs of a model, in the order of its ``shapes``."""
