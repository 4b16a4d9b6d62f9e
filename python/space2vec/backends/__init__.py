"""Where things are computed: on the host, by the compiled library or its Numba twin, or on a CUDA device.

A public verb chooses a :class:`Backend` once, by the device that is asked for and the one that holds the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from space2vec import backend
from space2vec.backends.host import Host
from space2vec.device import follow

if TYPE_CHECKING:
    from space2vec.flags import Given
    from space2vec.measure import Measure
    from space2vec.models.model import Model
    from space2vec.recipe import Prepared, Recipe
    from space2vec.registry import Step
    from space2vec.stamps import Stamps
    from space2vec.table import Features, Scores

__all__ = ["Backend", "Host", "choose", "on_host"]


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
    ) -> tuple[Any, Given]:
        """Return planes (..., height, width) normalised each by its own pixels, and their flags (...)."""

    def score(self, model: Model, source: Stamps | Features, threads: int | None) -> Scores:
        """Return the scores of candidates, which the model can take."""

    def predict(self, model: Model, inputs: Sequence[Any], threads: int | None) -> Any:
        """Return P(real) (n,) of what a model takes, as many inputs as it names."""


def on_host() -> Host:
    """Return the backend of the host that is in use.

    Raises
    ------
    BackendError
        If it cannot run here.
    """
    return Host(backend.active())


def choose(device: str, data: Any, runtime: str | None = None) -> Backend:
    """Return the backend for data: that of the device on which they lie, or, of the host, the one that is asked for.

    `data` are Stamps or an array of any library; what is neither counts as data of the host. `runtime` is what runs a
    model in floating point, where it is no backend. Raises as :func:`space2vec.device.follow`; BackendError also if no
    backend of the host can run.
    """
    where = follow(device, data, runtime)
    if where == "cpu":
        return on_host()
    from space2vec.cuda.backend import Cuda

    return Cuda(int(where.removeprefix("cuda:")))
