"""Compare several models on the same rows: the metrics of each, and its differences from chosen rivals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from space2vec.evaluation.comparison import Comparison, compare
from space2vec.evaluation.metrics import Evaluation, evaluate, format_metric

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["HEADLINES", "ModelTable", "compare_models"]

#: The metrics that a table of models shows.
HEADLINES: tuple[str, ...] = ("auc", "fpr at mdr 4%", "mdr at fpr 1%", "mdr at fpr 2.5%", "sum over .4 .5 .6")
_PAIRED = "fpr at mdr 4%"


@dataclass(frozen=True)
class ModelTable:
    """The metrics of several models on the same rows, and their differences from rivals.

    Attributes
    ----------
    evaluations : dict of str to Evaluation
        The metrics, by name of the model.
    comparisons : dict of str to dict of str to Comparison
        The differences, by the rival's name (b in :class:`Comparison`), then by the model's (a).
    """

    evaluations: dict[str, Evaluation]
    comparisons: dict[str, dict[str, Comparison]]

    def to_dict(self) -> dict[str, Json]:
        """Return everything as plain values, ready for JSON."""
        return {
            "models": {name: found.to_dict() for name, found in self.evaluations.items()},
            "against": {
                name: {other: found.to_dict() for other, found in others.items()}
                for name, others in self.comparisons.items()
            },
        }

    def __str__(self) -> str:
        first = next(iter(self.evaluations.values()))
        width = 2 + max(len(name) for name in self.evaluations)
        lines = [f"{first.real} real, {first.bogus} bogus, {first.groups} groups"]
        lines.append(" " * width + "".join(f"{name:>32}" for name in HEADLINES))
        for name, figures in self.evaluations.items():
            cells = []
            for metric in HEADLINES:
                value, low, high = (format_metric(metric, v) for v in vars(figures.metrics[metric]).values())
                cells.append(f"{value} ({low} .. {high})")
            lines.append(f"{name:<{width}}" + "".join(f"{cell:>32}" for cell in cells))
        for rival, others in self.comparisons.items():
            lines.append(f"against {rival}: difference of {_PAIRED}, its p; bogus rejected by one alone, McNemar's p")
            for name, compared in others.items():
                d, t = compared[_PAIRED], compared.passed
                value, low, high = (format_metric(_PAIRED, v) for v in (d.value, d.low, d.high))
                paired = f"{value} ({low} .. {high}), p {d.p:.2g}; {t.only_a} to {t.only_b}, p {t.p:.2g}"
                lines.append(f"{name:<{width}}{paired}")
        return "\n".join(lines)


def compare_models(
    scores: Mapping[str, ArrayLike],
    label: ArrayLike,
    *,
    against: Sequence[str] = (),
    group: ArrayLike | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
) -> ModelTable:
    """Measure several models on the same rows and the same resamples.

    Parameters
    ----------
    scores : mapping of str to array_like (n,)
        P(real) by name of the model; NaN where there is none.
    label, group, bootstrap, seed
        As for :func:`space2vec.evaluation.evaluate`.
    against : sequence of str, optional
        Names of rivals: every other model is compared with each of them. A name that has no scores is ignored.

    Returns
    -------
    ModelTable

    Raises
    ------
    ValueError
        As :func:`space2vec.evaluation.evaluate`, or if there are no scores.
    """
    if not scores:
        raise ValueError("there are no scores to measure")
    drawn: dict[str, Json] = {"group": group, "bootstrap": bootstrap, "seed": seed}
    return ModelTable(
        {name: evaluate(score, label, **drawn) for name, score in scores.items()},
        {
            rival: {
                name: compare(score, scores[rival], label, **drawn) for name, score in scores.items() if name != rival
            }
            for rival in against
            if rival in scores
        },
    )
