"""How alerts are to be read, and what is made of them while their pixels are in a worker's cache."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from space2vec.backends import kernels
from space2vec.data.stamps import CHANNELS
from space2vec.plans.features import Measure
from space2vec.reading.budget import Limits
from space2vec.reading.fits import decode_tiles
from space2vec.registry import FEATURES

if TYPE_CHECKING:
    from space2vec.backends.interfaces import Model

__all__ = ["ROWS", "ROWS_WITH_PIXELS", "Wish", "batch_rows", "while_reading"]

#: Rows a batch: enough to keep every thread busy, few enough for pages of memory to be used again while they are warm.
ROWS_WITH_PIXELS = 512
#: The same on a GPU, all of which one batch is to occupy, and where no pixels are kept, so that a call is what costs.
ROWS = 2048


def while_reading(model: Model | None, device: str = "cpu") -> tuple[Measure | None, Model | None]:
    """Return what readers make of alerts for a model: features, or scores, or neither, where it needs their pixels.

    Readers score where the library runs the model, on what packets hold. They measure for one that takes no planes and
    is run in floating point.

    Parameters
    ----------
    model : space2vec.models.model.Model, optional
        The model.
    device : str, optional
        Where it is to run.

    Returns
    -------
    measure : Measure or None
        What is to be measured while reading; the model takes the Features.
    model : Model or None
        The model itself, where it is to score while reading.
    """
    if model is None or device != "cpu" or kernels.name() != "native":
        return None, None
    names, header = model.feature_names, model.header
    if any(name not in FEATURES for name in names):  # of which the model tells where it comes to stamps
        return None, None
    if model.runtime is None:
        return None, model
    return (Measure(names, header.convention) if header.recipe is None and not header.optional else None), None


def batch_rows(measure: Measure | None = None, model: Model | None = None, device: str = "cpu") -> int:
    """Return the rows of a batch, unless others are asked for, given what is made of alerts and where pixels go."""
    measured, scoring = while_reading(model, device)
    return ROWS_WITH_PIXELS if device == "cpu" and (measure or measured or scoring) is None else ROWS


@dataclass(frozen=True, slots=True)
class Wish:
    """How alerts are to be read.

    Attributes
    ----------
    size : int
        Rows of a batch, at most.
    threads : int
        Workers.
    measure : Measure or None
        What to measure, the pixels being let go; ``None`` to keep these.
    schemas : mapping of int to str
        The schemas of bare messages, as JSON, by the number in a message's header.
    memory : tuple of int or None
        Where the pixels go: the addresses of an ``s2v_allocator``'s two functions and of their context; ``None`` for
        ordinary memory.
    columns : tuple of str
        Paths of packets whose values go along with the rows.
    model : Model or None
        What to score by, the pixels being let go.
    limits : Limits
        What a file may ask for.
    """

    size: int
    threads: int
    measure: Measure | None = None
    schemas: Mapping[int, str] = field(default_factory=dict)
    memory: tuple[int, int, int] | None = None
    columns: tuple[str, ...] = ()
    model: Model | None = None
    limits: Limits = field(default_factory=Limits)

    @property
    def takes_catalogue(self) -> bool:
        """Whether columns of the catalogue are to be made of packets: for the rows, or for the model."""
        if self.model is not None:
            return bool(self.model.needs.catalogue)
        return self.measure is None or any(FEATURES[name].source == "catalogue" for name in self.measure.names)

    def options(self) -> dict[str, Any]:
        """Return what every native reader is told."""
        measure = self.measure
        planes = () if self.model is not None else CHANNELS if measure is None else measure.planes
        return {
            "planes": sum(1 << CHANNELS.index(plane) for plane in planes),
            "pixels": measure is None and self.model is None,
            "sets": 0 if measure is None else measure.sets,
            "convention": 0 if measure is None else ("code", "paper").index(measure.convention),
            "saturation": math.nan,
            "threads": self.threads,
            "memory": self.memory,
            "decode_image": decode_tiles,
            "model": self._native_model(),
            "limits": self.limits.native(),
        }

    def _native_model(self) -> Any:
        if self.model is None:
            return None
        from space2vec.backends import Host

        return Host(kernels.compiled("reading alerts")).model(self.model)
