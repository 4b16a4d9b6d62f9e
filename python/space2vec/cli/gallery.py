"""The mosaic of ``space2vec score --mosaic``, gathered batch by batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from space2vec.cli.common import check_picture
from space2vec.stamps import CHANNELS, Stamps
from space2vec.table import Scores

__all__ = ["Gallery"]

_ROWS = 12


class Gallery:
    """Keep the best, worst and most doubtful candidates of a long input, and draw them at its end.

    Parameters
    ----------
    path : str
        The picture.

    Raises
    ------
    ImportError
        If matplotlib is absent.
    ValueError
        If the suffix is of no picture.
    FileNotFoundError
        If there is no folder for the picture.
    """

    def __init__(self, path: str) -> None:
        check_picture(path)
        self._path = Path(path)
        self._stamps: Stamps | None = None
        self._score = np.empty(0, dtype=np.float32)
        self._flags = np.empty(0, dtype=np.uint32)

    def add(self, stamps: Stamps, scores: Scores) -> None:
        """Look at one batch; what is not among the chosen so far is let go."""
        from space2vec.plot import select_rows

        pool = stamps if self._stamps is None else Stamps.concatenate([self._stamps, stamps])
        score = np.concatenate([self._score, scores.score])
        flags = np.concatenate([self._flags, scores.flags])
        chosen = np.unique(np.concatenate(list(select_rows(score, _ROWS).values())))
        self._stamps, self._score, self._flags = _copy(pool, chosen), score[chosen], flags[chosen]

    def draw(self) -> str:
        """Draw the picture; return what to say of it."""
        from space2vec.plot import mosaic

        if self._stamps is None or not len(self._stamps):
            return "no mosaic: no stamps were scored"
        kept = self._stamps
        scores = Scores(self._score, self._flags, kept.object_id, kept.candidate_id, "")
        mosaic(kept, scores, rows=_ROWS, path=self._path)
        return f"mosaic in {self._path}"


def _copy(stamps: Stamps, rows: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Stamps:
    """Select candidates with pixels of their own, so that those of the others can be freed."""
    return Stamps(
        [[stamps.plane(row, channel) for channel in CHANNELS] for row in rows.tolist()],
        object_id=stamps.object_id[rows],
        candidate_id=stamps.candidate_id[rows],
        flags=stamps.flags[rows],
        centre=stamps.centre[rows],
        saturation=stamps.saturation,
    )
