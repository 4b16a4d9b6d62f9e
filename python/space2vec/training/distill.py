"""``tablenet`` distilled: boosted trees teach one network (Hinton, Vinyals & Dean 2015, arXiv:1503.02531)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec import evaluation, registry
from space2vec.architectures import build
from space2vec.architectures.tablenet import TableNet
from space2vec.model_files.header import Header
from space2vec.model_files.needs import set_of
from space2vec.models.network import Network
from space2vec.training.folds import folds_of, need_sklearn, rows_and_labels
from space2vec.training.loop import FitRows, FitSettings, fit
from space2vec.training.quantise import CALIBRATION_ROWS, quantise

__all__ = ["FIT_SETTINGS", "DistillSettings", "interpolated_rows", "train_tablenet"]

Array = NDArray[np.float32]

#: How the network is fitted by default.
FIT_SETTINGS = FitSettings(epochs=20, batch=256, learning_rate=3e-3, average=0.998, patience=1000)
#: Rows nearest to a row, among which its partner is drawn.
_NEIGHBOURS = 5
#: Share of the columns that an interpolated row copies from its neighbour, where it does not lie between the two.
_TAKEN = 0.3
#: Columns of the reference source: all of them are known, or none.
_REFERENCE = ("A_REF", "B_REF", "MAG_REF", "MAG_REF_ERR", "NN_DIST_RENORM", "MAGLIM", "MAGDIFF")


@dataclass(frozen=True, slots=True)
class DistillSettings:
    """How boosted trees teach the network.

    Attributes
    ----------
    trust : float
        How much of a row's target is what trees say that have not seen the row; the rest is its label. Labels are
        wrong now and then, and a network of many weights would learn them by heart.
    folds, rounds : int
        The trees are trained on all folds but one, and the rows are divided into folds so many times.
    copies, made : int
        Rows made of each row (:func:`interpolated_rows`), whose target is what all trees say; and
        how many of them an epoch has for each row.
    iterations, leaves : int
        Trees of each model, and leaves of each tree.
    shrinkage, columns : float
        Learning rate of the trees, and the share of the columns that a split may choose from.
    """

    trust: float = 0.7
    folds: int = 5
    rounds: int = 3
    copies: int = 8
    made: int = 3
    iterations: int = 300
    leaves: int = 15
    shrinkage: float = 0.05
    columns: float = 0.3


def train_tablenet(
    x: ArrayLike,
    y: ArrayLike,
    names: Sequence[str],
    *,
    group: ArrayLike | None = None,
    settings: Mapping[str, Any] | None = None,
    distill_settings: DistillSettings | None = None,
    fit_settings: FitSettings | None = None,
    seed: int = 0,
    progress: Callable[[dict[str, float]], object] | None = None,
    name: str = "tablenet",
    training: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
) -> Network:
    """Train ``tablenet`` on feature rows, taught by boosted trees that are trained on the same rows.

    Parameters
    ----------
    x : array_like (n, k)
        The features, NaN where undefined.
    y : array_like (n,)
        1 for real, 0 for bogus.
    names : sequence of str (k,)
        The columns of x.
    group : array_like (n,), optional
        Rows of one group (an object's alerts, say) are seen by the same trees.
    settings : mapping, optional
        Arguments of :class:`space2vec.architectures.tablenet.TableNet` beside the names.
    distill_settings : DistillSettings, optional
        How the trees teach.
    fit_settings : FitSettings, optional
        How the network is fitted; :data:`FIT_SETTINGS` by default. Its seed is that given here.
    seed : int, optional
        Seed of everything: the same rows and seed give the same network.
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
        If scikit-learn or PyTorch is absent.
    ValueError
        If shapes, labels or settings do not fit, no column has a value, or the rows cannot be divided into folds.
    """
    need_sklearn()
    rows, labels = rows_and_labels(x, y, names)
    if rows.shape[1] != len(names):
        raise ValueError(f"x must have a column for each of {len(names)} names; given {rows.shape}")
    if np.isnan(rows).all():
        raise ValueError(f"no row of x has a value in any of the columns {', '.join(names)}")
    how, fitted = distill_settings or DistillSettings(), replace(fit_settings or FIT_SETTINGS, seed=seed)
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build("tablenet", {"names": list(names), **(settings or {})})
    assert isinstance(module, TableNet)
    module.fit_features(rows)
    rng = np.random.default_rng([seed, 2])
    with torch.no_grad():
        derived = module.derived(torch.from_numpy(rows))
        near = module.scaled(derived).numpy()
        made = interpolated_rows(rows, near, names, how.copies, rng)
        seen = np.concatenate([derived.numpy(), module.derived(torch.from_numpy(made)).numpy()])
    taught = _taught(seen, labels, group, how, rng)
    target = (1.0 - how.trust) * labels + how.trust * taught[: len(rows)]
    # Some interpolated rows are kept for validation: they show how well the network follows its teacher.
    order = len(rows) + rng.permutation(len(made))
    aside, pool = order[: len(made) // 20], order[len(made) // 20 :]
    whole = FitRows(
        (np.concatenate([rows, made]),),
        np.concatenate([target, taught[len(rows) :]]).astype(np.float32),
        np.ones(len(taught), dtype=np.float32),
    )

    def epoch_rows(epoch: int) -> FitRows:
        drawn = np.random.default_rng([seed, 3, epoch]).choice(
            pool, min(how.made * len(rows), len(pool)), replace=False
        )
        return whole.rows(np.concatenate([np.arange(len(rows)), drawn]))

    history = fit(module, epoch_rows, whole.rows(aside), fitted, progress=progress)
    teacher = evaluation.evaluate(taught[: len(rows)], labels, bootstrap=0).metrics
    figures = {"teacher out of fold": {metric: round(m.value, 5) for metric, m in teacher.items()}}
    header = Header(
        kind=Network.kind,
        name=name,
        feature_names=tuple(names),
        feature_set=set_of(names),
        feature_version=registry.FEATURES_VERSION,
        architecture={"name": "tablenet", "settings": module.settings, "temperature": 1.0},
        training={
            "rows": len(rows), "real": int(labels.sum()), "teaching": asdict(how), "course": asdict(fitted),
            "loss": history[-1]["loss"], **(training or {}),
        },
        metrics={**figures, **(metrics or {})},
    )  # fmt: skip
    return Network(module, header, quantise(module, [rows[rng.permutation(len(rows))[:CALIBRATION_ROWS]]]))


def _taught(
    x: Array, labels: NDArray[np.int64], group: ArrayLike | None, how: DistillSettings, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Score rows x: the first n, which are labelled, by trees that have not seen them, the others by all trees."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    score, made = np.zeros(len(x)), slice(len(labels), None)
    for _ in range(how.rounds):
        for learned, held in folds_of(labels, group=group, folds=how.folds, seed=int(rng.integers(1 << 31))):
            trees = HistGradientBoostingClassifier(
                learning_rate=how.shrinkage, max_iter=how.iterations, max_leaf_nodes=how.leaves,
                max_features=how.columns, early_stopping=False, random_state=int(rng.integers(1 << 31)),
            )  # fmt: skip
            # The trees refuse a column without a single value.
            there = ~np.isnan(x[learned]).all(axis=0)
            trees.fit(x[learned][:, there], labels[learned])
            score[held] += trees.predict_proba(x[held][:, there])[:, 1] / how.rounds
            score[made] += trees.predict_proba(x[made][:, there])[:, 1] / (how.rounds * how.folds)
    return score


def interpolated_rows(
    x: NDArray[np.float32], near: NDArray[np.float32], names: Sequence[str], copies: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Make new rows from each row and one of its neighbours.

    Half of them lie on the line between the two, so that what columns have in common holds; the others take over some
    columns of the neighbour's (Bucila, Caruana & Niculescu-Mizil 2006, "Model compression"), those of the reference
    source together. `near` (n, m) are the same rows scaled, without NaN: their distances decide who is a neighbour.
    Returns (n * copies, k), those of the first row first.
    """
    from sklearn.neighbors import NearestNeighbors

    count = min(_NEIGHBOURS, len(x) - 1)
    neighbours = NearestNeighbors(n_neighbors=count).fit(near).kneighbors(return_distance=False)
    parent = np.repeat(np.arange(len(x)), copies)
    own = x[parent]
    other = x[neighbours[parent, rng.integers(0, count, len(parent))]]
    share = rng.random((len(parent), 1), dtype=np.float32)
    line = own + share * (other - own)
    between = np.where(np.isnan(line), own, line)
    taken = rng.random(own.shape) < _TAKEN
    reference = [k for k, name in enumerate(names) if name in _REFERENCE]
    taken[:, reference] = taken[:, reference[:1]]
    swapped = np.where(taken, other, own)
    made: NDArray[np.float32] = np.where(rng.random((len(parent), 1)) < 0.5, between, swapped)
    return made
