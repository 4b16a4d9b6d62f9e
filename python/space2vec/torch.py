"""Stamps for PyTorch: a data set of prepared planes, features and labels, and a transform by a recipe.

:attr:`space2vec.Network.module` is the module of a network, and :meth:`space2vec.Network.from_module` makes a network
of one that you have trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.data import Dataset

from space2vec import backends, registry
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import Stamps
from space2vec.model_files.header import CUSTOM, Header
from space2vec.model_files.needs import Needs, smallest_feature_set
from space2vec.plans.recipe import Recipe
from space2vec.registry import RecipeName
from space2vec.training.augment import Augmentation, augment

if TYPE_CHECKING:
    from space2vec.backends.interfaces import Network

__all__ = ["PrepareStamps", "StampDataset"]

#: Rows that are prepared at a time to find out which can be.
_BLOCK = 2048


class PrepareStamps:
    """A transform of stamps to the planes of a recipe.

    Parameters
    ----------
    recipe : Recipe or str
        How the planes are prepared, see :func:`space2vec.prepare`; such as ``Recipe.from_plain(header.recipe)`` of a
        network's header.
    threads : int, optional
        Number of threads; one per usable core by default.

    Raises
    ------
    ValueError
        If there is no such recipe.

    Examples
    --------
    >>> from space2vec.torch import PrepareStamps
    >>> PrepareStamps("braai")(s2v.simulate(4, seed=1).stamps).shape
    torch.Size([4, 3, 63, 63])
    """

    def __init__(self, recipe: Recipe | RecipeName, threads: int | None = None) -> None:
        self.recipe = recipe if isinstance(recipe, Recipe) else Recipe(recipe)
        self.threads = threads

    def __call__(self, stamps: Stamps | ArrayLike) -> Tensor:
        """Prepare stamps.

        Parameters
        ----------
        stamps : Stamps, or array_like (n, 3, height, width) or (3, height, width)
            The candidates: science, template and difference.

        Returns
        -------
        torch.Tensor of float32 (n, channel, side, side)
            NaN for a candidate that cannot be prepared; for one candidate (channel, side, side).
        """
        if isinstance(stamps, Stamps):
            single, rows = False, stamps
        else:
            pixels = np.asarray(stamps)
            single = pixels.ndim == 3
            rows = Stamps(pixels[None] if single else pixels)
        planes = torch.from_numpy(backends.on_host().prepare(rows, self.recipe, self.threads).planes)
        return planes[0] if single else planes

    def __repr__(self) -> str:
        return f"PrepareStamps({self.recipe.name!r})"


class StampDataset(Dataset[tuple[Tensor, ...]]):
    """A data set of PyTorch: the prepared planes, the features and the label of each candidate.

    An item is a tuple of the planes (channel, height, width), the features (k,), NaN where undefined, and the label,
    1.0 for real and 0.0 for bogus. What the network does not take is left out, and so is the label if the candidates
    have none. All are float32. Candidates that cannot be prepared are left out. Planes are prepared when they are asked
    for, a batch at a time.

    Parameters
    ----------
    rows : LabelledStamps or Stamps
        The candidates.
    like : Network, optional
        A network that takes the same inputs; of a cascade the second one.
    recipe : Recipe or str, optional
        Without `like`: how the planes are prepared; by default there are no planes.
    features : str or sequence of str, optional
        Without `like`: a set of features, or columns of one; by default there are no features.
    augmentation : Augmentation, optional
        Random changes, which are drawn whenever a candidate is asked for. They follow ``torch.manual_seed``.
    threads : int, optional
        Threads that prepare a batch; one by default, since a DataLoader has workers.

    Attributes
    ----------
    stamps : Stamps
        The candidates that can be prepared.
    row : ndarray of intp (n,)
        Their numbers among `rows`.
    label : torch.Tensor of float32 (n,) or None
        Their labels.

    Raises
    ------
    ValueError
        If there is neither `like` nor a recipe nor features, or both; or if no candidate can be prepared.

    Examples
    --------
    >>> from space2vec.torch import StampDataset
    >>> night = s2v.simulate(20, seed=2)
    >>> rows = s2v.data.labelled_stamps.LabelledStamps(night.stamps, night.labels, night.kinds)
    >>> planes, features, label = StampDataset(rows, like=s2v.load("stampnet"))[0]
    >>> planes.shape
    torch.Size([6, 33, 33])
    """

    def __init__(
        self,
        rows: LabelledStamps | Stamps,
        *,
        like: Network | None = None,
        recipe: Recipe | RecipeName | None = None,
        features: registry.FeatureSet | Sequence[str] | None = None,
        augmentation: Augmentation | None = None,
        threads: int | None = 1,
    ) -> None:
        if (like is None) == (recipe is None and features is None):
            raise ValueError("give like, a network that takes the same inputs, or a recipe or features or both")
        self._needs = _needs_of(recipe, features) if like is None else like.second.needs
        self._augmentation, self._threads = augmentation, threads
        stamps = rows.stamps if isinstance(rows, LabelledStamps) else rows
        blocks = [self._scorable(stamps[start : start + _BLOCK]) + start for start in range(0, len(stamps), _BLOCK)]
        self.row: NDArray[np.intp] = np.concatenate([np.empty(0, np.intp), *blocks])
        if not len(self.row):
            raise ValueError(f"none of {len(stamps)} candidates can be prepared")
        self.stamps = stamps[self.row]
        self.label: Tensor | None = None
        if isinstance(rows, LabelledStamps):
            self.label = torch.from_numpy(rows.label[self.row].astype(np.float32))

    def _scorable(self, stamps: Stamps) -> NDArray[np.intp]:
        return np.flatnonzero(backends.on_host().inputs(self._needs, stamps, self._threads).scored)

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        """Return the planes, the features and the label of a candidate."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of {len(self)} rows")
        return self.__getitems__([index % len(self)])[0]

    def __getitems__(self, index: Sequence[int]) -> list[tuple[Tensor, ...]]:
        """Return the items of several candidates, which are prepared together; a DataLoader calls it."""
        chosen = np.asarray(index, dtype=np.intp)
        tensors = self._inputs(self.stamps[chosen])
        columns = tensors if self.label is None else (*tensors, self.label[torch.from_numpy(chosen)])
        return list(zip(*columns, strict=True))

    def _inputs(self, stamps: Stamps) -> tuple[Tensor, ...]:
        """Prepare candidates; one that a random change has made unfit is prepared unchanged."""
        host = backends.on_host()
        if self._augmentation is None:
            return tuple(map(torch.from_numpy, host.inputs(self._needs, stamps, self._threads).arrays))
        rng = np.random.default_rng(int(torch.randint(2**62, ()).item()))
        inputs = host.inputs(self._needs, augment(stamps, rng, self._augmentation), self._threads)
        arrays = [np.array(array) for array in inputs.arrays]
        unfit = np.flatnonzero(~inputs.scored)
        if len(unfit):
            plain = host.inputs(self._needs, stamps[unfit], self._threads)
            for array, unchanged in zip(arrays, plain.arrays, strict=True):
                array[unfit] = unchanged
        return tuple(map(torch.from_numpy, arrays))


def _needs_of(recipe: Recipe | RecipeName | None, features: registry.FeatureSet | Sequence[str] | None) -> Needs:
    """Return the needs of a network that takes the planes of a recipe, or features, or both."""
    names: tuple[str, ...] = ()
    if features is not None:
        names = registry.feature_set(features) if isinstance(features, str) else tuple(features)
        if smallest_feature_set(names) == "custom":
            raise ValueError(f"no set has the columns {', '.join(names)}")
    planes = None if recipe is None else (recipe if isinstance(recipe, Recipe) else Recipe(recipe)).to_plain()
    return Needs.of(
        Header(
            "network",
            "data set",
            names,
            smallest_feature_set(names) if names else "custom",
            registry.FEATURES_VERSION,
            recipe=planes,
            architecture={"name": CUSTOM, "settings": {}},
        )
    )
