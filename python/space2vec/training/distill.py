"""Distillation of boosted trees into the network ``tablenet`` (Hinton, Vinyals & Dean 2015, arXiv:1503.02531)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from space2vec import evaluation, registry
from space2vec.architectures import build
from space2vec.architectures.tablenet import TableNet
from space2vec.model_files.header import Header
from space2vec.model_files.needs import smallest_feature_set
from space2vec.models.network import Network
from space2vec.models.quantise import CALIBRATION_ROWS, quantise
from space2vec.training.folds import labelled_features, need_sklearn, split_folds
from space2vec.training.loop import FitRows, FitSettings, fit

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["FIT_SETTINGS", "DistillSettings", "TaughtRows", "interpolated_rows", "taught_rows", "train_tablenet"]

Array = NDArray[np.float32]

#: The default settings of the fit of ``tablenet``.
FIT_SETTINGS = FitSettings(epochs=20, batch=256, learning_rate=3e-3, average=0.998, patience=1000)
#: Number of nearest rows among which the partner of a row is drawn.
_NEIGHBOURS = 5
#: Share of the columns that a row copies from its partner, if it is not on the line between the two.
_COPIED = 0.3
#: The columns of the source in the reference image. Either all of them are known, or none.
_REFERENCE = ("A_REF", "B_REF", "MAG_REF", "MAG_REF_ERR", "NN_DIST_RENORM", "MAGLIM", "MAGDIFF")


@dataclass(frozen=True, slots=True)
class DistillSettings:
    """Settings of the boosted trees and of the targets that the network is fitted to.

    Attributes
    ----------
    trust : float
        Share of the trees' score in the target of a row, from 0 to 1; the rest is the label. The score is by trees that
        were trained without the row. Some labels are wrong, and a network of many weights would learn them by heart.
    folds : int
        Number of folds; each model of trees is trained on all folds but one.
    rounds : int
        How many times the rows are divided into folds, and trees are trained on these.
    interpolated : int
        Number of new rows that are made from each row (:func:`interpolated_rows`). Their target is the mean score of
        all trees.
    interpolated_per_epoch : int
        Number of new rows for each row in one epoch, drawn from those.
    iterations : int
        Trees of each model.
    leaves : int
        Leaves of each tree.
    shrinkage : float
        Learning rate of the trees.
    columns : float
        Share of the columns that a split may choose from.
    """

    trust: float = 0.7
    folds: int = 5
    rounds: int = 3
    interpolated: int = 8
    interpolated_per_epoch: int = 3
    iterations: int = 300
    leaves: int = 15
    shrinkage: float = 0.05
    columns: float = 0.3


@dataclass(frozen=True, slots=True)
class TaughtRows:
    """Rows with a label, then rows that were interpolated between them, all with the trees' scores.

    Attributes
    ----------
    rows : ndarray of float32 (n + m, k)
        The n rows with a label, then the m interpolated ones.
    labels : ndarray of int64 (n,)
        1 for real, 0 for bogus.
    scores : ndarray of float64 (n + m,)
        P(real) by the trees: of a row with a label the mean of those that were trained without it, of any other the
        mean of all.
    """

    rows: Array
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]

    def targets(self, trust: float) -> NDArray[np.float32]:
        """Return what a network is fitted to (n + m,), with this share of the trees' score in that of labelled rows."""
        count = len(self.labels)
        blended = (1.0 - trust) * self.labels + trust * self.scores[:count]
        return np.concatenate([blended, self.scores[count:]]).astype(np.float32)


def train_tablenet(
    x: ArrayLike,
    y: ArrayLike,
    names: Sequence[str],
    *,
    group: ArrayLike | None = None,
    settings: Mapping[str, Json] | None = None,
    distill_settings: DistillSettings | None = None,
    fit_settings: FitSettings | None = None,
    seed: int = 0,
    progress: Callable[[dict[str, float]], object] | None = None,
    name: str = "tablenet",
    training: Mapping[str, Json] | None = None,
    metrics: Mapping[str, Json] | None = None,
) -> Network:
    """Train the network ``tablenet`` on feature rows, to reproduce the scores of boosted trees of the same rows.

    Parameters
    ----------
    x : array_like (n, k)
        The features, NaN where undefined.
    y : array_like (n,)
        1 for real, 0 for bogus.
    names : sequence of str (k,)
        The columns of x.
    group : array_like (n,), optional
        The object of each row: the rows of an object are in one fold, and so used by the same trees.
    settings : mapping, optional
        Further arguments of :class:`space2vec.architectures.tablenet.TableNet`.
    distill_settings : DistillSettings, optional
        Settings of the trees and of the targets.
    fit_settings : FitSettings, optional
        How the network is fitted; :data:`FIT_SETTINGS` by default. Its seed is replaced by `seed`.
    seed : int, optional
        Seed of all random numbers: the same rows and seed give the same network.
    progress : callable, optional
        Called with the metrics of each epoch.
    name, training, metrics
        Entries of the model file's header.

    Returns
    -------
    Network

    Raises
    ------
    ImportError
        If scikit-learn or PyTorch is not installed.
    ValueError
        If shapes, labels or settings do not fit, no column has a value, or the rows cannot be divided into folds.
    """
    need_sklearn()
    rows, labels = labelled_features(x, y, names)
    if rows.shape[1] != len(names):
        raise ValueError(f"x must have a column for each of {len(names)} names; given {rows.shape}")
    if np.isnan(rows).all():
        raise ValueError(f"no row of x has a value in any of the columns {', '.join(names)}")
    how, fit_settings = distill_settings or DistillSettings(), replace(fit_settings or FIT_SETTINGS, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build("tablenet", {"names": list(names), **(settings or {})})
    assert isinstance(module, TableNet)
    module.fit_features(rows)
    rng = np.random.default_rng([seed, 2])
    taught = taught_rows(module, rows, labels, group, how, rng)
    # A twentieth of the interpolated rows validates the fit: it shows how well the network reproduces the trees.
    interpolated = len(taught.rows) - len(rows)
    order = len(rows) + rng.permutation(interpolated)
    validation, pool = order[: interpolated // 20], order[interpolated // 20 :]
    whole = FitRows((taught.rows,), taught.targets(how.trust), np.ones(len(taught.rows), dtype=np.float32))

    def epoch_rows(epoch: int) -> FitRows:
        drawn = np.random.default_rng([seed, 3, epoch]).choice(
            pool, min(how.interpolated_per_epoch * len(rows), len(pool)), replace=False
        )
        return whole.rows(np.concatenate([np.arange(len(rows)), drawn]))

    history = fit(module, epoch_rows, whole.rows(validation), fit_settings, progress=progress)
    teacher = evaluation.evaluate(taught.scores[: len(rows)], labels, bootstrap=0).metrics
    teacher_metrics = {"teacher out of fold": {metric: round(m.value, 5) for metric, m in teacher.items()}}
    header = Header(
        kind=Network.kind,
        name=name,
        feature_names=tuple(names),
        feature_set=smallest_feature_set(names),
        feature_version=registry.FEATURES_VERSION,
        architecture={"name": "tablenet", "settings": module.settings, "temperature": 1.0},
        training={
            "rows": len(rows), "real": int(labels.sum()), "distillation": asdict(how), "fit": asdict(fit_settings),
            "loss": history[-1]["loss"], **(training or {}),
        },
        metrics={**teacher_metrics, **(metrics or {})},
    )  # fmt: skip
    return Network(module, header, quantise(module, [rows[rng.permutation(len(rows))[:CALIBRATION_ROWS]]]))


def taught_rows(
    module: TableNet,
    rows: Array,
    labels: NDArray[np.int64],
    group: ArrayLike | None,
    how: DistillSettings,
    rng: np.random.Generator,
) -> TaughtRows:
    """Interpolate between rows with a label (n, k), and score both by boosted trees.

    Parameters
    ----------
    module : TableNet
        Gives the columns that are derived and the scales in which rows are near; its scales must be set.
    rows : ndarray of float32 (n, k)
        The features, NaN where undefined.
    labels : ndarray of int64 (n,)
        1 for real, 0 for bogus.
    group : array_like (n,), optional
        The object of each row.
    how : DistillSettings
        Settings of the trees, and how many rows to make.
    rng : numpy.random.Generator
        Source of the random numbers.
    """
    names = [str(name) for name in cast("list[Json]", module.settings["names"])]
    with torch.no_grad():
        derived = module.derived(torch.from_numpy(rows))
        scaled = module.scaled(derived).numpy()
        interpolated = interpolated_rows(rows, scaled, names, how.interpolated, rng)
        columns = np.concatenate([derived.numpy(), module.derived(torch.from_numpy(interpolated)).numpy()])
    return TaughtRows(np.concatenate([rows, interpolated]), labels, _tree_scores(columns, labels, group, how, rng))


def _tree_scores(
    x: Array, labels: NDArray[np.int64], group: ArrayLike | None, how: DistillSettings, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Train boosted trees on the first rows of x, which have the labels, and score all rows of x.

    The score of a row with a label is the mean of the trees that were trained without it; that of any other row is the
    mean of all trees.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    score, unlabelled = np.zeros(len(x)), slice(len(labels), None)
    for _ in range(how.rounds):
        for fold in split_folds(labels, group=group, folds=how.folds, seed=int(rng.integers(1 << 31))):
            trees = HistGradientBoostingClassifier(
                learning_rate=how.shrinkage, max_iter=how.iterations, max_leaf_nodes=how.leaves,
                max_features=how.columns, early_stopping=False, random_state=int(rng.integers(1 << 31)),
            )  # fmt: skip
            # scikit-learn refuses a column without a single value.
            known = ~np.isnan(x[fold.train]).all(axis=0)
            trees.fit(x[fold.train][:, known], labels[fold.train])
            score[fold.test] += trees.predict_proba(x[fold.test][:, known])[:, 1] / how.rounds
            score[unlabelled] += trees.predict_proba(x[unlabelled][:, known])[:, 1] / (how.rounds * how.folds)
    return score


def interpolated_rows(
    x: NDArray[np.float32], scaled: NDArray[np.float32], names: Sequence[str], copies: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Make new rows of features, each from a row and one of its nearest neighbours.

    Half of the new rows lie on the line between the two, which keeps relations among columns. The others are the row
    with some of the neighbour's columns (Bucila, Caruana & Niculescu-Mizil 2006, "Model compression"), where the
    columns of the source in the reference image are copied together.

    Parameters
    ----------
    x : ndarray of float32 (n, k)
        The features, NaN where undefined.
    scaled : ndarray of float32 (n, m)
        The same rows, scaled and without NaN; neighbours are the rows with the smallest distance in it.
    names : sequence of str (k,)
        The columns of x.
    copies : int
        New rows per row.
    rng : numpy.random.Generator
        Source of the random numbers.

    Returns
    -------
    ndarray of float32 (n * copies, k)
        The new rows, those made from the first row first.
    """
    from sklearn.neighbors import NearestNeighbors

    count = min(_NEIGHBOURS, len(x) - 1)
    neighbours = NearestNeighbors(n_neighbors=count).fit(scaled).kneighbors(return_distance=False)
    parent = np.repeat(np.arange(len(x)), copies)
    row = x[parent]
    neighbour = x[neighbours[parent, rng.integers(0, count, len(parent))]]
    share = rng.random((len(parent), 1), dtype=np.float32)
    line = row + share * (neighbour - row)
    between = np.where(np.isnan(line), row, line)
    copied = rng.random(row.shape) < _COPIED
    reference = [k for k, name in enumerate(names) if name in _REFERENCE]
    copied[:, reference] = copied[:, reference[:1]]
    mixed = np.where(copied, neighbour, row)
    interpolated: NDArray[np.float32] = np.where(rng.random((len(parent), 1)) < 0.5, between, mixed)
    return interpolated
