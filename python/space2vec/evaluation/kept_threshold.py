"""The threshold of a new model's scores that keeps the operating point of an old model's threshold."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from space2vec.evaluation.ranking import SLACK, Gap, RankedScores, check_scores, error_rates

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["KeptThresholds", "OperatingPoint", "keep_threshold"]


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold of scores, and the two error rates that it gives.

    Attributes
    ----------
    threshold : float
        Candidates at it or above count as real; infinite if no threshold of the scores gives the rates.
    mdr, fpr : float
        The missed detection rate and the false positive rate, from 0 to 1.
    """

    threshold: float
    mdr: float
    fpr: float


@dataclass(frozen=True)
class KeptThresholds:
    """What takes the place of a threshold when a model takes the place of another.

    Attributes
    ----------
    old : OperatingPoint
        The threshold in use, with the scores of the old model.
    same_mdr : OperatingPoint
        Of the new scores: the highest threshold that misses no more real candidates than the old one.
    same_fpr : OperatingPoint
        Of the new scores: the lowest threshold that passes no more bogus candidates than the old one.
    """

    old: OperatingPoint
    same_mdr: OperatingPoint
    same_fpr: OperatingPoint

    def to_dict(self) -> dict[str, Json]:
        """Return everything as plain values, ready for JSON; an infinite threshold becomes None."""
        return {
            name: {what: value if math.isfinite(value) else None for what, value in point.items()}
            for name, point in asdict(self).items()
        }

    def __str__(self) -> str:
        rates = f"MDR {self.old.mdr:.2%}, FPR {self.old.fpr:.2%}"
        lines = [f"the old threshold {self.old.threshold!r} gives {rates}; the new scores give"]
        lines.append(f"  the same MDR at threshold {_shown(self.same_mdr)}: FPR {self.same_mdr.fpr:.2%}")
        lines.append(f"  the same FPR at threshold {_shown(self.same_fpr)}: MDR {self.same_fpr.mdr:.2%}")
        return "\n".join(lines)


def _shown(point: OperatingPoint) -> str:
    return repr(point.threshold) if math.isfinite(point.threshold) else "none"


def keep_threshold(new: ArrayLike, old: ArrayLike, label: ArrayLike, threshold: float) -> KeptThresholds:
    """Find the thresholds of new scores that keep the error rates of a threshold of old scores, on the same rows.

    Parameters
    ----------
    new, old : array_like of float (n,)
        P(real) by the new and by the old model; NaN where there is none.
    label : array_like (n,)
        1 for real, 0 for bogus.
    threshold : float
        The threshold in use with the old scores.

    Returns
    -------
    KeptThresholds
        A threshold is the number with the fewest digits between two neighbouring scores. Where the classes are small,
        so is the number of rates that can be reached: the new rates are those of the next better threshold.

    Raises
    ------
    ValueError
        As :func:`space2vec.evaluation.evaluate`.

    Examples
    --------
    >>> from space2vec.evaluation import keep_threshold
    >>> kept = keep_threshold([0.2, 0.3, 0.7, 0.8], [0.4, 0.6, 0.5, 0.9], [0, 0, 1, 1], 0.5)
    >>> kept.old
    OperatingPoint(threshold=0.5, mdr=0.0, fpr=0.5)
    >>> kept.same_mdr
    OperatingPoint(threshold=0.5, mdr=0.0, fpr=0.0)
    """
    (after, truth), (before, _) = check_scores(new, label), check_scores(old, label)
    ranked = RankedScores(before, truth)
    missed, passed = error_rates(*ranked.weight_at_levels(np.ones(len(truth))))
    k = int(np.searchsorted(ranked.levels, threshold))
    kept = OperatingPoint(float(threshold), float(missed[k]), float(passed[k]))
    ranked = RankedScores(after, truth)
    missed, passed = error_rates(*ranked.weight_at_levels(np.ones(len(truth))))
    around = np.concatenate([[-np.inf], ranked.levels, [np.inf]])

    def point(k: int) -> OperatingPoint:
        return OperatingPoint(
            Gap(float(around[k]), float(around[k + 1])).threshold(), float(missed[k]), float(passed[k])
        )

    # MDR rises and FPR falls as thresholds rise.
    return KeptThresholds(
        kept,
        point(int(np.flatnonzero(missed <= kept.mdr + SLACK)[-1])),
        point(int(np.flatnonzero(passed <= kept.fpr + SLACK)[0])),
    )
