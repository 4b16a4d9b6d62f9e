"""Training networks on labelled stamps."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from space2vec import backends, evaluation, registry
from space2vec.architectures import NETWORKS, build
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import Stamps
from space2vec.model_files.header import Header
from space2vec.model_files.needs import Needs, set_of
from space2vec.models.network import Network
from space2vec.plans.recipe import Recipe
from space2vec.training.augment import Augmentation, augmented
from space2vec.training.dataset import split
from space2vec.training.loop import FitRows, FitSettings, best_temperature, fit, logits, torch_device
from space2vec.training.quantise import CALIBRATION_ROWS, can_quantise, quantise
from space2vec.training.run_folder import RunFolder

if TYPE_CHECKING:
    from torch import nn

    from space2vec.model_files.integer_network import IntegerNetwork

__all__ = ["REACH", "RECIPES", "held_out", "train_network"]


#: Steps that give a plane in units of its own noise, bright pixels compressed.
_NOISE = ("median-mad", "asinh")
#: Steps that give its contrast: the root mean square of its pixels is about 1. In the science plane the sky stays in,
#: which tells how deep an exposure was.
_CONTRAST: tuple[tuple[str, dict[str, float]], ...] = (("l2", {}), ("asinh", {"softening": 1.0 / 63.0}))

#: The default recipe of each network of stamps. Braai's is its authors'; networks whose authors published none get the
#: noise planes of ``stampnet``.
RECIPES: dict[str, Recipe] = {
    "stampnet": Recipe.of("stampnet", steps=_NOISE, further=(_CONTRAST,), side=33),
    "braai": Recipe("braai"),
    "rubin": Recipe.of("noise-51", steps=_NOISE, side=51),
    "space2vec2018": Recipe.of("noise-51", steps=_NOISE, side=51),
}

#: How far the planes of the recipe "stampnet" reach: 1,490 times the noise; and no pixel has more contrast than 63.
REACH = (8.0, 8.0, 8.0, 4.8363, 4.8363, 4.8363)

#: Rows that are prepared at a time.
_BLOCK = 2048
#: What is added to a seed that splits off rows for validation: a user who has split with the seed itself would find all
#: objects on one side.
_APART = 7_919
#: End of the error message where those rows are too few.
_TOO_FEW = ", a tenth of the objects, which are too few: give rows for validation (--validation)"


def train_network(
    rows: LabelledStamps,
    *,
    architecture: str = "stampnet",
    settings: Mapping[str, Any] | None = None,
    recipe: Recipe | None = None,
    features: str | Sequence[str] = "stamp",
    teacher: float = 0.0,
    validation: LabelledStamps | None = None,
    augmentation: Augmentation | None = None,
    fit_settings: FitSettings | None = None,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: Callable[[dict[str, float]], object] | None = None,
    threads: int | None = None,
    name: str | None = None,
    training: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
) -> Network:
    """Train a network on labelled stamps.

    Parameters
    ----------
    rows : LabelledStamps
        What to learn from.
    architecture : str, optional
        A name of :data:`space2vec.architectures.NETWORKS` that takes planes.
    settings : mapping, optional
        Arguments of its class; those that the recipe and the features imply need not be given.
    recipe : Recipe, optional
        What prepares the planes; that which the architecture was made for by default.
    features : str or sequence of str, optional
        The set of features (:data:`space2vec.registry.FEATURE_SETS`) of a network that takes some, or columns of one.
    teacher : float, optional
        How much of the target is the teacher's score, where a row has one; the rest is the label.
    validation : LabelledStamps, optional
        Rows to stop early and to calibrate with; a tenth of the objects by default, which are then not learned from.
    augmentation : Augmentation, optional
        What may happen to the stamps, anew in every epoch.
    fit_settings : FitSettings, optional
        How to fit.
    folder : path, optional
        Where settings, metrics, curves, state and model are kept.
    resume : bool, optional
        Go on with the run in the folder, where there is one.
    progress : callable, optional
        Called with the metrics of each epoch.
    threads : int, optional
        Threads that prepare and measure; one a usable core by default.
    name, training, metrics
        Entries of the model file's header.

    Returns
    -------
    Network
        The averaged weights of the best epoch, with the temperature that makes its scores probabilities on the
        validation rows (Guo et al. 2017, arXiv:1706.04599); ``stampnet`` in integers as well
        (:func:`space2vec.training.quantise.quantise`).

    Raises
    ------
    BackendError
        If the device cannot be had.
    ImportError
        If PyTorch is absent.
    ValueError
        If the architecture takes no planes, settings do not fit, or the rows lack a class.
    OutputError
        If the folder holds a run that is another one.
    """
    how, change = fit_settings or FitSettings(), augmentation or Augmentation()
    torch_device(how.device)  # before anything is written
    learned, checked = (rows, validation) if validation is not None else held_out(rows, how.seed)
    way_out = "" if validation is not None else _TOO_FEW
    for what, part, more in (("to learn from", learned, ""), ("for validation", checked, way_out)):
        if len(np.unique(part.label)) < 2:
            raise ValueError(f"the rows {what} must be of both classes; given {len(part)} rows{more}")
    header = _header(architecture, settings, recipe, features, name)
    needs = Needs.of(header)
    said = {
        "rows": len(learned), "real": int(learned.label.sum()), "validation": len(checked), "teacher": teacher,
        "course": asdict(how), "augmentation": asdict(change), **(training or {}),
    }  # fmt: skip
    run = None
    if folder is not None:
        data = [_digest(part) for part in (learned, checked)]
        about = {
            "architecture": header.architecture, "recipe": header.recipe, "features": header.feature_names,
            "data digest": data, **said,
        }  # fmt: skip
        run = RunFolder(Path(folder), about, resume=resume)
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(how.seed)
        assert header.architecture is not None
        module = build(architecture, header.architecture["settings"])
    plain = _fit_rows(needs, learned, teacher, threads)
    if header.feature_names:
        fit_features: Any = module.fit_features
        fit_features(plain.inputs[-1])

    def epoch_rows(epoch: int) -> FitRows:
        rng = np.random.default_rng([how.seed, epoch, 1])
        return _fit_rows(needs, learned, teacher, threads, lambda stamps: augmented(stamps, rng, change))

    held = _fit_rows(needs, checked, teacher, threads)
    if len(np.unique(held.target > 0.5)) < 2:
        raise ValueError(f"the {len(held)} rows for validation that can be scored are of one class{way_out}")
    history = fit(module, epoch_rows, held, how, run, progress)
    found = logits(module, held.inputs, how.device)
    temperature = best_temperature(found, held.target, held.weight)
    score = 1.0 / (1.0 + np.exp(-found.astype(np.float64) / temperature))
    measured = evaluation.evaluate(score, held.target > 0.5, bootstrap=0)
    figures = {
        "validation": {metric: round(m.value, 5) for metric, m in measured.metrics.items()},
        "validation labels": _labels(checked, teacher),
        **(metrics or {}),
    }
    header = replace(
        header, architecture={**header.architecture, "temperature": temperature}, training=said, metrics=figures
    )
    network = Network(module, header, _in_integers(module, plain.inputs, how.seed))
    if run is not None:
        network.save(run.model)
        run.write_metrics({"epochs": history, **figures})
        run.draw(history)
    return network


def _header(
    architecture: str,
    settings: Mapping[str, Any] | None,
    recipe: Recipe | None,
    features: str | Sequence[str],
    name: str | None,
) -> Header:
    if architecture not in NETWORKS or architecture not in RECIPES:
        raise ValueError(f"no network of stamps is called {architecture!r}; known: {', '.join(RECIPES)}")
    planes = recipe or RECIPES[architecture]
    names: Sequence[str] = ()
    given = dict(settings or {})
    optional: list[str] = []
    if architecture == "stampnet":
        names = registry.feature_set(features) if isinstance(features, str) else tuple(features)
        if not isinstance(features, str) and set_of(names) == "custom":
            raise ValueError(f"no set has the columns {', '.join(names)}")
        given = {"features": len(names), "channels": planes.shape[0], "side": planes.shape[1], **given}
        if planes == RECIPES["stampnet"]:
            given = {"reach": REACH, **given}
        optional = ["template"] if "template" in planes.channels else []
    made = build(architecture, given)
    return Header(
        kind=Network.kind,
        name=name or architecture,
        feature_names=tuple(names),
        feature_set=set_of(names) if names else "custom",
        feature_version=registry.FEATURES_VERSION,
        recipe=planes.to_plain(),
        architecture={"name": architecture, "settings": made.settings, "temperature": 1.0, "optional": optional},
    )


def held_out(rows: LabelledStamps, seed: int) -> tuple[LabelledStamps, LabelledStamps]:
    """Return the rows that :func:`train_network` learns from, and those that it keeps for validation."""
    learned, checked = split(rows.group, (0.9, 0.1), seed + _APART)
    return rows[learned], rows[checked]


def _in_integers(module: nn.Module, learned: Sequence[NDArray[np.float32]], seed: int) -> IntegerNetwork | None:
    """Quantise a network if its layers allow it; rows that it has learned from set the ranges."""
    if not can_quantise(module):
        return None
    some = np.random.default_rng([seed, 4]).permutation(len(learned[0]))[:CALIBRATION_ROWS]
    return quantise(module.cpu(), [given[some] for given in learned])


def _labels(rows: LabelledStamps, teacher: float) -> str:
    """Say what the figures of validation are measured against."""
    taught = int(np.isfinite(rows.teacher).sum()) if teacher else 0
    if not taught:
        return "the labels of the rows"
    return (
        f"of {taught} of {len(rows)} rows whether the target, {teacher:g} of which is the teacher's score, is above "
        "0.5: agreement with the teacher, not accuracy; of the others the label"
    )


def _digest(rows: LabelledStamps) -> str:
    """Return a digest of rows: of their pixels, and of every column that training depends on."""
    digest = hashlib.sha256(rows.stamps.buffer.data)
    stamps = rows.stamps
    for column in (stamps.offset, stamps.shape, stamps.centre, stamps.flags, rows.label, rows.weight, rows.teacher):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()[:16]


def _fit_rows(
    needs: Needs,
    rows: LabelledStamps,
    teacher: float,
    threads: int | None,
    change: Callable[[Stamps], Stamps] | None = None,
) -> FitRows:
    """Return the inputs, targets and weights of stamps, changed or not.

    Rows that cannot be scored are left out. A row that lost its template keeps its target: the teacher's score of it is
    unknown.
    """
    known = np.isfinite(rows.teacher)
    target = np.where(known, (1.0 - teacher) * rows.label + teacher * np.nan_to_num(rows.teacher), rows.label)
    parts: list[tuple[NDArray[np.float32], ...]] = []
    kept: list[NDArray[np.intp]] = []
    host = backends.on_host()
    # Copies of all stamps at once would take several times the memory that the data take.
    for start in range(0, len(rows), _BLOCK):
        stamps = rows.stamps[start : start + _BLOCK]
        inputs = host.inputs(needs, stamps if change is None else change(stamps), threads)
        good = np.flatnonzero(inputs.scored)
        parts.append(tuple(array[good] for array in inputs.arrays))
        kept.append(good + start)
    index = np.concatenate(kept)
    given = tuple(np.concatenate(each) for each in zip(*parts, strict=True))
    return FitRows(given, target[index].astype(np.float32), rows.weight[index])
