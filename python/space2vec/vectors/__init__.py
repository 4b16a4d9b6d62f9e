"""Vectors of stamps, in which stamps that look alike lie close together."""

from __future__ import annotations

from space2vec.data.vectors import Vectors
from space2vec.reading.vectors import read_vectors
from space2vec.vectors.embedding import embed
from space2vec.vectors.index import Added, Index
from space2vec.vectors.kinds import Kind, Kinds, cluster
from space2vec.vectors.neighbours import Neighbours
from space2vec.vectors.prototypes import Prototypes

__all__ = [
    "Added",
    "Index",
    "Kind",
    "Kinds",
    "Neighbours",
    "Prototypes",
    "Vectors",
    "cluster",
    "embed",
    "read_vectors",
]
