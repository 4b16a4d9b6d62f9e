"""What scoring is to every kind of model: what it takes out of a source, and which rows get a score."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from space2vec import flags as flag_bits
from space2vec import registry
from space2vec.columns import Columns
from space2vec.errors import ModelError, Space2vecWarning
from space2vec.extract import Measure, features
from space2vec.modelfile import Header
from space2vec.recipe import Prepared, Recipe, prepare
from space2vec.stamps import CHANNELS, Stamps
from space2vec.table import Features, Scores
from space2vec.units import in_words, normalised_by

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Inputs", "Needs", "check_version", "in_place", "set_of"]

#: Sets rows to 0, and some of their channels to planes.
Put: TypeAlias = "Callable[[NDArray[np.intp], NDArray[np.intp], Any], None]"
#: Prepares stamps by a recipe.
Prepare: TypeAlias = "Callable[[Stamps, Recipe], Prepared]"

_MISSING, _OFF_SHAPE = np.uint32(flag_bits.bits("missing")), np.uint32(flag_bits.bits("off_shape"))
_UNSCORABLE = np.uint32(flag_bits.UNSCORABLE)
#: Pixels a side that a stamp has at least for a recipe: no star's image fits on fewer.
_LEAST_SIDE = 5


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


def in_place(source: Stamps | Features, scores: Scores) -> Scores:
    """Return scores that lie where the stamps do that they are of."""
    there = source.there if isinstance(source, Stamps) else None
    if there is not None:
        scores.score = there.like(scores.score).owner
    return scores


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a model is given of some candidates.

    Attributes
    ----------
    planes : ndarray of float32 (n, channel, height, width), space2vec.cuda.torch_planes.Planes, or None
        Prepared pixels, where the model has a recipe: NaN throughout where a row cannot be prepared, 0 in a plane that
        is missing and that the model can do without.
    features : ndarray of float32 (n, k) or None
        The columns that the model names, NaN where undefined; None where it names none.
    flags : ndarray of uint32 (n,)
        The flags of both.
    refused : ndarray of bool (n,)
        The rows that are not to be scored.
    object_id, candidate_id : ndarray (n,)
        The ids.
    columns : dict of str to ndarray (n,)
        The further columns of the candidates.
    """

    planes: Any
    features: NDArray[np.float32] | None
    flags: NDArray[np.uint32]
    refused: NDArray[np.bool_]
    object_id: NDArray[np.object_]
    candidate_id: NDArray[np.generic]
    columns: Columns = field(default_factory=dict)

    @property
    def given(self) -> tuple[NDArray[np.float32], ...]:
        """The planes and the features, as far as the model takes them."""
        return tuple(given for given in (self.planes, self.features) if given is not None)

    def scores(self, score: NDArray[np.float32], model: str, device: str) -> Scores:
        """Return what the model gave (n,) as scores: NaN in the rows that are not to be scored."""
        score[self.refused] = np.nan
        return Scores(score, self.flags, self.object_id, self.candidate_id, model, device, columns=self.columns)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a model takes.

    Attributes
    ----------
    header : space2vec.modelfile.Header
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
            there = [channel for channel in recipe.channels if channel not in header.optional]
            if there != list(recipe.channels):
                recipe.of_planes(there)
        except ValueError as error:
            raise ModelError(str(error)) from error
        return cls(header, recipe)

    @property
    def planes(self) -> tuple[str, ...]:
        """The planes that are looked at."""
        asked = set(() if self.recipe is None else self.recipe.channels)
        if self.header.feature_names:
            asked |= set(Measure(self.header.feature_names, self.header.convention).planes)
        return tuple(channel for channel in CHANNELS if channel in asked)

    def inputs(self, source: Stamps | Features, threads: int | None = None) -> Inputs:
        """Return what the model is to be given.

        Parameters
        ----------
        source : Stamps or Features
            Stamps, which are prepared and measured as the model needs it; or a table with the model's columns.
        threads : int, optional
            Threads to use; one a usable core by default.

        Raises
        ------
        TypeError
            If the source is neither.
        ModelError
            If the source cannot give what the model needs.
        """
        self.check(source)
        planes, flags, table = None, np.zeros(len(source), dtype=np.uint32), None
        if isinstance(source, Stamps):
            if self.recipe is not None:
                prepared = prepare(source, self.recipe, threads=threads)
                planes = prepared.planes

                def put(rows: NDArray[np.intp], channels: NDArray[np.intp], values: NDArray[np.float32]) -> None:
                    prepared.planes[rows] = 0
                    prepared.planes[rows[:, None], channels] = values

                flags = self.spare(source, prepared.flags, functools.partial(prepare, threads=threads), put)
            group, convention = set_of(self.header.feature_names), self.header.convention
            if self.header.feature_names and group != "custom":
                table = features(source, set=group, convention=convention, threads=threads)
        else:
            table = source
        return self.join(source, planes, flags, table)

    @property
    def joins_planes(self) -> bool:
        """Whether the model compares planes with each other, so that they must share a flux scale."""
        kept = self.recipe is not None and self.recipe.name in registry.RECIPES and registry.RECIPES[self.recipe.name]
        features = (registry.FEATURES[name] for name in self.header.feature_names if name in registry.FEATURES)
        return bool(kept and kept.together) or any(len(feature.planes) > 1 for feature in features)

    def see_units(self, source: Stamps | Features, stacklevel: int = 1) -> None:
        """Warn where the planes of stamps on the host share no flux scale, and the model compares them.

        Parameters
        ----------
        source : Stamps or Features
            What is to be scored.
        stacklevel : int, optional
            Whose line the warning names: that of the caller with 1, of its caller with 2.
        """
        if isinstance(source, Stamps) and source.device == "cpu" and self.joins_planes:
            kind = normalised_by(source)
            if kind is not None:
                warnings.warn(in_words(kind, self.header.name), Space2vecWarning, stacklevel=stacklevel + 1)

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

    def join(self, source: Stamps | Features, planes: Any, flags: NDArray[np.uint32], table: Features | None) -> Inputs:
        """Return what the model is to be given, out of what was prepared and measured of a source.

        Parameters
        ----------
        source : Stamps or Features
            The candidates.
        planes : array, or None
            Their planes, if the model has a recipe.
        flags : ndarray of uint32 (n,)
            The flags of these.
        table : Features, or None
            Their features, if the model takes any.
        """
        refusing = np.full(len(source), _UNSCORABLE)
        columns = None
        if isinstance(source, Stamps):
            refusing[self._spared(source.offset < 0)] &= ~_MISSING
        if table is not None:
            columns = table.select(self.header.feature_names)
            flags = flags | table.flags.astype(np.uint32)
        refused = (flags & refusing) != 0
        if columns is not None and planes is None:
            silent = np.isnan(columns).all(axis=1)
            flags[silent & ~refused] |= _MISSING
            refused |= silent
        if columns is not None and self.rests_on_catalogue:
            bare = np.isnan(columns[:, self.catalogue]).all(axis=1)
            flags[bare & ~refused] |= _MISSING
        return Inputs(planes, columns, flags, refused, source.object_id, source.candidate_id, source.columns)

    @property
    def device_columns(self) -> NDArray[np.int32] | None:
        """Where the columns of the model (k,) stand among those that kernels write and, after them, its catalogue's.

        None where stamps do not give them all.
        """
        if self.measure is None:
            return None
        names = self.header.feature_names
        there = (*registry.stamp_columns(self.measure.sets), *(names[k] for k in self.catalogue))
        return np.array([there.index(name) for name in names], dtype=np.int32)

    def beside(self, stamps: Stamps) -> NDArray[np.float32] | None:
        """Return the model's columns of the catalogue (n, columns), NaN where it is silent; None where it is all."""
        names = [self.header.feature_names[k] for k in self.catalogue]
        if not set(names) & set(stamps.catalogue):
            return None
        silent = np.full(len(stamps), np.nan, dtype=np.float32)
        return np.stack([stamps.catalogue.get(name, silent) for name in names], axis=1, dtype=np.float32)

    def simple(self, stamps: Stamps) -> bool:
        """Tell whether the flags that kernels raise are all that the model needs to know of stamps.

        Nothing was raised before, no plane is missing, each holds its candidate, and the catalogue is not asked.
        """
        if self.header.feature_names and (self.device_columns is None or self.catalogue):
            return False
        bad = stamps.flags.any() or (stamps.offset < 0).any()
        return not bad and (self.recipe is None or not _beside(stamps, self.recipe).any())

    @property
    def catalogue(self) -> list[int]:
        """Where the columns of the catalogue stand among those of the model."""
        known = registry.FEATURES
        names = self.header.feature_names
        return [k for k, name in enumerate(names) if name in known and known[name].source == "catalogue"]

    @property
    def rests_on_catalogue(self) -> bool:
        """Whether most columns of the model are the catalogue's: without them its score is little worth."""
        return 2 * len(self.catalogue) > len(self.header.feature_names)

    def spare(self, stamps: Stamps, flags: NDArray[np.uint32], make: Prepare, put: Put) -> NDArray[np.uint32]:
        """Prepare the rows that lack a plane which the model can do without once more, without it; return all flags.

        Parameters
        ----------
        stamps : Stamps
            The candidates.
        flags : ndarray of uint32 (n,)
            The flags that were raised when the whole recipe was tried; they are changed.
        make : callable
            Prepares stamps by a recipe.
        put : callable
            Called with rows, channels and planes (rows, channels, height, width): sets these rows to 0, and these
            channels of them to the planes.
        """
        recipe = self.recipe
        if recipe is None:
            return flags
        absent = stamps.offset < 0
        lacking = absent[:, [CHANNELS.index(channel) for channel in recipe.channels]] & self._spared(absent)[:, None]
        for pattern in np.unique(lacking[lacking.any(axis=1)], axis=0):
            rows = np.nonzero((lacking == pattern).all(axis=1))[0]
            there = [channel for channel, away in zip(recipe.channels, pattern.tolist(), strict=True) if not away]
            part = make(stamps[rows], recipe.of_planes(there))
            flags[rows] |= part.flags
            put(rows, np.nonzero(np.tile(~pattern, recipe.views))[0], part.planes)
        flags[_beside(stamps, recipe)] |= _OFF_SHAPE
        return flags

    @property
    def measure(self) -> Measure | None:
        """What is to be measured of stamps: the smallest set that has the columns; None where none is or has them."""
        group = set_of(self.header.feature_names)
        if not self.header.feature_names or group == "custom":
            return None
        return Measure(registry.feature_set(group), self.header.convention)

    def _spared(self, absent: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the rows (n,) that lack a plane, but none that the model cannot do without."""
        needed = [CHANNELS.index(channel) for channel in self.planes]
        firm = [CHANNELS.index(channel) for channel in self.planes if channel not in self.header.optional]
        return np.asarray(absent[:, needed].any(axis=1) & ~absent[:, firm].any(axis=1))


def _beside(stamps: Stamps, recipe: Recipe) -> NDArray[np.bool_]:
    """Return the rows (n,) with a plane that is too small, or does not hold the candidate."""
    used = [CHANNELS.index(channel) for channel in recipe.channels]
    shape, centre = stamps.shape[:, used], stamps.centre[:, None, :]
    wrong = ((shape < _LEAST_SIDE) | (centre < 0) | (centre >= shape)).any(axis=2)
    return np.asarray((wrong & (stamps.offset[:, used] >= 0)).any(axis=1))
