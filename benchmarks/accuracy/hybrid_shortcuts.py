"""Whether anything but the candidate separates the fakes of hybrid data from the bogus.

    python -m benchmarks.accuracy.hybrid_shortcuts ALERTS... --scores TABLE... --column NAME --braai WEIGHTS

A forest and a logistic regression see pixels and statistics of rings, but not a box around the candidate, and are
tested on objects that they were not trained on. An AUC of 0.5 is chance; intervals are of 95 %, by a bootstrap over
objects. The script also prints how braai scores fakes in the stamps of sure real alerts, and hybrids, and how fast
hybrids are simulated.
"""

from __future__ import annotations

import argparse
import itertools
import time
from dataclasses import replace

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import CHANNELS
from space2vec.simulation.hybrid import hybrid
from space2vec.simulation.residuals import mine_bogus
from space2vec.training.teacher import add_teacher_scores, braai_scorer, read_labelled_alerts

#: Half the side of the square that the models see, and of its part that they see pixel by pixel.
HALF, NEAR = 31, 10
RINGS = (0, 4, 7, 10, 13, 18, 24, 45)
BOXES = (0, 9, 15, 25)


def cut_frames(rows: LabelledStamps) -> np.ndarray:
    """Return pixels (n, 3, 63, 63) around the candidates, NaN where a stamp has none."""
    side = 2 * HALF + 1
    out = np.full((len(rows), 3, side, side), np.nan)
    for row in range(len(rows)):
        top, left = (HALF - rows.stamps.centre[row]).tolist()
        for position, channel in enumerate(CHANNELS):
            plane = rows.stamps.plane(row, channel)
            y, x = max(top, 0), max(left, 0)
            part = plane[y - top : side - top, x - left : side - left]
            out[row, position, y : y + part.shape[0], x : x + part.shape[1]] = np.where(
                np.abs(part) < 1e6, part, np.nan
            )
    return out


def table(frames: np.ndarray, box: int) -> np.ndarray:
    """Return the columns that the models see: scaled pixels near the box, and statistics of rings outside it."""
    rows, columns = np.mgrid[-HALF : HALF + 1, -HALF : HALF + 1]
    away, reach = np.hypot(rows, columns), np.maximum(np.abs(rows), np.abs(columns))
    visible = reach > box // 2 if box else reach >= 0
    middle = np.nanmedian(frames[..., visible], axis=-1)[..., None, None]
    spread = 1.4826 * np.nanmedian(np.abs(frames - middle)[..., visible], axis=-1)[..., None, None]
    flat = np.arcsinh((frames - middle) / np.maximum(spread, 1e-3))
    lost = np.isnan(flat)
    flat[lost] = 0.0
    steps = np.abs(np.diff(np.where(visible, flat, np.nan), axis=-1, append=np.nan))
    columns_of = [flat[..., visible & (reach <= NEAR)].reshape(len(flat), -1)]
    for inner, outer in itertools.pairwise(RINGS):
        ring = visible & (away >= inner) & (away < outer)
        if ring.any():
            part = flat[..., ring]
            columns_of += [part.mean(-1), part.std(-1), part.max(-1), part.min(-1)]
            columns_of += [np.nan_to_num(np.nanmean(np.where(ring, steps, np.nan), axis=(2, 3)))]
            columns_of += [(part[:, 0] * part[:, 2]).mean(-1, keepdims=True), lost[..., ring].mean(-1)]
    return np.concatenate(columns_of, axis=1)


def auc(x: np.ndarray, rows: LabelledStamps, model: object) -> str:
    """Return the AUC, with its interval, on objects that the model was not trained on."""
    score = np.zeros(len(rows))
    for train, test in GroupKFold(4).split(x, rows.label, rows.group):
        score[test] = model.fit(x[train], rows.label[train]).predict_proba(x[test])[:, 1]
    names, inverse = np.unique(rows.group, return_inverse=True)
    of_object = [np.flatnonzero(inverse == k) for k in range(len(names))]
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(200):
        index = np.concatenate([of_object[k] for k in rng.integers(0, len(names), len(names))])
        drawn.append(roc_auc_score(rows.label[index], score[index]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return f"{roc_auc_score(rows.label, score):.3f} ({low:.3f} to {high:.3f})"


def main() -> None:
    """Simulate hybrids, and print how well models separate them without the candidate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("inputs", nargs="+")
    parser.add_argument("--scores", nargs="+", required=True)
    parser.add_argument("--column", default="score")
    parser.add_argument("--braai", required=True)
    parser.add_argument("-n", type=int, default=3000)
    arguments = parser.parse_args()
    alerts = read_labelled_alerts(arguments.inputs, *arguments.scores, column=arguments.column)
    score = braai_scorer(arguments.braai)
    found = mine_bogus(alerts, score)
    real = LabelledStamps.concatenate([alerts, found])
    print(f"{len(alerts)} alerts, {(alerts.teacher < 0.3).sum()} bogus; {len(found)} more out of the differences")
    sure = alerts[np.flatnonzero(alerts.teacher > 0.98)]
    fakes = hybrid(replace(sure, teacher=np.zeros(len(sure), np.float32)), 500, seed=1, real_fraction=1.0)
    print(f"braai passes {np.mean(score(fakes.stamps) > 0.5):.1%} of fakes in stamps of {len(sure)} sure real alerts")
    start = time.process_time()
    rows = hybrid(real, arguments.n, seed=1)
    print(f"{len(rows) / (time.process_time() - start):.0f} stamps a second of processor time")
    rows = add_teacher_scores(rows, score)
    known = ~np.isnan(rows.teacher)
    print(f"braai on the hybrids: AUC {roc_auc_score(rows.label[known], rows.teacher[known]):.3f}")
    for kind in np.unique(rows.kind):
        print(f"  {kind}: {np.mean(rows.teacher[rows.kind == kind] > 0.5):.1%} above 0.5")
    frames = cut_frames(rows)
    for box in BOXES:
        x = table(frames, box)
        forest = RandomForestClassifier(100, min_samples_leaf=5, random_state=0)
        linear = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=200))
        print(
            f"without the middle {box} x {box}: forest {auc(x, rows, forest)}, logistic {auc(x, rows, linear)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
