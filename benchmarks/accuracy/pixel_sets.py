"""Models of stamps, trained on the same simulated and hybrid stamps and tested on those of other objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import space2vec as s2v
from benchmarks.accuracy.candidate_cost import measure_on_stamps
from benchmarks.accuracy.result_cache import ResultCache, code_digest, digest
from benchmarks.programs import print_progress, versions
from space2vec.data import flags
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.evaluation import compare_models
from space2vec.models.load import Model
from space2vec.studies import trainable_models
from space2vec.studies.trainable_models import TrainingEffort
from space2vec.training.dataset import split

#: Packages whose versions the models depend on.
PACKAGES = ("numpy", "scikit-learn", "torch")
#: Share of the objects to train on.
TRAIN = 0.7
#: The number of rows that the cost is measured on.
TIMED = 512
#: A kind with fewer rows has no figures of its own.
_FEWEST = 20


def simulated(count: int, surveys: Sequence[str], seed: int, randomise: float = 0.0) -> LabelledStamps:
    """Simulate candidates of each survey, each an object of its own."""
    parts = []
    for k, survey in enumerate(surveys):
        night = s2v.simulate(count, survey=survey, seed=seed + k, randomise=randomise)
        group = np.char.add(f"simulated {survey} ", np.arange(count).astype(np.str_))
        parts.append(LabelledStamps(night.stamps, night.labels, night.kinds, group=group))
    return LabelledStamps.concatenate(parts)


def run(
    sets: Mapping[str, tuple[LabelledStamps, str]],
    effort: TrainingEffort,
    bootstrap: int,
    models: Sequence[str],
    cache: ResultCache,
) -> tuple[dict[str, dict[str, Any]], dict[str, Model]]:
    """Train every model once, on some objects of all sets together, and measure it on the other objects of each set.

    Returns
    -------
    dict of str to dict
        The record of each set.
    dict of str to Model
        The trained models.
    """
    learned, tests = [], {}
    for title, (rows, _) in sets.items():
        sound = flags.scorable(rows.stamps.flags)
        train, test = (
            part[sound[part]]
            for part in split(rows.group, (TRAIN, 1 - TRAIN), effort.seed + trainable_models.SPLIT_SEED_OFFSET)
        )
        learned.append(rows[train])
        tests[title] = rows[test]
    train_rows = LabelledStamps.concatenate(learned)
    trained: dict[str, Model] = {}
    names, left_out = trainable_models.find_trainable(trainable_models.PIXELS, models, print_progress)
    for name in names:
        print_progress(f"{name} on {len(train_rows)} rows")
        depends = {"rows": digest(train_rows.stamps.buffer, train_rows.label), "effort": effort.to_dict(),
                   "code": code_digest(trainable_models.PIXELS[name]), "versions": versions(PACKAGES)}  # fmt: skip
        trained[name] = cache.model(
            f"pixels {name}", depends, lambda name=name: trainable_models.train_pixels(name, train_rows, effort)
        )
    records = {}
    for title, rows in tests.items():
        scores = {name: model.score(rows.stamps).score for name, model in trained.items()}
        found = compare_models(scores, rows.label, group=rows.group, against=("forest", "braai"), bootstrap=bootstrap)
        print(f"\n{title}, {len(train_rows)} of all sets to train on, {len(rows)} of it to test on: {found}")
        records[title] = {
            "data": sets[title][1], "labels": "the truth", "train": len(train_rows), "test": len(rows),
            "left out": left_out, "effort": effort.to_dict(),
            **found.to_dict(), "at threshold of mdr 4% by kind": by_kind(scores, rows),
            "cost": measure_on_stamps(trained, rows.stamps[np.resize(np.arange(len(rows)), TIMED)]),
            "cost is": "microseconds of one core a candidate, quartiles; after preparation: batches of 64",
            "versions": versions(("onnxruntime", "scikit-learn", "torch")),
        }  # fmt: skip
    return records, trained


def by_kind(scores: dict[str, np.ndarray], rows: LabelledStamps) -> dict[str, dict[str, Any]]:
    """Return, for each kind with enough rows, the share that each model gets wrong at its threshold of MDR 4 %."""
    found: dict[str, dict[str, Any]] = {}
    for kind in np.unique(rows.kind).tolist():
        here = rows.kind == kind
        if here.sum() < _FEWEST:
            continue
        found[kind] = {"rows": int(here.sum()), "real": bool(rows.label[here][0])}
        for name, score in scores.items():
            thresholds, missed, _ = s2v.evaluation.mdr_fpr(score, rows.label)
            passed = score >= thresholds[missed <= 0.04 + 1e-12].max()
            found[kind][name] = round(float((passed != (rows.label == 1))[here].mean()), 4)
    return found
