"""What the layers ask of each other: backends of kernels and of models, and verbs of backends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from space2vec.registry import RecipeName

if TYPE_CHECKING:
    from torch import nn

    from space2vec.data.flags import FlagSource
    from space2vec.data.stamps import Stamps
    from space2vec.data.tables import Features, Scores
    from space2vec.model_files.header import Header
    from space2vec.model_files.needs import Needs
    from space2vec.plans.features import Measure
    from space2vec.plans.recipe import Prepared, Recipe
    from space2vec.registry import Step

__all__ = ["Backend", "KernelModel", "Kernels", "Model", "Network"]

_Engine = TypeVar("_Engine")

Floats: TypeAlias = "NDArray[np.float32]"
Flags: TypeAlias = "NDArray[np.uint32]"
#: The number of a normaliser and its parameters, a step each.
NumberedSteps: TypeAlias = "list[tuple[int, list[float]]]"


class KernelModel(Protocol):
    """A model as kernels have it, made of the bytes of a model file (ValueError where they are damaged)."""

    @property
    def runs(self) -> bool:
        """Whether it is a forest or a network in integers; of a network of floats alone :meth:`inputs` works."""

    def predict(self, planes: Floats | None, columns: Floats | None, score: Floats, threads: int) -> None:
        """Write P(real) (n,) of prepared planes and columns."""

    def score(self, stamps: Stamps, catalogue: Floats | None, score: Floats, flags: Flags, threads: int) -> None:
        """Write the scores and flags (n,) of stamps; the catalogue has 20 columns, NaN where unknown."""

    def score_columns(self, columns: Floats, raised: Flags, score: Floats, flags: Flags, threads: int) -> None:
        """Write the scores and flags (n,) of rows of a table with the model's columns (n, k) and flags."""

    def judge_columns(self, columns: Floats, raised: Flags, flags: Flags, scored: NDArray[np.bool_]) -> None:
        """Write the flags (n,) of rows of a table, and which of them are to be scored."""

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
        """Write what the model takes of stamps, the flags of their scores, and which rows are to be scored."""


class Kernels(Protocol):
    """What ``space2vec._core`` and ``space2vec.backends.numba`` offer. Arrays are checked and made by the callers."""

    __name__: str

    @property
    def Model(self) -> Callable[[bytes], KernelModel]:  # noqa: N802
        """Make a model of the bytes of a model file."""

    def isa(self) -> str | None:
        """Return the instruction set in use."""

    def features(self, stamps: Stamps, sets: int, paper: bool, values: Floats, flags: Flags, threads: int) -> None:
        """Write the features of the sets (bits of :data:`space2vec.registry.STAMP_SETS`) of a batch."""

    def prepare(self, stamps: Stamps, recipe: RecipeName, planes: Floats, flags: Flags, threads: int) -> None:
        """Write the planes of a recipe."""

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
        """Write the planes of a chain of steps on a square around the candidate."""

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
        """Write planes normalised by steps (the number of a normaliser and its parameters)."""


class Model(Protocol):
    """What backends ask of a model; :class:`space2vec.models.model.Model` says what each is."""

    @property
    def header(self) -> Header:
        """What the model is."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def id(self) -> str:
        """The name, and digits that change with whatever scores depend on."""

    @property
    def needs(self) -> Needs:
        """What it takes of candidates."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns that it takes, in order."""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """What ``predict`` is given, in order, and the shape of a row of it."""

    @property
    def words(self) -> Mapping[str, str]:
        """What errors call that which it takes."""

    @property
    def runtime(self) -> str | None:
        """What runs it in floating point; None where backends run it."""

    @property
    def first(self) -> Network | None:
        """Of a cascade, the network that is asked first."""

    def engine(self, where: str, make: Callable[[bytes], _Engine]) -> _Engine:
        """Return the model as a backend has it, made of the bytes of its file once."""

    def predict_in_floats(self, inputs: Sequence[NDArray[np.float32]], threads: int) -> NDArray[np.float32]:
        """Return P(real) (n,) by its runtime on the host, calibrated."""

    def check_shapes(self, given: Sequence[tuple[int, ...]]) -> None:
        """See that inputs have the shapes that it takes; ValueError if they have others."""


class Network(Model, Protocol):
    """What backends ask of a network, of a cascade above all; see :class:`space2vec.models.network.Network`."""

    @property
    def module(self) -> nn.Module:
        """The network in PyTorch."""

    @property
    def second(self) -> Network:
        """The network that a cascade asks in doubt; of any other network, itself."""

    def cascade_scores(
        self, score: NDArray[np.float32], score_rows: Callable[[NDArray[np.intp]], NDArray[np.float32]]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the scores (n,) of a cascade, and which of them the second network gave."""


class Backend(Protocol):
    """What computes. Results lie where the data do, in their library."""

    @property
    def name(self) -> str:
        """Where it computes: ``"cpu"``, ``"cuda:0"`` and so on."""

    def features(self, stamps: Stamps, measure: Measure, threads: int | None) -> Features:
        """Return the features of stamps, with their flags."""

    def prepare(self, stamps: Stamps, recipe: Recipe, threads: int | None) -> Prepared:
        """Return the planes of stamps by a recipe, with their flags."""

    def normalise(
        self, planes: Any, mask: Any, steps: Sequence[Step], fill: float, threads: int | None
    ) -> tuple[Any, FlagSource]:
        """Return planes (..., height, width) normalised each by its own pixels, and their flags (...)."""

    def score(self, model: Model, source: Stamps | Features, threads: int | None) -> Scores:
        """Return the scores of candidates, which the model can take."""

    def predict(self, model: Model, inputs: Sequence[Any], threads: int | None) -> Any:
        """Return P(real) (n,) of what a model takes, as many inputs as it names."""
