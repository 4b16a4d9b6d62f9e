"""Exact search: the cosine of each query with every vector, block by block."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["inverse_norms", "nearest"]

#: Vectors that are compared at once: as float32 they stay in a core's cache.
BLOCK = 1 << 13
#: Queries that are compared at once.
_QUERIES = 256


def inverse_norms(vectors: NDArray[np.int8]) -> NDArray[np.float32]:
    """Return one over the length of each vector (n, k) as float32 (n,); 0 for a vector that is zero."""
    norms = np.empty(len(vectors), dtype=np.float32)
    for begin in range(0, len(vectors), BLOCK):
        block = vectors[begin : begin + BLOCK].astype(np.float32)
        norms[begin : begin + BLOCK] = np.sqrt(np.einsum("ij,ij->i", block, block))
    return np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)


def nearest(
    parts: Iterable[tuple[NDArray[np.int8], NDArray[np.float32]]], queries: NDArray[np.int8], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Find the vectors with the highest cosine with each query.

    Sums of products of 8-bit integers are exact in float32 (up to 1,040 dimensions), so the result does not depend on
    the order in which a library adds. Of equals the vector that comes first is nearer.

    Parameters
    ----------
    parts : iterable of (ndarray of int8 (n, d), ndarray of float32 (n,))
        Vectors and their :func:`inverse_norms`, counted through all parts. A vector that is zero is not found.
    queries : ndarray of int8 (m, d)
        The vectors to compare with. A query that is zero finds nothing.
    k : int
        The most vectors to find for each.

    Returns
    -------
    likeness : ndarray of float32 (m, k)
        The cosines, the highest first; NaN where there are fewer than k vectors.
    rows : ndarray of int64 (m, k)
        The numbers of the vectors; -1 where there is none.
    """
    held = list(parts)
    found = [_nearest(held, queries[at : at + _QUERIES], k) for at in range(0, len(queries), _QUERIES)]
    empty = np.empty((0, k), dtype=np.float32), np.empty((0, k), dtype=np.int64)
    likeness, rows = (np.concatenate(column) for column in zip(empty, *found, strict=True))
    return likeness, rows


def _nearest(
    parts: list[tuple[NDArray[np.int8], NDArray[np.float32]]], queries: NDArray[np.int8], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    best = np.full((len(queries), k), -np.inf, dtype=np.float32)
    rows = np.full((len(queries), k), -1, dtype=np.int64)
    wanted = np.asarray(queries, dtype=np.float32)
    scale = inverse_norms(queries)
    first = 0
    for vectors, inverse in parts:
        for begin in range(0, len(vectors), BLOCK):
            norms = inverse[begin : begin + BLOCK]
            likeness = wanted @ vectors[begin : begin + BLOCK].astype(np.float32).T
            likeness *= norms
            likeness *= scale[:, None]
            likeness[:, norms == 0] = -np.inf
            # After the first blocks hardly any vector is nearer than the best so far: only those are sorted in.
            better = likeness > best[:, -1:]
            if k < likeness.shape[1] and np.count_nonzero(better) > 4 * k * len(queries):
                better &= likeness >= np.partition(likeness, -k, axis=1)[:, -k, None]
            for query in np.flatnonzero(better.any(axis=1) & (scale > 0)).tolist():
                places = np.flatnonzero(better[query])
                values = np.concatenate([best[query], likeness[query, places]])
                numbers = np.concatenate([rows[query], places + (first + begin)])
                order = np.argsort(-values, kind="stable")[:k]
                best[query], rows[query] = values[order], numbers[order]
        first += len(vectors)
    best[rows < 0] = np.nan
    return best, rows
