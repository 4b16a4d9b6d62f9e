"""The comparison on the full public DES autoScan set, for whoever has it (Goldstein et al. 2015, AJ 150, 82).

The set is one folder: ``autoscan_features.3.csv``, and ``stamps_0.tar`` ... ``stamps_10.tar`` or what they hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from space2vec import reading, registry
from space2vec.data import flags
from space2vec.data.ids import id_keys
from space2vec.data.joins import Side, pair_rows
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features
from space2vec.errors import ReadError
from space2vec.evaluation import Contest, compare_models
from space2vec.reading.batch import Problem
from space2vec.reading.des import STAMP_NAME, Candidates, read_stamps
from space2vec.reading.des_tar import index_archives
from space2vec.studies import contenders
from space2vec.studies.contenders import TrainingEffort
from space2vec.training.dataset import split

__all__ = ["Reproduction", "reproduce_des"]

_TABLE, _ARCHIVES = "autoscan_features*.csv", "stamps_*.tar"
#: Candidates whose stamps are read at a time.
_BATCH = 1000
#: The rivals with which every other model is compared.
_AGAINST = ("forest", "lightgbm", "forest on the columns", "braai")


@dataclass(frozen=True)
class Reproduction:
    """Results of the models on the test rows of the set.

    `columns`: those of the 38 columns, on all test rows; None where none was asked for. `pixels`: those of the stamps,
    and the forest on the columns trained on the same rows; None where none was asked for, or the stamps cannot be used.
    `about`: rows of each side, settings, what was left out and why.
    """

    columns: Contest | None
    pixels: Contest | None
    about: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, ready for JSON."""
        columns, pixels = (part and part.to_dict() for part in (self.columns, self.pixels))
        return {"about": self.about, "columns": columns, "pixels": pixels}


@dataclass(frozen=True)
class _Rows:
    """The table: ids (n,), columns (n, 38), labels (n,), and the rows to train on and to test on."""

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
    models: Sequence[str] = (*contenders.COLUMNS, *contenders.PIXELS),
    effort: TrainingEffort | None = None,
    bootstrap: int = 1000,
    tell: Callable[[str], object] = lambda line: None,
) -> Reproduction:
    """Train the forest and the networks on one side of the DES set and measure them on the other.

    Of the table as many rows as asked for are chosen by their ID, all by default, and of these as many candidates'
    stamps are used: 31 kB of memory each, 0 leaves the stamps out. `train_share` of the IDs is trained on. `models` are
    some of :data:`space2vec.studies.contenders.COLUMNS` and
    :data:`space2vec.studies.contenders.PIXELS`; one whose package is absent is left
    out, with a line to `tell`, which is called with a line at each step.

    Raises
    ------
    ReadError
        If the folder has not the set's layout. Where the stamps alone are missing or damaged, or too few, and there are
        results of the columns, the error goes to `tell` and into ``about``.
    ValueError
        If a model is unknown, a side lacks a class, or a number is out of range.
    ImportError
        If scikit-learn is absent.
    """
    unknown = [name for name in models if name not in {**contenders.COLUMNS, **contenders.PIXELS}]
    if unknown:
        known = ", ".join({**contenders.COLUMNS, **contenders.PIXELS})
        raise ValueError(f"unknown models {', '.join(unknown)}; known: {known}")
    if stamps < 0:
        raise ValueError(f"the number of stamps must not be negative; given {stamps}; 0 leaves them out")
    if not 0.0 < train_share < 1.0:
        raise ValueError(f"the share to train on must lie between 0 and 1; given {train_share}")
    work = effort or TrainingEffort()
    table = _read(folder, rows, train_share, work.seed)
    tell(f"{len(table.ids)} rows: {len(table.train)} to train on, {len(table.test)} to test on")
    of_rows, lost = contenders.choose(contenders.COLUMNS, models, tell)
    of_stamps, lost_too = contenders.choose(contenders.PIXELS, models, tell)
    scores = {name: _of_columns(name, table, table.train, table.test, work, tell) for name in of_rows}
    drawn: dict[str, Any] = {"bootstrap": bootstrap, "seed": work.seed, "against": _AGAINST}
    of_columns = compare_models(scores, table.real[table.test], **drawn) if scores else None
    about = {
        "rows": len(table.ids), "real": int(table.real.sum()), "train": len(table.train), "test": len(table.test),
        "train share": train_share, "effort": work.to_dict(), "left out": sorted({*lost, *lost_too}),
    }  # fmt: skip
    of_pixels = None
    if stamps and of_stamps:
        try:
            of_pixels, about["stamps"] = _pixels(folder, table, stamps, of_stamps, work, drawn, tell)
        except (ReadError, ValueError) as error:
            # The figures of the columns took long: they are not lost with the stamps.
            if of_columns is None:
                raise
            about["stamps"] = {"left out": str(error)}
            tell(f"the stamps are left out: {error}; --stamps 0 asks for the columns alone")
    return Reproduction(of_columns, of_pixels, about)


def _read(folder: Path, rows: int | None, train_share: float, seed: int) -> _Rows:
    path = _one_table(folder)
    table, labels = reading.read(path), reading.read_labels(path)
    assert isinstance(table, Features)
    try:
        x = table.select(registry.AUTOSCAN)
    except KeyError as error:
        raise ReadError(f"{path}: {error.args[0]}") from None
    keys = np.array([key or "" for key in id_keys(table.candidate_id)], dtype=np.str_)
    chosen = np.flatnonzero(~np.isnan(labels.real) & (keys != ""))
    if rows is not None and rows < len(chosen):
        chosen = chosen[_first(keys[chosen], rows, seed)]
    ids = keys[chosen]
    train, test = split(ids, (train_share, 1.0 - train_share), seed + contenders.APART)
    return _Rows(ids, x[chosen], labels.real[chosen].astype(np.int8), train, test)


def _one_table(folder: Path) -> Path:
    if not folder.is_dir():
        raise ReadError(f"there is no folder {folder}")
    tables = sorted(folder.glob(_TABLE))
    if len(tables) != 1:
        found = ", ".join(path.name for path in tables) or "none"
        raise ReadError(f"{folder} must hold one table {_TABLE} (autoscan_features.3.csv); found: {found}")
    return tables[0]


def _first(ids: NDArray[Any], count: int, seed: int) -> NDArray[np.intp]:
    """Return the rows, ascending, of the `count` ids with the smallest digests; other ids do not change the choice."""
    digest = [hashlib.sha256(f"rows {seed}:{number}".encode()).digest()[:8] for number in ids.tolist()]
    return np.sort(np.argsort(np.array(digest), kind="stable")[:count])


def _of_columns(
    name: str,
    table: _Rows,
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    effort: TrainingEffort,
    tell: Callable[[str], object],
) -> NDArray[np.float32]:
    tell(f"{name} on {len(registry.AUTOSCAN)} columns, {len(train)} rows")
    model = contenders.train_columns(name, table.x[train], table.real[train], registry.AUTOSCAN, effort)
    return model.predict(table.x[test])


def _pixels(
    folder: Path,
    table: _Rows,
    count: int,
    models: Sequence[str],
    effort: TrainingEffort,
    drawn: dict[str, Any],
    tell: Callable[[str], object],
) -> tuple[Contest, dict[str, Any]]:
    """Train on the stamps of the first side and test on those of the second."""
    chosen = _first(table.ids, count, effort.seed + 1) if count < len(table.ids) else np.arange(len(table.ids))
    files = _stamp_files(folder, set(table.ids[chosen].tolist()))
    if not files.files:
        raise ReadError(f"{folder} holds no stamps of the table's candidates: neither {_ARCHIVES} nor FITS files")
    tell(f"reading the stamps of {len(files.files)} candidates")
    problems: list[Problem] = []
    stamps = _stamps(files, problems)
    # In the order of the table, however the archives are filled.
    pairs = pair_rows(Side(table.ids, f"the table in {folder}"), Side(stamps.candidate_id, "the stamps"))
    stamps, row = stamps[pairs.right], pairs.left
    labelled = LabelledStamps(stamps, table.real[row], np.where(table.real[row] == 1, "real", "artifact"))
    sound = flags.scorable(stamps.flags)
    train, test = (np.flatnonzero(np.isin(row, side) & sound) for side in (table.train, table.test))
    scores = {"forest on the columns": _of_columns("forest", table, row[train], row[test], effort, tell)}
    for name in models:
        tell(f"{name} on stamps, {len(train)} rows")
        scores[name] = contenders.train_pixels(name, labelled[train], effort).score(stamps[test]).score
    said = {"found": len(stamps), "damaged or incomplete": int((~sound).sum()), "train": len(train), "test": len(test),
            "problems": [str(problem) for problem in problems[:10]]}  # fmt: skip
    return compare_models(scores, labelled.label[test], **drawn), said


def _stamp_files(folder: Path, wanted: set[str]) -> Candidates:
    """Find the wanted stamps: in the archives, or unpacked."""
    archives = sorted(folder.glob(_ARCHIVES))
    if archives:
        return index_archives(archives, wanted)
    found = Candidates()
    for path in sorted(folder.rglob("*")):
        if STAMP_NAME.fullmatch(path.name):
            found.add(path, wanted)
    return found


def _stamps(files: Candidates, problems: list[Problem]) -> Stamps:
    parts: list[Stamps] = []
    for batch in read_stamps(files, _BATCH):
        assert isinstance(batch.rows, Stamps)
        parts.append(batch.rows)
        problems.extend(batch.problems)
    return Stamps.concatenate(parts)
