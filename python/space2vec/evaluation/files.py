"""Join files of scores with files of labels by candidate, and measure or compare the scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.data.ids import id_keys
from space2vec.data.row_pairs import Side, pair_rows
from space2vec.errors import ReadError
from space2vec.evaluation.comparison import Comparison, compare
from space2vec.evaluation.kept_threshold import KeptThresholds, keep_threshold
from space2vec.evaluation.metrics import Evaluation, evaluate
from space2vec.evaluation.ranking import Array
from space2vec.reading import Limits, Problem, read_labels, read_scores
from space2vec.reading.feature_table import CANDIDATE_IDS

__all__ = ["JoinedScores", "compare_files", "evaluate_files", "join", "keep_threshold_of_files"]

_LIMITS = Limits()


@dataclass(frozen=True, eq=False)
class JoinedScores:
    """Rows that a file of scores and a file of labels have in common, in the order of the scores.

    Attributes
    ----------
    ids : ndarray of object (n,)
        Candidate ids, as text.
    score : ndarray of float64 (n,)
        Their scores.
    label : ndarray of int8 (n,)
        Their labels: 1 real, 0 bogus.
    group : ndarray of object (n,)
        The objects of the candidates, as text: ``object_id`` or ``objectId`` of either file, or the candidate id.
    unmatched_scores, unmatched_labels : int
        Number of rows that only the file of scores, or only the file of labels, has.
    """

    ids: NDArray[np.object_]
    score: Array
    label: NDArray[np.int8]
    group: NDArray[np.object_]
    unmatched_scores: int
    unmatched_labels: int

    def evaluate(self, *, bootstrap: int = 1000, seed: int = 0) -> Evaluation:
        """Measure the scores by :func:`space2vec.evaluation.evaluate`; whole objects are resampled."""
        found = evaluate(self.score, self.label, group=self.group, bootstrap=bootstrap, seed=seed)
        return replace(found, unmatched_scores=self.unmatched_scores, unmatched_labels=self.unmatched_labels)


def join(
    scores: str | PathLike[str],
    labels: str | PathLike[str],
    *,
    problems: list[Problem] | None = None,
    limits: Limits = _LIMITS,
) -> JoinedScores:
    """Join a file of scores with a file of labels by candidate id.

    Parameters
    ----------
    scores : path
        Parquet or CSV with ``candidate_id`` (or ``ID``, ``candid``) and ``score``; see
        :func:`space2vec.reading.read_scores`.
    labels : path
        Parquet or CSV with an id under one of the same names, and ``label`` (1 real, 0 bogus) or ``OBJECT_TYPE``
        (0 real, 1 artifact). Rows without a label are unmatched.
    problems : list, optional
        Problems with lines and cells of the files are appended to it, see :func:`space2vec.reading.read_labels`.
    limits : Limits, optional
        How much memory and time a file may take.

    Returns
    -------
    JoinedScores

    Raises
    ------
    ReadError
        If a file cannot be read, lacks a column, has two rows for a candidate of the other file, or the files have no
        candidate in common.
    """
    scored = read_scores(scores, problems=problems, limits=limits)
    known = read_labels(labels, problems=problems, limits=limits)
    sides = [
        Side(_require_ids(table.candidate_id, path), str(path)) for table, path in ((scored, scores), (known, labels))
    ]
    pairs = pair_rows(*sides)
    labelled = ~np.isnan(known.real[pairs.right])
    left, right = pairs.left[labelled], pairs.right[labelled]
    if not len(left):
        alike = " and ".join(str(id_keys(side.ids[:1])) for side in sides)
        raise ReadError(f"{scores} and {labels} have no candidate in common; ids look like {alike}")
    candidates = _texts(id_keys(sides[0].ids[left]))
    group = candidates
    for objects, rows in ((scored.object_id, left), (known.object_id, right)):
        if objects is not None:
            # A candidate without an object is an object of its own.
            named = [
                name or candidate for name, candidate in zip(objects[rows].tolist(), candidates.tolist(), strict=True)
            ]
            group = _texts(named)
    truth = known.real[right].astype(np.int8)
    unmatched = (len(side.ids) - len(left) for side in sides)
    return JoinedScores(candidates, scored.score[left], truth, group, *unmatched)


def evaluate_files(
    scores: str | PathLike[str],
    labels: str | PathLike[str],
    *,
    bootstrap: int = 1000,
    seed: int = 0,
    problems: list[Problem] | None = None,
    limits: Limits = _LIMITS,
) -> Evaluation:
    """Join a file of scores with a file of labels, and measure the scores; whole objects are resampled.

    Parameters
    ----------
    scores, labels, problems, limits
        As for :func:`join`.
    bootstrap, seed
        As for :func:`space2vec.evaluation.evaluate`.

    Returns
    -------
    Evaluation

    Raises
    ------
    ReadError
        As :func:`join`.
    ValueError
        As :func:`space2vec.evaluation.evaluate`.
    """
    return join(scores, labels, problems=problems, limits=limits).evaluate(bootstrap=bootstrap, seed=seed)


def compare_files(
    scores_a: str | PathLike[str],
    scores_b: str | PathLike[str],
    labels: str | PathLike[str],
    *,
    bootstrap: int = 1000,
    seed: int = 0,
    problems: list[Problem] | None = None,
    limits: Limits = _LIMITS,
) -> Comparison:
    """Compare two files of scores on the labelled candidates that both have; whole objects are resampled.

    Parameters
    ----------
    scores_a, scores_b : path
        Files of scores, as for :func:`join`.
    labels, problems, limits
        As for :func:`join`.
    bootstrap, seed
        As for :func:`space2vec.evaluation.compare`.

    Returns
    -------
    Comparison

    Raises
    ------
    ReadError
        As :func:`join`, or if the files of scores have no labelled candidate in common.
    ValueError
        As :func:`space2vec.evaluation.compare`.
    """
    rows = _rows_in_common(scores_a, scores_b, labels, problems, limits)
    return compare(rows.a, rows.b, rows.label, group=rows.group, bootstrap=bootstrap, seed=seed)


def keep_threshold_of_files(
    new: str | PathLike[str],
    old: str | PathLike[str],
    labels: str | PathLike[str],
    threshold: float,
    *,
    problems: list[Problem] | None = None,
    limits: Limits = _LIMITS,
) -> KeptThresholds:
    """Find the thresholds of a new file of scores that keep the error rates of a threshold of an old one.

    Parameters
    ----------
    new, old : path
        Files of scores, as for :func:`join`; the labelled candidates that both have are measured.
    labels, problems, limits
        As for :func:`join`.
    threshold : float
        The threshold in use with the old scores.

    Raises
    ------
    ReadError
        As :func:`compare_files`.
    ValueError
        As :func:`space2vec.evaluation.evaluate`.
    """
    rows = _rows_in_common(new, old, labels, problems, limits)
    return keep_threshold(rows.a, rows.b, rows.label, threshold)


class _RowsInCommon(NamedTuple):
    """The scores (n,) of two files for the same rows, and the labels and groups of these."""

    a: Array
    b: Array
    label: NDArray[np.int8]
    group: NDArray[np.object_]


def _rows_in_common(
    scores_a: str | PathLike[str],
    scores_b: str | PathLike[str],
    labels: str | PathLike[str],
    problems: list[Problem] | None,
    limits: Limits,
) -> _RowsInCommon:
    """Join two files of scores with labels, and return the rows that all have; ReadError if there are none."""
    a, b = (join(scores, labels, problems=problems, limits=limits) for scores in (scores_a, scores_b))
    pairs = pair_rows(Side(a.ids, str(scores_a)), Side(b.ids, str(scores_b)))
    if not len(pairs.left):
        raise ReadError(f"{scores_a} and {scores_b} have no labelled candidate in common")
    in_a, in_b = pairs.left, pairs.right
    return _RowsInCommon(a.score[in_a], b.score[in_b], a.label[in_a], a.group[in_a])


def _texts(values: Sequence[str | None]) -> NDArray[np.object_]:
    """Return texts (n,) as an array of objects: in an array of fixed width one long id would lengthen every row."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _require_ids(ids: NDArray[np.generic] | None, path: str | PathLike[str]) -> NDArray[np.generic]:
    """Return the candidate ids of a file; a file without them is an error."""
    if ids is None:
        raise ReadError(f"{path}: no column {', '.join(CANDIDATE_IDS)}: candidates are joined by it")
    return ids
