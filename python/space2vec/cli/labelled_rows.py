"""Read features together with their labels, to train forests and networks of features on."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from space2vec.cli.common import Problems, limits_of, read_batches
from space2vec.cli.printing import print_line
from space2vec.data.ids import id_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from space2vec.data.labelled_stamps import LabelledStamps
    from space2vec.data.stamps import Stamps
    from space2vec.data.tables import Features
    from space2vec.reading import AnyBatch, Limits, Problem
    from space2vec.reading.inputs import InputFiles
    from space2vec.registry import FeatureSet
    from space2vec.training.labels import LabelTable

__all__ = ["LabelledRows", "add_labels", "paths_of_rows", "read_labelled", "read_labelled_stamps"]

#: The set of features that is computed from stamps if there is no --set.
_STAMP_SET: FeatureSet = "stamp"


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Rows that have a label and can be scored.

    Attributes
    ----------
    x : ndarray of float32 (n, k)
        Features.
    y : ndarray of int64 (n,)
        Labels: 1 real, 0 bogus.
    group : ndarray of object (n,)
        The object of each row.
    names : tuple of str (k,)
        Names of the features.
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
        help="a table with candidate_id (or candid, ID) or path, and label (1 or real, 0 or bogus) or OBJECT_TYPE (0 "
        "real, 1 artifact); default: the inputs themselves, if they are tables with such columns",
    )
    parser.add_argument(
        "--set", choices=tuple(FEATURE_SETS), help=f"columns (default: those of the table; of stamps {_STAMP_SET})"
    )
    parser.add_argument(
        "--convention",
        choices=("code", "paper"),
        default="code",
        help="definition of features of stamps: that of autoScan's code or paper (default: code)",
    )


def read_labelled(
    arguments: argparse.Namespace, problems: Problems, columns: tuple[str, ...] | None = None
) -> LabelledRows:
    """Read the inputs and their labels; by default the columns that --set names, or all of the inputs.

    Raises
    ------
    ValueError
        If no row has a label and can be scored.
    """
    from space2vec import registry
    from space2vec.data import flags

    if not arguments.labels:
        _need_tables(arguments.inputs)
    table, files = _read(arguments, problems)
    names = columns or (registry.feature_set(arguments.set) if arguments.set else table.names)
    try:
        x = table.select(names)
    except KeyError as error:
        raise ValueError(str(error.args[0])) from None
    limits = limits_of(arguments)
    if arguments.labels:
        real = _join_labels(arguments.labels, table, files, problems, limits)
    else:
        real = _labels_of_inputs(files, problems, limits)
    usable = flags.scorable(table.flags) & ~np.isnan(real)
    print_line(f"{len(x)} rows: {int(usable.sum())} usable, {int(np.isnan(real).sum())} without a label")
    if not usable.any():
        raise ValueError("no row has a label and can be scored")
    return LabelledRows(x[usable], real[usable].astype(np.int64), table.object_id[usable], names)


def _read(arguments: argparse.Namespace, problems: Problems) -> tuple[Features, list[str]]:
    """Read the features of all inputs, and the file of each row."""
    from space2vec import compute
    from space2vec.data.stamps import Stamps
    from space2vec.data.tables import Features
    from space2vec.reading import find

    found = find(arguments.inputs)
    parts: list[Features] = []
    files: list[str] = []
    for part in read_batches(argparse.Namespace(**{**vars(arguments), "inputs": found}), "read", problems):
        rows = part.rows
        if isinstance(rows, Stamps):
            chosen = arguments.set or _STAMP_SET
            rows = compute.features(rows, set=chosen, convention=arguments.convention, threads=arguments.threads)
        assert isinstance(rows, Features)
        parts.append(rows)
        files += paths_of_rows(part, found)
    if not parts:
        raise ValueError("the inputs have no rows")
    return Features.concatenate(parts, parts[0].names), files


def _need_tables(inputs: Iterable[str]) -> None:
    """Raise if an input is not one table, which could hold its own labels; the reader checks whether it exists."""
    from space2vec.reading.table_file import TABLE_SUFFIXES

    for name in inputs:
        path = Path(name)
        if path.is_dir() or path.suffix not in TABLE_SUFFIXES or (has_magic(name) and not path.exists()):
            raise ValueError(f"{name} is not one table with labels in it; labels are needed: --labels FILE")


def _labels_of_inputs(files: Sequence[str], problems: Problems, limits: Limits) -> NDArray[np.float32]:
    """Return the label of each row (n,) from the tables themselves, NaN if it is unknown."""
    from space2vec.reading import read_labels

    real: list[NDArray[np.float32]] = []
    for file, count in Counter(files).items():
        wrong: list[Problem] = []
        labels = read_labels(file, problems=wrong, limits=limits)
        for problem in wrong:
            if not problem.of_file:  # a problem of a whole line was reported with its features
                problems.report(problem)
        # The numbers differ if the table could not be read as features, which has been reported.
        real.append(labels.real if len(labels.real) == count else np.full(count, np.nan, dtype=np.float32))
    return np.concatenate(real)


def _join_labels(
    file: str, table: Features, files: Sequence[str], problems: Problems, limits: Limits
) -> NDArray[np.float32]:
    """Return the label of each row (n,) from a file, joined as :class:`space2vec.training.labels.LabelTable` says."""
    labels = _label_table(file, problems, limits)
    if labels.by == "row" and np.array_equal(table.candidate_id, np.arange(len(labels.real))):
        return labels.real  # rows of a single input without ids have their numbers for ids
    real = labels.of(table.candidate_id, files)
    _print_notes(labels)
    if np.isnan(real).all():
        raise ValueError(f"no row has a label; {labels.needed(table.candidate_id, files)}")
    return real


def _label_table(file: str, problems: Problems, limits: Limits) -> LabelTable:
    """Read a table of labels, and print its problems."""
    from space2vec.training.labels import LabelTable

    wrong: list[Problem] = []
    labels = LabelTable(file, wrong, limits)
    for problem in wrong:
        problems.report(problem)
    return labels


def _print_notes(labels: LabelTable) -> None:
    for note in labels.notes():
        print_line(note)


class TrainingStamps(NamedTuple):
    """Stamps that a table labels, and some of the others."""

    labelled: LabelledStamps
    unlabelled: Stamps | None


def read_labelled_stamps(arguments: argparse.Namespace, problems: Problems) -> TrainingStamps:
    """Read the stamps of the inputs that a table labels, and as many of the others as ``--unlabelled`` says.

    The others are drawn at random from all inputs; those that are not drawn are passed over batch by batch.

    Raises
    ------
    ValueError
        If an input is a table of features, or no stamp has a label.
    """
    from space2vec.data import flags
    from space2vec.data.labelled_stamps import LabelledStamps
    from space2vec.data.own_pixels import without_other_pixels
    from space2vec.data.stamps import Stamps
    from space2vec.reading import find

    labels = _label_table(arguments.labels, problems, limits_of(arguments))
    found = find(arguments.inputs)
    if found.features is not None:
        raise ValueError("a network of stamps learns from pixels, and the input is a table of features")
    kept: list[LabelledStamps] = []
    others = _Drawn(arguments.unlabelled or 0, arguments.seed)
    total, example = 0, ""
    for part in read_batches(argparse.Namespace(**{**vars(arguments), "inputs": found}), "read", problems):
        assert isinstance(part.rows, Stamps)
        paths = paths_of_rows(part, found)
        real = labels.of(part.rows.candidate_id, paths)
        example = example or labels.needed(part.rows.candidate_id, paths)
        total += len(real)
        others.add(part.rows, np.flatnonzero(np.isnan(real) & flags.scorable(part.rows.flags)))
        if len(rows := np.flatnonzero(~np.isnan(real))):
            stamps = without_other_pixels(part.rows[rows])
            kept.append(LabelledStamps(stamps, real[rows].astype(np.int8), np.full(len(rows), "labelled")))
    _print_notes(labels)
    chosen = LabelledStamps.concatenate(kept)
    print_line(f"{total} rows: {len(chosen)} with a label, {total - len(chosen)} without")
    if not len(chosen):
        raise ValueError(f"no row has a label; {example}")
    return TrainingStamps(chosen, others.stamps() if arguments.unlabelled else None)


class _Drawn:
    """Rows that are drawn at random from batches that come one after the other.

    Parameters
    ----------
    most : int
        The most rows to keep.
    seed : int
        Of the draw, which depends on the order of the rows and not on the batches.
    """

    def __init__(self, most: int, seed: int) -> None:
        self._most, self._random = most, np.random.default_rng([seed, 6])
        self._parts: list[Stamps] = []
        self._lot = np.empty(0)

    def add(self, stamps: Stamps, rows: NDArray[np.intp]) -> None:
        """Draw among some rows of the next batch and those that were kept so far; the lowest lots are kept."""
        from space2vec.data.own_pixels import without_other_pixels
        from space2vec.data.stamps import Stamps

        lot = self._random.random(len(rows))
        if self._lot.size >= self._most:
            better = lot < np.max(self._lot, initial=0.0)
            rows, lot = rows[better], lot[better]
        if not self._most or not len(rows):
            return
        self._parts.append(without_other_pixels(stamps[rows]))
        self._lot = np.concatenate([self._lot, lot])
        if self._lot.size > 2 * self._most:
            held = np.sort(np.argsort(self._lot)[: self._most])
            self._parts = [without_other_pixels(Stamps.concatenate(self._parts)[held])]
            self._lot = self._lot[held]

    def stamps(self) -> Stamps:
        """Return the rows that were drawn, in their order."""
        from space2vec.data.stamps import Stamps

        held = np.sort(np.argsort(self._lot)[: self._most])
        return Stamps.concatenate(self._parts)[held]


def paths_of_rows(part: AnyBatch, found: InputFiles) -> list[str]:
    """Return the file of each row of a batch, as far as it is known."""
    from space2vec.reading.batch import stem
    from space2vec.reading.images import FitsFiles

    if part.origin is not None:
        return list(part.origin.paths)
    source = found.sources[min(part.position.source, len(found.sources) - 1)]
    if not isinstance(source, FitsFiles):
        return [str(source)] * len(part.rows)
    # Candidates of FITS files are called by the names of the files; the number of one in a cube follows a colon.
    by_name = {stem(str(path)): str(path) for path in source.paths}
    names = [str(key) for key in id_keys(part.rows.candidate_id)]
    return [by_name.get(name) or by_name.get(name.rpartition(":")[0], str(source.paths[0])) for name in names]
