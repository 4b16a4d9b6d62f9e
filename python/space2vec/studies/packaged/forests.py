"""Train the packaged forests.

``autoscan``
    The paper's forest (Goldstein et al. 2015) on the 38 columns of the labelled DES rows.
``forest``
    All features of the stamps, and those columns of an alert packet that help and that most surveys give. Every real
    row is also shown without its packet columns, and simulated rows are shown only so: the forest then scores bare
    stamps as well. Labels of the real alerts are those of a teacher, ZTF's network braai: figures on them are agreement
    with braai, not accuracy.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec import compute, evaluation, reading, registry, simulation, training
from space2vec.data import flags
from space2vec.data.ids import id_keys
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features
from space2vec.errors import ReadError
from space2vec.models.forest import Forest
from space2vec.reading.labels import read_column

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = [
    "DES_DATA",
    "PACKET_COLUMNS",
    "STAMP_COLUMNS",
    "build_autoscan",
    "build_forest",
    "labelled_des",
    "metrics_for_header",
]

#: The columns that `forest` takes from the packet, if there is one.
PACKET_COLUMNS: tuple[str, ...] = (
    "A_IMAGE", "B_IMAGE", "ELLIPTICITY", "GFLUX", "MAGDIFF", "MAGLIM", "MAG_FROM_LIMIT", "NN_DIST_RENORM", "SNR",
)  # fmt: skip
#: Features of the stamps that `forest` takes.
STAMP_COLUMNS: tuple[str, ...] = registry.FEATURE_SETS["stamp"]
_NAMES = (*STAMP_COLUMNS, *PACKET_COLUMNS)

_SIMULATED = 2000
#: Weights of a row without its packet columns, and of a simulated row, against 1 for a real one.
_BARE, _SIMULATED_WEIGHT = 0.5, 0.15
#: The teacher's doubt is kept: a row of score b counts as real with weight b and as bogus with 1 - b, from here on.
_DOUBT = 0.01
_BOOTSTRAP = 200


#: The entry `data` in the header of models that are trained on :func:`labelled_des`.
DES_DATA = {
    "data": "10,000 labelled rows of the DES autoScan table (Goldstein et al. 2015, AJ 150, 82)",
    "labels": "injected supernovae are real, all other detections artifacts",
}


@dataclass
class _Block:
    """Rows to train on, with the probability that each is real."""

    x: NDArray[np.float32]
    real: NDArray[np.float64]
    group: NDArray[np.str_]
    weight: float

    def bare(self, weight: float) -> _Block:
        """Return the same rows without their packet columns."""
        x = self.x.copy()
        x[:, len(STAMP_COLUMNS) :] = np.nan
        return _Block(x, self.real, self.group, weight)


def metrics_for_header(
    score: NDArray[np.float32], real: NDArray[np.generic], group: NDArray[np.generic] | None = None
) -> dict[str, Json]:
    """Measure scores for a model's header: every metric with its interval, drawn over groups."""
    result = evaluation.evaluate(score, np.asarray(real) > 0.5, group=group, bootstrap=_BOOTSTRAP)
    metrics = {name: [round(v, 4) for v in (m.value, m.low, m.high)] for name, m in result.metrics.items()}
    return {"real": result.real, "bogus": result.bogus, "value, 95 % interval": metrics}


def labelled_des(data: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Read the labelled DES rows: the 38 columns of autoScan (n, 38), and 1 for real, 0 for bogus (n,).

    Raises
    ------
    ReadError
        If the table is not in the data folder.
    """
    path = data / "des_autoscan" / "autoscan_features_train.csv"
    table = reading.read(path)
    assert isinstance(table, Features)
    return table.select(registry.AUTOSCAN), reading.read_labels(path).real


def build_autoscan(data: Path, n_jobs: int = -1) -> Forest:
    """Train ``autoscan`` on the labelled DES rows; ReadError if they are not in the data folder."""
    x, y = labelled_des(data)
    score = training.cross_validate(x, y, folds=10, n_jobs=n_jobs)
    return training.train_forest(
        x,
        y,
        registry.AUTOSCAN,
        name="autoscan",
        n_jobs=n_jobs,
        training=DES_DATA,
        metrics={"accuracy, ten-fold cross-validation": metrics_for_header(score, y)},
    )


def _teacher(path: Path) -> dict[str | None, float]:
    columns = read_column(path, "braai_d6_m9", "number")
    keys = id_keys(columns["candid"])
    if len(set(keys)) < len(keys):
        raise ReadError(f"{path} names a candidate twice")
    return dict(zip(keys, columns["braai_d6_m9"].tolist(), strict=True))


def _real_alerts(data: Path, name: str, seen: set[str]) -> _Block:
    """Read the alerts of a folder that the teacher has scored, each candidate once."""
    known = _teacher(data / "ztf" / f"{name}.csv")
    stamps = reading.read(data / "ztf" / name, strict=False)
    assert isinstance(stamps, Stamps)
    table = compute.features(stamps, set="all")
    rows, keys = [], id_keys(table.candidate_id)
    for row in np.flatnonzero(flags.scorable(table.flags)).tolist():
        candidate = keys[row]
        if candidate is not None and candidate in known and candidate not in seen:
            seen.add(candidate)
            rows.append(row)
    real = np.array([known[keys[row]] for row in rows])
    return _Block(table.select(_NAMES)[rows], real, table.object_id[rows].astype(str), 1.0)


def _simulated(seed: int) -> _Block:
    night = simulation.simulate(_SIMULATED, seed=seed)
    table = compute.features(night.stamps, set="all")
    rows = flags.scorable(table.flags)
    group = np.char.add("simulated ", table.object_id.astype(str)[rows])
    block = _Block(table.select(_NAMES)[rows], night.labels[rows].astype(np.float64), group, _SIMULATED_WEIGHT)
    return block.bare(_SIMULATED_WEIGHT)


def build_forest(data: Path, n_jobs: int = -1) -> Forest:
    """Train ``forest`` on real alerts, with braai as teacher, and on simulated ones.

    ReadError if the alerts are not in the data folder.
    """
    seen: set[str] = set()
    night, brokers = (_real_alerts(data, name, seen) for name in ("night_20180713", "brokers"))
    blocks = [night, brokers, night.bare(_BARE), brokers.bare(_BARE), _simulated(seed=1)]
    x = np.concatenate([block.x for block in blocks])
    real = np.concatenate([block.real for block in blocks])
    group = np.concatenate([block.group for block in blocks])
    weight = np.concatenate([np.full(len(block.x), block.weight) for block in blocks])
    label = (real > 0.5).astype(np.int64)
    sure = np.maximum(real, 1 - real)
    doubtful = np.flatnonzero(1 - sure > _DOUBT)
    # First every row under its likelier label, then the doubtful ones again under the other.
    train_x = np.concatenate([x, x[doubtful]])
    train_y = np.concatenate([label, 1 - label[doubtful]])
    train_group = np.concatenate([group, group[doubtful]])
    train_weight = np.concatenate([weight * sure, (weight * (1 - sure))[doubtful]])
    settings: dict[str, Json] = {"imputation": "none", "min_samples_leaf": 2, "n_jobs": n_jobs}
    score = training.cross_validate(train_x, train_y, group=train_group, weight=train_weight, folds=10, **settings)
    ends = np.cumsum([0] + [len(block.x) for block in blocks])
    part = [slice(start, end) for start, end in itertools.pairwise(ends.tolist())]
    alerts, bare = slice(0, part[1].stop), slice(part[2].start, part[3].stop)
    agreement = "agreement with braai d6_m9 above 0.5 (not accuracy), ten-fold cross-validation by object"
    return training.train_forest(
        train_x,
        train_y,
        _NAMES,
        weight=train_weight,
        name="forest",
        **settings,
        training={
            "data": f"{alerts.stop} real ZTF alerts (a night of July 2018, and alerts in brokers' files); "
            f"the same without packet columns, weight {_BARE}; {len(blocks[-1].x)} simulated alerts, weight "
            f"{_SIMULATED_WEIGHT}",
            "labels": "real alerts: braai d6_m9 as teacher, its score as weight; simulated alerts: the truth",
        },
        metrics={
            agreement: metrics_for_header(score[alerts], real[alerts], group[alerts]),
            f"{agreement}, the night alone": metrics_for_header(score[part[0]], real[part[0]], group[part[0]]),
            f"{agreement}, from stamps alone": metrics_for_header(score[bare], real[bare], group[bare]),
            "accuracy on simulated alerts, from stamps alone": metrics_for_header(score[part[4]], real[part[4]]),
        },
    )
