"""Training rows of ``stampnet`` and their augmentation: those of the packaged network, and of two others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from space2vec import simulation
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.simulation.artifacts import ARTIFACTS
from space2vec.simulation.hybrid import hybrid
from space2vec.simulation.transients import TRANSIENTS
from space2vec.simulation.variants import variants
from space2vec.studies.packaged.alerts import KNOWN_REAL, learned_from_knowledge
from space2vec.training.augment import Augmentation
from space2vec.training.loop import FitSettings
from space2vec.training.network import TrainingSplit, split_validation
from space2vec.training.teacher import StampScorer, add_teacher_scores

__all__ = [
    "HARDENED", "HARD_KINDS", "MODERATE", "PACKAGED", "RECIPES", "SHARES", "TODAY", "LearningRecipe", "Shares",
    "stampnet_rows",
]  # fmt: skip

#: Number of rows of each kind that are added to the real alerts.
Shares = dict[str, int]
SHARES: Shares = {"variants": 24000, "hybrid": 8000, "ztf": 7500, "des": 3750, "rubin": 3750}
#: How far the conditions of the simulated surveys are widened.
_RANDOMISE = 0.3

#: Kinds of bogus that occur in a simulated night only where they are named.
HARD_KINDS = tuple(name for name, artifact in ARTIFACTS.items() if artifact.share == 0.0)


@dataclass(frozen=True)
class LearningRecipe:
    """How training rows are labelled, weighted, generated and augmented.

    Attributes
    ----------
    name : str
        Its key in :data:`RECIPES`.
    knowledge : bool
        Label alerts of known real objects 1 whatever the teacher says, and let rows that the teacher doubts count for
        less (:func:`space2vec.studies.packaged.alerts.learned_from_knowledge`). Otherwise the teacher labels all.
    augmentation : Augmentation
        The changes of every epoch.
    hard : float
        Share of the simulated bogus that are of :data:`HARD_KINDS`.
    undersampled : float
        Share of the simulated exposures that are undersampled.
    """

    name: str
    knowledge: bool = False
    augmentation: Augmentation = field(default_factory=Augmentation)
    hard: float = 0.0
    undersampled: float = 0.0

    def kinds(self) -> dict[str, float] | None:
        """Return the weights of the kinds of a simulated night; None for the built-in ones."""
        if not self.hard:
            return None
        of_kind = {name: transient.share for name, transient in TRANSIENTS.items()}
        of_kind |= {name: (1.0 - self.hard) * artifact.share for name, artifact in ARTIFACTS.items()}
        return of_kind | dict.fromkeys(HARD_KINDS, self.hard / len(HARD_KINDS))

    def rows(
        self, alerts: LabelledStamps, weights: Path | StampScorer, *, seed: int = 0, share: float = 1.0
    ) -> TrainingSplit:
        """Return the rows to learn from and those that stop and calibrate, made of alerts of different objects.

        Parameters
        ----------
        alerts : LabelledStamps
            Alerts of :func:`space2vec.studies.packaged.alerts.all_alerts`, none of them of an object to be tested on.
        weights : Path or callable
            The published weights of braai, which labels variants.
        seed : int, optional
            Of everything that is drawn.
        share : float, optional
            Of the rows that are made beside the alerts: less for a quick look.
        """
        # Split first, because a row made from an alert may contain the sky of another.
        parts = split_validation(alerts, FitSettings().seed)
        made = []
        for part, offset, of_part in ((parts.training, 0, share), (parts.validation, 100, 0.1 * share)):
            few = {kind: max(int(count * of_part), 10) for kind, count in SHARES.items()}
            known = self._with_knowledge(part)
            beside = stampnet_rows(
                known, weights, seed=seed + offset, shares=few, kinds=self.kinds(), undersampled=self.undersampled
            )
            made.append(self._with_knowledge(LabelledStamps.concatenate([part, beside]), of_known=part))
        return TrainingSplit(*made)

    def _with_knowledge(self, rows: LabelledStamps, of_known: LabelledStamps | None = None) -> LabelledStamps:
        """Label and weigh rows, of alerts and what was made of them, by what is known of the alerts' objects."""
        if not self.knowledge:
            # The teacher's label is that of its score, for known objects as well.
            alert = np.isin(rows.kind, (KNOWN_REAL, "alert"))
            return replace(rows, label=np.where(alert, rows.teacher > 0.5, rows.label))
        alerts = rows if of_known is None else of_known
        known = np.isin(rows.group, alerts.group[alerts.kind == KNOWN_REAL])
        return learned_from_knowledge(rows, known & np.isin(rows.kind, (KNOWN_REAL, "alert", "variant")))


def stampnet_rows(
    real: LabelledStamps,
    weights: Path | StampScorer,
    *,
    seed: int = 0,
    shares: Shares | None = None,
    kinds: Mapping[str, float] | None = None,
    undersampled: float = 0.0,
) -> LabelledStamps:
    """Return the training rows of ``stampnet`` that are not real alerts.

    Parameters
    ----------
    real : LabelledStamps
        Real alerts, with braai's score as teacher.
    weights : Path or callable
        The published weights of braai, which scores the variants, or another scorer of stamps.
    seed : int, optional
        Seed of everything random.
    shares : dict of str to int, optional
        Rows of each kind: ``variants`` and ``hybrid`` of the alerts, and of each survey that is simulated.
    kinds, undersampled
        Of the simulated candidates, as for :func:`space2vec.simulation.simulate`.

    Returns
    -------
    LabelledStamps
        Variants of the alerts with braai's scores; fakes in real stamps against real bogus, and simulated candidates,
        with the truth. A row made from an alert has the alert's object as its group, to exclude test objects.
    """
    wanted = dict(SHARES if shares is None else shares)
    parts = [
        add_teacher_scores(variants(real, wanted.pop("variants"), seed=seed + 1), weights),
        hybrid(real, wanted.pop("hybrid"), seed=seed + 2),
    ]
    for k, (survey, count) in enumerate(wanted.items()):
        night = simulation.simulate(
            count, survey=survey, seed=seed + 3 + k, randomise=_RANDOMISE, kinds=kinds, undersampled=undersampled
        )
        group = np.char.add(f"simulated {survey} ", np.arange(count).astype(np.str_))
        parts.append(LabelledStamps(night.stamps, night.labels, night.kinds, group=group))
    return LabelledStamps.concatenate(parts)


#: What the first version of ``stampnet`` learned from.
TODAY = LearningRecipe("today")
#: What mends its faults at missing pixels, in crowds, at saturated stars and sharp sources, but costs usual candidates.
HARDENED = LearningRecipe(
    "hardened",
    knowledge=True,
    augmentation=Augmentation(masks=0.15, coarser=0.1, scale=0.1),
    hard=0.35,
    undersampled=0.25,
)
#: Less of each of these changes, which mends nearly as much and costs less.
MODERATE = LearningRecipe(
    "moderate",
    knowledge=True,
    augmentation=Augmentation(masks=0.1, coarser=0.05, scale=0.05),
    hard=0.12,
    undersampled=0.1,
)
RECIPES = {recipe.name: recipe for recipe in (TODAY, HARDENED, MODERATE)}
#: The recipe of the packaged networks of stamps.
PACKAGED = MODERATE
