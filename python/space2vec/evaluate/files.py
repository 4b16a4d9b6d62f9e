"""Files of scores and of labels, joined by candidate."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.errors import ReadError
from space2vec.evaluate.comparison import Comparison, compare
from space2vec.evaluate.metrics import Array, Evaluation, evaluate
from space2vec.reading import read_labels, read_scores
from space2vec.reading.feature_table import CANDIDATE_IDS
from space2vec.stamps import NO_ID

__all__ = ["compare_files", "evaluate_files", "join"]

#: What stands for the id of a row whose packet could not be read: such rows match nothing.
_NO_IDS = (str(NO_ID), "None", "nan", "")


def join(
    scores: str | PathLike[str], labels: str | PathLike[str]
) -> tuple[Array, NDArray[np.int8], NDArray[Any], int, int]:
    """Join a file of scores with a file of labels by candidate id.

    Parameters
    ----------
    scores : path
        Parquet or CSV with ``candidate_id`` (or ``ID``, ``candid``) and ``score``; see
        :func:`space2vec.reading.read_scores`.
    labels : path
        Parquet or CSV with an id under one of the same names, and ``label`` (1 real, 0 bogus) or ``OBJECT_TYPE``
        (0 real, 1 artifact). Rows without a label are unmatched.

    Returns
    -------
    score : ndarray of float64 (n,)
        Scores of the rows that both files have, in the order of the scores.
    label : ndarray of int8 (n,)
        Their labels.
    group : ndarray of str (n,)
        Their objects: ``object_id`` or ``objectId`` of either file, else the candidate itself.
    unmatched_scores, unmatched_labels : int
        Rows that only the one or the other file has.

    Raises
    ------
    ReadError
        If a file cannot be read, lacks a column, names a candidate twice, or the files have no candidate in common.
    """
    return _join(scores, labels)[1:]


class _Joined(NamedTuple):
    """What :func:`join` returns, behind the candidates' ids (n,)."""

    ids: NDArray[np.str_]
    score: Array
    label: NDArray[np.int8]
    group: NDArray[Any]
    unmatched_scores: int
    unmatched_labels: int


def _join(scores: str | PathLike[str], labels: str | PathLike[str]) -> _Joined:
    scored, known = read_scores(scores), read_labels(labels)
    ids, label_ids = _keys(scored.candidate_id, scores), _keys(known.candidate_id, labels)
    labelled = ~np.isnan(known.real)
    place = {key: row for row, key in enumerate(label_ids) if labelled[row] and key not in _NO_IDS}
    pairs = [(row, place[key]) for row, key in enumerate(ids) if key in place]
    if not pairs:
        alike = f"ids look like {ids[:1]} and {label_ids[:1]}"
        raise ReadError(f"{scores} and {labels} have no candidate in common; {alike}")
    left, right = np.array(pairs).T
    candidates = np.array(ids, dtype=np.str_)[left]
    group: NDArray[Any] = candidates
    for objects, rows in ((scored.object_id, left), (known.object_id, right)):
        if objects is not None:
            group = objects.astype(np.str_)[rows]
    truth = known.real[right].astype(np.int8)
    return _Joined(candidates, scored.score[left], truth, group, len(ids) - len(pairs), len(label_ids) - len(pairs))


def evaluate_files(
    scores: str | PathLike[str], labels: str | PathLike[str], *, bootstrap: int = 1000, seed: int = 0
) -> Evaluation:
    """Join two files by candidate id (:func:`join`) and measure; whole objects are resampled."""
    score, label, group, lonely_scores, lonely_labels = join(scores, labels)
    result = evaluate(score, label, group=group, bootstrap=bootstrap, seed=seed)
    return replace(result, unmatched_scores=lonely_scores, unmatched_labels=lonely_labels)


def compare_files(
    scores_a: str | PathLike[str],
    scores_b: str | PathLike[str],
    labels: str | PathLike[str],
    *,
    bootstrap: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Compare two files of scores on the labelled candidates that both have; whole objects are resampled.

    Raises
    ------
    ReadError
        As :func:`join`, or if the files of scores have no labelled candidate in common.
    ValueError
        As :func:`space2vec.evaluate.compare`.
    """
    a, b = _join(scores_a, labels), _join(scores_b, labels)
    _, in_a, in_b = np.intersect1d(a.ids, b.ids, assume_unique=True, return_indices=True)
    if not len(in_a):
        raise ReadError(f"{scores_a} and {scores_b} have no labelled candidate in common")
    return compare(a.score[in_a], b.score[in_b], a.label[in_a], group=a.group[in_a], bootstrap=bootstrap, seed=seed)


def _keys(ids: NDArray[Any] | None, path: str | PathLike[str]) -> list[str]:
    """Return candidate ids as text; those of rows that match nothing may repeat."""
    if ids is None:
        raise ReadError(f"{path}: no column {', '.join(CANDIDATE_IDS)}: candidates are joined by it")
    keys = [str(key) for key in ids.tolist()]
    seen: set[str] = set()
    for key in keys:
        if key in seen and key not in _NO_IDS:
            raise ReadError(f"{path}: candidate {key} occurs more than once")
        seen.add(key)
    return keys
