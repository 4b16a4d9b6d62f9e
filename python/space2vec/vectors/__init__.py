"""Vectors of stamps, in which stamps that look alike lie close together."""

from __future__ import annotations

from space2vec.data.vectors import Vectors
from space2vec.reading.vectors import read_vectors

__all__ = ["Vectors", "read_vectors"]
