"""Repeat the comparison of models on the public DES autoScan data set (Goldstein et al. 2015, AJ 150, 82).

The data set is a folder with ``autoscan_features.3.csv`` and ``stamps_0.tar`` ... ``stamps_10.tar``, or the unpacked
stamps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec import reading, registry
from space2vec.data import flags
from space2vec.data.ids import id_keys
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.row_pairs import Side, pair_rows
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features
from space2vec.errors import ReadError
from space2vec.evaluation import ModelTable, compare_models
from space2vec.reading.batch import Problem
from space2vec.reading.des import STAMP_NAME, Candidates, read_stamps
from space2vec.reading.des_tar import index_archives
from space2vec.studies import trainable_models
from space2vec.studies.trainable_models import TrainingEffort
from space2vec.training.dataset import split

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["Reproduction", "reproduce_des"]

_TABLE, _ARCHIVES = "autoscan_features*.csv", "stamps_*.tar"
#: Candidates whose stamps are read at a time.
_BATCH = 1000
#: The models with which every other model is compared.
_AGAINST = ("forest", "lightgbm", "forest on the columns", "braai")


@dataclass(frozen=True)
class Reproduction:
    """Results of the models on the test rows of the data set.

    Attributes
    ----------
    columns : ModelTable or None
        The models of the 38 columns, on all test rows; None if none was requested.
    pixels : ModelTable or None
        The models of the stamps, and the forest on the columns trained on the same rows; None if none was requested or
        the stamps cannot be used.
    about : dict
        Numbers of rows, settings, and what was left out for which reason; ready for JSON.
    """

    columns: ModelTable | None
    pixels: ModelTable | None
    about: dict[str, Json]

    def to_dict(self) -> dict[str, Json]:
        """Return everything as plain values, ready for JSON."""
        columns, pixels = (part and part.to_dict() for part in (self.columns, self.pixels))
        return {"about": self.about, "columns": columns, "pixels": pixels}


@dataclass(frozen=True)
class _Rows:
    """The rows of the table: ids (n,), columns (n, 38), labels (n,), and the numbers of training and test rows."""

    ids: NDArray[np.str_]
    x: NDArray[np.float32]
    real: NDArray[np.int8]
    train: NDArray[np.intp]
    test: NDArray[np.intp]


def reproduce_des(
    folder: Path,
    *,
    rows: int | None = None,
    stamps: int = 20_000,
    train_share: float = 0.5,
    models: Sequence[str] = (*trainable_models.COLUMNS, *trainable_models.PIXELS),
    effort: TrainingEffort | None = None,
    bootstrap: int = 1000,
    report: Callable[[str], object] = lambda line: None,
) -> Reproduction:
    """Train the forest and the networks on one part of the DES data set and measure them on the other.

    Parameters
    ----------
    folder : path
        The data set.
    rows : int, optional
        Number of rows of the table to use, chosen by their ids; all by default.
    stamps : int, optional
        Number of these candidates whose stamps are used, 31 kB of memory each; 0 for no models of stamps.
    train_share : float, optional
        Share of the ids to train on.
    models : sequence of str, optional
        Some of :data:`space2vec.studies.trainable_models.COLUMNS` and
        :data:`space2vec.studies.trainable_models.PIXELS`. A model whose package is not installed is left out.
    effort : TrainingEffort, optional
        How long to train.
    bootstrap : int, optional
        Number of resamples for the intervals.
    report : callable, optional
        Called with a line of text at each step, and for each model that is left out.

    Raises
    ------
    ReadError
        If the folder does not have the layout of the data set. If only the stamps are missing, damaged or too few, and
        there are results of the columns, the error goes to `report` and into ``about`` instead.
    ValueError
        If a model is unknown, the training or the test rows lack a class, or a number is out of range.
    ImportError
        If scikit-learn is not installed.
    """
    unknown = [name for name in models if name not in {**trainable_models.COLUMNS, **trainable_models.PIXELS}]
    if unknown:
        known = ", ".join({**trainable_models.COLUMNS, **trainable_models.PIXELS})
        raise ValueError(f"unknown models {', '.join(unknown)}; known: {known}")
    if stamps < 0:
        raise ValueError(f"the number of stamps must not be negative; given {stamps}; 0 leaves them out")
    if not 0.0 < train_share < 1.0:
        raise ValueError(f"the share to train on must lie between 0 and 1; given {train_share}")
    work = effort or TrainingEffort()
    table = _read_table(folder, rows, train_share, work.seed)
    report(f"{len(table.ids)} rows: {len(table.train)} to train on, {len(table.test)} to test on")
    on_columns = trainable_models.find_trainable(trainable_models.COLUMNS, models, report)
    on_stamps = trainable_models.find_trainable(trainable_models.PIXELS, models, report)
    scores = {name: _score_columns(name, table, table.train, table.test, work, report) for name in on_columns.names}
    drawn: dict[str, Json] = {"bootstrap": bootstrap, "seed": work.seed, "against": _AGAINST}
    of_columns = compare_models(scores, table.real[table.test], **drawn) if scores else None
    about = {
        "rows": len(table.ids), "real": int(table.real.sum()), "train": len(table.train), "test": len(table.test),
        "train share": train_share, "effort": work.to_dict(),
        "left out": sorted({*on_columns.reasons, *on_stamps.reasons}),
    }  # fmt: skip
    of_pixels = None
    if stamps and on_stamps.names:
        try:
            of_pixels, about["stamps"] = _compare_on_stamps(folder, table, stamps, on_stamps.names, work, drawn, report)
        except (ReadError, ValueError) as error:
            # The figures of the columns took long: keep them though the stamps fail.
            if of_columns is None:
                raise
            about["stamps"] = {"left out": str(error)}
            report(f"the stamps are left out: {error}; --stamps 0 uses the columns alone")
    return Reproduction(of_columns, of_pixels, about)


def _read_table(folder: Path, rows: int | None, train_share: float, seed: int) -> _Rows:
    """Read the table, and split its rows into training and test rows by id."""
    path = _find_table(folder)
    table, labels = reading.read(path), reading.read_labels(path)
    assert isinstance(table, Features)
    try:
        x = table.select(registry.AUTOSCAN)
    except KeyError as error:
        raise ReadError(f"{path}: {error.args[0]}") from None
    keys = np.array([key or "" for key in id_keys(table.candidate_id)], dtype=np.str_)
    chosen = np.flatnonzero(~np.isnan(labels.real) & (keys != ""))
    if rows is not None and rows < len(chosen):
        chosen = chosen[_choose_rows(keys[chosen], rows, seed)]
    ids = keys[chosen]
    train, test = split(ids, (train_share, 1.0 - train_share), seed + trainable_models.SPLIT_SEED_OFFSET)
    return _Rows(ids, x[chosen], labels.real[chosen].astype(np.int8), train, test)


def _find_table(folder: Path) -> Path:
    """Return the path of the only table of the folder."""
    if not folder.is_dir():
        raise ReadError(f"there is no folder {folder}")
    tables = sorted(folder.glob(_TABLE))
    if len(tables) != 1:
        found = ", ".join(path.name for path in tables) or "none"
        raise ReadError(f"{folder} must hold one table {_TABLE} (autoscan_features.3.csv); found: {found}")
    return tables[0]


def _choose_rows(ids: NDArray[np.str_], count: int, seed: int) -> NDArray[np.intp]:
    """Return the numbers of `count` rows, ascending, chosen by a hash of their ids: other rows do not change it."""
    digest = [hashlib.sha256(f"rows {seed}:{number}".encode()).digest()[:8] for number in ids.tolist()]
    return np.sort(np.argsort(np.array(digest), kind="stable")[:count])


def _score_columns(
    name: str,
    table: _Rows,
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    effort: TrainingEffort,
    report: Callable[[str], object],
) -> NDArray[np.float32]:
    """Train a model of columns, and return its scores of the test rows."""
    report(f"{name} on {len(registry.AUTOSCAN)} columns, {len(train)} rows")
    model = trainable_models.train_columns(name, table.x[train], table.real[train], registry.AUTOSCAN, effort)
    return model.predict(table.x[test])


def _compare_on_stamps(
    folder: Path,
    table: _Rows,
    count: int,
    models: Sequence[str],
    effort: TrainingEffort,
    drawn: dict[str, Json],
    report: Callable[[str], object],
) -> tuple[ModelTable, dict[str, Json]]:
    """Train the models of stamps and compare them on the test rows; also return a dict, for JSON, on the stamps."""
    chosen = _choose_rows(table.ids, count, effort.seed + 1) if count < len(table.ids) else np.arange(len(table.ids))
    files = _stamp_files(folder, set(table.ids[chosen].tolist()))
    if not files.files:
        raise ReadError(f"{folder} holds no stamps of the table's candidates: neither {_ARCHIVES} nor FITS files")
    report(f"reading the stamps of {len(files.files)} candidates")
    problems: list[Problem] = []
    stamps = _read_all(files, problems)
    # In the order of the table, whatever the order in the archives.
    pairs = pair_rows(Side(table.ids, f"the table in {folder}"), Side(stamps.candidate_id, "the stamps"))
    stamps, row = stamps[pairs.right], pairs.left
    labelled = LabelledStamps(stamps, table.real[row], np.where(table.real[row] == 1, "real", "artifact"))
    sound = flags.scorable(stamps.flags)
    train, test = (np.flatnonzero(np.isin(row, side) & sound) for side in (table.train, table.test))
    scores = {"forest on the columns": _score_columns("forest", table, row[train], row[test], effort, report)}
    for name in models:
        report(f"{name} on stamps, {len(train)} rows")
        scores[name] = trainable_models.train_pixels(name, labelled[train], effort).score(stamps[test]).score
    about = {"found": len(stamps), "damaged or incomplete": int((~sound).sum()), "train": len(train), "test": len(test),
            "problems": [str(problem) for problem in problems[:10]]}  # fmt: skip
    return compare_models(scores, labelled.label[test], **drawn), about


def _stamp_files(folder: Path, wanted: set[str]) -> Candidates:
    """Find the stamps of the wanted candidates, in the archives or in unpacked files."""
    archives = sorted(folder.glob(_ARCHIVES))
    if archives:
        return index_archives(archives, wanted)
    found = Candidates()
    for path in sorted(folder.rglob("*")):
        if STAMP_NAME.fullmatch(path.name):
            found.add(path, wanted)
    return found


def _read_all(files: Candidates, problems: list[Problem]) -> Stamps:
    """Read all stamps; their problems are appended to `problems`."""
    parts: list[Stamps] = []
    for batch in read_stamps(files, _BATCH):
        assert isinstance(batch.rows, Stamps)
        parts.append(batch.rows)
        problems.extend(batch.problems)
    return Stamps.concatenate(parts)
