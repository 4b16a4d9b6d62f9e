"""Measure whether scores are probabilities: whether of the rows with a score near p a share p is real."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.data.numeric import masked_to_nan

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["BINS", "NO_PROBABILITIES", "Reliability", "count_outside", "is_probability", "reliability"]

#: Bins of scores from 0 to 1, equally wide.
BINS = 10
#: The quantile of a normal distribution for an interval of 95 %.
_NORMAL = 1.959963984540054

#: The message on scores outside 0 to 1.
NO_PROBABILITIES = (
    "they rank candidates, but are no probabilities: there is no Brier score and no reliability, and thresholds of "
    "probabilities, such as 0.5, mean nothing for them"
)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Reliability:
    """The share of real rows in bins of the score.

    The bins from 0 to 1 are equally wide; a score on an edge belongs to the upper bin, and 1 to the last.

    Attributes
    ----------
    count, real : ndarray of int64 (bins,)
        Number of rows in each bin, and of real rows among them; rows without a score are in no bin.
    score : ndarray of float64 (bins,)
        Mean score of the rows in each bin; NaN in an empty bin.
    share : ndarray of float64 (bins,)
        Share of real rows in each bin; NaN in an empty bin.
    low, high : ndarray of float64 (bins,)
        Wilson's score interval (95 %) of that share, which assumes independent rows.
    error : float
        The expected calibration error: the mean over the rows of the distance between the share of real rows and the
        mean score in their bin.
    by_chance : float
        The average of that error for as many rows whose scores are perfect probabilities. An error that is not larger
        shows no fault.
    """

    count: NDArray[np.int64] = field(compare=False)
    real: NDArray[np.int64] = field(compare=False)
    score: Array = field(compare=False)
    share: Array = field(compare=False)
    low: Array = field(compare=False)
    high: Array = field(compare=False)
    error: float
    by_chance: float

    def to_dict(self) -> dict[str, Json]:
        """Return everything as plain values, ready for JSON; None where a bin is empty."""
        columns = {name: getattr(self, name) for name in ("count", "real", "score", "share", "low", "high")}
        bins: dict[str, list[float | None]] = {
            name: [None if value != value else value for value in column.tolist()] for name, column in columns.items()
        }
        return {"calibration error": self.error, "by chance": self.by_chance, "bins": bins}

    def __str__(self) -> str:
        return (
            f"{'calibration error':<20}{self.error:>9.4f}{self.by_chance:>12.4f} by chance, of {self.count.sum()} rows"
        )


def is_probability(score: ArrayLike) -> bool:
    """Return whether there is at least one score and all are from 0 to 1; NaN does not count."""
    values = np.asarray(masked_to_nan(score), dtype=np.float64)
    known = values[~np.isnan(values)]
    return bool(len(known) and known.min() >= 0.0 and known.max() <= 1.0)


def count_outside(score: Array) -> int:
    """Count the scores (n,) that lie outside 0 to 1; NaN does not count."""
    return int(np.count_nonzero(~np.isnan(score) & ~((score >= 0) & (score <= 1))))


def reliability(score: ArrayLike, label: ArrayLike, *, bins: int = BINS) -> Reliability:
    """Measure whether scores are probabilities.

    Parameters
    ----------
    score : array_like of float (n,)
        P(real), from 0 to 1; NaN where there is none.
    label : array_like (n,)
        1 for real, 0 for bogus.
    bins : int, optional
        Number of bins, equally wide, from 0 to 1.

    Returns
    -------
    Reliability

    Raises
    ------
    ValueError
        If lengths differ, there is no score, one lies outside 0 to 1, or there is no bin.
    """
    values, truth = np.asarray(masked_to_nan(score), dtype=np.float64), np.asarray(label)
    if values.ndim != 1 or truth.shape != values.shape:
        raise ValueError(f"score and label must have one value for each row; given {values.shape} and {truth.shape}")
    if bins < 1:
        raise ValueError(f"bins must be at least 1; given {bins}")
    if not is_probability(values):
        raise ValueError("reliability needs scores from 0 to 1")
    scored = ~np.isnan(values)
    values, truth = values[scored], truth[scored].astype(np.float64)
    which = np.minimum((values * bins).astype(np.int64), bins - 1)
    columns: tuple[Array, ...] = (np.ones(len(values)), truth, values, values * (1.0 - values))
    count, real, total, spread = (np.bincount(which, column, bins).astype(np.float64) for column in columns)
    with np.errstate(invalid="ignore"):
        share, mean = real / count, total / count
    low, high = _wilson(real, count)
    # In a bin, the number of real rows minus the sum of scores has the variance `spread`, and the absolute value of a
    # normal variable of variance v is sqrt(2 v / pi) on average.
    return Reliability(
        count=count.astype(np.int64),
        real=real.astype(np.int64),
        score=mean,
        share=share,
        low=low,
        high=high,
        error=float(np.abs(real - total).sum() / count.sum()),
        by_chance=float(np.sqrt(2.0 * spread / np.pi).sum() / count.sum()),
    )


def _wilson(real: Array, count: Array) -> tuple[Array, Array]:
    """Return Wilson's score interval (1927, JASA 22, 209) of the share of real rows; NaN where count is 0."""
    square = _NORMAL**2
    with np.errstate(invalid="ignore", divide="ignore"):
        share = real / count
        middle = (share + square / (2 * count)) / (1 + square / count)
        half = _NORMAL / (1 + square / count) * np.sqrt(share * (1 - share) / count + square / (4.0 * count**2))
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)
