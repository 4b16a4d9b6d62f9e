"""What a review asks to be labelled: the candidates are scored, and what the choice needs of them is kept."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec.data.stamps import Stamps

if TYPE_CHECKING:
    from space2vec.data.tables import Features, Scores
    from space2vec.models.model import Model

__all__ = ["Suggestions"]


class Suggestions:
    """Score the candidates of a review, and choose which to label first, from features that are measured once.

    Parameters
    ----------
    model : Model
        The model that scores.
    arguments : argparse.Namespace
        The options of :func:`space2vec.cli.common.add_compute_options`.
    where : str
        Where the model runs. On a CUDA device the scores leave no features behind, and the host measures them.
    """

    def __init__(self, model: Model, arguments: argparse.Namespace, where: str) -> None:
        self._model = model
        self._threads: int | None = arguments.threads
        self._where = where
        self._scores: list[NDArray[np.float32]] = []
        self._values: list[NDArray[np.float32]] = []

    def score(self, rows: Stamps | Features) -> Scores:
        """Return the scores of the next candidates."""
        from space2vec.compute import features
        from space2vec.report.selection import SET, measured_already

        values: NDArray[np.float32] | None = None
        if not isinstance(rows, Stamps):
            scores, values = self._model.score(rows, threads=self._threads, device=self._where), rows.host_values()
        elif self._where == "cpu":
            scores, columns = self._model.score_with_columns(rows, threads=self._threads)
            values = measured_already(columns)
        else:
            scores = self._model.score(rows, threads=self._threads, device=self._where)
        if values is None:
            assert isinstance(rows, Stamps)
            values = features(rows, set=SET, threads=self._threads).host_values()
        self._values.append(values)
        self._scores.append(np.asarray(scores.score, dtype=np.float32))
        return scores

    def finish(self) -> list[int]:
        """Return the rows in the order in which they are best labelled."""
        from space2vec.report.selection import most_useful

        if not self._values:
            return []
        rows: list[int] = most_useful(np.concatenate(self._scores), np.concatenate(self._values)).tolist()
        return rows
