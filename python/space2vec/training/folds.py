"""Cross-validation: folds that have the same share of real rows, and that keep the rows of an object together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.data.named_columns import stack_columns
from space2vec.data.numeric import as_numbers
from space2vec.errors.packages import need

if TYPE_CHECKING:
    from space2vec.data.types import LibraryArray

__all__ = ["FeatureScorer", "Fold", "LabelledFeatures", "Trainer", "labelled_features", "need_sklearn", "out_of_fold"]
__all__ += ["split_folds"]

#: A function that takes feature rows (m, k) and returns P(real) (m,).
FeatureScorer: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.floating]]  # of any precision
#: A function that takes the numbers of the rows to train on and returns a trained model's scores of other rows.
Trainer: TypeAlias = Callable[[NDArray[np.intp]], FeatureScorer]


class LabelledFeatures(NamedTuple):
    """Feature rows (n, k) and their labels (n,), 1 for real and 0 for bogus; rows of both labels are among them."""

    rows: NDArray[np.float32]
    labels: NDArray[np.int64]


class Fold(NamedTuple):
    """The numbers of the rows that a model is trained on, and of those that it is tested on; both ascend."""

    train: NDArray[np.intp]
    test: NDArray[np.intp]


def need_sklearn() -> None:
    """Raise ImportError, which says what to install, if scikit-learn is not installed."""
    need("sklearn", "training needs scikit-learn")


def labelled_features(x: LibraryArray, y: ArrayLike, names: Sequence[str] | None = None) -> LabelledFeatures:
    """Check and convert feature rows and their labels.

    Parameters
    ----------
    x : array_like (n, k), or table
        The features. Of a table with named columns, those of `names` are taken, in that order.
    y : array_like (n,)
        1 for real, 0 for bogus.
    names : sequence of str, optional
        The columns to take.

    Raises
    ------
    ValueError
        If the shapes do not fit each other, a label is neither 0 nor 1, or one of the two labels does not occur.
    """
    given = x if names is None else stack_columns(x, names, select=True)
    with np.errstate(over="ignore"):
        rows = as_numbers(given, "x").astype(np.float32, copy=False)
    labels = np.asarray(y)
    if rows.ndim != 2 or labels.shape != (len(rows),):
        raise ValueError(f"x must have shape (n, k) and y (n,); given {rows.shape} and {labels.shape}")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("y must be 1 for real and 0 for bogus")
    if len(np.unique(labels)) < 2:
        raise ValueError("y must have both real (1) and bogus (0) rows")
    return LabelledFeatures(rows, labels.astype(np.int64))


def split_folds(y: ArrayLike, *, group: ArrayLike | None = None, folds: int = 10, seed: int = 0) -> Iterator[Fold]:
    """Divide rows into folds and yield, for each, the rows to train on and the rows to test on.

    Parameters
    ----------
    y : array_like (n,)
        1 for real, 0 for bogus. Every fold has about the same share of real rows.
    group : array_like (n,), optional
        The object of each row: the rows of an object are in one fold.
    folds : int, optional
        Number of folds.
    seed : int, optional
        Seed of the division: the same y, group and seed give the same folds.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    ValueError
        If a label has fewer rows than there are folds, there are fewer groups than folds, or the rows to train on would
        all have one label.
    """
    need_sklearn()
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    labels = np.asarray(y)
    fewest = int(min(labels.sum(), len(labels) - labels.sum()))
    if not 2 <= folds <= fewest:
        raise ValueError(f"folds must lie between 2 and the rows of the rarer class ({fewest}); given {folds}")
    groups = len(labels) if group is None else len(np.unique(np.asarray(group)))
    if groups < folds:
        raise ValueError(
            f"{folds} folds need rows of as many objects (groups), which are kept together; given {groups}"
        )
    splitter = (StratifiedKFold if group is None else StratifiedGroupKFold)(folds, shuffle=True, random_state=seed)
    parts = [Fold(train, test) for train, test in splitter.split(np.zeros(len(labels)), labels, group)]
    if any(len(np.unique(labels[fold.train])) < 2 for fold in parts):
        raise ValueError(f"{folds} folds leave one class to train on: too few objects (groups) have rows of the other")
    yield from parts


def out_of_fold(
    train: Trainer,
    x: NDArray[np.float32],
    y: ArrayLike,
    *,
    group: ArrayLike | None = None,
    folds: int = 10,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Score every row by a model that was trained without the rows of its fold.

    Parameters
    ----------
    train : callable
        Takes the numbers of the rows to train on and returns a function that scores other rows.
    x : ndarray of float32 (n, k)
        The features.
    y, group, folds, seed
        As for :func:`split_folds`, which also says what is raised.

    Returns
    -------
    ndarray of float32 (n,)
        P(real) of each row.
    """
    out = np.empty(len(x), dtype=np.float32)
    for fold in split_folds(y, group=group, folds=folds, seed=seed):
        out[fold.test] = train(fold.train)(x[fold.test])
    return out
