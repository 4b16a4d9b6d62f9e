"""What the kernels of a device leave to the host: which rows get a score, rows without a plane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from space2vec import flags as flag_bits
from space2vec import registry
from space2vec.columns import Columns
from space2vec.stamps import CHANNELS, Stamps
from space2vec.table import Features, Scores

if TYPE_CHECKING:
    from space2vec.recipe import Prepared, Recipe
    from space2vec.scoring import Needs

__all__ = ["Inputs", "beside", "device_columns", "join", "simple", "spare"]

#: Sets rows to 0, and some of their channels to planes.
Put: TypeAlias = "Callable[[NDArray[np.intp], NDArray[np.intp], Any], None]"
#: Prepares stamps by a recipe.
Prepare: TypeAlias = "Callable[[Stamps, Recipe], Prepared]"

_MISSING, _OFF_SHAPE = np.uint32(flag_bits.bits("missing")), np.uint32(flag_bits.bits("off_shape"))
_UNSCORABLE = np.uint32(flag_bits.UNSCORABLE)
#: Pixels a side that a stamp has at least for a recipe: no star's image fits on fewer.
_LEAST_SIDE = 5


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


def join(
    needs: Needs, source: Stamps | Features, planes: Any, flags: NDArray[np.uint32], table: Features | None
) -> Inputs:
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
        refusing[_spared(needs, source.offset < 0)] &= ~_MISSING
    if table is not None:
        columns = table.select(needs.header.feature_names)
        flags = flags | table.flags.astype(np.uint32)
    refused = (flags & refusing) != 0
    if columns is not None and planes is None:
        silent = np.isnan(columns).all(axis=1)
        flags[silent & ~refused] |= _MISSING
        refused |= silent
    if columns is not None and needs.rests_on_catalogue:
        bare = np.isnan(columns[:, needs.catalogue]).all(axis=1)
        flags[bare & ~refused] |= _MISSING
    return Inputs(planes, columns, flags, refused, source.object_id, source.candidate_id, source.columns)


def device_columns(needs: Needs) -> NDArray[np.int32] | None:
    """Where the columns of the model (k,) stand among those that kernels write and, after them, its catalogue's.

    None where stamps do not give them all.
    """
    if needs.measure is None:
        return None
    names = needs.header.feature_names
    there = (*registry.stamp_columns(needs.measure.sets), *(names[k] for k in needs.catalogue))
    return np.array([there.index(name) for name in names], dtype=np.int32)


def beside(needs: Needs, stamps: Stamps) -> NDArray[np.float32] | None:
    """Return the model's columns of the catalogue (n, columns), NaN where it is silent; None where it is all."""
    names = [needs.header.feature_names[k] for k in needs.catalogue]
    if not set(names) & set(stamps.catalogue):
        return None
    silent = np.full(len(stamps), np.nan, dtype=np.float32)
    return np.stack([stamps.catalogue.get(name, silent) for name in names], axis=1, dtype=np.float32)


def simple(needs: Needs, stamps: Stamps) -> bool:
    """Tell whether the flags that kernels raise are all that the model needs to know of stamps.

    Nothing was raised before, no plane is missing, each holds its candidate, and the catalogue is not asked.
    """
    if needs.header.feature_names and (device_columns(needs) is None or needs.catalogue):
        return False
    bad = stamps.flags.any() or (stamps.offset < 0).any()
    return not bad and (needs.recipe is None or not _beside(stamps, needs.recipe).any())


def spare(needs: Needs, stamps: Stamps, flags: NDArray[np.uint32], make: Prepare, put: Put) -> NDArray[np.uint32]:
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
    recipe = needs.recipe
    if recipe is None:
        return flags
    absent = stamps.offset < 0
    lacking = absent[:, [CHANNELS.index(channel) for channel in recipe.channels]] & _spared(needs, absent)[:, None]
    for pattern in np.unique(lacking[lacking.any(axis=1)], axis=0):
        rows = np.nonzero((lacking == pattern).all(axis=1))[0]
        there = [channel for channel, away in zip(recipe.channels, pattern.tolist(), strict=True) if not away]
        part = make(stamps[rows], recipe.of_planes(there))
        flags[rows] |= part.flags
        put(rows, np.nonzero(np.tile(~pattern, recipe.views))[0], part.planes)
    flags[_beside(stamps, recipe)] |= _OFF_SHAPE
    return flags


def _spared(needs: Needs, absent: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the rows (n,) that lack a plane, but none that the model cannot do without."""
    needed = [CHANNELS.index(channel) for channel in needs.planes]
    firm = [CHANNELS.index(channel) for channel in needs.planes if channel not in needs.header.optional]
    return np.asarray(absent[:, needed].any(axis=1) & ~absent[:, firm].any(axis=1))


def _beside(stamps: Stamps, recipe: Recipe) -> NDArray[np.bool_]:
    """Return the rows (n,) with a plane that is too small, or does not hold the candidate."""
    used = [CHANNELS.index(channel) for channel in recipe.channels]
    shape, centre = stamps.shape[:, used], stamps.centre[:, None, :]
    wrong = ((shape < _LEAST_SIDE) | (centre < 0) | (centre >= shape)).any(axis=2)
    return np.asarray((wrong & (stamps.offset[:, used] >= 0)).any(axis=1))
