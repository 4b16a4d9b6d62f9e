"""The pixels and columns that a model needs of candidates, and checks that candidates have them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec import model_files, registry
from space2vec.data.detections import Detections
from space2vec.data.flux_units import describe_normalisation, find_normalisation
from space2vec.data.stamps import CHANNELS, Stamps
from space2vec.data.tables import Features
from space2vec.errors import ModelError, Space2vecWarning
from space2vec.model_files.header import Header
from space2vec.plans.recipe import Recipe

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Needs", "TableColumns", "check_version", "smallest_feature_set"]


class TableColumns(NamedTuple):
    """The columns (n, k) that a model takes of a table, in its order, and the flags (n,) of the rows."""

    columns: NDArray[np.float32]
    flags: NDArray[np.uint32]


def smallest_feature_set(names: Sequence[str]) -> registry.FeatureSet | Literal["custom"]:
    """Return the name of the smallest set of features that has all the columns, or ``"custom"`` if none has."""
    fitting = [(len(columns), name) for name, columns in registry.FEATURE_SETS.items() if set(names) <= set(columns)]
    return min(fitting)[1] if fitting else "custom"


def check_version(header: Header) -> None:
    """Check that a model was trained on the definitions of features that this version computes.

    Raises
    ------
    ModelError
        If the definitions have changed since then.
    """
    if header.feature_names and header.feature_set != "custom" and header.feature_version != registry.FEATURES_VERSION:
        raise ModelError(
            f"it was trained on version {header.feature_version} of the features; "
            f"this is version {registry.FEATURES_VERSION}"
        )


@dataclass(frozen=True)
class Needs:
    """The pixels and columns that a model needs.

    Attributes
    ----------
    header : space2vec.model_files.header.Header
        The header of the model.
    recipe : Recipe, optional
        The recipe by which its stamps are prepared; None if it takes no pixels.
    """

    header: Header
    recipe: Recipe | None = None

    @classmethod
    def of(cls, header: Header) -> Self:
        """Return the needs of the model with a header.

        Raises
        ------
        ModelError
            If this version does not know its recipe, or the recipe cannot be applied without the optional planes.
        """
        if header.recipe is None:
            return cls(header)
        try:
            recipe = Recipe.from_plain(header.recipe)
        except ValueError as error:
            raise ModelError(str(error)) from error
        optional = set(recipe.channels) & set(header.optional)
        if optional and not recipe.steps:
            raise ModelError(f"recipe {recipe.name!r} does not prepare planes one by one, and cannot do without any")
        if optional == set(recipe.channels):
            raise ModelError(f"optional names all planes of recipe {recipe.name!r}: nothing would be left to look at")
        return cls(header, recipe)

    @cached_property
    def joins_planes(self) -> bool:
        """Whether the model compares planes with each other, so that they must have the same flux scale."""
        recipe, entries = self.recipe, registry.RECIPES
        together = recipe is not None and recipe.name in entries and bool(entries[recipe.name].together)
        features = (registry.FEATURES[column] for column in self.header.feature_names if column in registry.FEATURES)
        return together or any(len(feature.planes) > 1 for feature in features)

    def warn_of_units(self, source: Stamps | Features, stacklevel: int = 1) -> None:
        """Warn if the model compares planes with each other, and those of the stamps have different flux scales.

        Only stamps on the host are checked.

        Parameters
        ----------
        source : Stamps or Features
            The candidates to score.
        stacklevel : int, optional
            Whether the warning names the line of the caller (1), of the caller's caller (2), and so on.
        """
        if isinstance(source, Stamps) and source.device_pixels is None and self.joins_planes:
            kind = find_normalisation(source)
            if kind is not None:
                warnings.warn(
                    describe_normalisation(kind, self.header.name), Space2vecWarning, stacklevel=stacklevel + 1
                )

    def check(self, source: Stamps | Features | Detections) -> None:
        """Check that candidates have what the model needs.

        Raises
        ------
        TypeError
            If they are neither stamps, detections in whole images nor features.
        ModelError
            If they lack pixels or columns that the model needs.
        """
        if not isinstance(source, (Stamps, Features, Detections)):
            raise TypeError(
                f"score takes space2vec.Stamps, Detections or Features; given {type(source).__name__}. "
                "Wrap arrays in Stamps(...), or use predict for planes and features that are prepared already"
            )
        name, names = self.header.name, self.header.feature_names
        if isinstance(source, Features):
            if self.recipe is not None:
                raise ModelError(f"the model {name!r} takes stamps: a table of features has no pixels")
            if lacking := [column for column in names if column not in source.names]:
                raise ModelError(
                    f"the model {name!r} needs columns that the table lacks: {', '.join(lacking)}; "
                    f"it has {', '.join(source.names)}"
                )
        elif names and smallest_feature_set(names) == "custom":
            unknown = [column for column in names if column not in registry.FEATURES]
            raise ModelError(
                f"the model {name!r} needs columns that stamps do not give: {', '.join(unknown)}; score a table"
            )

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The inputs of the model in order, ``"planes"``, ``"features"`` or both, and the shape of one row of each."""
        shapes: dict[str, tuple[int, ...]] = {} if self.recipe is None else {"planes": self.recipe.shape}
        return {**shapes, "features": (len(self.header.feature_names),)} if self.header.feature_names else shapes

    @cached_property
    def planes(self) -> tuple[str, ...]:
        """The planes that the model looks at: those of its recipe, and those that its features are measured on."""
        used = set() if self.recipe is None else set(self.recipe.channels)
        used.update(plane for entry in self._entries if entry is not None for plane in entry.planes)
        return tuple(channel for channel in CHANNELS if channel in used)

    @property
    def meanings(self) -> tuple[str, ...]:
        """What each column of the model shows, in plain words; empty for one that the registry does not know."""
        return tuple("" if entry is None else entry.tells or entry.definition for entry in self._entries)

    @property
    def units(self) -> tuple[str, ...]:
        """The unit of each column of the model; empty where it has none or the registry does not know it."""
        return tuple("" if entry is None else entry.unit for entry in self._entries)

    @property
    def _entries(self) -> list[registry.FeatureEntry | None]:
        """The entry of each column in the registry."""
        return [registry.FEATURES.get(name) for name in self.header.feature_names]

    @property
    def catalogue(self) -> list[int]:
        """The positions of the catalogue columns among the columns of the model."""
        return [position for position, name in enumerate(self.header.feature_names) if name in registry.CATALOGUE]

    def catalogue_columns(self, stamps: Stamps | Detections) -> NDArray[np.float32] | None:
        """Return the catalogue columns (n, 20) of stamps, NaN where unknown; None if the model takes none of them."""
        if stamps.catalogue.keys().isdisjoint(self.header.feature_names):
            return None
        table = np.full((len(stamps), len(registry.CATALOGUE)), np.nan, dtype=np.float32)
        for name, values in stamps.catalogue.items():
            table[:, registry.CATALOGUE.index(name)] = values
        return table

    def columns_of_table(self, table: Features) -> TableColumns:
        """Return the columns of a table that the model takes, and its flags."""
        columns = np.ascontiguousarray(table.select(self.header.feature_names))
        return TableColumns(columns, np.ascontiguousarray(table.flags, dtype=np.uint32))

    @cached_property
    def file(self) -> bytes:
        """The bytes of a model file without tensors, from which kernels make a model that only prepares inputs."""
        return model_files.encode(replace(self.header, integer=None, calibration=None, first=None, doubt=None), {})
