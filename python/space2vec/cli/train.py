"""``space2vec train``: train a model on labelled candidates."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from space2vec.cli.common import Problems, add_inputs, options_of, positive
from space2vec.cli.labelled_rows import LabelledRows, add_labels, read_labelled, read_labelled_stamps
from space2vec.cli.own_module import add_module, load_scorer
from space2vec.cli.printing import print_line, print_lines, print_progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from space2vec.data.labelled_stamps import LabelledStamps
    from space2vec.data.types import Argument, Json
    from space2vec.evaluation import Evaluation
    from space2vec.models.forest import Forest
    from space2vec.models.network import Network
    from space2vec.training.folds import FeatureScorer

__all__ = ["model_file", "register"]

_THREADS = "threads to use (default: one for each usable core)"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = "Train a model and write its file."
    kinds = parser.add_subparsers(title="kinds", metavar="KIND", required=True)
    _add_forest(kinds.add_parser("forest", help="a random forest on features"))
    _add_network(kinds.add_parser("network", help="a network on stamps"))
    _add_tablenet(kinds.add_parser("tablenet", help="a network on features"))


def _add_forest(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Train a random forest, with autoScan's hyperparameters by default, and write it as safetensors. With few "
        "labels begin with a packaged forest: --from forest."
    )
    _add_table_options(parser)
    parser.add_argument(
        "--from",
        dest="start",
        metavar="MODEL",
        help="begin with a packaged forest or the file of one, whose columns it takes: the leaves of its trees are "
        "updated, and trees on the labels are added",
    )
    parser.add_argument(
        "--trees",
        type=positive,
        default=100,
        metavar="N",
        help="number of trees, with --from of new ones (default: 100)",
    )
    parser.add_argument("--criterion", choices=("entropy", "gini", "log_loss"), default="entropy")
    parser.add_argument(
        "--max-features", type=positive, default=6, metavar="N", help="features to try at each split (default: 6)"
    )
    parser.add_argument("--min-samples-split", type=positive, default=3, metavar="N")
    parser.add_argument("--min-samples-leaf", type=positive, default=1, metavar="N")
    parser.add_argument(
        "--max-leaf-nodes", type=positive, metavar="N", help="most leaves of a tree (default: no limit)"
    )
    parser.add_argument(
        "--folds", type=int, default=10, metavar="N", help="folds of cross-validation, 0: none (default: 10)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=positive, metavar="N", help=_THREADS)
    parser.set_defaults(run=_train_forest)


def _add_network(parser: argparse.ArgumentParser) -> None:
    from space2vec.registry import FEATURE_SETS

    parser.description = (
        "Train a network on labelled stamps and write a run folder: settings.json, metrics.json, curves.png and "
        "model.safetensors. The stamps are those of data sets (space2vec simulate --format dataset), or those that "
        "--labels names. With few labels begin with a packaged model: --from stampnet. Needs PyTorch."
    )
    add_inputs(parser)
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help="the run folder")
    parser.add_argument(
        "--labels",
        metavar="FILE",
        help="a table with candidate_id (or candid, ID) or path, and label (1 or real, 0 or bogus); without it the "
        "inputs are data sets, folders with a manifest.json",
    )
    parser.add_argument(
        "--from",
        dest="start",
        metavar="MODEL",
        help="begin with the weights of a packaged network, a model file or a run folder, and freeze its first stages",
    )
    parser.add_argument(
        "--unlabelled",
        type=positive,
        metavar="N",
        help="with --labels: learn from N candidates of the inputs without a label as well, by what a network says of "
        "them that has learned from the labels (default: from labels alone)",
    )
    parser.add_argument(
        "--freeze",
        metavar="STAGE,STAGE,...",
        help="with --from: modules whose weights stay as they are; none: fit all (default: the convolutions of "
        "stampnet)",
    )
    add_module(parser)
    parser.add_argument("--architecture", metavar="NAME", help="default: stampnet")
    parser.add_argument(
        "--set", choices=tuple(FEATURE_SETS), help="features that the network takes with the planes (default: stamp)"
    )
    parser.add_argument(
        "--validation",
        metavar="DATASET",
        help="to stop early and to calibrate on (default: a tenth of the objects, a quarter with --from; with --from "
        "and less than 400 rows none is held out, and four-fold cross-fitting calibrates)",
    )
    parser.add_argument(
        "--teacher",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the teacher's score in the target (default: 0)",
    )
    parser.add_argument("--epochs", type=positive, metavar="N", help="default: 30, with --from 60")
    parser.add_argument(
        "--batch", type=positive, metavar="ROWS", help="default: 128, with --from an eighth of the rows, 8 to 64"
    )
    parser.add_argument(
        "--learning-rate",
        type=float,
        metavar="RATE",
        help="the highest of the schedule (default: 0.003, with --from 0.001)",
    )
    parser.add_argument(
        "--patience",
        type=positive,
        metavar="EPOCHS",
        help="stop after so many without a gain (default: 8, with --from 15)",
    )
    parser.add_argument("--precision", choices=("float32", "bfloat16"))
    parser.add_argument("--device", default="cpu", help="a device of PyTorch, such as cpu or cuda")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--name", help="the model's name (default: that of the architecture; with --from MODEL its next version)"
    )
    parser.add_argument("--threads", type=positive, metavar="N", help=_THREADS)
    parser.add_argument(
        "--resume", action="store_true", help="continue the run in the folder; --epochs and --patience may differ"
    )
    parser.set_defaults(run=_train_network)


def _add_tablenet(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Train a network on features and write it as safetensors. Boosted trees that are trained on the same rows are "
        "its teacher. Needs PyTorch and scikit-learn."
    )
    _add_table_options(parser)
    parser.add_argument("--epochs", type=positive, metavar="N", help="epochs (default: as for the published figures)")
    parser.add_argument(
        "--folds", type=int, default=0, metavar="N", help="folds of cross-validation (default: 0, none)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=_train_tablenet, threads=None)


def _add_table_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all models of features share: inputs, output, labels and a name."""
    add_inputs(parser)
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the model file, .safetensors")
    add_labels(parser)
    parser.add_argument(
        "--name", help="the model's name (default: that of the file; with --from MODEL its next version)"
    )


def _train_forest(arguments: argparse.Namespace) -> int:
    from space2vec import training
    from space2vec.training.folds import need_sklearn, out_of_fold

    output, problems = model_file(arguments.output), Problems()
    need_sklearn()
    start = None if arguments.start is None else _start_forest(arguments)
    rows = read_labelled(arguments, problems, None if start is None else start.feature_names)
    names = ("trees", "criterion", "max_features", "min_samples_split", "min_samples_leaf", "max_leaf_nodes", "seed")
    settings = {**options_of(arguments, names), "n_jobs": arguments.threads or -1}

    def fit(x: NDArray[np.float32], y: NDArray[np.int64], **entries: Argument) -> Forest:
        if start is not None:
            return training.tune_forest(start, x, y, **settings, **entries)
        return training.train_forest(x, y, rows.names, **settings, **entries)

    metrics: dict[str, Json] = {}
    if arguments.folds:
        score = out_of_fold(
            lambda chosen: fit(rows.x[chosen], rows.y[chosen]).predict,
            rows.x,
            rows.y,
            group=rows.group,
            folds=arguments.folds,
            seed=arguments.seed,
        )
        metrics = _measure_folds(score, rows, arguments.folds)
        if start is not None:
            print_lines(f"{start.name!r} before, on the same rows:\n{_measured(start.predict(rows.x), rows)}")
    entries: dict[str, Argument] = {"training": _training_data(arguments), "metrics": metrics, "name": arguments.name}
    if start is None:
        entries |= {"name": arguments.name or output.stem, "convention": arguments.convention}
    forest = fit(rows.x, rows.y, **entries)
    forest.save(output)
    print_line(f"{forest!r} in {output}")
    return problems.finish()


def _start_forest(arguments: argparse.Namespace) -> Forest:
    """Load the forest to start from, and make its features those that are computed; ValueError if it is none."""
    from space2vec.models.forest import Forest
    from space2vec.models.load import load

    model = load(arguments.start)
    if not isinstance(model, Forest):
        raise ValueError(
            f"--from {arguments.start}: {model.name!r} is no forest; such are forest and autoscan, and space2vec train "
            "network --from begins with a network"
        )
    header = model.header
    if arguments.set is not None or arguments.convention not in ("code", header.convention):
        raise ValueError("--set and --convention do not go with --from, whose forest decides its features")
    if header.feature_set != "custom":
        arguments.set = header.feature_set
    arguments.convention = header.convention
    return model


def _train_network(arguments: argparse.Namespace) -> int:
    if not 0.0 <= arguments.teacher <= 1.0:
        raise ValueError(f"--teacher must lie between 0 and 1; given {arguments.teacher}")
    if arguments.freeze is not None and arguments.start is None:
        raise ValueError("--freeze goes with --from MODEL, whose weights stay as they are")
    if arguments.module is not None and arguments.start is None:
        raise ValueError("--module goes with --from MODEL, the file of its weights")
    if arguments.unlabelled is not None and arguments.labels is None:
        raise ValueError("--unlabelled goes with --labels FILE: every row of a data set has a label")
    from dataclasses import replace

    from space2vec.training import train_network
    from space2vec.training.dataset import read_dataset
    from space2vec.training.loop import FitSettings, torch_device
    from space2vec.training.network import network_header
    from space2vec.training.run_folder import RunFolder
    from space2vec.training.tuning import tuning_settings

    # What can be checked is checked before the inputs are read.
    RunFolder.check_place(Path(arguments.output), resume=arguments.resume)
    torch_device(arguments.device)
    start = None if arguments.start is None else _start_network(arguments)
    kind: dict[str, Json] = {"architecture": arguments.architecture, "features": arguments.set}
    network_header(**kind, settings=None, recipe=None, name=arguments.name, start=start)
    names = ("epochs", "batch", "learning_rate", "patience", "precision")
    changes = {name: value for name, value in options_of(arguments, names).items() if value is not None}
    FitSettings(**changes, seed=arguments.seed)

    problems = Problems()
    if arguments.labels:
        rows, unlabelled = read_labelled_stamps(arguments, problems)
    else:
        rows, unlabelled = _read_datasets(arguments.inputs), None
    validation = None if arguments.validation is None else read_dataset(arguments.validation)
    print_lines(f"{rows!r}")
    count = len(rows) + (0 if unlabelled is None else len(unlabelled))
    settings = FitSettings() if start is None else tuning_settings(count)
    frozen = None if arguments.freeze is None else _stages(arguments.freeze)
    network = train_network(
        rows,
        **kind,
        start=start,
        frozen=frozen,
        unlabelled=unlabelled,
        validation=validation,
        fit_settings=replace(settings, **changes, seed=arguments.seed, device=arguments.device),
        folder=arguments.output,
        progress=_print_epoch,
        training=_training_data(arguments),
        **options_of(arguments, ("teacher", "resume", "threads", "name")),
    )
    print_line(f"{network!r} in {Path(arguments.output) / 'model.safetensors'}")
    before = network.header.metrics.get("validation before", {})
    if before:
        print_line(f"{'held out':<20}{'now':>9}{'before':>9}")
    for name, value in network.header.metrics["validation"].items():
        print_line(f"{name:<20}{value:>9.4f}" + (f"{before[name]:>9.4f}" if name in before else ""))
    return problems.finish()


def _read_datasets(folders: Sequence[str]) -> LabelledStamps:
    """Read data sets; a folder that is none raises a ValueError that says how to label other inputs."""
    from space2vec.data.labelled_stamps import LabelledStamps
    from space2vec.errors import ReadError
    from space2vec.training.dataset import MANIFEST, read_dataset

    for folder in folders:
        if not (Path(folder) / MANIFEST).is_file():
            raise ReadError(f"{folder} is no data set: it has no {MANIFEST}; other inputs need labels: --labels FILE")
    return LabelledStamps.concatenate([read_dataset(folder) for folder in folders])


def _stages(text: str) -> list[str]:
    """Parse names of stages separated by commas; ``none`` means no stage."""
    return [] if text == "none" else [name.strip() for name in text.split(",")]


def _start_network(arguments: argparse.Namespace) -> Network:
    """Load the network to start from; ValueError if it is a forest, or takes no planes."""
    from space2vec.models.network import Network

    model = load_scorer(arguments, arguments.start)
    if not isinstance(model, Network) or model.needs.recipe is None:
        raise ValueError(
            f"--from {arguments.start}: {model.name!r} is no network of stamps; such are stampnet and stampnet-fast"
        )
    return model


def _train_tablenet(arguments: argparse.Namespace) -> int:
    from dataclasses import replace

    from space2vec.training import train_tablenet
    from space2vec.training.distill import FIT_SETTINGS
    from space2vec.training.folds import need_sklearn, out_of_fold

    output, problems = model_file(arguments.output), Problems()
    need_sklearn()
    rows = read_labelled(arguments, problems)
    settings: dict[str, Json] = {
        "fit_settings": replace(FIT_SETTINGS, epochs=arguments.epochs or FIT_SETTINGS.epochs),
        "seed": arguments.seed,
    }

    def train_on(chosen: NDArray[np.intp]) -> FeatureScorer:
        x, y, group = rows.x[chosen], rows.y[chosen], rows.group[chosen]
        return train_tablenet(x, y, rows.names, group=group, **settings).predict

    metrics: dict[str, Json] = {}
    if arguments.folds:
        score = out_of_fold(train_on, rows.x, rows.y, group=rows.group, folds=arguments.folds, seed=arguments.seed)
        metrics = _measure_folds(score, rows, arguments.folds)
    network = train_tablenet(
        rows.x,
        rows.y,
        rows.names,
        group=rows.group,
        progress=_print_epoch,
        name=arguments.name or output.stem,
        training=_training_data(arguments),
        metrics=metrics,
        **settings,
    )
    network.save(output)
    print_line(f"{network!r} in {output}")
    return problems.finish()


def model_file(output: str) -> Path:
    """Return the path of a model file to write; raise if its suffix is wrong or its folder cannot be written to."""
    from space2vec.writing.places import check_writable

    path = Path(output)
    if path.suffix != ".safetensors":
        raise ValueError(f"cannot write {path}: the suffix of a model file is .safetensors")
    check_writable(path)
    return path


def _training_data(arguments: argparse.Namespace) -> dict[str, Json]:
    """Return the entry of the model's header on the training data: the names of the inputs, ready for JSON."""
    data = {"data": [Path(name).name for name in arguments.inputs]}
    return {**data, "labels": Path(arguments.labels).name} if arguments.labels else data


def _measure_folds(score: NDArray[np.float32], rows: LabelledRows, folds: int) -> dict[str, Json]:
    """Print the metrics of cross-validation, and return them for the header of the model."""
    measured = _measured(score, rows)
    how = f"{folds}-fold cross-validation split by object"
    print_lines(f"{how}:\n{measured}")
    return {"how": how, **measured.to_dict()}


def _measured(score: NDArray[np.float32], rows: LabelledRows) -> Evaluation:
    """Measure scores of labelled rows, with intervals over objects."""
    from space2vec import evaluation

    return evaluation.evaluate(score, rows.y, group=rows.group, bootstrap=200)


def _print_epoch(metrics: dict[str, float]) -> None:
    fold = f"without fold {metrics['fold']:.0f}, " if "fold" in metrics else ""
    alone = "labels alone, " if "labels alone" in metrics else ""
    shown = {"loss": "loss", "validation_loss": "validation loss", "validation_auc": "AUC"}
    figures = ", ".join(f"{shown[name]} {metrics[name]:.4f}" for name in shown if name in metrics)
    print_progress(f"{fold}{alone}epoch {metrics['epoch'] + 1:.0f}: {figures}")
