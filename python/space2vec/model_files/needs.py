"""What a model takes of candidates, and whether they can give it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from space2vec import model_files, registry
from space2vec.data.flux_units import describe_normalisation, find_normalisation
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features
from space2vec.errors import ModelError, Space2vecWarning
from space2vec.model_files.header import Header
from space2vec.plans.recipe import Recipe

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Needs", "check_version", "set_of"]


def set_of(names: Sequence[str]) -> registry.FeatureSet | Literal["custom"]:
    """Return the smallest set of the registry that has all the names, or ``"custom"``."""
    fitting = [(len(columns), name) for name, columns in registry.FEATURE_SETS.items() if set(names) <= set(columns)]
    return min(fitting)[1] if fitting else "custom"


def check_version(header: Header) -> None:
    """See that a model was trained on the features that are computed here.

    Raises
    ------
    ModelError
        If their definitions have changed since.
    """
    if header.feature_names and header.feature_set != "custom" and header.feature_version != registry.FEATURES_VERSION:
        raise ModelError(
            f"it was trained on version {header.feature_version} of the features; "
            f"this is version {registry.FEATURES_VERSION}"
        )


@dataclass(frozen=True)
class Needs:
    """What a model takes.

    Attributes
    ----------
    header : space2vec.model_files.header.Header
        What the model is.
    recipe : Recipe, optional
        What its stamps are prepared by.
    """

    header: Header
    recipe: Recipe | None = None

    @classmethod
    def of(cls, header: Header) -> Self:
        """Return what a model of this header takes.

        Raises
        ------
        ModelError
            If its recipe is not known here, or cannot do without the planes that the model can do without.
        """
        if header.recipe is None:
            return cls(header)
        try:
            recipe = Recipe.from_plain(header.recipe)
        except ValueError as error:
            raise ModelError(str(error)) from error
        spared = set(recipe.channels) & set(header.optional)
        if spared and not recipe.steps:
            raise ModelError(f"recipe {recipe.name!r} does not prepare planes one by one, and cannot do without any")
        if spared == set(recipe.channels):
            raise ModelError(f"optional names all planes of recipe {recipe.name!r}: nothing would be left to look at")
        return cls(header, recipe)

    @cached_property
    def joins_planes(self) -> bool:
        """Whether the model compares planes with each other, so that they must share a flux scale."""
        kept = self.recipe is not None and self.recipe.name in registry.RECIPES and registry.RECIPES[self.recipe.name]
        features = (registry.FEATURES[name] for name in self.header.feature_names if name in registry.FEATURES)
        return bool(kept and kept.together) or any(len(feature.planes) > 1 for feature in features)

    def warn_of_units(self, source: Stamps | Features, stacklevel: int = 1) -> None:
        """Warn where the planes of stamps on the host share no flux scale, and the model compares them.

        Parameters
        ----------
        source : Stamps or Features
            What is to be scored.
        stacklevel : int, optional
            Whose line the warning names: that of the caller with 1, of its caller with 2.
        """
        if isinstance(source, Stamps) and source.device_pixels is None and self.joins_planes:
            kind = find_normalisation(source)
            if kind is not None:
                warnings.warn(
                    describe_normalisation(kind, self.header.name), Space2vecWarning, stacklevel=stacklevel + 1
                )

    def check(self, source: Stamps | Features) -> None:
        """See that a source can give what the model needs.

        Raises
        ------
        TypeError, ModelError
            As :meth:`inputs`.
        """
        if not isinstance(source, (Stamps, Features)):
            raise TypeError(
                f"score takes space2vec.Stamps or Features; given {type(source).__name__}. "
                "Wrap arrays in Stamps(...), or use predict for what a model is given"
            )
        name, names = self.header.name, self.header.feature_names
        if not isinstance(source, Stamps):
            if self.recipe is not None:
                raise ModelError(f"the model {name!r} takes stamps: a table of features has no pixels")
            if lacking := [column for column in names if column not in source.names]:
                raise ModelError(
                    f"the model {name!r} needs columns that the table lacks: {', '.join(lacking)}; "
                    f"it has {', '.join(source.names)}"
                )
        elif names and set_of(names) == "custom":
            unknown = [column for column in names if column not in registry.FEATURES]
            raise ModelError(
                f"the model {name!r} needs columns that stamps do not give: {', '.join(unknown)}; score a table"
            )

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """What the model takes, in order, ``"planes"`` or ``"features"`` or both, and the shape of a row of it."""
        shapes: dict[str, tuple[int, ...]] = {} if self.recipe is None else {"planes": self.recipe.shape}
        return {**shapes, "features": (len(self.header.feature_names),)} if self.header.feature_names else shapes

    @property
    def catalogue(self) -> list[int]:
        """Where the columns of the catalogue stand among those of the model."""
        return [place for place, name in enumerate(self.header.feature_names) if name in registry.CATALOGUE]

    def catalogue_columns(self, stamps: Stamps) -> NDArray[np.float32] | None:
        """Return all columns of the catalogue (n, 20) as kernels take them; None where none that is taken is known."""
        if stamps.catalogue.keys().isdisjoint(self.header.feature_names):
            return None
        table = np.full((len(stamps.offset), len(registry.CATALOGUE)), np.nan, dtype=np.float32)
        for name, values in stamps.catalogue.items():
            table[:, registry.CATALOGUE.index(name)] = values
        return table

    def columns_of_table(self, table: Features) -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
        """Return the model's columns (n, k) of a table, in its order, and the flags (n,), as kernels take them."""
        columns = np.ascontiguousarray(table.select(self.header.feature_names))
        return columns, np.ascontiguousarray(table.flags, dtype=np.uint32)

    @cached_property
    def file(self) -> bytes:
        """The bytes of a model file that holds no more than what the model takes."""
        return model_files.encode(replace(self.header, integer=None, calibration=None, first=None, doubt=None), {})
