"""The mosaic of ``space2vec score --mosaic``: a picture of candidates, collected batch by batch."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from space2vec.cli.common import check_picture
from space2vec.data.ids import id_texts
from space2vec.data.own_pixels import without_other_pixels
from space2vec.data.stamps import CHANNELS, Stamps
from space2vec.data.tables import Scores

__all__ = ["Mosaic"]

_ROWS = 12


class Mosaic:
    """Collect the candidates with the highest, lowest and most doubtful scores of a long input, and draw them.

    Parameters
    ----------
    path : str
        The picture to write.
    """

    def __init__(self, path: str) -> None:
        check_picture(path)
        #: The picture to write.
        self.path = Path(path)
        self._stamps: Stamps | None = None
        self._score = np.empty(0, dtype=np.float32)
        self._flags = np.empty(0, dtype=np.uint32)

    def add(self, stamps: Stamps, scores: Scores) -> None:
        """Consider the candidates of one batch; those that are not selected are freed."""
        self._select(stamps, scores.score, scores.flags)

    def pop_bytes(self) -> bytes:
        """Return the selected candidates as bytes, and start again with none."""
        if self._stamps is None:
            return b""
        kept = self._stamps
        arrays: dict[str, NDArray[np.generic]] = {
            "object_id": id_texts(kept.object_id),
            "candidate_id": id_texts(kept.candidate_id),
            "flags": kept.flags,
            "centre": kept.centre,
            "score": self._score,
            "score_flags": self._flags,
        }
        for row in range(len(kept)):
            arrays |= {
                f"{row}.{channel}": plane for channel in CHANNELS if (plane := kept.plane(row, channel)) is not None
            }
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **arrays)
        self._stamps, self._score, self._flags = None, self._score[:0], self._flags[:0]
        return file.getvalue()

    def add_bytes(self, packed: bytes) -> None:
        """Consider the candidates that :meth:`pop_bytes` has returned."""
        if not packed:
            return
        with np.load(io.BytesIO(packed)) as arrays:
            stamps = Stamps(
                [[arrays.get(f"{row}.{channel}") for channel in CHANNELS] for row in range(len(arrays["score"]))],
                object_id=arrays["object_id"].astype(object),
                candidate_id=arrays["candidate_id"],
                flags=arrays["flags"],
                centre=arrays["centre"],
            )
            self._select(stamps, arrays["score"], arrays["score_flags"])

    def _select(self, stamps: Stamps, score: NDArray[np.float32], flags: NDArray[np.uint32]) -> None:
        from space2vec.plot import select_rows

        pool = stamps if self._stamps is None else Stamps.concatenate([self._stamps, stamps])
        score = np.concatenate([self._score, score])
        flags = np.concatenate([self._flags, flags])
        chosen = np.unique(np.concatenate(list(select_rows(score, _ROWS).values())))
        self._stamps = without_other_pixels(pool[chosen])
        self._score, self._flags = score[chosen], flags[chosen]

    def draw(self) -> str:
        """Draw the picture, and return a message with its path, or with the reason why there is none."""
        from space2vec.plot import mosaic

        if self._stamps is None or not len(self._stamps):
            return "no mosaic: no stamps were scored"
        kept = self._stamps
        scores = Scores(self._score, self._flags, kept.object_id, kept.candidate_id, "")
        mosaic(kept, scores, rows=_ROWS, path=self.path)
        return f"mosaic in {self.path}"
