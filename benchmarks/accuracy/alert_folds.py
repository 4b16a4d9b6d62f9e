"""Real alerts of ZTF: agreement with braai on objects that a model has not seen, and alerts that are surely real.

Agreement is not accuracy. Known asteroids (``ssdistnr`` of 0 to 2 arcsec) and objects that the brokers matched to a
classified supernova or tidal disruption event are real, whatever a model says of them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy.robustness import transformed
from benchmarks.programs import print_progress
from space2vec.data import flags
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.evaluation import compare_models, mdr_fpr
from space2vec.studies import trainable_models
from space2vec.studies.packaged.alerts import real_alerts
from space2vec.studies.packaged.learning import stampnet_rows
from space2vec.studies.trainable_models import TrainingEffort
from space2vec.training.teacher import add_teacher_scores, braai_scorer

#: Epochs of every network by default; with more of them, networks learn the alerts by heart.
EPOCHS = 10
NIGHTS = ("night_20180713", "brokers")
#: The largest distance to a known asteroid, in arcseconds.
_ASTEROID = 2.0
_FPR = 0.025
#: The texts in columns of brokers that stand for a classified transient; candidates do not count.
_TRANSIENT = re.compile(r"^(\(\w+\) ?)?(SN|SLSN|TDE|Supernova)(?!.*andidate)")
_MATCHES = ("tns", "tnsclass", "cdsxmatch")


@dataclass
class Alerts:
    """Real alerts, each candidate once.

    Attributes
    ----------
    rows : LabelledStamps
        ``label`` is braai's opinion (above 0.5), ``teacher`` its score, ``kind`` asteroid, transient or alert.
    rb : ndarray of float (n,)
        The score of ZTF's forest.
    night : ndarray of bool (n,)
        True for alerts of the one night from which nobody selected.
    """

    rows: LabelledStamps
    rb: np.ndarray
    night: np.ndarray


def read(data: Path) -> Alerts:
    """Read the alerts that braai has scored and that no flag forbids to score."""
    known: dict[str, dict[str, str]] = {}
    for name in NIGHTS:
        with (data / "ztf" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            known.update((row["candid"], {**row, "night": name}) for row in csv.DictReader(file))
    rows = real_alerts(data)
    rows = rows[flags.scorable(rows.stamps.flags)]
    columns = [known[candidate] for candidate in rows.stamps.candidate_id.astype(str)]
    transients = classified_transients(data / "ztf" / "brokers")
    kinds = [
        "asteroid" if 0.0 <= float(row["ssdistnr"] or -1.0) < _ASTEROID
        else "transient" if row["objectId"] in transients else "alert"
        for row in columns
    ]  # fmt: skip
    night = np.array([row["night"] == NIGHTS[0] for row in columns])
    return Alerts(replace(rows, kind=np.array(kinds)), np.array([float(row["rb"]) for row in columns]), night)


def classified_transients(folder: Path) -> set[str]:
    """Return the objects that a file of a broker matches to a classified transient."""
    import pyarrow.parquet as pq

    found = set()
    for path in sorted(folder.rglob("*.parquet")):
        columns = [name for name in _MATCHES if name in pq.read_schema(path).names]
        for row in pq.read_table(path, columns=["objectId", *columns]).to_pylist():
            if any(_TRANSIENT.match(str(row[name])) for name in columns):
                found.add(row["objectId"])
    return found


def run(
    alerts: Alerts,
    weights: Path,
    simulated: LabelledStamps,
    derived: Mapping[str, int],
    effort: TrainingEffort,
    folds: int,
    bootstrap: int,
    models: Sequence[str],
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Score every alert by models that have not seen its object, and by models that saw no real alert.

    Models learn from the alerts of the other folds, from `derived` numbers of variants and hybrids of these, and from
    simulated candidates. As agreement with braai is measured, braai's score is the target of every row; models that
    learn from simulations alone have the truth as target. braai's scores of the same stamps turned by 90 degrees are a
    bound: a model that agrees with braai more than that has learned accidents of braai.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    rows = alerts.rows
    scores: dict[str, np.ndarray] = {"rb": alerts.rb.astype(np.float32)}
    by_braai = braai_scorer(weights, threads=effort.threads)
    scores["braai, stamps turned"] = by_braai(next(s for name, s in transformed(rows.stamps) if name == "rotation"))
    taught = add_teacher_scores(simulated, by_braai)
    names, left_out = trainable_models.find_trainable(trainable_models.PIXELS, models, print_progress)
    scores |= {name: np.full(len(rows), np.nan, dtype=np.float32) for name in names}
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=effort.seed)
    for number, (train, test) in enumerate(splitter.split(rows.label, rows.label, rows.group)):
        more = stampnet_rows(rows[train], weights, seed=100 * (1 + number), shares=dict(derived))
        learned = LabelledStamps.concatenate([rows[train], add_teacher_scores(more, by_braai), taught])
        for name in names:
            print_progress(f"alerts: {name}, fold {number + 1} of {folds}")
            model = trainable_models.train_pixels(name, learned, effort, teacher=1.0)
            scores[name][test] = model.score(rows.stamps[test]).score
    for name in names if len(simulated) else ():
        print_progress(f"alerts: {name}, simulation alone")
        scores[f"{name}, simulation alone"] = (
            trainable_models.train_pixels(name, simulated, effort).score(rows.stamps).score
        )
    found = {}
    for part, here in {"all": np.ones(len(rows), dtype=bool), "night": alerts.night}.items():
        chosen = {name: score[here] for name, score in scores.items()}
        comparison = compare_models(
            chosen, rows.label[here], group=rows.group[here], against=("forest", "rb"), bootstrap=bootstrap
        )
        print(f"\nZTF alerts, {part}, agreement with braai: {comparison}")
        found[part] = comparison.to_dict()
    real = {name: passing_shares(score, rows, bootstrap) for name, score in scores.items()}
    print("real by construction that pass at the threshold of FPR 2.5 %:")
    for name, shares in real.items():
        share, low, high = shares["all"]["share"]
        print(f"{name:<28}{100 * share:.1f} % ({100 * low:.1f} .. {100 * high:.1f}) of {shares['all']['alerts']}")
    others = [f"{count} {kind} of the alerts of the other folds" for kind, count in derived.items()]
    record = {"data": f"{len(rows)} real ZTF alerts of {len(set(rows.group))} objects", "labels": "braai d6_m9 above "
              "0.5: agreement, not accuracy", "folds": folds, "left out": left_out,
              "beside": [*others, f"{len(simulated)} simulated candidates", "all with braai's score"],
              "effort": effort.to_dict(), **found, "real by construction": real}  # fmt: skip
    return record, scores


def passing_shares(score: np.ndarray, rows: LabelledStamps, bootstrap: int) -> dict[str, Any]:
    """Return the share of the surely real alerts that pass at the threshold of FPR 2.5 %, by kind."""
    thresholds, _, passed = mdr_fpr(score, rows.label)
    threshold = float(thresholds[passed <= _FPR + 1e-12].min())
    found: dict[str, Any] = {"threshold": round(threshold, 5)}
    kinds = {"asteroid": ("asteroid",), "transient": ("transient",), "all": ("asteroid", "transient")}
    for name, wanted in kinds.items():
        here = np.flatnonzero(np.isin(rows.kind, wanted))
        right = score[here] >= threshold
        names, member = np.unique(rows.group[here], return_inverse=True)
        rng = np.random.default_rng(0)
        times = [np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names)) for _ in range(bootstrap)]
        draws = [float((right * drawn[member]).sum() / drawn[member].sum()) for drawn in times]
        share = [round(float(v), 4) for v in (right.mean(), *np.percentile(draws, [2.5, 97.5]))]
        found[name] = {"alerts": len(here), "objects": len(names), "passing": int(right.sum()), "share": share}
    return found
