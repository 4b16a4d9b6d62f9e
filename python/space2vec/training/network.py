"""Training of networks on labelled stamps."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec import evaluation, registry
from space2vec.architectures import NETWORKS, build
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.model_files.header import Header
from space2vec.model_files.needs import Needs, smallest_feature_set
from space2vec.models.custom_module import describe_module
from space2vec.models.network import Network
from space2vec.models.quantise import CALIBRATION_ROWS, can_quantise, quantise
from space2vec.plans.recipe import Recipe
from space2vec.training.augment import Augmentation, augment
from space2vec.training.cross_fit import cross_fit, deal_folds
from space2vec.training.dataset import split
from space2vec.training.fit_rows import digest_rows, digest_stamps, fit_rows
from space2vec.training.loop import FitRows, FitSettings, best_temperature, fit, logits, torch_device
from space2vec.training.missing_pixels import gather_patterns
from space2vec.training.run_folder import RunFolder
from space2vec.training.tuning import CROSS_FITTED, FOLDS, FROZEN, HELD_OUT, TEMPERATURE_SPREAD, freeze, tuning_settings
from space2vec.training.unlabelled import Unlabelled, with_opinions

if TYPE_CHECKING:
    from torch import nn

    from space2vec.data.stamps import Stamps
    from space2vec.data.types import Json
    from space2vec.model_files.integer_network import IntegerNetwork

__all__ = ["REACH", "RECIPES", "TrainingSplit", "network_header", "split_validation", "train_network"]


#: Steps that scale a plane to units of its own noise, and compress bright pixels.
_NOISE = ("median-mad", "asinh")
#: Steps that scale a plane so that the root mean square of its pixels is about 1. The sky is not subtracted from the
#: science plane, since its level shows how deep an exposure was.
_CONTRAST: tuple[tuple[str, dict[str, float]], ...] = (("l2", {}), ("asinh", {"softening": 1.0 / 63.0}))

#: The default recipe of each network of stamps. Braai's is that of its authors; networks whose authors published none
#: are given planes in units of their noise, as ``stampnet`` is.
RECIPES: dict[str, Recipe] = {
    "stampnet": Recipe.of("stampnet", steps=_NOISE, further=(_CONTRAST,), side=33),
    "braai": Recipe("braai"),
    "rubin": Recipe.of("noise-51", steps=_NOISE, side=51),
    "space2vec2018": Recipe.of("noise-51", steps=_NOISE, side=51),
}

#: The largest values of the six planes of the recipe "stampnet" that integers can represent: in the first three planes
#: 1,490 times the noise, and in the last three a pixel that holds all the light of a plane of 63 x 63 pixels.
REACH = (8.0, 8.0, 8.0, 4.8363, 4.8363, 4.8363)

#: Rows of which a model is made before the first epoch.
_REHEARSED = 64
#: This is added to the seed that splits off rows for validation. A user who has split with the same seed before would
#: otherwise find all objects in one part.
_SEED_OFFSET = 7_919
#: The share of the objects that is split off for validation.
_HELD_OUT = 0.1
#: The end of the error message when the rows that were split off for validation are too few.
_TOO_FEW = ", {:.0%} of the objects, which are too few: give rows for validation (--validation)"


class TrainingSplit(NamedTuple):
    """Rows that a network is fitted to, and rows that stop the fit and calibrate it."""

    training: LabelledStamps
    validation: LabelledStamps


def train_network(
    rows: LabelledStamps,
    *,
    architecture: str | None = None,
    settings: Mapping[str, Json] | None = None,
    recipe: Recipe | None = None,
    features: str | Sequence[str] | None = None,
    start: Network | None = None,
    frozen: Sequence[str] | None = None,
    unlabelled: Stamps | None = None,
    teacher: float = 0.0,
    validation: LabelledStamps | None = None,
    folds: int | None = None,
    augmentation: Augmentation | None = None,
    fit_settings: FitSettings | None = None,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: Callable[[dict[str, float]], object] | None = None,
    threads: int | None = None,
    name: str | None = None,
    training: Mapping[str, Json] | None = None,
    metrics: Mapping[str, Json] | None = None,
) -> Network:
    """Train a network on labelled stamps.

    Parameters
    ----------
    rows : LabelledStamps
        The stamps to fit to.
    architecture : str, optional
        A name of :data:`space2vec.architectures.NETWORKS` that takes planes; by default ``stampnet``.
    settings : mapping, optional
        Arguments of the class of the architecture; those that follow from the recipe and the features may be left out.
    recipe : Recipe, optional
        How the planes are prepared; by default as the architecture was designed for (:data:`RECIPES`).
    features : str or sequence of str, optional
        For a network that takes features in addition to planes: a set of features
        (:data:`space2vec.registry.FEATURE_SETS`) or columns of one; by default the set ``stamp``.
    start : Network, optional
        A network to begin with instead of random weights, for a survey with few labels; of a cascade the second one.
        Architecture, settings, recipe, features and the scales of these are its own.
    frozen : sequence of str, optional
        With `start`: names of modules of the network whose weights stay as they are; by default those of
        :data:`space2vec.training.tuning.FROZEN`.
    unlabelled : Stamps, optional
        Further candidates of the survey, without labels, to learn from as well (self-training: Lee 2013, ICML workshop;
        Xie et al. 2020, arXiv:1911.04252). A first network is fitted to the labels, and the network then to the labels
        and, with half their weight, to what the first says of the others. Those that cannot be scored are left out.
    teacher : float, optional
        Share of the teacher's score in the target of a row that has one, from 0 to 1; the rest is the label.
    validation : LabelledStamps, optional
        Rows that decide when the fit stops and that calibrate the scores. By default a tenth of the objects of `rows`,
        or a quarter with `start`, to which the network is then not fitted.
    folds : int, optional
        Hold out no rows: all epochs are fitted to all rows, and further networks, each of which scores one fold of the
        objects and is fitted to the others, calibrate and measure the scores. 2 or more; 0 saves the time of these
        networks, and leaves the scores without calibration and metrics. By default 4 with `start` and less than 400
        rows, where `validation` is not given.
    augmentation : Augmentation, optional
        The random changes of the stamps, which are drawn again in every epoch.
    fit_settings : FitSettings, optional
        How to fit; with `start` by default as :func:`space2vec.training.tuning.tuning_settings` says.
    folder : path, optional
        A folder for settings, metrics, loss curves, state and model.
    resume : bool, optional
        Go on with the run in the folder, if there is one. Its settings must be the same, but for the patience and for
        the number of epochs, which may be larger: further epochs then have the learning rates of the longer run.
    progress : callable, optional
        Called with the metrics of each epoch; those of a further network have the number of its fold, ``fold``, and
        those of a network that learns from the labels alone, before one that learns from `unlabelled` too, have
        ``labels alone``.
    threads : int, optional
        Threads that prepare and measure stamps; one per usable core by default.
    name, training, metrics
        Entries of the model file's header.

    Returns
    -------
    Network
        The averaged weights of the best epoch, with the temperature that makes its scores probabilities on the
        validation rows (Guo et al. 2017, arXiv:1706.04599). ``stampnet`` is also turned into an integer network
        (:func:`space2vec.models.quantise.quantise`).

    Raises
    ------
    BackendError
        If PyTorch cannot use the device.
    ImportError
        If PyTorch is not installed.
    ValueError
        If the architecture takes no planes, the settings do not fit it, or the rows do not have both labels. All that
        the end of the training needs is checked before the first epoch.
    OutputError
        If the folder holds a run that may not be resumed, or one of other settings.
    ModelError
        If the network to start from gives vectors, not scores.
    """
    count = len(rows) + (0 if unlabelled is None else len(unlabelled))
    how = fit_settings or (FitSettings() if start is None else tuning_settings(count))
    changes = augmentation or Augmentation()
    torch_device(how.device)  # before anything is written
    header = network_header(architecture, settings, recipe, features, name, start)
    share = _HELD_OUT if start is None else HELD_OUT
    if folds is None and start is not None and validation is None and len(rows) < CROSS_FITTED:
        folds = FOLDS
    crossed = folds is not None
    if folds is not None:
        if folds < 0 or folds == 1 or validation is not None:
            raise ValueError(f"folds must be 2 or more, or 0 for none, and go without validation; given {folds}")
        fold = deal_folds(rows.group, rows.label, max(folds, 2), how.seed + _SEED_OFFSET)
        parts = TrainingSplit(rows, rows)
    else:
        parts = split_validation(rows, how.seed, share) if validation is None else TrainingSplit(rows, validation)
    advice = "" if validation is not None else _TOO_FEW.format(share)
    for use, part, hint in (("to learn from", parts.training, ""), ("for validation", parts.validation, advice)):
        if len(np.unique(part.label)) < 2:
            raise ValueError(f"the rows {use} must be of both classes; given {len(part)} rows{hint}")
    needs = Needs.of(header)
    others = None if unlabelled is None else Unlabelled.of(needs, unlabelled, threads)
    about = {
        "rows": len(parts.training), "real": int(parts.training.label.sum()), "validation": len(parts.validation),
        "teacher": teacher, "fit": asdict(how), "augmentation": asdict(changes), **(training or {}),
    }  # fmt: skip
    module, stages = _first_module(header, start, frozen, how.seed)
    if start is not None:
        about |= {"from": start.second.id, "frozen": stages}
    if crossed:
        about["folds"] = folds
    if unlabelled is not None:
        about["unlabelled"] = 0 if others is None else len(others.stamps)
    run = None
    if folder is not None:
        digests = [digest_rows(part) for part in parts]
        if others is not None:
            digests.append(digest_stamps(others.stamps))
        run_settings = {
            "architecture": header.architecture, "recipe": header.recipe, "features": header.feature_names,
            "data digest": digests, **about,
        }  # fmt: skip
        run = RunFolder(Path(folder), run_settings, resume=resume)
        if run.earlier_epochs:
            about["epochs of earlier runs"] = run.earlier_epochs
    unchanged = fit_rows(needs, parts.training, teacher, threads)
    if header.feature_names and start is None:
        _fit_features(module, unchanged)

    def augmented(learned: LabelledStamps, share: float) -> Callable[[int], FitRows]:
        patterns = gather_patterns(learned.stamps if changes.masks else learned.stamps[:0])

        def epoch_rows(epoch: int) -> FitRows:
            rng = np.random.default_rng([how.seed, epoch, 1])
            return fit_rows(needs, learned, share, threads, lambda stamps: augment(stamps, rng, changes, patterns))

        return epoch_rows

    def fit_to(
        module: nn.Module,
        learned: LabelledStamps,
        held: FitRows | None,
        run: RunFolder | None,
        report: Callable[[dict[str, float]], object] | None,
    ) -> list[dict[str, float]]:
        if others is None:
            return fit(module, augmented(learned, teacher), held, how, run, report)
        first = copy.deepcopy(module)
        of_few = replace(how, batch=min(how.batch, tuning_settings(len(learned)).batch))
        fit(first, augmented(learned, teacher), held, of_few, None, _with_entry(report, "labels alone", 1.0))
        logit = logits(first, others.inputs, how.device)
        both = with_opinions(learned, teacher, others.stamps, 1.0 / (1.0 + np.exp(-logit.astype(np.float64))))
        return fit(module, augmented(both, 1.0), held, how, run, report)

    held_out = unchanged if crossed else fit_rows(needs, parts.validation, teacher, threads)
    for use, ready, hint in (("to learn from", unchanged, ""), ("for validation", held_out, advice)):
        if len(np.unique(ready.target > 0.5)) < 2:
            raise ValueError(f"the {len(ready)} rows {use} that can be scored are of one class{hint}")
    _check_end(module, replace(header, training=about, metrics=dict(metrics or {})), unchanged.inputs)
    history = fit_to(module, parts.training, None if crossed else held_out, run, progress)
    temperature, all_metrics = 1.0, dict(metrics or {})
    if folds or not crossed:
        targets = _describe_targets(parts.validation, teacher)
        if folds:

            def score_by(number: int, learned: LabelledStamps) -> Callable[[FitRows], NDArray[np.float32]]:
                other, _ = _first_module(header, start, frozen, how.seed)
                if header.feature_names and start is None:
                    _fit_features(other, fit_rows(needs, learned, teacher, threads))
                fit_to(other, learned, None, None, _with_entry(progress, "fold", number + 1.0))
                return lambda held: logits(other, held.inputs, how.device)

            held_out, logit = cross_fit(rows, fold, lambda held: fit_rows(needs, held, teacher, threads), score_by)
            targets += f"; each was scored by a network that was fitted to the other {folds - 1} of {folds} folds"
        else:
            logit = logits(module, held_out.inputs, how.device)
        spread = np.inf if start is None else TEMPERATURE_SPREAD
        temperature = best_temperature(logit, held_out.target, held_out.weight, spread)
        score = 1.0 / (1.0 + np.exp(-logit.astype(np.float64) / temperature))
        before = (
            {} if start is None else {"validation before": _measure(start.second.predict(*held_out.inputs), held_out)}
        )
        all_metrics = {
            "validation": _measure(score, held_out),
            "validation labels": targets,
            **before,
            **(metrics or {}),
        }
    assert header.architecture is not None
    header = replace(
        header, architecture={**header.architecture, "temperature": temperature}, training=about, metrics=all_metrics
    )
    network = Network(module, header, _integer_network(module, unchanged.inputs, how.seed))
    if run is not None:
        network.save(run.model)
        run.write_metrics({"epochs": history, **all_metrics})
        run.draw_losses(history)
    return network


def _with_entry(
    report: Callable[[dict[str, float]], object] | None, name: str, value: float
) -> Callable[[dict[str, float]], object] | None:
    """Return a report of epochs whose metrics have one more entry; None if nobody asks for it."""
    return None if report is None else lambda metrics: report({**metrics, name: value})


def _fit_features(module: nn.Module, rows: FitRows) -> None:
    """Set the scales of the features that a network takes from rows that it learns from."""
    fit_features: Any = module.fit_features  # Any: PyTorch types the attributes of a module as tensors or modules
    fit_features(rows.inputs[-1])


def _check_end(module: nn.Module, header: Header, inputs: Sequence[NDArray[np.float32]]) -> None:
    """Make a model of the network before it is fitted: what would fail after the last epoch fails before the first."""
    fresh = copy.deepcopy(module).eval()
    network = Network(fresh, header, _integer_network(fresh, [array[:_REHEARSED] for array in inputs], 0))
    network.predict(*(array[:_REHEARSED] for array in inputs), threads=1)


def _measure(score: NDArray[np.float32] | NDArray[np.float64], rows: FitRows) -> dict[str, float]:
    """Return the metrics of scores (n,) of rows, rounded for a header."""
    evaluated = evaluation.evaluate(score, rows.target > 0.5, bootstrap=0)
    return {metric: round(m.value, 5) for metric, m in evaluated.metrics.items()}


def _first_module(
    header: Header, start: Network | None, frozen: Sequence[str] | None, seed: int
) -> tuple[nn.Module, list[str]]:
    """Return the network before the first epoch, and the names of its frozen stages."""
    import torch

    assert header.architecture is not None
    if start is None:
        if frozen is not None:
            raise ValueError("frozen stages keep the weights of a network to start from; without one they are random")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return build(header.architecture["name"], header.architecture["settings"]), []
    module = copy.deepcopy(start.second.frozen_module)
    stages = list(FROZEN.get(header.architecture["name"], ()) if frozen is None else frozen)
    freeze(module, stages)
    return module, stages


def network_header(
    architecture: str | None,
    settings: Mapping[str, Json] | None,
    recipe: Recipe | None,
    features: str | Sequence[str] | None,
    name: str | None,
    start: Network | None = None,
) -> Header:
    """Return the header of a network that is not fitted yet, with every setting that its class needs.

    The arguments are those of :func:`train_network`, which raises the same errors.
    """
    if start is not None:
        start.check_gives_scores()
        given = {"architecture": architecture, "settings": settings, "recipe": recipe, "features": features}
        if too_many := [argument for argument, value in given.items() if value is not None]:
            raise ValueError(f"the network to start from decides its {', '.join(too_many)}: leave that out")
        return describe_module(start.second.frozen_module, start.second.header, start.second.id, name, 1.0, {}, {})
    architecture, features = architecture or "stampnet", "stamp" if features is None else features
    if architecture not in NETWORKS or architecture not in RECIPES:
        raise ValueError(f"no network of stamps is called {architecture!r}; known: {', '.join(RECIPES)}")
    planes = recipe or RECIPES[architecture]
    names: Sequence[str] = ()
    arguments = dict(settings or {})
    optional: list[str] = []
    if architecture == "stampnet":
        names = registry.feature_set(features) if isinstance(features, str) else tuple(features)
        if not isinstance(features, str) and smallest_feature_set(names) == "custom":
            raise ValueError(f"no set has the columns {', '.join(names)}")
        arguments = {"features": len(names), "channels": planes.shape[0], "side": planes.shape[1], **arguments}
        if planes == RECIPES["stampnet"]:
            arguments = {"reach": REACH, **arguments}
        optional = ["template"] if "template" in planes.channels else []
    module = build(architecture, arguments)
    return Header(
        kind=Network.kind,
        name=name or architecture,
        feature_names=tuple(names),
        feature_set=smallest_feature_set(names) if names else "custom",
        feature_version=registry.FEATURES_VERSION,
        recipe=planes.to_plain(),
        architecture={"name": architecture, "settings": module.settings, "temperature": 1.0, "optional": optional},
    )


def split_validation(rows: LabelledStamps, seed: int, share: float = _HELD_OUT) -> TrainingSplit:
    """Split off a share of the objects for validation, as :func:`train_network` does by default.

    Of few rows, the share of each class is split off: a tenth of 50 that is drawn may be 2 rows of one class.
    """
    if len(rows) < CROSS_FITTED and len(np.unique(rows.label)) == 2:
        held = deal_folds(rows.group, rows.label, round(1.0 / share), seed + _SEED_OFFSET) == 0
        training, validation = np.flatnonzero(~held), np.flatnonzero(held)
    else:
        training, validation = split(rows.group, (1.0 - share, share), seed + _SEED_OFFSET)
    return TrainingSplit(rows[training], rows[validation])


def _integer_network(module: nn.Module, inputs: Sequence[NDArray[np.float32]], seed: int) -> IntegerNetwork | None:
    """Quantise a network, with training rows as the calibration rows; None if its layers cannot be quantised."""
    if not can_quantise(module):
        return None
    some = np.random.default_rng([seed, 4]).permutation(len(inputs[0]))[:CALIBRATION_ROWS]
    return quantise(module.cpu(), [array[some] for array in inputs])


def _describe_targets(rows: LabelledStamps, teacher: float) -> str:
    """Say, for the header of the model, what the validation metrics compare the scores with."""
    taught = int(np.isfinite(rows.teacher).sum()) if teacher else 0
    if not taught:
        return "the labels of the rows"
    return (
        f"of {taught} of {len(rows)} rows whether the target, {teacher:g} of which is the teacher's score, is above "
        "0.5: agreement with the teacher, not accuracy; of the others the label"
    )
