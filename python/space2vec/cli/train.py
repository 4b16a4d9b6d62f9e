"""``space2vec train forest``: labelled inputs to a model file."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from space2vec.cli.common import Problems, add_inputs, positive, read_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from space2vec.table import Features

__all__ = ["register"]

#: The columns taken from stamps where --set does not say.
_STAMP_SET = "stamp"


def register(commands: Any) -> None:
    """Add the command."""
    from space2vec.registry import FEATURE_SETS

    parser = commands.add_parser("train", help="train a model", description="Train a model and write its file.")
    kinds = parser.add_subparsers(title="kinds", metavar="KIND", required=True)
    forest = kinds.add_parser(
        "forest",
        help="a random forest on features",
        description="Train a random forest, with autoScan's hyperparameters by default, and write it as safetensors.",
    )
    add_inputs(forest)
    forest.add_argument("-o", "--output", required=True, metavar="FILE", help="the model file, .safetensors")
    forest.add_argument(
        "--labels",
        metavar="FILE",
        help="a table with candidate_id (or ID) and label (1 real, 0 bogus) or OBJECT_TYPE (0 real, 1 artifact); "
        "by default the inputs themselves, where they are tables",
    )
    forest.add_argument("--set", choices=tuple(FEATURE_SETS), help=f"columns (default: a table's own, or {_STAMP_SET})")
    forest.add_argument("--convention", choices=("code", "paper"), default="code", help="of the features from stamps")
    forest.add_argument("--name", help="the model's name (default: that of the file)")
    forest.add_argument("--trees", type=positive, default=100)
    forest.add_argument("--criterion", choices=("entropy", "gini", "log_loss"), default="entropy")
    forest.add_argument("--max-features", type=positive, default=6, metavar="N", help="features a split")
    forest.add_argument("--min-samples-split", type=positive, default=3, metavar="N")
    forest.add_argument("--min-samples-leaf", type=positive, default=1, metavar="N")
    forest.add_argument("--max-leaf-nodes", type=positive, metavar="N", help="leaves a tree (default: no limit)")
    forest.add_argument("--folds", type=int, default=10, metavar="N", help="of cross-validation by object; 0: none")
    forest.add_argument("--seed", type=int, default=0)
    forest.add_argument("--threads", type=positive, metavar="N", help="threads to use (default: one a usable core)")
    forest.set_defaults(run=run)


def _read(arguments: argparse.Namespace, problems: Problems) -> Features:
    from space2vec import extract
    from space2vec.stamps import Stamps
    from space2vec.table import Features

    parts: list[Features] = []
    for rows in read_rows(arguments, "read", problems):
        if isinstance(rows, Stamps):
            chosen = arguments.set or _STAMP_SET
            rows = extract.features(rows, set=chosen, convention=arguments.convention, threads=arguments.threads)
        parts.append(rows)
    return Features(
        np.concatenate([part.values for part in parts]),
        parts[0].names,
        np.concatenate([part.flags for part in parts]),
        np.concatenate([part.object_id for part in parts]),
        np.concatenate([part.candidate_id.astype(str) for part in parts]),
    )


def _need_tables(inputs: Iterable[str]) -> None:
    """Raise if one of the inputs cannot hold its own labels; one that is not there is told where it is read."""
    from space2vec.reading.feature_table import TABLE_SUFFIXES

    for name in inputs:
        path = Path(name)
        if path.is_dir() or path.suffix not in TABLE_SUFFIXES or (has_magic(name) and not path.exists()):
            raise ValueError(f"{name} is not one table with labels in it; labels are needed: --labels FILE")


def _labels(files: Iterable[str], wanted: NDArray[Any]) -> NDArray[np.float32]:
    """Return 1 real, 0 bogus, NaN unknown for each candidate id (as text)."""
    from space2vec.reading import read_labels

    known: dict[str, float] = {}
    for file in files:
        labels = read_labels(file)
        # Rows without an id are known by their number, to the reader of the features as well.
        ids = np.arange(len(labels.real)) if labels.candidate_id is None else labels.candidate_id
        known.update(zip(ids.astype(str).tolist(), labels.real.tolist(), strict=True))
    return np.array([known.get(key, np.nan) for key in wanted.tolist()], dtype=np.float32)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from space2vec import evaluate, flags, registry, training

    output = Path(arguments.output)
    if output.suffix != ".safetensors":
        raise ValueError(f"cannot write {output}: the suffix of a model file is .safetensors")
    if not arguments.labels:
        _need_tables(arguments.inputs)
    problems = Problems()
    table = _read(arguments, problems)
    names = registry.feature_set(arguments.set) if arguments.set else table.names
    try:
        x = table.select(names)
    except KeyError as error:
        raise ValueError(str(error.args[0])) from None
    real = _labels([arguments.labels] if arguments.labels else arguments.inputs, table.candidate_id)
    usable = ((table.flags & np.uint32(flags.UNSCORABLE)) == 0) & ~np.isnan(real)
    print(f"{len(x)} rows: {int(usable.sum())} usable, {int(np.isnan(real).sum())} without a label")
    if not usable.any():
        raise ValueError("no row has a label and can be scored; do the candidate ids of the labels fit the input's?")
    x, y, objects = x[usable], real[usable].astype(np.int64), table.object_id[usable]
    settings = {
        "trees": arguments.trees,
        "criterion": arguments.criterion,
        "max_features": arguments.max_features,
        "min_samples_split": arguments.min_samples_split,
        "min_samples_leaf": arguments.min_samples_leaf,
        "max_leaf_nodes": arguments.max_leaf_nodes,
        "seed": arguments.seed,
        "n_jobs": arguments.threads or -1,
    }
    metrics: dict[str, Any] = {}
    if arguments.folds:
        score = training.cross_validate(x, y, group=objects, folds=arguments.folds, **settings)
        measured = evaluate.evaluate(score, y, group=objects, bootstrap=200)
        metrics = {"how": f"{arguments.folds}-fold cross-validation split by object", **measured.to_dict()}
        print(f"{metrics['how']}:\n{measured}")
    forest = training.train_forest(
        x,
        y,
        names,
        name=arguments.name or output.stem,
        convention=arguments.convention,
        training={"data": [str(Path(name).name) for name in arguments.inputs]},
        metrics=metrics,
        **settings,
    )
    forest.save(output)
    print(f"{forest!r} in {output}")
    return problems.finish()
