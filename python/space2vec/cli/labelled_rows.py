"""Features with labels beside them: what forests and networks of features are trained on."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from space2vec.cli.common import Problems, check_place, read_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from space2vec.table import Features

__all__ = ["LabelledRows", "add_labels", "model_file", "read_labelled", "told_folds"]

#: The columns taken from stamps where --set does not say.
_STAMP_SET = "stamp"


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Rows that have a label and can be scored.

    Attributes
    ----------
    x : ndarray of float32 (n, k)
        The features.
    y : ndarray of int64 (n,)
        1 real, 0 bogus.
    group : ndarray (n,)
        The object of each row.
    names : tuple of str (k,)
        The columns.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    group: NDArray[np.object_]
    names: tuple[str, ...]


def add_labels(parser: argparse.ArgumentParser) -> None:
    """Add --labels, --set and --convention."""
    from space2vec.registry import FEATURE_SETS

    parser.add_argument(
        "--labels",
        metavar="FILE",
        help="a table with candidate_id (or ID) and label (1 real, 0 bogus) or OBJECT_TYPE (0 real, 1 artifact); "
        "by default the inputs themselves, where they are tables",
    )
    parser.add_argument("--set", choices=tuple(FEATURE_SETS), help=f"columns (default: a table's own, or {_STAMP_SET})")
    parser.add_argument("--convention", choices=("code", "paper"), default="code", help="of the features from stamps")


def model_file(output: str) -> Path:
    """Return the path of the model file to write.

    Raises
    ------
    ValueError
        If its suffix is another.
    OSError
        If there is no folder for it that can be written.
    """
    path = Path(output)
    if path.suffix != ".safetensors":
        raise ValueError(f"cannot write {path}: the suffix of a model file is .safetensors")
    check_place(path)
    return path


def told_folds(score: NDArray[np.float32], rows: LabelledRows, folds: int) -> dict[str, Any]:
    """Show what cross-validation came to, and return it for the header of the model."""
    from space2vec import evaluate

    measured = evaluate.evaluate(score, rows.y, group=rows.group, bootstrap=200)
    how = f"{folds}-fold cross-validation split by object"
    print(f"{how}:\n{measured}")
    return {"how": how, **measured.to_dict()}


def read_labelled(arguments: argparse.Namespace, problems: Problems) -> LabelledRows:
    """Read the inputs and their labels.

    Raises
    ------
    ValueError
        If no row has a label and can be scored, or a column is not there.
    """
    from space2vec import flags, registry

    if not arguments.labels:
        _need_tables(arguments.inputs)
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
    return LabelledRows(x[usable], real[usable].astype(np.int64), table.object_id[usable], names)


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
