"""Real alerts of ZTF: agreement with braai on objects that a model has not seen, and what is real by construction.

Agreement is no accuracy. Known asteroids (``ssdistnr`` of 0 to 2 arcsec) and what the brokers matched to a classified
supernova or tidal disruption are real whatever anyone says of them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from programs import tell

import space2vec as s2v
from space2vec import flags, rivals
from space2vec.evaluate import contest, mdr_fpr
from space2vec.labelled import LabelledStamps
from space2vec.rivals import Effort
from space2vec.stamps import Stamps

NIGHTS = ("night_20180713", "brokers")
#: Arcseconds to a known asteroid.
_ASTEROID = 2.0
_FPR = 0.025
#: What brokers' columns say of a classified transient; candidates (SN*?) are none.
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
        Which are of the one night that nobody selected.
    """

    rows: LabelledStamps
    rb: np.ndarray
    night: np.ndarray


def read(data: Path) -> Alerts:
    """Read the alerts that braai has scored."""
    known: dict[str, dict[str, str]] = {}
    parts: list[Stamps] = []
    for name in NIGHTS:
        with (data / "ztf" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            known.update((row["candid"], row) for row in csv.DictReader(file))
        parts.append(s2v.read(data / "ztf" / name, strict=False))
    stamps = Stamps.concatenate(parts)
    ids = stamps.candidate_id.astype(str)
    chosen = np.sort(np.unique(ids, return_index=True)[1])
    sound = (stamps.flags[chosen] & np.uint32(flags.UNSCORABLE)) == 0
    chosen = np.array([row for row in chosen[sound] if ids[row] in known])
    told = [known[candidate] for candidate in ids[chosen]]
    teacher = np.array([float(row["braai_d6_m9"]) for row in told], dtype=np.float32)
    transients = matched(data / "ztf" / "brokers")
    kinds = [
        "asteroid" if 0.0 <= float(row["ssdistnr"] or -1.0) < _ASTEROID
        else "transient" if row["objectId"] in transients else "alert"
        for row in told
    ]  # fmt: skip
    rows = LabelledStamps(stamps[chosen], (teacher > 0.5).astype(np.int8), np.array(kinds), teacher=teacher)
    return Alerts(rows, np.array([float(row["rb"]) for row in told]), chosen < len(parts[0]))


def matched(folder: Path) -> set[str]:
    """Return the objects that a broker's file matches to a classified transient."""
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
    beside: Sequence[LabelledStamps],
    effort: Effort,
    folds: int,
    bootstrap: int,
    models: Sequence[str],
    teacher: float,
    weight: float,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Score every alert by models that have not seen its object, and by models that saw no real alert.

    Rows `beside` the alerts, simulated or hybrid, are trained on too, with a weight against 1 for an alert, and without
    those of objects that are tested on. `teacher` is how much of a target is braai's score.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    rows = alerts.rows
    scores: dict[str, np.ndarray] = {"rb": alerts.rb.astype(np.float32)}
    more = LabelledStamps.concatenate(replace(part, weight=weight * part.weight) for part in beside)
    real_objects = np.isin(more.group, rows.group)
    names, _ = rivals.choose(rivals.PIXELS, models, tell)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=effort.seed)
    parts = list(splitter.split(rows.label, rows.label, rows.group))
    for name in names:
        score = np.full(len(rows), np.nan, dtype=np.float32)
        for number, (train, test) in enumerate(parts):
            tell(f"alerts: {name}, fold {number + 1} of {folds}")
            held = more[~np.isin(more.group, rows.group[test])]
            model = rivals.train_pixels(name, LabelledStamps.concatenate([rows[train], held]), effort, teacher=teacher)
            score[test] = model.score(rows.stamps[test]).score
        scores[name] = score
    simulated = more[~real_objects]
    if len(simulated):
        for name in names:
            tell(f"alerts: {name}, simulation alone")
            model = rivals.train_pixels(name, simulated, effort)
            scores[f"{name}, simulation alone"] = model.score(rows.stamps).score
    found = {}
    for part, here in {"all": np.ones(len(rows), dtype=bool), "night": alerts.night}.items():
        own = {name: score[here] for name, score in scores.items()}
        told = contest(own, rows.label[here], group=rows.group[here], against=("forest", "rb"), bootstrap=bootstrap)
        print(f"\nZTF alerts, {part}, agreement with braai: {told}")
        found[part] = told.to_dict()
    real = {name: passing(score, rows, bootstrap) for name, score in scores.items()}
    print("real by construction that pass at the threshold of FPR 2.5 %:")
    for name, shares in real.items():
        share, low, high = shares["all"]["share"]
        print(f"{name:<28}{100 * share:.1f} % ({100 * low:.1f} .. {100 * high:.1f}) of {shares['all']['alerts']}")
    record = {"data": f"{len(rows)} real ZTF alerts of {len(set(rows.group))} objects", "labels": "braai d6_m9 above "
              "0.5: agreement, not accuracy", "folds": folds, "beside": [repr(part) for part in beside],
              "weight beside": weight, "teacher": teacher,
              "effort": effort.told(), **found, "real by construction": real}  # fmt: skip
    return record, scores


def passing(score: np.ndarray, rows: LabelledStamps, bootstrap: int) -> dict[str, Any]:
    """Return which share of the alerts that are real by construction passes at the threshold of FPR 2.5 %."""
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
