"""Options of readers, and what readers compute from alerts while the pixels are in a worker's cache."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from space2vec.backends import kernels
from space2vec.data.stamps import CHANNELS
from space2vec.plans.features import FeaturePlan
from space2vec.reading.fits import decode_tiles
from space2vec.reading.limits import Limits
from space2vec.registry import FEATURES

if TYPE_CHECKING:
    from space2vec.backends.interfaces import KernelModel, Model
    from space2vec.data.device.page_locked import Allocator

__all__ = ["ROWS", "ROWS_WITH_PIXELS", "ReadOptions", "ReaderWork", "batch_rows", "plan_reader_work"]

#: Rows of a batch whose pixels are kept: enough to keep every thread busy, few enough to reuse memory that is in cache.
ROWS_WITH_PIXELS = 512
#: Rows of a batch for a GPU, which one batch must fill, or of one without pixels, where the cost is one per batch.
ROWS = 2048


class ReaderWork(NamedTuple):
    """What readers compute from alerts; if all members are ``None``, they return the pixels.

    Attributes
    ----------
    measure : FeaturePlan or None
        The features to measure while reading; the model then takes the Features.
    model : Model or None
        The model, if it scores while reading.
    embedder : Model or None
        The model that gives vectors while reading.
    """

    measure: FeaturePlan | None
    model: Model | None
    embedder: Model | None = None


def plan_reader_work(model: Model | None, device: str = "cpu", embedder: Model | None = None) -> ReaderWork:
    """Choose what readers compute from alerts for a model: scores, vectors, features, or none if it needs the pixels.

    Readers score, or make vectors, if the library runs the model. They measure features if the model is run in floating
    point and takes no planes.

    Parameters
    ----------
    model : space2vec.models.model.Model, optional
        The model.
    device : str, optional
        The device that runs the model.
    embedder : space2vec.models.model.Model, optional
        A second model, which gives vectors of the candidates that the first one scores.
    """
    if model is None or device != "cpu" or kernels.name() != "native":
        return ReaderWork(None, None)
    header = model.header
    names = header.feature_names
    others = () if embedder is None else embedder.header.feature_names
    if any(name not in FEATURES for name in (*names, *others)):
        return ReaderWork(None, None)  # the model refuses stamps itself
    if model.vector:
        return ReaderWork(None, None, model if model.runtime is None else None)
    if model.runtime is None:
        return ReaderWork(None, model, embedder)
    if embedder is not None:
        return ReaderWork(None, None)
    without_planes = header.recipe is None and not header.optional
    return ReaderWork(FeaturePlan(names, header.convention) if without_planes else None, None)


def batch_rows(
    measure: FeaturePlan | None = None,
    model: Model | None = None,
    device: str = "cpu",
    embedder: Model | None = None,
) -> int:
    """Return the default number of rows of a batch, given what readers compute and which device gets the pixels."""
    work = plan_reader_work(model, device, embedder)
    keeps_pixels = (measure or work.measure or work.model or work.embedder) is None
    return ROWS_WITH_PIXELS if device == "cpu" and keeps_pixels else ROWS


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read alerts.

    Attributes
    ----------
    size : int
        The most rows of a batch.
    threads : int
        The number of threads.
    measure : FeaturePlan or None
        The features to measure; the pixels are not kept then.
    schemas : mapping of int to str
        The schemas of bare Avro messages, as JSON, by the number in a message's header.
    memory : Allocator or None
        The allocator of the pixels; ``None`` for ordinary memory.
    columns : tuple of str
        Paths of packet fields whose values become extra columns.
    model : Model or None
        The model that scores while reading; the pixels are not kept then.
    limits : Limits
        The limits on what a file may demand.
    embedder : Model or None
        The model that gives vectors while reading, with the scores of `model` or alone; the pixels are not kept then.
    """

    size: int
    threads: int
    measure: FeaturePlan | None = None
    schemas: Mapping[int, str] = field(default_factory=dict)
    memory: Allocator | None = None
    columns: tuple[str, ...] = ()
    model: Model | None = None
    limits: Limits = field(default_factory=Limits)
    embedder: Model | None = None

    @property
    def models(self) -> tuple[Model, ...]:
        """The models that score or make vectors while reading."""
        return tuple(filter(None, (self.model, self.embedder)))

    @property
    def takes_catalogue(self) -> bool:
        """Whether catalogue columns are computed from packets, for the rows or for a model."""
        if self.models:
            return any(model.needs.catalogue for model in self.models)
        return self.measure is None or any(FEATURES[name].source == "catalogue" for name in self.measure.names)

    def native(self) -> dict[str, object]:
        """Return the options as keyword arguments of the compiled readers."""
        measure = self.measure
        planes = () if self.models else CHANNELS if measure is None else measure.planes
        return {
            "planes": sum(1 << CHANNELS.index(plane) for plane in planes),
            "pixels": measure is None and not self.models,
            "sets": 0 if measure is None else measure.sets,
            "convention": 0 if measure is None else ("code", "paper").index(measure.convention),
            "saturation": math.nan,
            "threads": self.threads,
            "memory": self.memory,
            "decode_image": decode_tiles,
            "model": _native_model(self.model),
            "limits": self.limits.native(),
            **({} if self.embedder is None else {"embedder": _native_model(self.embedder)}),
        }


def _native_model(model: Model | None) -> KernelModel | None:
    """Return a model in the form of the compiled readers."""
    if model is None:
        return None
    from space2vec.backends import Host

    return Host(kernels.require_extension("reading alerts")).model(model)
