"""Teachers: scores of other models, from a table or from ZTF's network braai."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from space2vec.data.ids import id_keys
from space2vec.data.joins import Side, pair_rows
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import Stamps
from space2vec.errors import ReadError
from space2vec.errors.packages import need
from space2vec.reading import Inputs, read
from space2vec.reading.feature_table import find_ids, id_columns
from space2vec.reading.labels import read_column
from space2vec.reading.table_file import table_columns

__all__ = ["Scorer", "braai_scorer", "labelled_alerts", "teach"]

#: A function that returns P(real) of stamps, (n,), NaN for a stamp that it cannot score.
Scorer: TypeAlias = Callable[[Stamps], NDArray[np.float32]]


def labelled_alerts(
    inputs: Inputs,
    *tables: str | os.PathLike[str],
    column: str = "score",
    threshold: float = 0.5,
    threads: int | None = None,
) -> LabelledStamps:
    """Read alerts with another model's scores of them, each candidate once.

    `inputs` are those of :func:`space2vec.read`; files that cannot be read are left out. The tables (CSV, Parquet) have
    the candidates' ids under ``candidate_id``, ``ID`` or ``candid``, and the scores in `column`: the teacher's. A
    candidate above the threshold is labelled real; its kind is ``alert``. Alerts without a score or a plane are left
    out.

    Raises
    ------
    ReadError
        If something cannot be read, a table has no such columns or an alert twice, two tables contradict each other,
        or no alert is in the tables.
    """
    stamps = read(inputs, strict=False, threads=threads)
    if not isinstance(stamps, Stamps):
        raise ReadError("the inputs are feature tables; alerts with stamps are needed")
    score = np.full(len(stamps), np.nan, dtype=np.float32)
    keys = id_keys(stamps.candidate_id)
    once = _first_of_each(keys, stamps.object_id)
    for table in tables:
        ids, values = _scores(Path(table), column)
        pairs = pair_rows(Side(stamps.candidate_id[once], "the alerts"), Side(ids, str(table)))
        rows, listed = once[pairs.left], values[pairs.right].astype(np.float32)
        other = ~np.isnan(score[rows]) & ~np.isnan(listed) & (score[rows] != listed)
        if other.any():
            raise ReadError(
                f"{table} gives candidate {keys[rows[other][0]]} another {column} than the tables before it"
            )
        score[rows] = np.where(np.isnan(listed), score[rows], listed)
    rows = np.flatnonzero(~np.isnan(score) & (stamps.offset >= 0).any(axis=1))
    if not len(rows):
        raise ReadError(f"none of the {len(stamps)} alerts has a score in {', '.join(map(str, tables))}")
    label = (score[rows] > threshold).astype(np.int8)
    return LabelledStamps(stamps[rows], label, np.full(len(rows), "alert"), teacher=score[rows])


def _first_of_each(keys: Sequence[str | None], objects: NDArray[Any]) -> NDArray[np.intp]:
    """Return the first row of each candidate that is known; several files may have the same alert.

    Raises
    ------
    ReadError
        If two objects share a candidate: these are not the same alert.
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


def _scores(path: Path, column: str) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return candidate ids and scores of a table (n,)."""
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
    return ids, columns[column]


def braai_scorer(weights: str | os.PathLike[str], *, threads: int | None = None) -> Scorer:
    """Return a function that scores stamps with ZTF's network braai.

    `weights` are those for :func:`space2vec.architectures.braai.published`. ImportError without PyTorch;
    ModelError if the weights cannot be read.
    """
    need("torch", "braai's scores need PyTorch")
    from space2vec.architectures import braai

    return partial(braai.score, braai.published(weights), threads=threads)


def teach(labelled: LabelledStamps, score: Scorer | str | os.PathLike[str]) -> LabelledStamps:
    """Return labelled stamps with the scores of a teacher: a callable, or braai's weights for :func:`braai_scorer`."""
    scorer = braai_scorer(score) if isinstance(score, (str, os.PathLike)) else score
    return replace(labelled, teacher=scorer(labelled.stamps))
