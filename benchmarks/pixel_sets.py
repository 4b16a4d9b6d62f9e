"""Pixels: models trained and tested on the same simulated or hybrid stamps, split by object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from candidate_cost import of_stamps
from kept import Kept, code, digest
from programs import tell, versions

import space2vec as s2v
from space2vec import flags, rivals
from space2vec.dataset import split
from space2vec.evaluate import contest
from space2vec.labelled import LabelledStamps
from space2vec.model import Model
from space2vec.rivals import Effort

#: What the models depend on beside the code here.
PACKAGES = ("numpy", "scikit-learn", "torch")
#: Share of the objects to train on.
TRAIN = 0.7
#: Rows on which cost is measured.
TIMED = 512
#: Rows of the figures by kind.
_FEWEST = 20


def simulated(count: int, surveys: Sequence[str], seed: int, randomise: float = 0.0) -> LabelledStamps:
    """Simulate candidates of each survey, an object each."""
    parts = []
    for k, survey in enumerate(surveys):
        night = s2v.simulate(count, survey=survey, seed=seed + k, randomise=randomise)
        group = np.char.add(f"simulated {survey} ", np.arange(count).astype(np.str_))
        parts.append(LabelledStamps(night.stamps, night.labels, night.kinds, group=group))
    return LabelledStamps.concatenate(parts)


def run(
    rows: LabelledStamps, data: str, effort: Effort, bootstrap: int, models: Sequence[str], kept: Kept
) -> tuple[dict[str, Any], dict[str, Model]]:
    """Train every model on the same objects, measure all on the others; return the record and the models."""
    sound = (rows.stamps.flags & np.uint32(flags.UNSCORABLE)) == 0
    train, test = (part[sound[part]] for part in split(rows.group, (TRAIN, 1 - TRAIN), effort.seed + rivals.APART))
    trained: dict[str, Model] = {}
    scores = {}
    names, left_out = rivals.choose(rivals.PIXELS, models, tell)
    for name in names:
        tell(f"{data}: {name} on {len(train)} rows")
        depends = {"rows": digest(rows.stamps.buffer, rows.label, train), "effort": effort.told(),
                   "code": code(rivals.PIXELS[name]), "versions": versions(PACKAGES)}  # fmt: skip

        def training(name: str = name, train: np.ndarray = train) -> Model:
            return rivals.train_pixels(name, rows[train], effort)

        trained[name] = kept.model(f"pixels {name}", depends, training)
        scores[name] = trained[name].score(rows.stamps[test]).score
    found = contest(scores, rows.label[test], group=rows.group[test], against=("forest", "braai"), bootstrap=bootstrap)
    print(f"\n{data}, {len(train)} to train on, {len(test)} to test on: {found}")
    record = {"data": data, "labels": "the truth", "train": len(train), "test": len(test),
              "left out": left_out, "effort": effort.told(),
              **found.to_dict(), "at threshold of mdr 4% by kind": by_kind(scores, rows[test]),
              "cost": of_stamps(trained, rows.stamps[np.resize(test, TIMED)]),
              "cost is": "microseconds of one core a candidate, quartiles; after preparation: batches of 64",
              "versions": versions(("onnxruntime", "scikit-learn", "torch"))}  # fmt: skip
    return record, trained


def by_kind(scores: dict[str, np.ndarray], rows: LabelledStamps) -> dict[str, dict[str, Any]]:
    """Return, for kinds with enough rows, which share each model gets wrong at its own threshold of MDR 4 %."""
    found: dict[str, dict[str, Any]] = {}
    for kind in np.unique(rows.kind).tolist():
        here = rows.kind == kind
        if here.sum() < _FEWEST:
            continue
        found[kind] = {"rows": int(here.sum()), "real": bool(rows.label[here][0])}
        for name, score in scores.items():
            thresholds, missed, _ = s2v.evaluate.mdr_fpr(score, rows.label)
            passed = score >= thresholds[missed <= 0.04 + 1e-12].max()
            found[kind][name] = round(float((passed != (rows.label == 1))[here].mean()), 4)
    return found
