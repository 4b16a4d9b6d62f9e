"""Fitting of a network that gives vectors: views of one source, alerts of one object and kinds lie together."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from space2vec import backends
from space2vec.architectures import build
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.model_files.needs import Needs
from space2vec.training.augment import Augmentation, augment
from space2vec.training.loop import FitSettings, move_average, seeded, to_device, torch_device

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["UNKNOWN", "Attraction", "VectorRows", "contrast", "fit_vectors", "random_vectornet", "vector_rows"]

#: The number of a row whose kind is not known.
UNKNOWN = -1
#: Rows that are prepared at a time.
_BLOCK = 2048
#: Pixels are clipped to plus and minus this number, which is beyond the reach of all planes and within 16 bits.
_FARTHEST = 1e4
#: Weight of the loss that keeps the lengths of vectors near 1, so that 8 bits hold all of them equally well.
_LENGTH = 0.1


@dataclass(frozen=True, slots=True)
class VectorRows:
    """Rows that a network of vectors is fitted to, in several views.

    Attributes
    ----------
    views : sequence of tuples of ndarray
        The inputs of the network for all rows, planes (n, channel, side, side), float16 or float32, and features
        (n, k), float32, of each view: the same stamps, changed in a way that does not change what they show.
    kind : ndarray of int64 (n,)
        The number of each row's kind, or -1 if it is not known.
    source : ndarray of int64 (n,)
        The number of each row's object; alerts of one object have the same.
    """

    views: Sequence[tuple[NDArray[np.generic], NDArray[np.float32]]]
    kind: NDArray[np.int64]
    source: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.kind)

    def rows(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> VectorRows:
        """Select rows by a mask or by their numbers."""
        views = [(planes[index], features[index]) for planes, features in self.views]
        return VectorRows(views, self.kind[index], self.source[index])


class _Siblings:
    """Draws, for rows, other rows of the same object: other alerts of it, or the row itself."""

    def __init__(self, source: NDArray[np.int64]) -> None:
        _, number, count = np.unique(source, return_inverse=True, return_counts=True)
        self._order = np.argsort(number, kind="stable")
        self._first, self._count = (np.cumsum(count) - count)[number], count[number]

    def of(self, rows: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
        """Return a row of the object of each of some rows."""
        place = (rng.random(len(rows)) * self._count[rows]).astype(np.int64)
        return np.asarray(self._order[self._first[rows] + place])


def vector_rows(
    needs: Needs,
    rows: LabelledStamps,
    kind: NDArray[np.int64],
    augmentation: Augmentation,
    *,
    views: int = 3,
    seed: int = 0,
    threads: int | None = None,
) -> VectorRows:
    """Prepare several views of labelled stamps; those that cannot be scored are left out.

    Parameters
    ----------
    needs : Needs
        What the network needs of stamps.
    rows : LabelledStamps
        The stamps; rows of one ``group`` are of one object.
    kind : ndarray of int64 (n,)
        The number of each row's kind, or -1 if it is not known.
    augmentation : Augmentation
        The changes of all views but the first, which is of the stamps as they are. A stamp that could not be scored
        after its changes is unchanged.
    views : int, optional
        Number of views.
    seed : int, optional
        Seed of the changes.
    threads : int, optional
        Threads that prepare and measure; one per usable core by default.
    """
    host = backends.on_host()
    source = np.unique(rows.group.astype(np.str_), return_inverse=True)[1].astype(np.int64)
    made: list[list[tuple[NDArray[np.float16], NDArray[np.float32]]]] = [[] for _ in range(views)]
    kept = []
    for start in range(0, len(rows), _BLOCK):
        stamps = rows.stamps[start : start + _BLOCK]
        first = host.inputs(needs, stamps, threads)
        good = np.flatnonzero(first.scored)
        kept.append(start + good)
        for view in range(views):
            arrays = first.arrays
            if view:
                changed = augment(stamps, np.random.default_rng([seed, view, start]), augmentation)
                other = host.inputs(needs, changed, threads)
                lost = ~other.scored
                for own, unchanged in zip(other.arrays, first.arrays, strict=True):
                    own[lost] = unchanged[lost]
                arrays = other.arrays
            planes, features = (array[good] for array in arrays)
            made[view].append((np.clip(planes, -_FARTHEST, _FARTHEST).astype(np.float16), features))
    index = np.concatenate(kept)
    whole = [tuple(np.concatenate(blocks) for blocks in zip(*parts, strict=True)) for parts in made]
    return VectorRows([(planes, features) for planes, features in whole], kind[index], source[index])


@dataclass(frozen=True, slots=True)
class Attraction:
    """What is drawn together, and how strongly.

    Attributes
    ----------
    temperature : float
        The contrast looks at vectors whose cosine is nearer than about this to that of the most alike.
    source : float
        Weight of the loss that knows no kinds, and only draws together views of one source.
    """

    temperature: float = 0.1
    source: float = 0.5


def random_vectornet(settings: Mapping[str, Json], seed: int) -> nn.Module:
    """Build a ``vectornet`` of these settings, with random weights of a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build("vectornet", settings)


def contrast(vectors: Tensor, alike: Tensor, among: Tensor, temperature: float) -> Tensor:
    """Return the supervised contrastive loss of vectors (Khosla et al. 2020, arXiv:2004.11362).

    Parameters
    ----------
    vectors : Tensor of float32 (n, k)
        The vectors, of any length.
    alike : Tensor of bool (n, n)
        Which vectors are to lie together; the diagonal does not count.
    among : Tensor of bool (n, n)
        Which vectors each one is compared with.
    temperature : float
        The cosines are divided by it.

    Returns
    -------
    Tensor
        The mean, over vectors that are like another one, of the negative log-share of those among all.
    """
    itself = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    alike, among = alike & ~itself, among & ~itself
    unit = functional.normalize(vectors, dim=1)
    closeness = (unit @ unit.T / temperature).masked_fill(~(among | alike), -torch.inf)
    share = closeness - closeness.logsumexp(dim=1, keepdim=True)
    count = alike.sum(dim=1)
    each = -share.masked_fill(~alike, 0.0).sum(dim=1) / count.clamp(min=1)
    return each[count > 0].mean() if bool((count > 0).any()) else vectors.sum() * 0.0


def fit_vectors(
    module: nn.Module,
    rows: VectorRows,
    settings: FitSettings,
    attraction: Attraction | None = None,
    progress: Callable[[dict[str, float]], object] | None = None,
) -> list[dict[str, float]]:
    """Fit a network of vectors in place, and leave it with the averaged weights of the last epoch.

    In a step, two views of each row of a batch are compared with all others of the batch; the second view may be of
    another alert of the same object. Rows of one kind and rows of one object lie together; a row of an unknown kind
    lies with its own object only. A second loss, on a small perceptron of the vectors that is discarded afterwards,
    knows objects only: it keeps apart what kinds do not tell apart, so that kinds that were not learned have a place of
    their own. Each view is turned and mirrored at random.

    Parameters
    ----------
    module : torch.nn.Module
        The network; it returns vectors (n, k).
    rows : VectorRows
        The rows, of at least one view.
    settings : FitSettings
        How to fit; its patience is not used.
    attraction : Attraction, optional
        What is drawn together.
    progress : callable, optional
        Called with the metrics of each epoch.

    Returns
    -------
    list of dict
        The metrics of each epoch: epoch, steps, learning_rate, loss, and its parts kind_loss and source_loss.

    Raises
    ------
    BackendError
        If PyTorch cannot use the device.
    ValueError
        If the loss is not finite.
    """
    pull = attraction or Attraction()
    module.to(torch_device(settings.device))
    average = copy.deepcopy(module).requires_grad_(False)
    with seeded(settings.seed, settings.epochs):
        length = int(module.settings["vector"])  # type: ignore[index]
        projector = nn.Sequential(nn.Linear(length, length), nn.ReLU(), nn.Linear(length, length))
    projector.to(settings.device)
    optimiser = torch.optim.AdamW(
        [*module.parameters(), *projector.parameters()], lr=0.0, weight_decay=settings.weight_decay
    )
    siblings = _Siblings(rows.source)
    history: list[dict[str, float]] = []
    steps = max(len(rows) // settings.batch, 1)
    step = 0
    for epoch in range(settings.epochs):
        losses = []
        with seeded(settings.seed, epoch) as rng:
            module.train()
            for batch in np.array_split(rng.permutation(len(rows)), steps):
                for group in optimiser.param_groups:
                    group["lr"] = rate = settings.rate(step, steps * settings.epochs)
                losses.append(_take_step(module, projector, rows, siblings, batch, optimiser, settings, pull, rng))
                step += 1
                move_average(average, module, min(settings.average, (1.0 + step) / (10.0 + step)))
        total, kind, source = np.mean(losses, axis=0).tolist()
        history.append({
            "epoch": epoch, "steps": steps, "learning_rate": rate, "loss": total, "kind_loss": kind,
            "source_loss": source,
        })  # fmt: skip
        if not np.isfinite(total):
            raise ValueError(f"the loss of epoch {epoch} is not finite: lower the learning rate")
        if progress is not None:
            progress(history[-1])
    module.load_state_dict(average.state_dict())
    module.eval()
    return history


def _take_step(
    module: nn.Module,
    projector: nn.Module,
    rows: VectorRows,
    siblings: _Siblings,
    batch: NDArray[np.intp],
    optimiser: torch.optim.Optimizer,
    settings: FitSettings,
    pull: Attraction,
    rng: np.random.Generator,
) -> tuple[float, float, float]:
    """Fit the network to two views of a batch of objects, and return the losses before the step."""
    count = len(rows.views)
    numbers = rng.choice(count, 2, replace=count == 1).tolist()
    chosen = list(zip(numbers, (batch, siblings.of(batch, rng)), strict=True))
    planes = torch.cat([_turned(torch.from_numpy(rows.views[view][0][own]).float(), rng) for view, own in chosen])
    columns = torch.cat([torch.from_numpy(rows.views[view][1][own]) for view, own in chosen])
    planes, columns = to_device(planes, settings.device), to_device(columns, settings.device)
    kind, source = (
        torch.from_numpy(np.tile(column[batch], 2)).to(settings.device) for column in (rows.kind, rows.source)
    )
    known = kind != UNKNOWN
    one_source = source[:, None] == source
    one_kind = ((kind[:, None] == kind) & known) | one_source
    # A row of an unknown kind may be of any: no row of a known kind is kept away from it.
    compared = known[:, None] == known
    with torch.autocast(torch.device(settings.device).type, torch.bfloat16, enabled=settings.precision == "bfloat16"):
        vectors = module(planes, columns)
    vectors = vectors.float()
    of_kind = contrast(vectors, one_kind, compared, pull.temperature)
    of_source = contrast(projector(vectors), one_source, torch.ones_like(one_source), pull.temperature)
    length = (vectors.norm(dim=1) - 1.0).square().mean()
    loss = of_kind + pull.source * of_source + _LENGTH * length
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item(), of_kind.item(), of_source.item()


def _turned(planes: Tensor, rng: np.random.Generator) -> Tensor:
    """Turn and mirror each eighth of a batch of planes in a way of its own."""
    parts = zip(torch.tensor_split(planes, 8), rng.permutation(8).tolist(), strict=True)
    return torch.cat([torch.rot90(part.flip(3) if k % 2 else part, k // 2, (2, 3)) for part, k in parts])
