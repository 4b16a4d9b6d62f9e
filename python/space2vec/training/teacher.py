"""Teachers: other models whose scores a network learns from, read from a table or computed by ZTF's network braai."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from space2vec.data.ids import id_keys
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.row_pairs import Side, pair_rows
from space2vec.data.stamps import Stamps
from space2vec.errors import ReadError
from space2vec.errors.packages import need
from space2vec.reading import Inputs, read
from space2vec.reading.feature_table import find_ids, id_columns
from space2vec.reading.labels import read_column
from space2vec.reading.table_file import table_columns

__all__ = ["StampScorer", "add_teacher_scores", "braai_scorer", "read_labelled_alerts"]

#: A function that takes n stamps and returns P(real) (n,), NaN for a stamp that it cannot score.
StampScorer: TypeAlias = Callable[[Stamps], NDArray[np.float32]]


def read_labelled_alerts(
    inputs: Inputs,
    *tables: str | os.PathLike[str],
    column: str = "score",
    threshold: float = 0.5,
    threads: int | None = None,
) -> LabelledStamps:
    """Read alerts and label them by the scores that another model, the teacher, gave them.

    Parameters
    ----------
    inputs
        As for :func:`space2vec.read`. Files that cannot be read are left out.
    *tables : path
        Tables (CSV, Parquet) with the candidates' ids under ``candidate_id``, ``ID`` or ``candid``.
    column : str, optional
        The column of the tables that holds the teacher's scores.
    threshold : float, optional
        A candidate whose score is above it is labelled real, any other bogus.
    threads : int, optional
        Threads that read; one per usable core by default.

    Returns
    -------
    LabelledStamps
        Each candidate once, of the kind ``alert``. Alerts without a score or without any plane are left out.

    Raises
    ------
    ReadError
        If a table cannot be read, lacks the columns or names an alert twice, two tables give an alert different scores,
        or none of the alerts is in the tables.
    """
    stamps = read(inputs, strict=False, threads=threads)
    if not isinstance(stamps, Stamps):
        raise ReadError("the inputs are feature tables; alerts with stamps are needed")
    score = np.full(len(stamps), np.nan, dtype=np.float32)
    keys = id_keys(stamps.candidate_id)
    once = _first_of_each(keys, stamps.object_id)
    for table in tables:
        scores = _read_scores(Path(table), column)
        pairs = pair_rows(Side(stamps.candidate_id[once], "the alerts"), Side(scores.ids, str(table)))
        rows, listed = once[pairs.left], scores.values[pairs.right].astype(np.float32)
        differ = ~np.isnan(score[rows]) & ~np.isnan(listed) & (score[rows] != listed)
        if differ.any():
            raise ReadError(
                f"{table} gives candidate {keys[rows[differ][0]]} another {column} than the tables before it"
            )
        score[rows] = np.where(np.isnan(listed), score[rows], listed)
    rows = np.flatnonzero(~np.isnan(score) & (stamps.offset >= 0).any(axis=1))
    if not len(rows):
        raise ReadError(f"none of the {len(stamps)} alerts has a score in {', '.join(map(str, tables))}")
    label = (score[rows] > threshold).astype(np.int8)
    return LabelledStamps(stamps[rows], label, np.full(len(rows), "alert"), teacher=score[rows])


def _first_of_each(keys: Sequence[str | None], objects: NDArray[np.generic]) -> NDArray[np.intp]:
    """Return the first row of each candidate that has an id; several files may hold the same alert.

    Raises
    ------
    ReadError
        If rows of one candidate id belong to different objects, so that they cannot be the same alert.
    """
    rows: dict[str, int] = {}
    for row, key in enumerate(keys):
        if key is None:
            continue
        first = rows.setdefault(key, row)
        if objects[first] and objects[row] and objects[first] != objects[row]:
            raise ReadError(
                f"candidate {key} is of the object {objects[first]} and of {objects[row]}: ids that two inputs "
                "share cannot be joined with scores"
            )
    return np.array([*rows.values()], dtype=np.intp)


class _ScoreTable(NamedTuple):
    """Candidate ids (n,) and scores (n,) that a table holds."""

    ids: NDArray[np.generic]
    values: NDArray[np.float64]


def _read_scores(path: Path, column: str) -> _ScoreTable:
    """Read the candidate ids of a table and one of its columns; ReadError if it lacks them."""
    if not path.is_file():
        raise ReadError(f"{path}: no such file")
    try:
        names = table_columns(path)
        absent = column if column not in names else "" if id_columns(names)[1] else "candidate_id"
        if absent:
            raise ReadError(f"no column {absent}; it has {', '.join(names)}")
        columns = read_column(path, column, "number")
    except ReadError as error:
        raise ReadError(f"{path}: {error}") from None
    _, ids = find_ids(columns)
    assert ids is not None
    return _ScoreTable(ids, columns[column])


def braai_scorer(weights: str | os.PathLike[str], *, threads: int | None = None) -> StampScorer:
    """Return a function that scores stamps with ZTF's network braai (Duev et al. 2019, MNRAS 489, 3582).

    Parameters
    ----------
    weights : path
        The published weights, as for :func:`space2vec.architectures.braai.published`.
    threads : int, optional
        Threads that prepare the planes; one per usable core by default.

    Returns
    -------
    callable
        Takes `Stamps` and returns P(real) (n,), NaN for a stamp that braai cannot score.

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    ModelError
        If the weights cannot be read.
    """
    need("torch", "braai's scores need PyTorch")
    from space2vec.architectures import braai

    return partial(braai.score, braai.published(weights), threads=threads)


def add_teacher_scores(labelled: LabelledStamps, teacher: StampScorer | str | os.PathLike[str]) -> LabelledStamps:
    """Return a copy of labelled stamps that carries the scores which a teacher gives them.

    `teacher` is a function of stamps, or the path of braai's weights, as for :func:`braai_scorer`.
    """
    scorer = braai_scorer(teacher) if isinstance(teacher, (str, os.PathLike)) else teacher
    return replace(labelled, teacher=scorer(labelled.stamps))
