"""Labelled stamps as rows that a network is fitted to: prepared planes, features, targets and weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec import backends
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import Stamps
from space2vec.model_files.needs import Needs
from space2vec.training.loop import FitRows

__all__ = ["PreparedRows", "digest_rows", "digest_stamps", "fit_rows", "prepare", "targets"]

#: Rows that are prepared at a time.
_BLOCK = 2048


def digest_rows(rows: LabelledStamps) -> str:
    """Return a digest of the pixels of rows and of every column that training depends on."""
    return digest_stamps(rows.stamps, rows.label, rows.weight, rows.teacher)


def digest_stamps(stamps: Stamps, *columns: NDArray[np.generic]) -> str:
    """Return a digest of the pixels of candidates, of all that training depends on, and of further columns (n,)."""
    digest = hashlib.sha256(stamps.buffer.data)
    for column in (stamps.offset, stamps.shape, stamps.centre, stamps.flags, *columns):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()[:16]


def targets(rows: LabelledStamps, teacher: float) -> NDArray[np.float64]:
    """Return the targets (n,): the label, or where a row has a teacher's score, a mixture with that share of it."""
    known = np.isfinite(rows.teacher)
    return np.where(known, (1.0 - teacher) * rows.label + teacher * np.nan_to_num(rows.teacher), rows.label)


class PreparedRows(NamedTuple):
    """The inputs of the candidates that can be scored, and their row numbers (m,)."""

    inputs: tuple[NDArray[np.float32], ...]
    row: NDArray[np.intp]


def prepare(
    needs: Needs, stamps: Stamps, threads: int | None, change: Callable[[Stamps], Stamps] | None = None
) -> PreparedRows:
    """Prepare stamps, without those that cannot be scored, and change them before if `change` is given."""
    parts: list[tuple[NDArray[np.float32], ...]] = []
    kept: list[NDArray[np.intp]] = []
    host = backends.on_host()
    # Copies of all stamps at once would take several times the memory that the data take.
    for start in range(0, len(stamps), _BLOCK):
        block = stamps[start : start + _BLOCK]
        inputs = host.inputs(needs, block if change is None else change(block), threads)
        good = np.flatnonzero(inputs.scored)
        parts.append(tuple(array[good] for array in inputs.arrays))
        kept.append(good + start)
    return PreparedRows(tuple(np.concatenate(pieces) for pieces in zip(*parts, strict=True)), np.concatenate(kept))


def fit_rows(
    needs: Needs,
    rows: LabelledStamps,
    teacher: float,
    threads: int | None,
    change: Callable[[Stamps], Stamps] | None = None,
) -> FitRows:
    """Prepare stamps for the fit, and change them before if `change` is given.

    Rows that cannot be scored are left out. A row whose template is removed keeps its target, since it is not known how
    the teacher would score it without a template.
    """
    inputs, row = prepare(needs, rows.stamps, threads, change)
    return FitRows(inputs, targets(rows, teacher)[row].astype(np.float32), rows.weight[row])
