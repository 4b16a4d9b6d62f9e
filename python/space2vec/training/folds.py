"""Cross-validation of any trainer: folds stratified by label, that keep groups together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.data.named_columns import stack_columns
from space2vec.data.numeric import as_numbers
from space2vec.errors.packages import need

__all__ = ["Scorer", "Trainer", "folds_of", "need_sklearn", "out_of_fold", "rows_and_labels"]

#: Takes rows (m, k), gives P(real) (m,).
Scorer: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.floating[Any]]]
#: Takes the numbers of the rows to train on, gives what scores others.
Trainer: TypeAlias = Callable[[NDArray[np.intp]], Scorer]


def need_sklearn() -> None:
    """See that scikit-learn is there, or raise ImportError."""
    need("sklearn", "training needs scikit-learn")


def rows_and_labels(
    x: Any, y: ArrayLike, names: Sequence[str] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return feature rows (n, k) and labels (n,), or raise ValueError if shapes or labels do not fit.

    Of named columns those of `names` are taken, in that order.
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
    return rows, labels.astype(np.int64)


def folds_of(
    y: ArrayLike, *, group: ArrayLike | None = None, folds: int = 10, seed: int = 0
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield the rows to train on and those to test on, fold by fold, stratified by y (n,): 1 for real, 0 for bogus.

    Rows of one `group` (n,), an object's alerts, say, are kept in one fold. The same y and seed give the same folds.
    ImportError without scikit-learn; ValueError if a class has fewer rows than there are folds, there are fewer groups,
    or rows to train on would be of one class.
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
    parts = list(splitter.split(np.zeros(len(labels)), labels, group))
    if any(len(np.unique(labels[learned])) < 2 for learned, _ in parts):
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
    """Return P(real) (n,) of rows x by models that have not seen them; `train` is given the numbers of the rows to use.

    `y`, `group`, `folds`, `seed` and what is raised are those of :func:`folds_of`.
    """
    out = np.empty(len(x), dtype=np.float32)
    for learned, tested in folds_of(y, group=group, folds=folds, seed=seed):
        out[tested] = train(learned)(x[tested])
    return out
