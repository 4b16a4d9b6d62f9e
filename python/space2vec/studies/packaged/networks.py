"""Train the packaged networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec import registry
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.model_files.header import RUN_MODEL_FILE
from space2vec.models.network import Network
from space2vec.studies.packaged.alerts import KNOWN_REAL, all_alerts
from space2vec.studies.packaged.forests import DES_DATA, labelled_des, metrics_for_header
from space2vec.studies.packaged.learning import PACKAGED, SHARES, LearningRecipe
from space2vec.training.network import TrainingSplit

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = [
    "EPOCHS", "STAMPNET_COLUMNS", "blended_targets", "build_stampnet", "build_tablenet", "metrics_by_kind",
    "train_with_master", "training_and_validation_rows",
]  # fmt: skip

#: Columns that cost most and that no network missed (docs/network-worth.md): fits, medians of columns, and the moments
#: of the science plane with what is made of them.
_LEFT_OUT = (
    "AMP", "GAUSS", "SCALE", "LACOSMIC", "COLMEDS", "science_a", "science_b", "science_angle", "science_ellipticity",
    "plane_offset", "width_ratio", "psf_ratio", "psf_likeness",
)  # fmt: skip
#: The features that ``stampnet`` takes in addition to the planes.
STAMPNET_COLUMNS = tuple(name for name in registry.FEATURE_SETS["stamp"] if name not in _LEFT_OUT)
EPOCHS = 24
#: The weight, in a row's target, of the score of a network of all columns, which is discarded afterwards: it keeps a
#: network of fewer columns from memorising single rows.
_TRUST = 0.5


def build_stampnet(
    data: Path, threads: int | None = None, progress: Callable[[dict[str, float]], object] | None = None
) -> Network:
    """Train ``stampnet`` on real alerts, their variants, hybrids and simulated candidates of three surveys.

    Raises
    ------
    ImportError
        If PyTorch is absent.
    ReadError
        If the alerts or braai's weights are not in the data folder.
    """
    rows = training_and_validation_rows(data)
    alerts = int(np.isin(rows.training.kind, (KNOWN_REAL, "alert")).sum())
    network = train_with_master(
        rows,
        PACKAGED,
        threads=threads,
        progress=progress,
        training={
            "data": f"{alerts} real ZTF alerts (a night of July 2018, alerts in brokers' files and in other public "
            f"repositories); made of them {SHARES['variants']} variants and {SHARES['hybrid']} hybrids; simulated "
            f"candidates: {SHARES['ztf']} of ZTF, {SHARES['des']} of DES, {SHARES['rubin']} of Rubin",
            "labels": "alerts of objects that are known to be real: real; other alerts, and variants: braai d6_m9 as "
            "teacher, of less weight where it is not sure; hybrids and simulated candidates: the truth; "
            f"{_TRUST:g} of each target is the opinion of a network of all columns that learned from the same rows",
        },
        metrics={
            "validation labels": "alerts of objects that are known to be real: real; other alerts, and variants: braai "
            "d6_m9 above 0.5, which is agreement, not accuracy; hybrids and simulated candidates: the truth"
        },
    )
    metrics = {**network.header.metrics, **metrics_by_kind(network, rows.validation)}
    return Network(network.module, replace(network.header, metrics=metrics), network.integers)


def train_with_master(
    rows: TrainingSplit,
    recipe: LearningRecipe,
    *,
    epochs: int = EPOCHS,
    folder: Path | None = None,
    threads: int | None = None,
    progress: Callable[[dict[str, float]], object] | None = None,
    name: str = "stampnet",
    training: Mapping[str, Json] | None = None,
    metrics: Mapping[str, Json] | None = None,
) -> Network:
    """Train a network of all columns, the master, and ``stampnet``, half of whose targets are the master's opinion.

    Parameters
    ----------
    rows : TrainingSplit
        The rows of a recipe (:meth:`space2vec.studies.packaged.learning.LearningRecipe.rows`).
    recipe : LearningRecipe
        Its augmentation is that of both networks.
    epochs, threads, progress, name, training, metrics
        As for :func:`space2vec.training.train_network`.
    folder : Path, optional
        Where unfinished networks are kept, and from where the same call goes on.

    Raises
    ------
    ImportError
        If PyTorch is absent.
    OutputError
        If the folder holds an unfinished network of other settings or rows.
    """
    from space2vec.training import train_network
    from space2vec.training.loop import FitSettings, fast_precision

    settings = FitSettings(epochs=epochs, precision=fast_precision())

    def trained(learned: LabelledStamps, part: str, called: str, seed: int, features: str | Sequence[str]) -> Network:
        run = None if folder is None else folder / part
        if run is not None and (run / RUN_MODEL_FILE).is_file():
            return Network.load(run / RUN_MODEL_FILE)
        return train_network(
            learned,
            features=features,
            teacher=1.0,
            validation=rows.validation,
            augmentation=recipe.augmentation,
            fit_settings=replace(settings, seed=seed),
            folder=run,
            resume=True,
            threads=threads,
            progress=progress,
            name=called,
            training=training,
            metrics=metrics,
        )

    master = trained(rows.training, "master", f"master of {name}", 1, "stamp")
    blended = replace(rows.training, teacher=blended_targets(rows.training, master))
    return trained(blended, "stampnet", name, 0, STAMPNET_COLUMNS)


def training_and_validation_rows(data: Path) -> TrainingSplit:
    """Return the rows that ``stampnet`` learns from, and those that stop and calibrate it."""
    return PACKAGED.rows(all_alerts(data), data / "braai" / "braai_d6_m9.npz")


def blended_targets(rows: LabelledStamps, master: Network) -> NDArray[np.float32]:
    """Return targets (n,) that blend those of the rows with a network's scores of them."""
    own, opinion = np.where(np.isfinite(rows.teacher), rows.teacher, rows.label), master.score(rows.stamps).score
    return np.where(np.isfinite(opinion), (1 - _TRUST) * own + _TRUST * opinion, own).astype(np.float32)


def metrics_by_kind(network: Network, rows: LabelledStamps) -> dict[str, Json]:
    """Measure a network on each kind of its validation rows, from which it did not learn."""
    score = network.score(rows.stamps).score
    simulated = np.char.startswith(rows.group.astype(np.str_), "simulated")
    parts = {
        "alerts of validation, known real or braai above 0.5": np.isin(rows.kind, (KNOWN_REAL, "alert")),
        "accuracy on hybrids of validation": ~simulated & ~np.isin(rows.kind, (KNOWN_REAL, "alert", "variant")),
        "accuracy on simulated candidates of validation": simulated,
    }
    return {name: metrics_for_header(score[here], rows.label[here], rows.group[here]) for name, here in parts.items()}


def build_tablenet(data: Path, progress: Callable[[dict[str, float]], object] | None = None) -> Network:
    """Train ``tablenet`` on the labelled DES rows.

    Raises
    ------
    ImportError
        If PyTorch or scikit-learn is absent.
    ReadError
        If the table is not in the data folder.
    """
    from space2vec.training import train_tablenet

    x, y = labelled_des(data)
    return train_tablenet(x, y, registry.AUTOSCAN, progress=progress, training=DES_DATA)
