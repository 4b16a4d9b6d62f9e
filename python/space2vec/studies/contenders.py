"""The models of a comparison, and how each is trained; all of them get the same rows."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from space2vec import compute, registry, training
from space2vec.data import flags
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.errors.packages import need
from space2vec.models.forest import Forest
from space2vec.models.load import Model
from space2vec.models.network import Network

__all__ = ["APART", "COLUMNS", "PIXELS", "Boosted", "TrainingEffort", "choose", "train_columns", "train_pixels"]

#: Models of columns, and the package that each needs: the paper's forest, boosted trees, ours.
COLUMNS: dict[str, str] = {"forest": "sklearn", "lightgbm": "lightgbm", "tablenet": "torch"}
#: Models of stamps: a forest on all features that are measured on them, ours, and the published networks.
PIXELS: dict[str, str] = {
    "forest": "sklearn",
    "stampnet": "torch",
    "braai": "torch",
    "rubin": "torch",
    "space2vec2018": "torch",
}


#: What is added to a seed that splits rows to train on from rows to test on: trainers split again with the seed itself,
#: and the same objects would fall on the same side.
APART = 1 << 20
#: The features of the forest on stamps: all that are measured on them.
_SET: registry.FeatureSet = "stamp"
#: A row counts on a side from this probability on.
_DOUBT = 0.01
#: Settings of ``stampnet`` that differ from its trainer's defaults.
_OURS: dict[str, Any] = {"epochs": 24, "precision": "bfloat16"}
#: How the published networks are fitted: in smaller and more steps than ours, which has features to begin with.
#: Braai's learning rate is the better of 0.001 and 0.003 on 2,000 simulated candidates; the others were tried once.
_PUBLISHED: dict[str, Any] = {"epochs": 20, "batch": 64, "precision": "bfloat16"}
#: Fewest steps of the published networks, none of which stops early: braai learns nothing for its first hundreds.
_STEPS = 2500
_RATES = {"braai": 3e-3, "rubin": 2e-3, "space2vec2018": 1e-3}
#: An AUC of validation below which a network has learned nothing: its units have died. It gets another go at a third of
#: the rate, and once more.
_NOTHING = 0.6
_GOES = 3


@dataclass(frozen=True)
class TrainingEffort:
    """How hard everything is trained; the defaults are those of the published figures.

    Attributes
    ----------
    trees : int
        Of each forest.
    members, rounds : int
        Boosted models that are averaged, and trees of each; those that teach tablenet have no more.
    epochs : int or None
        Of each network; what its trainer takes by default if None.
    seed : int
        Of everything.
    threads : int
        Threads of whatever trains with several.
    device : str
        Device of PyTorch that networks are trained on.
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

    def to_dict(self) -> dict[str, Any]:
        """Return what a result depends on, ready for JSON."""
        return {key: value for key, value in vars(self).items() if key not in ("threads", "progress")}


def choose(
    models: Mapping[str, str], asked: Collection[str], tell: Callable[[str], object] = lambda line: None
) -> tuple[list[str], list[str]]:
    """Return the requested models that can run, and why the others cannot; ``tell`` is called with each reason.

    ``models`` maps each to the package that it needs, as :data:`COLUMNS` and :data:`PIXELS` do.
    """
    names, reasons = [], []
    for name, needs in models.items():
        if name in asked and importlib.util.find_spec(needs) is None:
            reasons.append(f"{name} is left out: it needs {needs}, which is not installed")
            tell(reasons[-1])
        elif name in asked:
            names.append(name)
    return names, reasons


class Boosted:
    """Boosted trees by LightGBM on rows x (n, k) and labels y (n,), several seeds averaged."""

    def __init__(self, x: NDArray[np.float32], y: NDArray[Any], effort: TrainingEffort) -> None:
        need("lightgbm", "boosted trees need LightGBM")
        from lightgbm import LGBMClassifier

        settings: dict[str, Any] = {
            "n_estimators": effort.rounds, "learning_rate": 0.03, "num_leaves": 31, "min_child_samples": 20,
            "colsample_bytree": 0.4, "subsample": 0.8, "subsample_freq": 1, "reg_lambda": 1.0,
        }  # fmt: skip
        self._members = [
            LGBMClassifier(**settings, random_state=effort.seed + k, n_jobs=effort.threads, verbose=-1).fit(x, y)
            for k in range(effort.members)
        ]

    def predict(self, x: NDArray[np.float32], *, threads: int | None = None) -> NDArray[np.float32]:
        """Return P(real) (n,)."""
        using: dict[str, Any] = {} if threads is None else {"num_threads": threads}
        members = np.array([np.asarray(member.predict_proba(x, **using))[:, 1] for member in self._members])
        mean: NDArray[np.float32] = members.mean(axis=0).astype(np.float32)
        return mean


def train_columns(
    name: str, x: NDArray[np.float32], y: NDArray[Any], columns: Sequence[str], effort: TrainingEffort
) -> Forest | Boosted | Network:
    """Train one of :data:`COLUMNS` on rows x (n, k), NaN where a value is missing, and labels y (n,).

    Its ``predict`` takes rows (m, k) and gives P(real) (m,). ImportError if what it needs is absent.
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
    """Train one of :data:`PIXELS`; rows that a flag forbids to score are left out.

    ``teacher`` is how much of the target is the teacher's score, where a row has one; the rest is the label.
    ImportError if what the model needs is absent.
    """
    if name not in PIXELS:
        raise KeyError(name)
    if name == "forest":
        return _forest(rows, effort, teacher)
    from space2vec.training.loop import FitSettings

    given = dict(_OURS) if name == "stampnet" else {**_PUBLISHED, "learning_rate": _RATES[name]}
    if effort.epochs is not None:
        given["epochs"] = effort.epochs
    elif name != "stampnet":
        given["epochs"] = max(given["epochs"], math.ceil(_STEPS * given["batch"] / len(rows)))
    if name != "stampnet":
        given["patience"] = given["epochs"]
    fit_settings = FitSettings(**given, seed=effort.seed, device=effort.device)
    for go in range(_GOES):
        network = training.train_network(
            rows,
            architecture=name,
            fit_settings=fit_settings,
            teacher=teacher,
            threads=effort.threads,
            progress=effort.progress,
        )
        if name == "stampnet" or go == _GOES - 1 or network.header.metrics["validation"]["auc"] > _NOTHING:
            break
        fit_settings = replace(fit_settings, learning_rate=fit_settings.learning_rate / 3.0)
    return network


def _forest(rows: LabelledStamps, effort: TrainingEffort, teacher: float) -> Forest:
    """Train a forest on the features of stamps; a row of doubt counts on both sides."""
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
