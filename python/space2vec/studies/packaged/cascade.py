"""Train ``stampnet-fast``: a network without template, before ``stampnet``, which scores uncertain candidates only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec import registry
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.model_files.header import is_in_doubt
from space2vec.models.network import Network
from space2vec.studies.packaged.alerts import KNOWN_REAL
from space2vec.studies.packaged.learning import PACKAGED
from space2vec.studies.packaged.networks import (
    EPOCHS,
    STAMPNET_COLUMNS,
    blended_targets,
    metrics_by_kind,
    training_and_validation_rows,
)

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["FIRST_COLUMNS", "build_first", "build_stampnet_fast", "doubt_interval", "join_cascade"]

#: The planes that the first network sees.
_PLANES = ("science", "difference")
#: Its columns: those of ``stampnet`` that need no other plane.
FIRST_COLUMNS = tuple(name for name in STAMPNET_COLUMNS if set(registry.FEATURES[name].planes) <= set(_PLANES))
#: The share of alerts, and of their variants, that is to be in doubt (docs/network-worth.md).
_DOUBT = 0.3


def build_stampnet_fast(
    data: Path,
    second: Network,
    threads: int | None = None,
    progress: Callable[[dict[str, float]], object] | None = None,
) -> Network:
    """Train a first network, and join it with the second one to a cascade.

    Parameters
    ----------
    data : Path
        The data folder.
    second, threads, progress
        As for :func:`build_first`.

    Raises
    ------
    ImportError
        If PyTorch is absent.
    ReadError
        If the alerts or braai's weights are not in the data folder.
    """
    learned, validation = training_and_validation_rows(data)
    return join_cascade(build_first(learned, validation, second, threads, progress), second, validation)


def join_cascade(first: Network, second: Network, validation: LabelledStamps) -> Network:
    """Join two networks to a cascade; validation rows set its doubt interval and its metrics."""
    alike = np.isin(validation.kind, (KNOWN_REAL, "alert", "variant"))
    early = first.score(validation.stamps).score
    doubt = doubt_interval(early[alike & np.isfinite(early)])
    metrics = {
        "in doubt": {
            "alerts and variants of validation": _share(early[alike], doubt),
            "other rows of validation": _share(early[~alike], doubt),
        }
    }
    training = {
        "cascade": f"{second.id} is asked where the first network's score lies within the doubt, which was chosen so "
        f"that it holds {_DOUBT:.0%} of the alerts and variants of validation",
        **second.header.training,
    }
    header = replace(second.header, name="stampnet-fast", doubt=doubt, training=training, metrics=metrics)
    cascade = Network(second.module, header, second.integers, first)
    measured = {**metrics, **metrics_by_kind(cascade, validation)}
    return Network(second.module, replace(cascade.header, metrics=measured), second.integers, first)


def doubt_interval(score: NDArray[np.float32], share: float = _DOUBT) -> tuple[float, float]:
    """Return the interval of scores around 0.5, symmetric in logits, that holds a share of the given scores.

    Its ends are rounded to four digits.
    """
    near = np.clip(score.astype(np.float64), 1e-7, 1 - 1e-7)
    far = float(np.quantile(np.abs(np.log(near / (1.0 - near))), share))
    low = round(float(1.0 / (1.0 + np.exp(far))), 4)
    return low, round(1.0 - low, 4)


def _share(score: NDArray[np.float32], doubt: tuple[float, float]) -> float:
    return round(float(np.mean(is_in_doubt(doubt, score))), 4)


def build_first(
    learned: LabelledStamps,
    validation: LabelledStamps,
    second: Network,
    threads: int | None = None,
    progress: Callable[[dict[str, float]], object] | None = None,
) -> Network:
    """Train the network that sees no template, on the rows of ``stampnet`` and with its opinion of them.

    Parameters
    ----------
    learned, validation : LabelledStamps
        The rows that ``stampnet`` learns from, and those that stop and calibrate it.
    second : Network
        The network that is asked in doubt.
    threads : int, optional
        Threads that prepare and measure; one a usable core by default.
    progress : callable, optional
        Called with the metrics of each epoch.

    Raises
    ------
    ImportError
        If PyTorch is absent.
    """
    from space2vec.training import train_network
    from space2vec.training.loop import FitSettings, fast_precision
    from space2vec.training.network import REACH, RECIPES

    whole = RECIPES["stampnet"]
    recipe = whole.of_planes(_PLANES)
    places = [whole.channels.index(plane) for plane in (*_PLANES, *_PLANES)]
    ends = [len(whole.channels) * (k // len(_PLANES)) for k in range(len(places))]
    settings: dict[str, Json] = {"reach": [REACH[end + place] for end, place in zip(ends, places, strict=True)]}
    return train_network(
        replace(learned, teacher=blended_targets(learned, second)),
        features=FIRST_COLUMNS,
        recipe=recipe,
        settings=settings,
        teacher=1.0,
        validation=validation,
        augmentation=PACKAGED.augmentation,
        fit_settings=FitSettings(epochs=EPOCHS, precision=fast_precision()),
        threads=threads,
        progress=progress,
        name="stampnet-fast, first",
        training={"labels": f"of {second.id}: its opinion is a part of each target, as it was taught itself"},
    )
