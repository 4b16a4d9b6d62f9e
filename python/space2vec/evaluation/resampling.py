"""Bootstrap resamples of rows or of groups of rows, and the intervals that they give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from space2vec.data.ids import texts_as_objects
from space2vec.evaluation.ranking import Array, column_of

__all__ = ["Interval", "Resamples", "interval", "resamples"]


class Resamples(NamedTuple):
    """Bootstrap resamples.

    Attributes
    ----------
    weights : iterator of ndarray of float64 (n,)
        How often each row is drawn, a resample at a time.
    groups : int
        Number of groups that are drawn from; of rows where no groups were given.
    """

    weights: Iterator[Array]
    groups: int


class Interval(NamedTuple):
    """The 2.5 and 97.5 percentiles of resampled values, both (k,)."""

    low: Array
    high: Array


def resamples(size: int, group: ArrayLike | None, count: int, seed: int) -> Resamples:
    """Draw bootstrap resamples of groups of rows.

    Parameters
    ----------
    size : int
        Number of rows.
    group : array_like (size,), optional
        What each row belongs to: whole groups are drawn. Each row is a group of its own by default.
    count : int
        Number of resamples.
    seed : int
        Seed of the random numbers.

    Raises
    ------
    ValueError
        If `count` is negative, or `group` has another length.
    """
    if count < 0:
        raise ValueError(f"bootstrap must not be negative; given {count}")
    members = np.arange(size)
    if group is not None:
        members = np.unique(column_of("group", texts_as_objects(group), size), return_inverse=True)[1]
    groups = int(members.max()) + 1
    rng = np.random.default_rng(seed)
    draws = (np.bincount(rng.integers(0, groups, groups), minlength=groups) for _ in range(count))
    return Resamples((times.astype(np.float64)[members] for times in draws), groups)


def interval(draws: Array) -> Interval:
    """Return the 95 % interval of each column of resampled values (n, k), without its NaN; NaN if nothing is left."""
    low, high = np.full((2, draws.shape[1]), np.nan)
    for k, column in enumerate(draws.T):
        known = column[~np.isnan(column)]
        if len(known):
            low[k], high[k] = np.percentile(known, [2.5, 97.5])
    return Interval(low, high)
