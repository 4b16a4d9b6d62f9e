"""The real ZTF alerts of the data folder, with labels, a teacher's scores, and weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from space2vec.data import flags
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.errors import ReadError
from space2vec.reading.cells import Kind
from space2vec.reading.table_file import read_columns
from space2vec.training.dataset import read_dataset
from space2vec.training.teacher import read_labelled_alerts

__all__ = [
    "DOUBTED", "KNOWN_REAL", "SURE_BOGUS", "SURE_REAL", "all_alerts", "known_real_objects", "learned_from_knowledge",
    "real_alerts",
]  # fmt: skip

#: The kind of an alert whose object is known to be real, regardless of the score of the teacher.
KNOWN_REAL = "known real"
#: The teacher is sure of a candidate that it scores below the first or above the second.
SURE_BOGUS, SURE_REAL = 0.1, 0.9
#: The training weight of a row if the teacher is uncertain of its label.
DOUBTED = 0.3
#: What the kind of an alert of ``ztf/more`` begins with where its object is known to be real.
_REAL_KIND = "real:"


def real_alerts(data: Path) -> LabelledStamps:
    """Read the real ZTF alerts of a night and of brokers, labelled by braai above 0.5, with its score as teacher.

    Raises
    ------
    ReadError
        If they are not in the data folder.
    """
    names = ("night_20180713", "brokers")
    tables = [data / "ztf" / f"{name}.csv" for name in names]
    return read_labelled_alerts([data / "ztf" / name for name in names], *tables, column="braai_d6_m9")


def known_real_objects(data: Path) -> frozenset[str]:
    """Read the names of the ZTF objects that are known to be real, from ``ztf/real_objects.csv`` of the data folder.

    They are variables, transients and galaxies labelled by ALeRCE, and objects with a spectrum.

    Raises
    ------
    ReadError
        If the table cannot be read or has no ``objectId``.
    """
    path = data / "ztf" / "real_objects.csv"
    if not path.is_file():
        raise ReadError(f"{path}: no such file")
    kinds: dict[str, Kind] = {"objectId": "text"}
    names = read_columns(path, kinds)["objectId"]
    return frozenset(str(name) for name in names.tolist() if name)


def all_alerts(data: Path) -> LabelledStamps:
    """Read every real ZTF alert of the data folder that can be scored: of a night, of brokers, and of ``ztf/more``.

    Returns
    -------
    LabelledStamps
        Each candidate once. The label is 1 where the object is known to be real, whatever braai says, and else braai
        above 0.5; ``teacher`` is braai's score, ``kind`` is ``known real`` or ``alert``.

    Raises
    ------
    ReadError
        If something is not in the data folder.
    """
    first, more = real_alerts(data), read_dataset(data / "ztf" / "more")
    again = np.isin(_ids(more), _ids(first))
    rows = LabelledStamps.concatenate([first, more[~again]])
    rows = rows[flags.scorable(rows.stamps.flags)]
    known = np.isin(rows.group, sorted(known_real_objects(data)))
    known |= np.char.startswith(rows.kind.astype(np.str_), _REAL_KIND)
    label = np.where(known, 1, rows.teacher > 0.5).astype(np.int8)
    return replace(rows, label=label, kind=np.where(known, KNOWN_REAL, "alert"))


def learned_from_knowledge(rows: LabelledStamps, known: NDArray[np.bool_]) -> LabelledStamps:
    """Return rows whose targets and weights are those to learn from: knowledge before the teacher, doubt for little.

    Parameters
    ----------
    rows : LabelledStamps
        Alerts or what is made of them, with the teacher's scores.
    known : ndarray of bool (n,)
        The rows whose object is known to be real.

    Returns
    -------
    LabelledStamps
        A known alert has the label 1 and no teacher's score. A variant of one may have lost its source in noise: it
        keeps the teacher's score, and counts for nothing where the teacher calls it bogus. Any other row of whose label
        the teacher is not sure (.1 to .9) counts for 0.3.
    """
    variant = rows.kind.astype(np.str_) == "variant"
    sure_of_alert = known & ~variant
    teacher = np.where(sure_of_alert, np.nan, rows.teacher).astype(np.float32)
    doubtful = (teacher >= SURE_BOGUS) & (teacher <= SURE_REAL)
    weight = np.where(doubtful, DOUBTED * rows.weight, rows.weight)
    weight = np.where(known & variant & (rows.teacher < 0.5), 0.0, weight).astype(np.float32)
    return replace(rows, label=np.where(sure_of_alert, 1, rows.label), teacher=teacher, weight=weight)


def _ids(rows: LabelledStamps) -> NDArray[np.str_]:
    return rows.stamps.candidate_id.astype(np.str_)
