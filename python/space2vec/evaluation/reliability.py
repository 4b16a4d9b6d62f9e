"""Whether scores are probabilities: what share of the rows with a score of about p is real."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.data.numeric import unmasked

__all__ = ["BINS", "NO_PROBABILITIES", "Reliability", "count_outside", "is_probability", "reliability"]

#: Bins of scores from 0 to 1, equally wide.
BINS = 10
#: The quantile of a normal distribution for an interval of 95 %.
_NORMAL = 1.959963984540054

#: What scores outside 0 to 1 are.
NO_PROBABILITIES = (
    "they rank candidates, but are no probabilities: there is no Brier score and no reliability, and thresholds of "
    "probabilities, such as 0.5, mean nothing for them"
)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Reliability:
    """Rows by their score: equally wide bins from 0 to 1, of which each holds its lower edge, the last also 1.

    Attributes
    ----------
    count, real : ndarray of int64 (bins,)
        Rows in each bin, and the real ones among them; rows without a score are in none.
    score : ndarray of float64 (bins,)
        Their mean score; NaN in an empty bin.
    share : ndarray of float64 (bins,)
        The share of them that is real; NaN in an empty bin.
    low, high : ndarray of float64 (bins,)
        The interval of that share: Wilson's score interval (95 %), which takes rows as independent.
    error : float
        The expected calibration error: the mean over the rows of how far their bin's share is from its mean score.
    by_chance : float
        What that would be on average of so many rows if every score were the probability it claims to be; an error
        that is not above it says nothing.
    """

    count: NDArray[np.int64] = field(compare=False)
    real: NDArray[np.int64] = field(compare=False)
    score: Array = field(compare=False)
    share: Array = field(compare=False)
    low: Array = field(compare=False)
    high: Array = field(compare=False)
    error: float
    by_chance: float

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, ready for JSON; None where a bin is empty."""
        columns = {name: getattr(self, name) for name in ("count", "real", "score", "share", "low", "high")}
        bins: dict[str, list[Any]] = {
            name: [None if value != value else value for value in column.tolist()] for name, column in columns.items()
        }
        return {"calibration error": self.error, "by chance": self.by_chance, "bins": bins}

    def __str__(self) -> str:
        return (
            f"{'calibration error':<20}{self.error:>9.4f}{self.by_chance:>12.4f} by chance, of {self.count.sum()} rows"
        )


def is_probability(score: ArrayLike) -> bool:
    """Tell whether there are scores, and all of them lie from 0 to 1."""
    values = np.asarray(unmasked(score), dtype=np.float64)
    known = values[~np.isnan(values)]
    return bool(len(known) and known.min() >= 0.0 and known.max() <= 1.0)


def count_outside(score: Array) -> int:
    """Return how many scores (n,) lie outside 0 to 1, NaN apart."""
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
        Into how many bins, equally wide, the scores are put.

    Returns
    -------
    Reliability

    Raises
    ------
    ValueError
        If lengths differ, there is no score, one lies outside 0 to 1, or there is no bin.
    """
    values, truth = np.asarray(unmasked(score), dtype=np.float64), np.asarray(label)
    if values.ndim != 1 or truth.shape != values.shape:
        raise ValueError(f"score and label must have one value a row each; given {values.shape} and {truth.shape}")
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
    # |N(0, v)| is sqrt(2 v / pi) on average, and the real rows of a bin less their sum of scores have the variance
    # `spread`.
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
    """Return Wilson's score interval (1927, JASA 22, 209) of the share of real rows among each count; else NaN."""
    square = _NORMAL**2
    with np.errstate(invalid="ignore", divide="ignore"):
        share = real / count
        middle = (share + square / (2 * count)) / (1 + square / count)
        half = _NORMAL / (1 + square / count) * np.sqrt(share * (1 - share) / count + square / (4.0 * count**2))
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)
