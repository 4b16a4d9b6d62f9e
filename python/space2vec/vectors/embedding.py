"""Vectors of candidates by a model that is named."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from space2vec.models.load import load
from space2vec.models.model import Model

if TYPE_CHECKING:
    from space2vec.data.detections import Detections
    from space2vec.data.stamps import Stamps
    from space2vec.data.vectors import Vectors

__all__ = ["MODEL", "embed"]

#: The packaged model that gives vectors.
MODEL = "vectornet"


def embed(
    stamps: Stamps | Detections,
    *,
    model: str | os.PathLike[str] | Model = MODEL,
    threads: int | None = None,
    device: str = "auto",
) -> Vectors:
    """Turn stamps into vectors: stamps that look alike get vectors of nearly the same direction.

    Parameters
    ----------
    stamps : Stamps or Detections
        The candidates: stamps, or detections in whole images (:func:`space2vec.locate`).
    model : str, path or Network, optional
        A network that gives vectors: the name of a packaged one, the path of a model file, or a loaded one.
    threads : int, optional
        Number of threads on the host; one per usable core by default. The result does not depend on it.
    device : {"auto", "cpu", "cuda", "cuda:N"}, optional
        The device that computes; by default the one that holds the stamps. All devices give the same bits.

    Returns
    -------
    Vectors
        One row per candidate, in their order: vectors (n, 64) of int8, ids and flags. A vector is zero where a stamp
        cannot be scored; its flags say why. For stamps on a device it is an array of their library.

    Raises
    ------
    TypeError
        If these are neither stamps nor detections.
    ModelError
        If there is no such model, it gives scores, or the stamps lack pixels or columns that it needs.
    BackendError
        If the device cannot be used.

    Notes
    -----
    Ten million stamps do not fit in memory: :func:`space2vec.reading.batches` yields them batch by batch, and
    ``space2vec embed NIGHT -o vectors.parquet`` writes the vectors as it reads.

    Examples
    --------
    >>> vectors = s2v.embed(s2v.simulate(20, seed=2).stamps)
    >>> vectors.vector.shape
    (20, 64)
    """
    network = model if isinstance(model, Model) else load(model)
    return network.embed(stamps, threads=threads, device=device)
