"""Train the packaged networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec import registry, simulation
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.models.network import Network
from space2vec.simulation.hybrid import hybrid
from space2vec.simulation.variants import variants
from space2vec.studies.packaged.alerts import real_alerts
from space2vec.studies.packaged.forests import DES_DATA, labelled_des, metrics_for_header
from space2vec.training.teacher import StampScorer, add_teacher_scores

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["STAMPNET_COLUMNS", "Shares", "build_stampnet", "build_tablenet", "stampnet_rows"]

#: Number of rows of each kind that are added to the real alerts.
Shares = dict[str, int]
SHARES: Shares = {"variants": 24000, "hybrid": 8000, "ztf": 6000, "des": 3000, "rubin": 3000}
#: Columns that cost most and that no network missed (docs/network-worth.md): fits, medians of columns, and the moments
#: of the science plane with what is made of them.
_LEFT_OUT = (
    "AMP", "GAUSS", "SCALE", "LACOSMIC", "COLMEDS", "science_a", "science_b", "science_angle", "science_ellipticity",
    "plane_offset", "width_ratio", "psf_ratio", "psf_likeness",
)  # fmt: skip
#: The features that ``stampnet`` takes in addition to the planes.
STAMPNET_COLUMNS = tuple(name for name in registry.FEATURE_SETS["stamp"] if name not in _LEFT_OUT)
#: How far the conditions of the simulated surveys are widened.
_RANDOMISE = 0.3
EPOCHS = 24
#: The weight, in a row's target, of the score of a network of all columns, which is discarded afterwards: it keeps a
#: network of fewer columns from memorising single rows.
_TRUST = 0.5


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
    from space2vec.training import train_network
    from space2vec.training.loop import FitSettings, fast_precision

    learned, validation = training_and_validation_rows(data)
    fit_settings = FitSettings(epochs=EPOCHS, precision=fast_precision())
    how: dict[str, Json] = {"teacher": 1.0, "validation": validation, "threads": threads, "progress": progress}
    master = train_network(learned, fit_settings=replace(fit_settings, seed=1), **how)
    network = train_network(
        replace(learned, teacher=blended_targets(learned, master)),
        features=STAMPNET_COLUMNS,
        fit_settings=fit_settings,
        **how,
        training={
            "data": f"{int(np.sum(learned.kind == 'alert'))} real ZTF alerts (a night of July 2018, and alerts in "
            f"brokers' files); made of them {SHARES['variants']} variants and {SHARES['hybrid']} hybrids; simulated "
            f"candidates: {SHARES['ztf']} of ZTF, {SHARES['des']} of DES, {SHARES['rubin']} of Rubin",
            "labels": "alerts and variants: braai d6_m9 as teacher; hybrids and simulated candidates: the truth; "
            f"{_TRUST:g} of each target is the opinion of a network of all columns that learned from the same rows",
        },
        metrics={
            "validation labels": "alerts and variants: braai d6_m9 above 0.5, which is agreement, not accuracy; "
            "hybrids and simulated candidates: the truth"
        },
    )
    metrics = {**network.header.metrics, **metrics_by_kind(network, validation)}
    return Network(network.module, replace(network.header, metrics=metrics), network.integers)


def training_and_validation_rows(data: Path) -> tuple[LabelledStamps, LabelledStamps]:
    """Return the rows that ``stampnet`` learns from, and those that stop and calibrate it."""
    from space2vec.training.loop import FitSettings
    from space2vec.training.network import split_validation

    real, weights = real_alerts(data), data / "braai" / "braai_d6_m9.npz"
    # Split first, because a row made from an alert may contain the sky of another.
    learned, held = split_validation(real, FitSettings().seed)
    few = {kind: count // 10 for kind, count in SHARES.items()}
    return (
        LabelledStamps.concatenate([learned, stampnet_rows(learned, weights)]),
        LabelledStamps.concatenate([held, stampnet_rows(held, weights, seed=100, shares=few)]),
    )


def blended_targets(rows: LabelledStamps, master: Network) -> NDArray[np.float32]:
    """Return targets (n,) that blend those of the rows with a network's scores of them."""
    own, opinion = np.where(np.isfinite(rows.teacher), rows.teacher, rows.label), master.score(rows.stamps).score
    return np.where(np.isfinite(opinion), (1 - _TRUST) * own + _TRUST * opinion, own).astype(np.float32)


def metrics_by_kind(network: Network, rows: LabelledStamps) -> dict[str, Json]:
    """Measure a network on each kind of its validation rows, from which it did not learn."""
    score = network.score(rows.stamps).score
    simulated = np.char.startswith(rows.group.astype(np.str_), "simulated")
    parts = {
        "agreement with braai above 0.5, alerts of validation": rows.kind == "alert",
        "accuracy on hybrids of validation": ~simulated & ~np.isin(rows.kind, ("alert", "variant")),
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
