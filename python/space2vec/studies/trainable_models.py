"""Train the models of a comparison, all on the same rows."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec import compute, registry, training
from space2vec.data import flags
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.errors.packages import need
from space2vec.models.forest import Forest
from space2vec.models.load import Model
from space2vec.models.network import Network

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = [
    "COLUMNS",
    "PIXELS",
    "SPLIT_SEED_OFFSET",
    "Boosted",
    "Trainable",
    "TrainingEffort",
    "find_trainable",
    "train_columns",
    "train_pixels",
]

#: Models of columns, and the package that each needs: the paper's forest, boosted trees, and our network.
COLUMNS: dict[str, str] = {"forest": "sklearn", "lightgbm": "lightgbm", "tablenet": "torch"}
#: Models of stamps, and the package that each needs: a forest on all features of stamps, our network, and the published
#: networks.
PIXELS: dict[str, str] = {
    "forest": "sklearn",
    "stampnet": "torch",
    "braai": "torch",
    "rubin": "torch",
    "space2vec2018": "torch",
}


#: Added to the seed that splits rows into training and test: trainers split their rows again with the seed itself, and
#: with the same seed the same objects would fall on the same side again.
SPLIT_SEED_OFFSET = 1 << 20
#: The features of the forest on stamps.
_SET: registry.FeatureSet = "stamp"
#: A row is used as real (or as bogus) if the probability of that is larger.
_DOUBT = 0.01
#: Settings of ``stampnet`` that differ from its trainer's defaults.
_OURS: dict[str, Json] = {"epochs": 24}
#: Settings of the published networks: more and smaller steps than ours, which is given features. Braai's learning rate
#: is the better of 0.001 and 0.003 on 2,000 simulated candidates; those of the others were tried once.
_PUBLISHED: dict[str, Json] = {"epochs": 20, "batch": 64}
#: The published networks do at least so many steps and do not stop early: braai learns nothing in its first hundreds.
_STEPS = 2500
_RATES = {"braai": 3e-3, "rubin": 2e-3, "space2vec2018": 1e-3}
#: A network with a lower AUC of validation has learned nothing, because its units have died. It is trained again at a
#: third of the learning rate, and so on for a number of attempts.
_LEARNED_NOTHING = 0.6
_ATTEMPTS = 3


@dataclass(frozen=True)
class TrainingEffort:
    """The length of the training of the models, and the device; the defaults are those of the published figures.

    Attributes
    ----------
    trees : int
        Number of trees of each forest.
    members, rounds : int
        Number of boosted models to average, and of trees of each. The boosted trees that teach tablenet have at most as
        many trees.
    epochs : int or None
        Epochs of each network; None: the default of its trainer.
    seed : int
        Seed of all random numbers.
    threads : int
        Number of threads to train with.
    device : str
        Device of PyTorch to train networks on.
    progress : callable or None
        Called with the metrics of each epoch of a network.
    """

    trees: int = 100
    members: int = 5
    rounds: int = 600
    epochs: int | None = None
    seed: int = 0
    threads: int = 1
    device: str = "cpu"
    progress: Callable[[dict[str, float]], object] | None = None

    def to_dict(self) -> dict[str, Json]:
        """Return the settings that a result depends on, ready for JSON."""
        return {key: value for key, value in vars(self).items() if key not in ("threads", "progress")}


class Trainable(NamedTuple):
    """The models that can be trained here, and for each other requested model a sentence why it cannot."""

    names: list[str]
    reasons: list[str]


def find_trainable(
    models: Mapping[str, str], requested: Collection[str], report: Callable[[str], object] = lambda line: None
) -> Trainable:
    """Find out which of the requested models can be trained here.

    Parameters
    ----------
    models : mapping of str to str
        Models, and the package that each needs: :data:`COLUMNS` or :data:`PIXELS`.
    requested : collection of str
        Names of the models to train.
    report : callable, optional
        Called with each sentence that says why a model is left out.
    """
    found = Trainable([], [])
    for name, package in models.items():
        if name in requested and importlib.util.find_spec(package) is None:
            found.reasons.append(f"{name} is left out: it needs {package}, which is not installed")
            report(found.reasons[-1])
        elif name in requested:
            found.names.append(name)
    return found


class Boosted:
    """Boosted trees of LightGBM on rows x (n, k) and labels y (n,): the average of several seeds."""

    def __init__(self, x: NDArray[np.float32], y: NDArray[np.generic], effort: TrainingEffort) -> None:
        need("lightgbm", "boosted trees need LightGBM")
        from lightgbm import LGBMClassifier

        settings: dict[str, Json] = {
            "n_estimators": effort.rounds, "learning_rate": 0.03, "num_leaves": 31, "min_child_samples": 20,
            "colsample_bytree": 0.4, "subsample": 0.8, "subsample_freq": 1, "reg_lambda": 1.0,
        }  # fmt: skip
        self._members = [
            LGBMClassifier(**settings, random_state=effort.seed + k, n_jobs=effort.threads, verbose=-1).fit(x, y)
            for k in range(effort.members)
        ]

    def predict(self, x: NDArray[np.float32], *, threads: int | None = None) -> NDArray[np.float32]:
        """Return P(real) (n,)."""
        options = {} if threads is None else {"num_threads": threads}
        members = np.array([np.asarray(member.predict_proba(x, **options))[:, 1] for member in self._members])
        mean: NDArray[np.float32] = members.mean(axis=0).astype(np.float32)
        return mean


def train_columns(
    name: str, x: NDArray[np.float32], y: NDArray[np.generic], columns: Sequence[str], effort: TrainingEffort
) -> Forest | Boosted | Network:
    """Train one of the models of columns.

    Parameters
    ----------
    name : str
        One of :data:`COLUMNS`.
    x : ndarray of float32 (n, k)
        Rows; NaN where a value is missing.
    y : ndarray (n,)
        Labels: 1 real, 0 bogus.
    columns : sequence of str (k,)
        Names of the columns.
    effort : TrainingEffort
        How long to train.

    Returns
    -------
    Forest, Boosted or Network
        Its ``predict`` takes rows (m, k) and returns P(real) (m,).

    Raises
    ------
    ImportError
        If the package that the model needs is not installed.
    KeyError
        If there is no such model.
    """
    if name == "forest":
        return training.train_forest(x, y, columns, trees=effort.trees, seed=effort.seed, n_jobs=effort.threads)
    if name == "lightgbm":
        return Boosted(x, y, effort)
    if name == "tablenet":
        from space2vec.training.distill import FIT_SETTINGS, DistillSettings

        fit_settings = replace(FIT_SETTINGS, epochs=effort.epochs or FIT_SETTINGS.epochs, device=effort.device)
        distill_settings = replace(DistillSettings(), iterations=min(DistillSettings().iterations, effort.rounds))
        return training.train_tablenet(
            x,
            y,
            columns,
            fit_settings=fit_settings,
            distill_settings=distill_settings,
            seed=effort.seed,
            progress=effort.progress,
        )
    raise KeyError(name)


def train_pixels(name: str, rows: LabelledStamps, effort: TrainingEffort, *, teacher: float = 0.0) -> Model:
    """Train one of the models of stamps; candidates that a flag forbids to score are left out.

    Parameters
    ----------
    name : str
        One of :data:`PIXELS`.
    rows : LabelledStamps
        The candidates to train on.
    effort : TrainingEffort
        How long to train.
    teacher : float, optional
        Share of the teacher's score in the target of a candidate that has one; the rest is the label.

    Raises
    ------
    ImportError
        If the package that the model needs is not installed.
    KeyError
        If there is no such model.
    """
    if name not in PIXELS:
        raise KeyError(name)
    if name == "forest":
        return _forest(rows, effort, teacher)
    from space2vec.training.loop import FitSettings, fast_precision

    settings = dict(_OURS) if name == "stampnet" else {**_PUBLISHED, "learning_rate": _RATES[name]}
    if effort.epochs is not None:
        settings["epochs"] = effort.epochs
    elif name != "stampnet":
        settings["epochs"] = max(settings["epochs"], math.ceil(_STEPS * settings["batch"] / len(rows)))
    if name != "stampnet":
        settings["patience"] = settings["epochs"]
    fit_settings = FitSettings(**settings, precision=fast_precision(), seed=effort.seed, device=effort.device)
    for attempt in range(_ATTEMPTS):
        network = training.train_network(
            rows,
            architecture=name,
            fit_settings=fit_settings,
            teacher=teacher,
            threads=effort.threads,
            progress=effort.progress,
        )
        auc = network.header.metrics["validation"]["auc"]
        if name == "stampnet" or attempt == _ATTEMPTS - 1 or auc > _LEARNED_NOTHING:
            break
        fit_settings = replace(fit_settings, learning_rate=fit_settings.learning_rate / 3.0)
    return network


def _forest(rows: LabelledStamps, effort: TrainingEffort, teacher: float) -> Forest:
    """Train a forest on the features of stamps; a doubtful row is used twice, as real and as bogus, with weights."""
    table = compute.features(rows.stamps, set=_SET)
    sound = flags.scorable(table.flags)
    x, weight = table.values[sound], rows.weight[sound]
    known = np.where(np.isnan(rows.teacher), rows.label, rows.teacher)
    real = ((1.0 - teacher) * rows.label + teacher * known)[sound]
    sides = [(real, 1), (1.0 - real, 0)]
    kept = [share > _DOUBT for share, _ in sides]
    return training.train_forest(
        np.concatenate([x[side] for side in kept]),
        np.concatenate([np.full(int(side.sum()), label) for side, (_, label) in zip(kept, sides, strict=True)]),
        table.names,
        weight=np.concatenate([(weight * share)[side] for side, (share, _) in zip(kept, sides, strict=True)]),
        trees=effort.trees, imputation="none", min_samples_leaf=2, seed=effort.seed, n_jobs=effort.threads,
    )  # fmt: skip
